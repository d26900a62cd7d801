"""MD: extra info and messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.contract.check import Check
from harness.contract.presence import Client, Presence
from harness.contract.room import Room
from harness.contract.rule import MUST, Rule
from harness.contract.truth import Fact
from harness.trace.record import Record

SETTINGS_KEPT = 50  # calls of a key of extra info
MESSAGES_KEPT = 10_000  # sent lately and still under way, per room


@dataclass(slots=True)
class _Setting:
    call: Record
    result: Record | None = None

    @property
    def value(self) -> str:
        return str(self.call.args.value if self.call.name == "set_room_extra" else self.call.args.extra)


class ExtraInfo(Check):
    """Last write wins, everybody else knows it, the setter is not told. Of writes at the same time any may be last."""

    def begin(self) -> None:
        self._settings: dict[tuple[str, str, str], list[_Setting]] = {}  # room, call and key: the latest calls
        self._room: dict[tuple[str, str], Record] = {}  # room and key: the call that succeeded last
        self._stream: dict[tuple[str, str], Record] = {}  # room and stream
        self._known: dict[tuple[Presence, str], str] = {}  # what each client was told last
        self._at: dict[tuple[Presence, str], Record] = {}

    @staticmethod
    def _key(call: Record) -> tuple[str, str, str]:
        return call.room, call.name, call.args.key if call.name == "set_room_extra" else call.args.stream

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name in ("set_room_extra", "set_stream_extra"):
            settings = self._settings.setdefault(self._key(record), [])
            settings.append(_Setting(record))
            del settings[:-SETTINGS_KEPT]

    def _settled(self, call: Record, result: Record) -> None:
        settings = self._settings.get(self._key(call), [])
        for setting in settings:
            if setting.call is call:
                setting.result = result
        settings[:] = [each for each in settings if each.result is None or each.result.args.result != "fail"]

    def _may_be_last(self, call: Record) -> list[_Setting]:
        """What of all that was set since the call, or was under way then, may have the last word."""
        settings = self._settings.get(self._key(call), [])
        return [each for each in settings if each.result is None or each.result.line > call.line]

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        if call.name not in ("set_room_extra", "set_stream_extra"):
            return
        if record.args.result != "fail" or not client.cut_since(call):  # else it may have come about all the same
            self._settled(call, record)
        if record.args.result != "ok":
            return
        room = self.world.rooms.get(call.room)
        if room is None:
            return
        if call.name == "set_room_extra":
            self._room[call.room, call.args.key] = call
            self.later(self.world.now + self.world.propagation, self._room_told, room, call, client)
        else:
            self._stream[call.room, call.args.stream] = call
            self.later(self.world.now + self.world.propagation, self._stream_told, room, call, client)

    def room_extra(self, presence: Presence, record: Record) -> None:
        self.judged()
        key = f"room {record.args.key}"
        last = self._at.get((presence, key))
        if record.args.by == presence.client.user and self._ours(presence, record):
            self.broken(
                "the setter is not told of its own extra info", record.args.key, [], presence.subject(), guilty=record
            )
        elif last is not None and record.args.at < last.args.at:
            self.broken(
                "the time of extra info does not go back", f"from {last.args.at} to {record.args.at}", [last],
                presence.subject(), guilty=record,
            )  # fmt: skip
        self._at[presence, key] = record
        self._known[presence, key] = record.args.value

    def _ours(self, presence: Presence, record: Record) -> bool:
        """Set by this very client, not by the user's earlier one."""
        entered = presence.entered
        settings = self._settings.get((presence.room.name, "set_room_extra", record.args.key), [])
        mine = [each.call for each in settings if each.call.client == presence.client.name]
        return entered is not None and any(call.t >= entered.t for call in mine)

    def stream_extra(self, presence: Presence, record: Record) -> None:
        self.judged()
        for item in record.args.items:
            if item.user == presence.client.user or (not item.user and item.id in presence.pubs):
                self.broken(
                    "the setter is not told of its own extra info", item.id, [], presence.subject(), guilty=record
                )
            self._known[presence, f"stream {item.id}"] = item.extra

    def streams(self, presence: Presence, record: Record) -> None:
        for item in record.args.items:
            if record.args.op == "DEL":
                self._known.pop((presence, f"stream {item.id}"), None)
            else:
                self._known[presence, f"stream {item.id}"] = item.extra
                self._late_joiner(presence, record, item.id, item.user, item.extra)

    def _late_joiner(self, presence: Presence, record: Record, stream: str, user: str, extra: str) -> None:
        """The first ADD after IN carries what was acknowledged before the login."""
        call, login = self._stream.get((presence.room.name, stream)), presence.login
        if call is None or login is None or call.t + self.world.propagation > login.t:
            return
        if call.user != user or not self._same_stream(presence.room, call, stream):
            return
        self.judged()
        last = {call.args.extra, *(each.value for each in self._may_be_last(call))}
        if extra not in last and stream not in presence.streams:
            self.broken(
                "a late joiner is told the latest extra info with the stream", f"{extra!r}", [call, login],
                presence.subject(stream=stream), guilty=record,
            )  # fmt: skip

    @staticmethod
    def _same_stream(room: Room, call: Record, stream: str) -> bool:
        """Nobody has published another of that id since."""
        return all(fact.begin.line < call.line for fact in room.stream_facts(stream))

    def _room_told(self, room: Room, call: Record, setter: Client) -> None:
        if self._room.get((room.name, call.args.key)) is call:
            self._told(room, call, f"room {call.args.key}")

    def _stream_told(self, room: Room, call: Record, setter: Client) -> None:
        live = any(fact.holds for fact in room.stream_facts(call.args.stream))
        if (
            live
            and self._same_stream(room, call, call.args.stream)
            and self._stream.get((room.name, call.args.stream)) is call
        ):
            self._told(room, call, f"stream {call.args.stream}")

    def _told(self, room: Room, call: Record, key: str) -> None:
        settings = self._may_be_last(call)
        last = {_Setting(call).value, *(each.value for each in settings)}
        told = [observer for observer in room.observers(call.t, call.user) if (observer, key) in self._known]
        for observer in room.observers(call.t, call.user):
            self.judged()
            if self._known.get((observer, key)) not in last:
                self._wrong(observer, call, key)
        # Who set it at the same time is told of the others' values, whichever was last.
        setters = {each.call.user for each in settings}
        told = [observer for observer in told if observer.client.user not in setters]
        if told and len(last) > 1:
            latest = self._known[max(told, key=lambda observer: self._told_at(observer, key)), key]
            for observer in told:
                if self._known[observer, key] in last and self._known[observer, key] != latest:
                    self._wrong(observer, call, key)

    def _told_at(self, observer: Presence, key: str) -> tuple[float, int]:
        record = self._at.get((observer, key))
        return (record.args.at, record.line) if record is not None and key.startswith("room ") else (0, 0)

    def _wrong(self, observer: Presence, call: Record, key: str) -> None:
        self.broken(
            f"all others know the extra info of {key} within {self.world.propagation:g} s",
            repr(self._known.get((observer, key), "nothing")), [call], observer.subject(),
        )  # fmt: skip

    def left(self, presence: Presence, record: Record) -> None:
        for known in (self._known, self._at):
            for key in [key for key in known if key[0] is presence]:
                del known[key]
        if not presence.room.presences:
            gone = presence.room.name
            self._settings = {name: found for name, found in self._settings.items() if name[0] != gone}
            for calls in (self._room, self._stream):
                for name in [name for name in calls if name[0] == gone]:
                    del calls[name]

    def ended(self, fact: Fact) -> None:
        self._stream.pop((fact.owner.room.name, fact.key.partition("\n")[0]), None)


@dataclass
class _Sent:
    call: Record
    result: Record
    reached: dict[Presence, Record] = field(default_factory=dict)


class Messages(Check):
    """Reliable: once at each other client that was in all the time. Lossy: at most once. Never at the sender."""

    def begin(self) -> None:
        self._sent: dict[str, dict[str, _Sent]] = {}
        self._early: dict[str, dict[str, list[tuple[Presence, Record]]]] = {}  # received before the result was

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        if call.name != "send" or record.args.result != "ok" or not isinstance(record.args.value, str):
            return
        room = self.world.rooms.get(call.room)
        sent = self._sent.setdefault(call.room, {})
        if room is None or len(sent) >= MESSAGES_KEPT:
            return
        message = sent[record.args.value] = _Sent(call, record)
        for receiver, received in self._early.get(call.room, {}).pop(record.args.value, ()):
            message.reached.setdefault(receiver, received)
        self.later(self.world.now + self.world.propagation, self._look, room, record.args.value, message)

    def message(self, presence: Presence, record: Record) -> None:
        self.judged()
        room, number = presence.room.name, record.args.id
        if record.args.sender == presence.client.user:
            self.broken("a message does not come back to its sender", number, [], presence.subject(), guilty=record)
        message = self._sent.get(room, {}).get(number)
        earlier = message.reached.get(presence) if message is not None else self._seen_early(room, number, presence)
        if earlier is not None:
            self.broken("a message comes once", "again", [earlier], presence.subject(), guilty=record)
        elif message is not None:
            message.reached[presence] = record
        else:
            waiting = self._early.setdefault(room, {})
            if len(waiting) < MESSAGES_KEPT:
                waiting.setdefault(number, []).append((presence, record))
                self.later(self.world.now + self.world.propagation, self._drop_early, room, number)

    def _seen_early(self, room: str, number: str, presence: Presence) -> Record | None:
        return next((r for p, r in self._early.get(room, {}).get(number, ()) if p is presence), None)

    def _drop_early(self, room: str, number: str) -> None:
        self._early.get(room, {}).pop(number, None)

    def _look(self, room: Room, number: str, message: _Sent) -> None:
        if message.call.args.reliability == "reliable":
            for observer in room.observers(message.call.t, message.call.user):
                self.judged()
                if observer not in message.reached:
                    self.broken(
                        f"a reliable message reaches everybody within {self.world.propagation:g} s", "it did not",
                        [message.call, message.result], observer.subject(),
                    )  # fmt: skip
        self.later(self.world.now + self.world.propagation, self._forget, room.name, number)

    def _forget(self, room: str, number: str) -> None:
        sent = self._sent.get(room, {})
        sent.pop(number, None)
        if not sent:
            self._sent.pop(room, None)


RULES = (
    Rule(
        "MD-01", MUST,
        "Extra info reaches all others in time, never its setter; the last write wins; late joiners have it at once.",
        "Raised hands, layouts and slides are kept in it: two truths mean two meetings.",
        "ZegoExpressEventHandler.h, room and stream extra info; ZEGO release notes (web 2.14.0)", ExtraInfo,
    ),
    Rule(
        "MD-02", MUST,
        "A reliable message comes once at everybody else, a lossy one at most once, none at its sender.",
        "Chat that doubles, or loses the one answer that mattered.",
        "ZegoExpressEventHandler.h, messages", Messages,
    ),
)  # fmt: skip
