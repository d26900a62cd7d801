"""Folds a trace, record by record, into clients, rooms and facts, and tells the checks what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.contract.callbacks import CallbackFold
from harness.contract.ends import Ends
from harness.contract.presence import INSIDE, TERMINAL, Client, Outage, Presence
from harness.contract.profile import Profile
from harness.contract.room import Room
from harness.contract.timers import NEVER, Timers
from harness.contract.truth import Fact
from harness.trace.record import CONDITIONS, Record

SWEEP = 20.0  # seconds of trace time between two looks for what can be forgotten
LONGEST_REST = 30.0  # a far deadline is looked at this often, so that it can be dropped with its owner

Listener = Callable[..., None]


class World:
    """hooks: listeners by hook name. epsilon: seconds by which clocks of different hosts may differ.

    A deadline is judged `slack` seconds late: by epsilon and by the longest time that the harness itself has taken
    from reading bytes to entering a handler, so that its own slowness is never the service's.
    """

    def __init__(self, profile: Profile, hooks: dict[str, list[Listener]], epsilon: float) -> None:
        self.profile = profile
        self.hooks = hooks
        self.epsilon = self.slack = epsilon
        self.now = 0.0
        self.records = 0
        self.first: float | None = None
        self.timers = Timers()
        self.clients: dict[str, Client] = {}
        self.by_user: dict[str, dict[str, Client]] = {}
        self.rooms: dict[str, Room] = {}
        self.propagation = profile.deadlines.propagation
        self.unix_offset: float | None = None  # run clock minus Unix time
        self.crashed: Callable[[Listener, Exception, Record | None], None] = _raise
        self._ends = Ends(self)
        self._callbacks = CallbackFold(self, self._ends)
        self._kinds: dict[str, Callable[[Record], None]] = {
            "cb": self._callbacks.take,
            "call": self._call,
            "ret": self._result,
            "fault": self._fault,
            "mark": self._mark,
            "probe": self._ignore,
        }
        self._calls: dict[str, Callable[[Client, Presence | None, Room | None, Record], None]] = {
            "login": self._login,
            "logout": self._ends.logout_called,
            "publish": self._publish,
            "unpublish": self._ends.unpublish_called,
            "play": self._play,
            "unplay": self._unplay,
            "mute": self._mute,
            "kick": self._ends.kick_called,
            "destroy": self._ends.destroy_called,
        }

    # -- the pass ------------------------------------------------------------------------------------------------

    def feed(self, record: Record) -> None:
        """Take the next record, in order of time."""
        self.records += 1
        now = record.t
        if now > self.now:  # noqa: PLR1730 - a call of max for every record is dear
            self.now = now
        if self.first is None:
            self.first = now
            self.timers.at(now + SWEEP, self._sweep)
        if self.timers.next < now - self.slack:
            self.run_timers(now - self.slack)
        self._kinds[record.kind](record)

    def run_timers(self, until: float) -> None:
        now = self.now
        while (found := self.timers.take(until)) is not None:
            due, action, arguments = found
            self.now = due
            try:
                action(*arguments)
            except Exception as error:  # a check that fails must not take the others with it
                self.crashed(action, error, None)
        self.now = now

    def tell(self, hook: str, record: Record | None, *arguments: Any) -> None:
        for listener in self.hooks[hook]:  # never changed in place
            try:
                listener(*arguments)
            except Exception as error:  # see run_timers
                self.crashed(listener, error, record)

    def while_open(self, presence: Presence, due: float, action: Callable[..., None], *arguments: Any) -> None:
        """Call the action at `due` if the presence's epoch is still the same and open."""
        if not presence.open:
            return
        if due - self.now <= LONGEST_REST:
            self.timers.at(due, self._if_open, presence, action, arguments)
        else:
            self.timers.at(self.now + LONGEST_REST, self.while_open, presence, due, action, *arguments)

    def _if_open(self, presence: Presence, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if presence.open:
            action(*arguments)

    # -- who and where -------------------------------------------------------------------------------------------

    def client(self, record: Record) -> Client:
        client = self.clients.get(record.client)
        if client is None:
            client = self.clients[record.client] = Client(record.client, record.user)
            self.by_user.setdefault(record.user, {})[record.client] = client
        elif record.user and client.user != record.user:
            self.by_user.get(client.user, {}).pop(client.name, None)
            client.user = record.user
            self.by_user.setdefault(record.user, {})[record.client] = client
        return client

    def room(self, name: str) -> Room:
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(name)
        return room

    def stir(self, room: Room) -> None:
        """Something happened in the room: when nothing more does, its views have to agree."""
        room.active_at = self.now
        if not room.quiet_due:
            room.quiet_due = True
            self.timers.at(self.now + self.propagation, self._settle, room)

    def _settle(self, room: Room) -> None:
        due = room.active_at + self.propagation
        if due > self.now:
            self.timers.at(due, self._settle, room)
            return
        room.quiet_due = False
        self.tell("quiet", None, room)

    # -- calls and results ---------------------------------------------------------------------------------------

    def _call(self, record: Record) -> None:
        client = self.client(record)
        room = self.rooms.get(record.room)
        presence = client.rooms.get(record.room)
        self.tell("call", record, record, client, presence)
        if record.op:
            client.calls[record.op] = record
        handler = self._calls.get(record.name)
        if handler is not None:
            handler(client, presence, room, record)
        if room is not None:
            self.stir(room)

    def _login(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        if client.destroyed is not None or (presence is not None and presence.open):
            return  # refused, and nothing changes: the rules on bad calls look after it
        room = self.room(record.room)
        presence = client.rooms[record.room] = Presence(client, room)
        presence.login = record
        presence.user_updates = record.args.user_updates
        presence.token_expires = record.args.token_expires
        self._ends.replaced_by(client, record)
        room.users.begin(Fact(client.user, client.user, presence, record))
        self.stir(room)

    def _publish(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        if presence is None or room is None or client.destroyed is not None:
            return
        stream = record.args.stream
        if not self._callbacks.begin(presence.pubs, stream, record):
            return
        key = room.stream_key(stream, client.user)
        room.publish(Fact(key, client.user, presence, record), stream)

    def _play(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        if presence is None:
            return
        self._callbacks.begin(presence.plays, record.args.stream, record)

    def _unplay(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        machine = presence.plays.get(record.args.stream) if presence is not None else None
        if machine is not None and machine.call is not None:
            machine.stop = record

    def _mute(self, client: Client, presence: Presence | None, room: Room | None, record: Record) -> None:
        machine = presence.pubs.get(record.args.stream) if presence is not None else None
        if machine is not None:
            machine.muted[record.args.device] = record

    @staticmethod
    def _mute_returned(presence: Presence, call: Record, result: Record) -> None:
        """Refused: whether it is muted is not known any more."""
        machine = presence.pubs.get(call.args.stream)
        if machine is not None and result.args.result != "ok" and machine.muted.get(call.args.device) is call:
            del machine.muted[call.args.device]

    def _result(self, record: Record) -> None:
        client = self.clients.get(record.client)
        call = client.calls.pop(record.op, None) if client is not None else None
        if client is None:
            return
        if call is None:
            self.tell("unasked", record, record, client)
            return
        presence = client.rooms.get(call.room)
        self.tell("result", record, record, call, client, presence)
        self._ends.returned(client, presence, call, record)
        if call.name == "mute" and presence is not None:
            self._mute_returned(presence, call, record)
        room = self.rooms.get(call.room)
        if room is not None:
            self.stir(room)

    def _mark(self, record: Record) -> None:
        self.tell("mark", record, record)

    def _ignore(self, record: Record) -> None: ...

    # -- faults --------------------------------------------------------------------------------------------------

    def _fault(self, record: Record) -> None:
        client = self.client(record)
        if record.name == CONDITIONS and self._conditions(client, record):
            return
        self.tell("fault", record, record, client)
        under_way, client.cut_at = client.fault is not None, record.t
        if record.args.phase == "end":
            self._healed(client, record)
        elif record.name == "crash":
            client.crashed = record
        if record.args.phase == "begin":
            client.fault = record
        for presence in client.rooms.values():
            self.stir(presence.room)
            if record.args.phase != "end" and presence.open:
                cause = "crash" if client.crashed else "outage"
                self._ends.cut_off(presence, record, record.t, cause, again=not under_way)

    def _conditions(self, client: Client, record: Record) -> bool:
        """The network of its media changes. True: of nothing else; the client is not cut off from any room."""
        impaired, carried = record.args.impairs_media, client.carried_since != NEVER
        if impaired:
            client.carried_since = NEVER
        elif not carried:
            client.carried_since = record.t
        for presence in client.rooms.values():
            self.stir(presence.room)
        return not record.args.signalling

    def _healed(self, client: Client, record: Record) -> None:
        client.fault = None
        for presence in client.rooms.values():
            self._ends.reconnectable(presence)
            outage = presence.room.outages.get(client.user)
            if presence.state in INSIDE and outage is not None and outage.presence is presence:
                self.timers.at(self.now + self.propagation, self._unnoticed, outage, record)

    def _unnoticed(self, outage: Outage, record: Record) -> None:
        """The fault is over, and the client never knew: what was held back has arrived by now."""
        presence, client = outage.presence, outage.presence.client
        gone = not presence.open or client.destroyed is not None or client.crashed is not None
        if presence.state in INSIDE and not gone and client.fault is None and outage.returned is None:
            self._ends.back(presence, record)

    # -- forgetting ----------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Keep what is open and what news may still come of; memory must not grow with the length of the trace."""
        deadlines = self.profile.deadlines
        before = self.now - 2 * self.propagation - deadlines.call - deadlines.teardown - self.slack
        for room in tuple(self.rooms.values()):
            room.forget(before)
            empty = not (room.presences or room.users.current or room.quiet_due or room.outages)
            if empty and room.active_at < before - self.profile.room_grace - SWEEP:
                del self.rooms[room.name]
        for client in tuple(self.clients.values()):
            self._forget_client(client, before)
        self.timers.at(self.now + SWEEP, self._sweep)

    def _forget_client(self, client: Client, before: float) -> None:
        for name, presence in tuple(client.rooms.items()):
            if not presence.open and presence.ended is not None and presence.ended.t < before:
                del client.rooms[name]
            for machines in (presence.pubs, presence.plays):
                for stream, machine in tuple(machines.items()):
                    if machine.state == "IDLE" and machine.record is not None and machine.record.t < before:
                        del machines[stream]
        end = client.destroyed or client.crashed
        if end is None or end.t >= before:
            return
        if not any(p.room.outages.get(client.user) for p in client.rooms.values()):
            del self.clients[client.name]
            clients = self.by_user.get(client.user, {})
            clients.pop(client.name, None)
            if not clients:
                self.by_user.pop(client.user, None)


def _raise(listener: Listener, error: Exception, record: Record | None) -> None:
    raise error


__all__ = ["TERMINAL", "World"]
