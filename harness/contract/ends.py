"""How presences and streams end, or may end: by a call, a kick, another login, a fault. Moves the facts' intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.contract.presence import INSIDE, Client, Outage, Presence
from harness.contract.room import Room
from harness.contract.timers import NEVER
from harness.contract.truth import Fact
from harness.trace.record import Record

if TYPE_CHECKING:
    from harness.contract.world import World


class Ends:
    """Part of the world; see there."""

    def __init__(self, world: World) -> None:
        self._world = world

    # -- calls that end something --------------------------------------------------------------------------------

    def logout_called(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        if presence is None or not (presence.open or presence.changed is None):
            return
        presence.leaving = record
        if presence.inside:
            self.doubt_presence(presence, record, "logout")

    def unpublish_called(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        machine = presence.pubs.get(record.args.stream) if presence is not None else None
        if presence is None or machine is None or machine.call is None:
            return
        machine.stop = record
        fact = self.stream_fact(presence, record.args.stream)
        if fact is not None:
            self._doubt_stream(fact, record, "unpublish")

    def kick_called(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        for fact in tuple(room.users.of(record.args.user)) if room is not None else ():
            if fact.may(self._world.now, 0):
                self.doubt_presence(fact.owner, record, "kick")

    def destroy_called(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        if client.destroyed is not None:
            return
        client.destroyed = record
        profile = self._world.profile
        for held in client.rooms.values():
            # Cut off, it cannot say goodbye: the service finds out by its silence.
            unheard = client.fault is not None or self._unheard(held)
            until = record.t + max(profile.deadlines.call, profile.heartbeat[1] if unheard else 0.0)
            if held.open:
                self.doubt_presence(held, record, "destroy", until)
                held.room.outages.pop(client.user, None)
            self._close(held, record)
            self._world.stir(held.room)

    def replaced_by(self, client: Client, login: Record) -> None:
        """A login of a user who may be here with another client: the older one may be put out, in whichever room."""
        for other in tuple(self._world.by_user.get(client.user, {}).values()):
            if other is client:
                continue
            for presence in other.rooms.values():
                if self._owned(presence):
                    self.doubt_presence(presence, login, "relogin")
                outage = presence.room.outages.get(client.user)
                if outage is not None and outage.presence is presence:
                    outage.replaced = outage.replaced or login

    # -- results -------------------------------------------------------------------------------------------------

    def returned(self, client: Client, presence: Presence | None, call: Record, result: Record) -> None:
        """What a result makes certain."""
        outcome, name = result.args.result, call.name
        if outcome == "info":
            return
        if name == "login" and presence is not None and presence.login is call:
            if outcome == "fail" and presence.entered is None:  # else the state says otherwise, which is RS-04's
                self.login_failed(presence, result)
        elif presence is not None and name in ("logout", "unpublish"):
            self._ended_by(presence, call, result)
        elif name == "publish" and outcome == "fail" and presence is not None:
            machine = presence.pubs.get(call.args.stream)
            fact = self.stream_fact(presence, call.args.stream)
            if machine is not None and machine.call is call and fact is not None:
                fact.doubt(result, "failed", result.t)
        elif name == "kick":
            self._kick_returned(call, result)

    def _ended_by(self, presence: Presence, call: Record, result: Record) -> None:
        if presence.leaving is call and result.args.result != "ok":
            presence.leaving = None
        facts = [*self._owned(presence), *self._own_streams(presence)]
        for fact in facts:
            if fact.end is call and result.args.result == "ok":
                fact.doubt(result, fact.cause, result.t)
            elif result.args.result != "ok":
                fact.withdraw(call)

    def _kick_returned(self, call: Record, result: Record) -> None:
        room = self._world.rooms.get(call.room)
        for fact in tuple(room.users.of(call.args.user)) if room is not None else ():
            for held in (fact, *self._own_streams(fact.owner)):
                if held.end is call and held.older_than(call) and result.args.result == "ok":
                    held.doubt(result, "kick", result.t)
                elif result.args.result != "ok":
                    held.withdraw(call)

    def login_failed(self, presence: Presence, record: Record) -> None:
        """The user never came in; whom this login was to replace stays."""
        presence.refused = record
        cut = presence.login is not None and presence.client.cut_since(presence.login)
        # Cut off on the way, it may have been let in without knowing: until the service finds out by its silence.
        until = record.t + (self._world.profile.heartbeat[1] if cut else 0.0)
        for fact in self._owned(presence):
            fact.doubt(record, "failed", until)
            presence.room.users.restore(fact)
        for other in self._world.by_user.get(presence.client.user, {}).values():
            for held in other.rooms.values():
                for fact in (*self._owned(held), *self._own_streams(held)):
                    if presence.login is not None:
                        fact.withdraw(presence.login)

    def login_succeeded(self, presence: Presence, record: Record) -> None:
        """Whom this login replaced is out, where the service has only one client of a user."""
        user = presence.client.user
        for other in self._world.by_user.get(user, {}).values():
            for held in other.rooms.values():
                for fact in (*self._owned(held), *self._own_streams(held)):
                    if fact.cause == "relogin" and fact.end is presence.login and self._older(held, presence):
                        fact.doubt(record, "relogin", record.t)

    @staticmethod
    def _older(held: Presence, presence: Presence) -> bool:
        """Of logins that are under way at the same time nobody can tell which comes first."""
        login, entered = presence.login, held.entered
        return login is not None and entered is not None and entered.t <= login.t

    def _replaced_nobody(self, presence: Presence) -> None:
        """It is out for another login of its user: those that came in while its own was under way are the newer."""
        for other in self._world.by_user.get(presence.client.user, {}).values():
            for held in other.rooms.values():
                if held is not presence and held.inside and not self._older(held, presence):
                    for fact in (*self._owned(held), *self._own_streams(held)):
                        if presence.login is not None:
                            fact.withdraw(presence.login)

    # -- ends by state -------------------------------------------------------------------------------------------

    def terminal(self, presence: Presence, record: Record) -> None:
        state, codes = record.args.state, self._world.profile.codes
        if state == "LOGIN_FAILED":
            self.login_failed(presence, record)
        elif state == "KICKED":
            by_code = {codes.kicked_same_user: "relogin", codes.kicked_token_expired: "expiry"}
            cause = by_code.get(record.args.code, "kick")
            self.doubt_presence(presence, record, cause, record.t)
            if cause == "relogin":
                self._replaced_nobody(presence)
        elif state == "OUT":
            # The service may not have heard of the logout.
            late = self._world.profile.heartbeat[1] if self._unheard(presence) else 0.0
            self.doubt_presence(presence, record, "logout", record.t + late)
        else:
            self.doubt_presence(presence, record, "outage", record.t + self._world.profile.heartbeat[1])
        self._close(presence, record)

    def _close(self, presence: Presence, record: Record) -> None:
        room = presence.room
        presence.open, presence.ended = False, record
        presence.steady_since = NEVER
        presence.forget_views()
        room.presences.pop(presence.client.name, None)
        outage = room.outages.get(presence.client.user)
        if outage is not None and outage.presence is presence and not presence.client.crashed:
            self._drop_outage_later(room, outage)
        now = self._world.now
        if not room.presences and all(
            f.may_until is not None and f.may_until <= now for f in room.users.current.values()
        ):
            room.emptied_at = now

    @staticmethod
    def _unheard(presence: Presence) -> bool:
        outage = presence.room.outages.get(presence.client.user)
        return outage is not None and outage.presence is presence and outage.returned is None

    def doubt_presence(self, presence: Presence, record: Record, cause: str, may_until: float | None = None) -> None:
        """A user's place and all that it publishes begin to end."""
        for fact in self._own_streams(presence):
            if fact.cause == "failed" and fact.end is not None and fact.end.t > record.t - 1:
                fact.cause = cause  # its end was told just before the reason for it
            self._doubt_stream(fact, record, cause, may_until)
        for fact in self._owned(presence):
            held = fact.holds
            fact.doubt(record, cause, may_until)
            if held:
                self._world.tell("gone", record, fact)

    def _doubt_stream(self, fact: Fact, record: Record, cause: str, may_until: float | None = None) -> None:
        held = fact.holds
        fact.doubt(record, cause, may_until)
        if held:
            self._world.tell("ended", record, fact)

    def stream_state(self, presence: Presence, record: Record, before: str, following: Record | None) -> None:
        """pub.state: what it says of the stream. following: the call of the next publish, made before this end."""
        key = presence.room.stream_key(record.args.stream, presence.client.user)
        found = [f for f in presence.room.streams.of(key) if f.owner is presence and f.begin is not following]
        if not found:
            return
        fact = max(found, key=lambda fact: fact.may_from)
        if record.args.state == "LIVE":
            fact.confirm(record)
            self._world.tell("live", record, fact)
            if presence.client.fault is not None:  # read before the fault
                self._doubt_stream(fact, presence.client.fault, "outage")
        elif record.args.state == "REQ" and before == "LIVE":
            self._doubt_stream(fact, record, "retry")
        elif record.args.state == "IDLE":
            self._doubt_stream(fact, record, "failed", record.t)

    # -- outages -------------------------------------------------------------------------------------------------

    def cut_off(self, presence: Presence, record: Record, earliest: float, cause: str, *, again: bool = False) -> None:
        """again: if it is cut off already, then anew, nothing having kept it from coming back meanwhile."""
        room, user = presence.room, presence.client.user
        presence.steady_since = NEVER
        known = room.outages.get(user)
        if known is not None and known.presence is presence and known.returned is None:
            if again:
                known.patchy, known.latest = True, record.t
                self._world.tell("cut_off", record, known)
                self._doubt_by(presence, record, cause)
            return
        ends = [fact.end for fact in self._owned(presence) if fact.cause == "relogin"]
        self._doubt_by(presence, record, cause)
        outage = room.outages[user] = Outage(presence, record, earliest)
        outage.replaced = ends[0] if ends else None
        self._world.tell("cut_off", record, outage)

    def _doubt_by(self, presence: Presence, record: Record, cause: str) -> None:
        cut = record.kind == "fault" and (record.args.phase == "begin" or cause == "crash")
        until = record.t + self._world.profile.heartbeat[1] if cut else None  # else it may be back at any moment
        self.doubt_presence(presence, record, cause, until)

    def in_again(self, presence: Presence, record: Record) -> None:
        """IN, read before a fault that is under way, or long after one that hit the login alone."""
        outage = presence.room.outages.get(presence.client.user)
        if outage is None or outage.presence is not presence or outage.returned is not None:
            return
        if presence.client.fault is not None:
            fault = presence.client.fault
            self.doubt_presence(presence, fault, "outage", fault.t + self._world.profile.heartbeat[1])
        else:
            del presence.room.outages[presence.client.user]

    def reconnectable(self, presence: Presence) -> None:
        """Nothing keeps it from coming back any more: from now on it may be here again.

        Of one that left meanwhile the service may hear now what was held back, and then wait for its silence anew.
        """
        now, silence = self._world.now, self._world.profile.heartbeat[1]
        if not presence.open:
            for fact in (*self._owned(presence), *self._own_streams(presence)):
                if fact.may_until is not None and fact.may_until >= now:
                    fact.may_until = max(fact.may_until, now + silence)
            return
        for fact in (*self._owned(presence), *self._own_streams(presence)):
            if fact.cause == "outage":
                fact.may_until = None

    def back(self, presence: Presence, record: Record) -> None:
        """REJOINED, or a fault that nobody noticed is over: the user is here, with what is still live."""
        room = presence.room
        presence.steady_since = record.t
        for fact in self._owned(presence):
            fact.confirm(record)
        for name, machine in presence.pubs.items():
            fact_of_stream = self.stream_fact(presence, name)
            if machine.state == "LIVE" and fact_of_stream is not None:
                fact_of_stream.confirm(record)
        outage = room.outages.get(presence.client.user)
        if outage is not None and outage.presence is presence and outage.returned is None:
            outage.returned = record
            self._world.tell("returned", record, outage)
            self._drop_outage_later(room, outage)
        fault = presence.client.fault
        if fault is not None:  # what it was told was read before that began
            presence.steady_since = NEVER
            self.doubt_presence(presence, fault, "outage", fault.t + self._world.profile.heartbeat[1])

    def _drop_outage_later(self, room: Room, outage: Outage) -> None:
        profile = self._world.profile
        rest = 2 * profile.deadlines.propagation + profile.deadlines.publish + profile.heartbeat[1]
        self._world.timers.at(self._world.now + rest, self._drop_outage, room, outage)

    @staticmethod
    def _drop_outage(room: Room, outage: Outage) -> None:
        if room.outages.get(outage.presence.client.user) is outage:
            del room.outages[outage.presence.client.user]

    # -- whose -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _owned(presence: Presence) -> list[Fact]:
        """The facts of this presence: the current one, and an earlier one that a later login is to replace."""
        return [fact for fact in presence.room.users.of(presence.client.user) if fact.owner is presence]

    def _own_streams(self, presence: Presence) -> Iterator[Fact]:
        for name in presence.pubs:
            fact = self.stream_fact(presence, name)
            if fact is not None:
                yield fact

    @staticmethod
    def stream_fact(presence: Presence, stream: str) -> Fact | None:
        """The latest fact of a stream that this presence published."""
        key = presence.room.stream_key(stream, presence.client.user)
        found = [fact for fact in presence.room.streams.of(key) if fact.owner is presence]
        return max(found, key=lambda fact: fact.may_from) if found else None


__all__ = ["INSIDE", "Ends"]
