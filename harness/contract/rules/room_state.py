"""RS: the room state of one client."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import INSIDE, TERMINAL, Client, Presence
from harness.contract.room import Room
from harness.contract.rule import MUST, SHOULD, Rule
from harness.trace.record import Record

EDGES = {
    "OUT": {"LOGGING_IN"},
    "LOGGING_IN": {"IN", "LOGIN_FAILED", "KICKED", "OUT"},
    "IN": {"RECONNECTING", "KICKED", "OUT", "LOGOUT_FAILED"},
    "REJOINED": {"RECONNECTING", "KICKED", "OUT", "LOGOUT_FAILED"},
    "RECONNECTING": {"REJOINED", "RECONNECT_FAILED", "KICKED", "OUT"},
    "LOGOUT_FAILED": {"OUT", "RECONNECTING", "KICKED"},
    "LOGIN_FAILED": {"OUT", "LOGGING_IN"},
    "RECONNECT_FAILED": {"OUT", "LOGGING_IN"},
    "KICKED": {"OUT", "LOGGING_IN"},
}
WITHOUT_CODE = frozenset(("LOGGING_IN", "IN", "REJOINED", "OUT"))
FROM_OUTAGE = frozenset(("REJOINED", "RECONNECT_FAILED"))


class LoggingInFirst(Check):
    def state(self, presence: Presence, record: Record, before: str) -> None:
        fresh = presence.changed is None and presence.login is not None
        if not fresh:
            return
        self.judged()
        if record.args.state != "LOGGING_IN" or record.args.code != 0:
            self.broken(
                "the first state after a login is LOGGING_IN with code 0",
                f"{record.args.state} with code {record.args.code}",
                [presence.login],
                presence.subject(),
                guilty=record,
            )


class Edges(Check):
    def state(self, presence: Presence, record: Record, before: str) -> None:
        state = record.args.state
        if presence.changed is None:
            return  # what comes first is RS-01's
        self.judged()
        if state not in EDGES.get(before, ()):
            allowed = ", ".join(sorted(EDGES.get(before, ()))) or "no known state"
            self.broken(
                f"after {before} may come {allowed}", state, [presence.changed], presence.subject(), guilty=record
            )


class CodeFitsState(Check):
    def state(self, presence: Presence, record: Record, before: str) -> None:
        state, code = record.args.state, record.args.code
        self.judged()
        if state in WITHOUT_CODE:
            wrong, allowed = code != 0, "code 0"
        else:
            codes = self.profile.codes_by_state.get(state, ())
            wrong = code not in codes if codes else code == 0
            allowed = "a code of " + ", ".join(map(str, codes)) if codes else "a code other than 0"
        if wrong:
            self.broken(f"{state} has {allowed}", f"code {code}", [], presence.subject(), guilty=record)


class LoginResolved(Check):
    def begin(self) -> None:
        self._answered: dict[str, Record] = {}  # client: the last result of a login

    def state(self, presence: Presence, record: Record, before: str) -> None:
        if before == "LOGGING_IN" and record.args.state in ("IN", "LOGIN_FAILED", "KICKED", "OUT"):
            self.judged()

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        if call.name == "login" and call.op:
            self._answered[client.name] = record
        if call.name != "login" or presence is None or presence.login is not call or record.args.result == "info":
            return
        if presence.changed is None and record.args.result == "fail":
            return  # refused before an attempt began
        if client.destroyed is not None:
            return  # no state is told any more
        self.judged()
        state, succeeded = presence.state, record.args.result == "ok"
        if succeeded and presence.entered is None:
            self.broken(
                "a login that succeeded has reached IN",
                f"its state is {state}",
                [call],
                presence.subject(),
                guilty=record,
            )
        elif not succeeded and presence.entered is not None:
            self.broken(
                "a login that failed has not reached IN",
                f"its state is {state}",
                [call, presence.entered],
                presence.subject(),
                guilty=record,
            )
        elif not succeeded and state == "LOGGING_IN":
            self.later(
                self.world.now + self.profile.deadlines.call, self._still_open, presence, presence.changed, record
            )

    def unasked(self, record: Record, client: Client) -> None:
        first = self._answered.get(client.name)
        if record.name == "login" and first is not None and first.op == record.op:
            self.broken(
                "a login has one result", "another one", [first], {"client": client.name, "room": record.room},
                guilty=record,
            )  # fmt: skip

    def _still_open(self, presence: Presence, attempt: Record, result: Record) -> None:
        if presence.changed is attempt and presence.client.destroyed is None:
            self.broken(
                "a login that failed ends in LOGIN_FAILED",
                "its state stayed LOGGING_IN",
                [attempt, result],
                presence.subject(),
            )


class NothingAfterTheEnd(Check):
    def begin(self) -> None:
        self._again: dict[tuple[str, int], Record] = {}  # a login after an end: the record of that end

    def state(self, presence: Presence, record: Record, before: str) -> None:
        if before not in TERMINAL or presence.ended is None:
            return
        self.judged()
        if record.args.state in ("LOGGING_IN", "RECONNECTING", "REJOINED"):
            self.broken(
                f"after {before} nothing begins without a new login",
                record.args.state,
                [presence.ended],
                presence.subject(),
                guilty=record,
            )

    def left(self, presence: Presence, record: Record) -> None:
        self.judged()

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name == "login" and presence is not None and not presence.open and client.destroyed is None:
            end = presence.ended or presence.refused
            if end is not None and record.op:
                self._again[client.name, record.op] = end

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        end = self._again.pop((client.name, call.op), None)
        if end is None:
            return
        self.judged()
        if record.args.result == "fail" and record.args.code in self.profile.codes.already_logged_in:
            self.broken(
                "after a terminal state a new login is accepted",
                f"it was refused with code {record.args.code}",
                [end, call],
                {"client": client.name, "room": call.room},
                guilty=record,
            )


class OneSession(Check):
    def state(self, presence: Presence, record: Record, before: str) -> None:
        state, session, room = record.args.state, record.args.session, presence.room
        if state not in INSIDE or state == "LOGOUT_FAILED":
            return
        self.judged()
        if not session:
            self.broken(f"{state} names the room's session", "none", [], presence.subject(), guilty=record)
            return
        if state == "REJOINED" and session != presence.session and not self._room_was_empty(room, presence):
            self.broken(
                "REJOINED keeps the session", "another one", [presence.entered], presence.subject(), guilty=record
            )
        if state == "IN" and room.session is not None:
            self._compare(room, presence, record)
        room.session = (session, record)
        room.emptied_at = None

    @staticmethod
    def _others(room: Room, presence: Presence) -> list[Presence]:
        return [other for other in room.presences.values() if other.client.user != presence.client.user]

    def _room_was_empty(self, room: Room, presence: Presence) -> bool:
        return not self._others(room, presence)

    def _compare(self, room: Room, presence: Presence, record: Record) -> None:
        assert room.session is not None
        known, since = room.session
        others = self._others(room, presence)
        for other in others:
            certain = any(fact.owner is other and fact.holds for fact in room.users.of(other.client.user))
            if certain and other.session and other.session != record.args.session:
                self.broken(
                    "all who are in a room have one session", "another one", [other.entered], presence.subject(),
                    guilty=record,
                )  # fmt: skip
                break
        empty_for = record.t - room.emptied_at if room.emptied_at is not None else 0.0
        was_empty = not others and empty_for > self.profile.room_grace + self.world.propagation
        if was_empty and record.args.session == known:
            self.broken(
                "a room that was empty begins a new session", "the old one", [since], presence.subject(), guilty=record
            )


class RoomScope(Check):
    def begin(self) -> None:
        self._keys: dict[str, set[str]] = {}  # room: keys of its extra info that anybody set, or tried to
        self._values: dict[tuple[str, str], dict[str, Record]] = {}  # user and key: by room, the call that set it last

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name == "set_room_extra":
            self._keys.setdefault(record.room, set()).add(record.args.key)
            self._values.setdefault((client.user, record.args.key), {})[record.room] = record

    def stray(self, record: Record, client: Client | None, presence: Presence | None) -> None:
        if client is not None and (client.destroyed or client.crashed):
            return  # TD-03
        ended = presence is not None and presence.ended is not None
        if (
            ended
            and presence is not None
            and (presence.state == "OUT" or record.name in ("pub.quality", "play.quality"))
        ):
            return  # TD-01, TD-02
        name = client.name if client is not None else record.client
        self.broken(
            "callbacks name a room that this client has logged in to",
            f"{record.name} of room {record.room or '(none)'}",
            [],
            {"client": name, "room": record.room},
            guilty=record,
        )

    def users(self, presence: Presence, record: Record) -> None:
        self.judged()
        if record.args.op != "DEL":
            for item in record.args.items:
                self._foreign(presence, record, "users", item.id, item.id)

    def streams(self, presence: Presence, record: Record) -> None:
        self.judged()
        if record.args.op != "DEL":
            self._foreign_streams(presence, record)

    def stream_extra(self, presence: Presence, record: Record) -> None:
        self.judged()
        self._foreign_streams(presence, record)

    def _foreign_streams(self, presence: Presence, record: Record) -> None:
        for item in record.args.items:
            if item.user:
                self._foreign(presence, record, "streams", Room.stream_key(item.id, item.user), item.id)

    def _foreign(self, presence: Presence, record: Record, kind: str, key: str, shown: str) -> None:
        """Known in another room, and not in this one: it came through a wall."""
        late = self.world.propagation + self.world.slack
        if getattr(presence.room, kind).may(key, record.t, late) or not presence.unbroken(record.t, late):
            return
        for room in self.world.rooms.values():
            if room is not presence.room and getattr(room, kind).may(key, record.t, late):
                fact = next(getattr(room, kind).of(key))
                self.broken(
                    f"what is in room {room.name} is not shown in room {presence.room.name}",
                    f"{shown} in {record.name}",
                    [fact.begin, fact.since],
                    presence.subject(),
                    guilty=record,
                )
                return

    def message(self, presence: Presence, record: Record) -> None:
        self.judged()
        if record.args.sender:
            self._foreign(presence, record, "users", record.args.sender, f"what {record.args.sender} said")

    def room_extra(self, presence: Presence, record: Record) -> None:
        """Nobody set this key here, and who is named set this very value somewhere else."""
        self.judged()
        key, room = record.args.key, presence.room.name
        if key in self._keys.get(room, ()):
            return
        for name, call in self._values.get((record.args.by, key), {}).items():
            if name != room and call.args.value == record.args.value:
                self.broken(
                    f"what is set in room {name} is not told in room {room}", f"{key} in {record.name}", [call],
                    presence.subject(), guilty=record,
                )  # fmt: skip
                return


RULES = (
    Rule(
        "RS-01", MUST,
        "The first state after an accepted login is LOGGING_IN with code 0.",
        "An application shows progress from that callback on; without it a slow login looks like no login.",
        "ZEGO: room connection status, state table", LoggingInFirst,
    ),
    Rule(
        "RS-02", MUST,
        "Every room state follows from the one before by an edge of the state machine; no state repeats itself.",
        "Applications switch on the state; an edge that does not exist lands in a branch nobody wrote.",
        "ZEGO: room connection status, state diagram", Edges,
    ),
    Rule(
        "RS-03", MUST,
        "LOGGING_IN, IN, REJOINED and OUT have code 0; every other state has a code that names its reason.",
        "The code is all an application has to tell a kick from an expired token from a lost network.",
        "ZEGO: room connection status; ZegoExpressErrorCode.h", CodeFitsState,
    ),
    Rule(
        "RS-04", MUST,
        "A login attempt is resolved once, by IN, LOGIN_FAILED, KICKED or OUT, and its result agrees with that.",
        "A promise that resolves while the state says otherwise leaves the user on a page for the wrong state.",
        "ZegoExpressInterface.h, loginRoom", LoginResolved,
    ),
    Rule(
        "RS-05", MUST,
        "After a terminal state nothing begins again without a new login, and that login is accepted.",
        "A client that reconnects by itself after a kick undoes the kick; one that stays refused is locked out.",
        "ZEGO: room connection status", NothingAfterTheEnd,
    ),
    Rule(
        "RS-06", SHOULD,
        "The room's session is given at IN, kept at REJOINED, the same for all, and new once the room was empty.",
        "Server callbacks and billing are joined with client logs by the session.",
        "ZegoExpressEventHandler.h, onRoomStateChanged; server callbacks of rooms", OneSession,
    ),
    Rule(
        "RS-07", MUST,
        "A room-scoped callback names a room with an open epoch at this client, and shows nothing of another room.",
        "A stream of a stranger's room on somebody's screen is a breach of privacy, not a glitch.",
        "ZegoExpressInterface.h, rooms are isolated", RoomScope,
    ),
)  # fmt: skip
