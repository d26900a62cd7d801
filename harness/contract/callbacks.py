"""Folds the callbacks of a trace: states, rosters, publishing, playing. Part of the world; see there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.contract.ends import Ends
from harness.contract.presence import INSIDE, TERMINAL, Client, Machine, Presence
from harness.contract.timers import NEVER
from harness.trace.record import Record

if TYPE_CHECKING:
    from harness.contract.world import World

CLIENT_SCOPED = frozenset(("net.quality", "error"))


class CallbackFold:
    """take(record) for each callback."""

    def __init__(self, world: World, ends: Ends) -> None:
        self._world, self._ends = world, ends
        self._handlers: dict[str, Callable[[Presence, Record], None]] = {
            "room.state": self._state,
            "roster.users": self._users,
            "roster.streams": self._streams,
            "pub.state": self._publishing,
            "play.state": self._playing,
            "pub.first": self._publish_first,
            "play.first": self._play_first,
            "pub.quality": self._publish_quality,
            "play.quality": self._play_quality,
            "play.stall": self._stall,
            "remote.device": self._device,
            "room.count": self._telling("count"),
            "room.extra": self._telling("room_extra"),
            "stream.extra": self._telling("stream_extra"),
            "room.token_expiring": self._telling("token"),
            "msg": self._telling("message"),
        }

    def take(self, record: Record) -> None:
        world = self._world
        client = world.clients.get(record.client)
        if client is None:
            world.tell("stray", record, record, None, None)
            return
        if record.t_wire:
            client.heard = record.t_wire
            late = record.t - record.t_wire + world.epsilon
            if late > world.slack:  # noqa: PLR1730 - a call of max for every record is dear
                world.slack = late
        presence = client.rooms.get(record.room)
        if client.destroyed is not None or client.crashed is not None:
            world.tell("stray", record, record, client, presence)
        elif presence is not None and (presence.open or record.name == "room.state"):
            handler = self._handlers.get(record.name)
            if handler is not None:
                handler(presence, record)
            elif record.name in CLIENT_SCOPED:
                self._client_scoped(client, record)
        elif record.name in CLIENT_SCOPED:
            self._client_scoped(client, record)
        else:
            self._closed(client, presence, record)

    def _client_scoped(self, client: Client, record: Record) -> None:
        if record.name == "net.quality":
            self._world.tell("network_quality", record, client, record)

    def _closed(self, client: Client, presence: Presence | None, record: Record) -> None:
        """No epoch is open. Media may come to rest a little later than the room, and capture begins before it."""
        world = self._world
        if presence is not None and record.name in ("pub.state", "play.state") and record.args.state == "IDLE":
            ended = presence.ended
            if ended is None or record.t <= ended.t + world.profile.deadlines.teardown + world.slack:
                self._handlers[record.name](presence, record)
                return
        if record.name == "pub.first" and record.args.stage in ("captured", "previewed"):
            return
        world.tell("stray", record, record, client, presence)

    def _telling(self, hook: str) -> Callable[[Presence, Record], None]:
        def handler(presence: Presence, record: Record) -> None:
            self._world.tell(hook, record, presence, record)

        return handler

    # -- room and roster -----------------------------------------------------------------------------------------

    def _state(self, presence: Presence, record: Record) -> None:
        world, state, before = self._world, record.args.state, presence.state
        world.tell("state", record, presence, record, before)
        presence.state, presence.changed = state, record
        if state == "LOGGING_IN":
            presence.open, presence.entered, presence.ended = True, None, None
            presence.forget_views()
        elif state == "IN":
            self._entered(presence, record)
        elif state == "REJOINED":
            presence.room.presences[presence.client.name] = presence
            self._ends.back(presence, record)
        elif state == "RECONNECTING":
            earliest = min(record.t, presence.client.heard or record.t)
            self._ends.cut_off(presence, record, earliest, "outage")
        elif state in TERMINAL and presence.open:
            self._ends.terminal(presence, record)
            world.tell("left", record, presence, record)
        world.stir(presence.room)

    def _entered(self, presence: Presence, record: Record) -> None:
        world, room = self._world, presence.room
        presence.open = True
        presence.entered = record
        presence.session = record.args.session
        presence.steady_since = record.t if presence.client.fault is None else NEVER
        room.presences[presence.client.name] = presence
        for fact in room.users.of(presence.client.user):
            if fact.owner is presence:
                fact.confirm(record)
                self._ends.login_succeeded(presence, record)
                world.tell("entered", record, presence, fact)
                if presence.leaving is not None:
                    self._ends.doubt_presence(presence, presence.leaving, "logout")
                self._ends.in_again(presence, record)
                break

    def _users(self, presence: Presence, record: Record) -> None:
        self._world.tell("users", record, presence, record)
        view, arguments = presence.users, record.args
        if presence.room.outages:
            self._note(presence, record, "user", [item.id for item in arguments.items], arguments.items)
        if arguments.op == "DEL":
            for item in arguments.items:
                view.pop(item.id, None)
            return
        if arguments.op == "SNAP":
            view.clear()
        for item in arguments.items:
            view[item.id] = record

    def _streams(self, presence: Presence, record: Record) -> None:
        self._world.tell("streams", record, presence, record)
        view, arguments = presence.streams, record.args
        if presence.room.outages:
            owners = [item.user or (view[item.id][0].user if item.id in view else "") for item in arguments.items]
            self._note(presence, record, "stream", owners, arguments.items)
        if arguments.op == "DEL":
            for item in arguments.items:
                view.pop(item.id, None)
            return
        if arguments.op == "SNAP":
            view.clear()
        for item in arguments.items:
            view[item.id] = (item, record)

    def _note(self, presence: Presence, record: Record, kind: str, owners: list[str], items: list[Any]) -> None:
        """What others hear of somebody who is cut off."""
        for owner, item in zip(owners, items, strict=True):
            outage = presence.room.outages.get(owner)
            if outage is not None and outage.presence is not presence:
                subject = "" if kind == "user" else item.id
                outage.told.setdefault(presence, []).append((record.args.op, subject, record))

    # -- publishing and playing ----------------------------------------------------------------------------------

    @staticmethod
    def machine(machines: dict[str, Machine], stream: str) -> Machine:
        found = machines.get(stream)
        if found is None:
            found = machines[stream] = Machine(stream)
        return found

    def begin(self, machines: dict[str, Machine], stream: str, call: Record) -> bool:
        """A call of publish or play. False: it goes on already, and the call changes nothing."""
        machine = self.machine(machines, stream)
        if machine.state == "IDLE":
            self._renew(machine, call)
        elif machine.stop is not None:
            machine.next = call
        else:
            return False
        return True

    @staticmethod
    def _renew(machine: Machine, call: Record | None) -> None:
        machine.call, machine.stop, machine.next = call, None, None
        machine.firsts, machine.quality, machine.muted = {}, None, {}

    def _publishing(self, presence: Presence, record: Record) -> None:
        machine = self.machine(presence.pubs, record.args.stream)
        self._world.tell("publishing", record, presence, record, machine)
        before, following = machine.state, machine.next
        self._move(machine, record)
        self._ends.stream_state(presence, record, before, following)
        if record.args.state != "REQ":
            self._world.stir(presence.room)

    def _playing(self, presence: Presence, record: Record) -> None:
        machine = self.machine(presence.plays, record.args.stream)
        self._world.tell("playing", record, presence, record, machine)
        self._move(machine, record)

    def _move(self, machine: Machine, record: Record) -> None:
        machine.state, machine.record = record.args.state, record
        if record.args.state == "LIVE":
            machine.live_since = record.t
            machine.quality = None
        else:
            machine.live_since = None
        if record.args.state == "IDLE":
            if machine.next is not None:
                self._renew(machine, machine.next)
            else:
                machine.call = None

    def _publish_first(self, presence: Presence, record: Record) -> None:
        machine = self.machine(presence.pubs, record.args.stream)
        self._world.tell("publish_first", record, presence, record, machine)
        machine.firsts.setdefault((record.args.media, record.args.stage), record)

    def _play_first(self, presence: Presence, record: Record) -> None:
        machine = self.machine(presence.plays, record.args.stream)
        self._world.tell("play_first", record, presence, record, machine)
        machine.firsts.setdefault((record.args.media, record.args.stage), record)

    def _publish_quality(self, presence: Presence, record: Record) -> None:
        self._quality("publish_quality", presence, record, presence.pubs)

    def _play_quality(self, presence: Presence, record: Record) -> None:
        self._quality("play_quality", presence, record, presence.plays)

    def _quality(self, hook: str, presence: Presence, record: Record, machines: dict[str, Machine]) -> None:
        """Most records of a long trace are these: told here without a detour."""
        world, machine = self._world, machines.get(record.args.stream)
        if machine is None:
            machine = self.machine(machines, record.args.stream)
        for listener in world.hooks[hook]:
            try:
                listener(presence, record, machine)
            except Exception as error:  # see World.tell
                world.crashed(listener, error, record)
        machine.quality = record

    def _stall(self, presence: Presence, record: Record) -> None:
        machine = self.machine(presence.plays, record.args.stream)
        self._world.tell("stall", record, presence, record, machine)

    def _device(self, presence: Presence, record: Record) -> None:
        machine = self.machine(presence.plays, record.args.stream)
        self._world.tell("device", record, presence, record, machine)
        machine.muted[record.args.device] = record


__all__ = ["INSIDE", "CallbackFold"]
