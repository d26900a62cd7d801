"""RC: losing the service and coming back."""

from __future__ import annotations

from collections.abc import Iterable

from harness.contract.check import Check
from harness.contract.presence import Machine, Outage, Presence
from harness.contract.rule import MUST, Rule
from harness.contract.truth import Fact
from harness.trace.record import Record

OTHER_ENDS = ("logout", "kick", "relogin", "destroy", "expiry", "unpublish")  # than an outage


class ShortOutageUnseen(Check):
    def returned(self, outage: Outage) -> None:
        self.later(self.world.now + self.world.propagation, self._look, outage)

    def _look(self, outage: Outage) -> None:
        returned = outage.returned
        if returned is None or returned.t - outage.earliest >= self.profile.heartbeat[0]:
            return
        user = outage.presence.client.user
        for observer in outage.presence.room.observers(outage.record.t, user):
            self.judged()
            for op, subject, record in outage.told.get(observer, ()):
                if self._own_doing(outage, subject, record) or self._old_news(outage, observer, op, subject, record):
                    continue
                self.broken(
                    f"an outage of less than {self.profile.heartbeat[0]:g} s is not seen by the others",
                    f"{op} of {subject or user} in one of {returned.t - outage.earliest:.2f} s",
                    [outage.record, returned], observer.subject(user=user), guilty=record,
                )  # fmt: skip
                break

    def _own_doing(self, outage: Outage, stream: str, told: Record) -> bool:
        """Since it was cut off, the user published or stopped this stream, left, or was put out."""
        presence, room = outage.presence, outage.presence.room
        user = presence.client.user
        machine = presence.pubs.get(stream)
        calls = (presence.ended, machine.call if machine else None, machine.stop if machine else None)
        if any(record is not None and outage.earliest <= record.t <= told.t for record in calls):
            return True
        streams = list(room.streams.of(room.stream_key(stream, user))) if stream else []
        if stream and (stream not in outage.streams or any(fact.begin.t >= outage.earliest for fact in streams)):
            return True
        facts = [*streams, *(fact for fact in room.users.of(user) if fact.owner is presence)]
        return any(fact.ended_by(cause) for fact in facts for cause in OTHER_ENDS) or outage.replaced is not None

    def _old_news(self, outage: Outage, observer: Presence, op: str, stream: str, told: Record) -> bool:
        """An ADD that was on its way when the user was cut off, or the first roster of who hears it."""
        room, user = outage.presence.room, outage.presence.client.user
        begun = [presence.entered.t for presence in (observer, outage.presence) if presence.entered is not None]
        if stream:
            publishing = self.profile.deadlines.publish
            begun += [fact.begin.t + publishing for fact in room.streams.of(room.stream_key(stream, user))]
        return op == "ADD" and any(told.t <= t + self.world.propagation for t in begun)


class LongOutage(Check):
    """One DEL, then one ADD once it is back."""

    def returned(self, outage: Outage) -> None:
        self.later(self.world.now + self.world.propagation, self._user, outage)

    def _long(self, outage: Outage) -> bool:
        returned = outage.returned
        return returned is not None and not outage.patchy and returned.t - outage.latest > self.profile.heartbeat[1]

    def _user(self, outage: Outage) -> None:
        presence, returned = outage.presence, outage.returned
        if not self._long(outage) or returned is None or not presence.steady(returned.t):
            return
        user = presence.client.user
        for observer in presence.room.observers(outage.record.t, user):
            told = outage.told.get(observer, [])
            if observer.user_updates:
                self.judged()
                self._one_each(outage, observer, [(op, r) for op, subject, r in told if not subject], user=user)
            for stream in outage.streams:
                if self._published_again(presence.pubs.get(stream), returned):
                    self.judged()
                    news = [(op, r) for op, subject, r in told if subject == stream]
                    self._one_each(outage, observer, news, stream=stream, user=user)

    def _published_again(self, machine: Machine | None, returned: Record) -> bool:
        """Since its user was back, and long enough ago for everybody to have heard."""
        if machine is None or machine.state != "LIVE" or machine.stop is not None or machine.live_since is None:
            return False
        return returned.t < machine.live_since < self.world.now - self.world.propagation

    def live(self, fact: Fact) -> None:
        outage = fact.owner.room.outages.get(fact.user)
        if outage is not None and outage.returned is not None and self._long(outage):
            self.later(self.world.now + self.world.propagation + 0.001, self._user, outage)

    def _one_each(self, outage: Outage, observer: Presence, news: list[tuple[str, Record]], **subject: str) -> None:
        if news and news[0][0] == "ADD" and news[0][1].t <= outage.earliest + self.world.propagation:
            news = news[1:]  # it was on its way when the user was cut off
        ops = [op for op, _ in news]
        if ops != ["DEL", "ADD"]:
            self.broken(
                "an outage longer than the heartbeat is one DEL and, once over, one ADD", ", ".join(ops) or "nothing",
                [outage.record, outage.returned, *(record for _, record in news[:4])], observer.subject(**subject),
                guilty=news[-1][1] if len(news) > 2 else None,
            )  # fmt: skip


class ReconnectingEnds(Check):
    def begin(self) -> None:
        self._since: dict[Presence, Record] = {}

    def state(self, presence: Presence, record: Record, before: str) -> None:
        state = record.args.state
        if state == "RECONNECTING":
            due = record.t + self.profile.retry_window + self._tolerance()
            self._since[presence] = record
            self.world.while_open(presence, due, self._look, presence, record)
        elif before == "RECONNECTING" and state in ("REJOINED", "RECONNECT_FAILED", "KICKED", "OUT"):
            self.judged()
            began = self._since.pop(presence, None)
            if state == "RECONNECT_FAILED" and began is not None:
                self._too_early(presence, record, began)

    def _tolerance(self) -> float:
        return max(self.profile.deadlines.login, 0.1 * self.profile.retry_window)

    def _too_early(self, presence: Presence, record: Record, began: Record) -> None:
        refused = record.args.code not in self.profile.codes.gave_up
        tried = record.t - began.t
        if not refused and tried < 0.9 * self.profile.retry_window - self.world.slack:
            self.broken(
                f"a client tries for {self.profile.retry_window:g} s before it gives up", f"{tried:.1f} s", [began],
                presence.subject(), guilty=record,
            )  # fmt: skip

    def _look(self, presence: Presence, began: Record) -> None:
        if presence.changed is not began or presence.client.crashed or presence.client.destroyed:
            return
        self.judged()
        self.broken(
            f"RECONNECTING ends within {self.profile.retry_window:g} s", "it goes on", [began], presence.subject()
        )


class ViewIsTrueAgain(Check):
    def returned(self, outage: Outage) -> None:
        self.later(self.world.now + self.world.propagation, self._look, outage, outage.returned)

    def _look(self, outage: Outage, returned: Record) -> None:
        presence, world = outage.presence, self.world
        room, me = presence.room, presence.client.user
        if not presence.steady(returned.t) or presence.steady_since != returned.t:
            return
        self.judged()
        proof = [outage.record, returned]
        if presence.user_updates:
            for user, fact in room.users.current.items():
                if (
                    user != me
                    and fact.holds
                    and _settled(fact, world.now - world.propagation)
                    and user not in presence.users
                ):
                    self._wrong(presence, [*proof, fact.since], f"{user} is missing", user=user)
            for user, added in presence.users.items():
                if not room.users.may(user, world.now, 0) and self._long_gone(room.users.of(user)):
                    self._wrong(presence, [*proof, added], f"{user} is still shown", user=user)
        for fact in room.streams.current.values():
            stream = fact.key.partition("\n")[0]
            if (
                fact.user != me
                and fact.holds
                and _settled(fact, world.now - world.propagation)
                and stream not in presence.streams
            ):
                self._wrong(presence, [*proof, fact.since], f"{stream} is missing", stream=stream)
        for stream, (item, added) in presence.streams.items():
            key = room.stream_key(stream, item.user)
            if not room.streams.may(key, world.now, 0) and self._long_gone(room.streams.of(key)):
                self._wrong(presence, [*proof, added], f"{stream} is still shown", stream=stream)

    def _long_gone(self, facts: Iterable[Fact]) -> bool:
        before = self.world.now - self.world.propagation
        return all(fact.may_until is not None and fact.may_until < before for fact in facts)

    def _wrong(self, presence: Presence, proof: list[Record | None], came: str, **subject: str) -> None:
        self.broken(
            f"{self.world.propagation:g} s after REJOINED the client knows what changed while it was away", came, proof,
            presence.subject(**subject),
        )  # fmt: skip

    def users(self, presence: Presence, record: Record) -> None:
        self._meanwhile(presence, record)

    def streams(self, presence: Presence, record: Record) -> None:
        self._meanwhile(presence, record)

    def _meanwhile(self, presence: Presence, record: Record) -> None:
        if presence.state == "RECONNECTING":
            self.broken(
                "no roster comes while RECONNECTING", record.name, [presence.changed], presence.subject(),
                guilty=record, should=True,
            )  # fmt: skip


def _settled(fact: Fact, before: float) -> bool:
    return fact.must_from is not None and fact.must_from <= before


class StreamsRecover(Check):
    def returned(self, outage: Outage) -> None:
        self.later(
            self.world.now + max(self.profile.deadlines.publish, self.profile.deadlines.play), self._look, outage
        )

    def _look(self, outage: Outage) -> None:
        presence, returned = outage.presence, outage.returned
        if returned is None or not presence.steady(returned.t) or not presence.client.carries_media(returned.t):
            return
        for stream in outage.streams:
            machine = presence.pubs.get(stream)
            if machine is None or self._may_be_refused(outage, machine):
                continue
            if self._to_recover(machine, returned):
                self._recovered(outage, machine, "published")
        for stream in outage.plays:
            machine = presence.plays.get(stream)
            facts = presence.room.stream_facts(stream)
            before = self.world.now - self.profile.deadlines.play
            there = any(
                _settled(fact, before) and fact.holds and fact.owner.client.carries_media(returned.t) for fact in facts
            )
            if there and machine is not None and self._to_recover(machine, returned):
                self._recovered(outage, machine, "played")

    @staticmethod
    def _to_recover(machine: Machine, returned: Record) -> bool:
        """Asked for before, and not stopped since; if it has ended, then only after its user was back."""
        last = machine.record
        if machine.stop is not None or last is None:
            return False
        if machine.call is None:
            return machine.state == "IDLE" and last.t >= returned.t
        return machine.call.t < returned.t

    def _may_be_refused(self, outage: Outage, machine: Machine) -> bool:
        """Another user has taken the stream's id meanwhile, or the token has expired."""
        offset, expires = self.world.unix_offset, outage.presence.token_expires
        expired = offset is not None and expires is not None and expires + offset <= self.world.now
        last = machine.record
        return expired or (last is not None and last.args.code in self.profile.codes.stream_taken)

    def _recovered(self, outage: Outage, machine: Machine, what: str) -> None:
        self.judged()
        if machine.state != "LIVE":
            self.broken(
                f"what was {what} before the outage is {what} again without a call",
                f"{machine.stream} is {machine.state}",
                [outage.record, outage.returned, machine.record],
                outage.presence.subject(stream=machine.stream),
            )  # fmt: skip

    def left(self, presence: Presence, record: Record) -> None:
        if record.args.state == "RECONNECT_FAILED":
            self.later(self.world.now + self.profile.deadlines.teardown, self._ended, presence, record)

    def _ended(self, presence: Presence, failed: Record) -> None:
        for machines in (presence.pubs, presence.plays):
            for machine in machines.values():
                if machine.record is None or machine.record.t > failed.t + self.profile.deadlines.teardown:
                    continue
                self.judged()
                last = machine.record
                if machine.state != "IDLE" or (last.t > failed.t - 1 and last.args.code == 0 and machine.stop is None):
                    self.broken(
                        "when reconnecting has failed, streams are IDLE with a code",
                        f"{machine.stream} is {machine.state} with code {last.args.code}",
                        [failed, last], presence.subject(stream=machine.stream),
                    )  # fmt: skip


class OldStreamGoesFirst(Check):
    """Whoever crashes and publishes again within the heartbeat: the old stream is deleted before the new is added."""

    def streams(self, presence: Presence, record: Record) -> None:
        if record.args.op != "ADD" or not presence.room.outages:
            return
        for item in record.args.items:
            outage = presence.room.outages.get(item.user)
            if outage is None or outage.replaced is None or outage.presence.client.crashed is None:
                continue
            if not presence.steady(outage.record.t):
                continue
            self.judged()
            for old in outage.streams:
                known = presence.streams.get(old)
                if known is not None and known[0].user == item.user and known[1].t < outage.record.t:
                    self.broken(
                        f"the crashed client's {old} is deleted before {item.id} is added", f"{old} was still there",
                        [known[1], outage.record, outage.replaced], presence.subject(user=item.user, stream=old),
                        guilty=record,
                    )  # fmt: skip


RULES = (
    Rule(
        "RC-01", MUST,
        "An outage shorter than the heartbeat is not seen by the others.",
        "Every tunnel would make people blink in and out of the meeting.",
        "ZEGO: room connection status, case 1", ShortOutageUnseen,
    ),
    Rule(
        "RC-02", MUST,
        "An outage longer than the heartbeat is one DEL and, once it is over, one ADD of the user and its streams.",
        "Two ADDs make two tiles; none leaves a returned person out.",
        "ZEGO: room connection status, case 2; reconnection FAQ", LongOutage,
    ),
    Rule(
        "RC-03", MUST,
        "RECONNECTING ends within the retry window, in success, failure, kick or OUT; it is not given up early.",
        "An application that waits for an end that never comes shows 'reconnecting' for ever.",
        "ZEGO: room connection status, case 3", ReconnectingEnds,
    ),
    Rule(
        "RC-04", MUST,
        "Soon after REJOINED the client's view is true, with all that came and went meanwhile.",
        "People who left during a tunnel stay on the wall, and who came is missing.",
        "core; LiveKit client issue 561; licode issue 1391", ViewIsTrueAgain,
    ),
    Rule(
        "RC-05", MUST,
        "Own streams recover without a new call; when the retry window is over they are IDLE with a code.",
        "The call seems to be back, and nobody sees the one who came back.",
        "ZEGO reconnection FAQ; ZegoExpressErrorCode.h; ZEGO release notes (web 1.16.5)", StreamsRecover,
    ),
    Rule(
        "RC-06", MUST,
        "After a crash and a new publish by the same user, the old stream is deleted before the new one is added.",
        "Otherwise the new picture replaces nothing, and the old one stays beside it, frozen.",
        "ZEGO reconnection FAQ, handling host crashes", OldStreamGoesFirst,
    ),
)  # fmt: skip
