"""IN: what must be refused, and leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from harness.call import CallError, identifiers
from harness.contract.check import Check
from harness.contract.presence import Client, Machine, Presence
from harness.contract.rule import MUST, Rule
from harness.contract.truth import Fact
from harness.trace.record import Record

LIMITS = {  # call: argument, its check, its limit in bytes
    "login": (("room", identifiers.check_room_id, identifiers.ROOM_ID_BYTES),
              ("user", identifiers.check_user_id, identifiers.USER_ID_BYTES)),
    "publish": (("stream", identifiers.check_stream_id, identifiers.STREAM_ID_BYTES),),
    "play": (("stream", identifiers.check_stream_id, identifiers.STREAM_ID_BYTES),),
    "set_stream_extra": (("extra", identifiers.check_stream_extra, identifiers.STREAM_EXTRA_BYTES),),
    "send": (("body", identifiers.check_message, identifiers.MESSAGE_BYTES),),
}  # fmt: skip
NEEDS_ROOM = frozenset(("publish", "play", "send", "set_room_extra", "set_stream_extra", "unpublish", "unplay", "mute"))


class RefusedCall(Check):
    """Calls that must fail, by number of the call: with which codes, and why."""

    def begin(self) -> None:
        self._due: dict[tuple[str, int], tuple[tuple[int, ...], str]] = {}

    def must_fail(self, call: Record, codes: tuple[int, ...], why: str) -> None:
        if call.op:
            self._due[call.client, call.op] = (codes if self.profile.exact_codes else (), why)

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        due = self._due.pop((call.client, call.op), None)
        if due is None or record.args.result == "info":
            return
        codes, why = due
        self.judged()
        subject = {"client": client.name, "room": call.room}
        if record.args.result == "ok":
            self.broken(f"{call.name} is refused: {why}", "it succeeded", [call], subject, guilty=record)
        elif codes and record.args.code not in codes and not _given_up(call, client, presence):
            # Somebody may be putting it out at this moment; whether that comes about shows soon.
            at = self.world.now + (self.profile.deadlines.call if _put_out(client, presence) else 0.0)
            self.later(at, self._wrong_code, record, call, client, presence, codes, why)

    def _wrong_code(
        self,
        record: Record,
        call: Record,
        client: Client,
        presence: Presence | None,
        codes: tuple[int, ...],
        why: str,
    ) -> None:
        if not _put_out(client, presence):
            self.broken(
                f"{call.name} is refused with {' or '.join(map(str, codes))}: {why}", f"code {record.args.code}",
                [call], {"client": client.name, "room": call.room}, guilty=record,
            )  # fmt: skip


def _given_up(call: Record, client: Client, presence: Presence | None) -> bool:
    """The client left, was cut off or destroyed while it waited for the answer."""
    if client.cut_since(call):
        return True
    if client.destroyed is not None and client.destroyed.line > call.line:
        return True
    if presence is None:
        return False
    again = call.name == "login" and presence.login is not None and presence.login.line > call.line
    return again or presence.leaving not in (None, call)


def _put_out(client: Client, presence: Presence | None) -> bool:
    """By a kick, another login or the end of its token; or that is under way."""
    facts = presence.room.users.of(client.user) if presence is not None else ()
    own = [fact for fact in facts if fact.owner is presence]
    return any(fact.ended_by(cause) for fact in own for cause in ("kick", "relogin", "expiry"))


class Identifiers(RefusedCall):
    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        for name, check, limit in LIMITS.get(record.name, ()):
            value = getattr(record.args, name)
            if _bytes(value) != limit:  # at the very limit the vendors' own texts disagree
                self._judge(record, check, (value,))
        if record.name == "set_room_extra":
            key, value = record.args.key, record.args.value
            if _bytes(key) != identifiers.ROOM_EXTRA_KEY_BYTES and _bytes(value) != identifiers.ROOM_EXTRA_VALUE_BYTES:
                self._judge(record, identifiers.check_room_extra, (key, value))

    def _judge(self, record: Record, check: Callable[..., None], values: tuple[Any, ...]) -> None:
        try:
            check(*values)
        except CallError as error:
            self.must_fail(record, (error.code,), error.args[0])

    def users(self, presence: Presence, record: Record) -> None:
        self._visible(presence, record, identifiers.check_user_id)

    def streams(self, presence: Presence, record: Record) -> None:
        self._visible(presence, record, identifiers.check_stream_id)

    def _visible(self, presence: Presence, record: Record, check: Callable[[str], None]) -> None:
        if record.args.op == "DEL":
            return
        for item in record.args.items:
            wrong = _fault(check, item.id)
            if wrong and item.id:  # an empty one is RO-02's
                self.broken("ids that are not allowed are never shown", wrong, [], presence.subject(), guilty=record)


@lru_cache(maxsize=4096)  # everybody is shown the same ids
def _fault(check: Callable[[str], None], text: str) -> str:
    """What is wrong with an id; empty when nothing is."""
    try:
        check(text)
    except CallError as error:
        return str(error.args[0])
    return ""


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


class WrongPhase(RefusedCall):
    def begin(self) -> None:
        super().begin()
        self._harmless: dict[tuple[str, int], Record] = {}

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        codes = self.profile.codes
        if client.destroyed is not None:
            if record.name != "destroy":
                self.must_fail(record, codes.no_engine, "the engine was destroyed")
        elif record.name in NEEDS_ROOM and not self._room_is_near(client, presence):
            # As below, where a logout is harmless.
            allowed = codes.not_logged_in if client.rooms else codes.not_logged_in + codes.no_engine
            self.must_fail(record, allowed, "the client is in no room")
        elif record.name == "logout":
            self._logout(record, client, presence)

    @staticmethod
    def _room_is_near(client: Client, presence: Presence | None) -> bool:
        """Inside, or on its way: after the call of login one may publish."""
        if presence is not None and (presence.open or presence.changed is None):
            return True
        return any(other.open or (other.changed is None and other.login) for other in client.rooms.values())

    def _logout(self, record: Record, client: Client, presence: Presence | None) -> None:
        elsewhere = any(other.open for other in client.rooms.values())
        if elsewhere and not record.room:
            return  # it is in several rooms, and the call has to name one
        if elsewhere and (presence is None or not presence.open):
            self.must_fail(record, self.profile.codes.not_in_this_room, "the client is in another room")
        elif not elsewhere and presence is None and record.op:
            self._harmless[record.client, record.op] = record

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        super().result(record, call, client, presence)
        harmless = self._harmless.pop((call.client, call.op), None)
        if harmless is not None and record.args.result != "info":
            self.judged()
            # Of a client without any room it may be forgotten that it was destroyed, long ago.
            if record.args.result == "fail" and record.args.code not in self.profile.codes.no_engine:
                self.broken(
                    "logout without a room succeeds", f"code {record.args.code}", [call],
                    {"client": client.name, "room": call.room}, guilty=record,
                )  # fmt: skip


class SecondLogin(RefusedCall):
    def begin(self) -> None:
        super().begin()
        self._tried: dict[str, Record] = {}

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name == "login" and presence is not None and presence.inside and client.destroyed is None:
            self.must_fail(record, self.profile.codes.already_logged_in, "the client is in this room")
            self._tried[client.name] = record

    def state(self, presence: Presence, record: Record, before: str) -> None:
        call = self._tried.get(presence.client.name)
        if call is not None and call.room == presence.room.name and record.args.state in ("LOGGING_IN", "LOGIN_FAILED"):
            self.broken(
                "a refused second login leaves the first alone",
                record.args.state,
                [call],
                presence.subject(),
                guilty=record,
            )

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        super().result(record, call, client, presence)
        if self._tried.get(client.name) is call:
            del self._tried[client.name]


class StreamTaken(RefusedCall):
    def begin(self) -> None:
        super().begin()
        self._first: dict[tuple[str, int], Fact] = {}  # the second call: the stream that has its id

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        first = self._first.pop((call.client, call.op), None)
        if first is not None and not first.holds:  # it may have ended before the call arrived
            self._due.pop((call.client, call.op), None)
        super().result(record, call, client, presence)

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name != "publish" or presence is None or not presence.inside or client.destroyed is not None:
            return
        stream = record.args.stream
        own = presence.pubs.get(stream)
        if own is not None and own.state != "IDLE" and own.stop is None:
            self.must_fail(record, self.profile.codes.channel_busy, "the client publishes this stream already")
            return
        for room in self.world.rooms.values():  # stream ids are unique over all rooms
            taken = next((f for f in room.stream_facts(stream) if f.holds and f.user != client.user), None)
            if taken is not None:
                codes = () if self._token_over(presence) else self.profile.codes.stream_taken
                self.must_fail(record, codes, "another user publishes a stream of this id")
                self._first[record.client, record.op] = taken
                self.later(self.world.now + self.world.propagation, self._first_goes_on, taken, taken.since, record)
                return

    def _token_over(self, presence: Presence) -> bool:
        """Or soon: then a publish is refused for that."""
        offset, expires = self.world.unix_offset, presence.token_expires
        return offset is not None and expires is not None and expires + offset < self.world.now + 2

    def _first_goes_on(self, first: Any, since: Record, second: Record) -> None:
        machine = first.owner.pubs.get(second.args.stream)
        untouched = first.holds or first.cause not in ("", "failed", "retry")
        self.judged()
        if machine is not None and not untouched:
            self.broken(
                "the first publisher of a stream id keeps it", f"it is {machine.state}", [since, second, first.end],
                first.owner.subject(stream=second.args.stream),
            )  # fmt: skip

    def publishing(self, presence: Presence, record: Record, machine: Machine) -> None:
        codes = self.profile.codes.stream_taken
        if record.args.state == "LIVE":
            rivals = [
                f for f in presence.room.stream_facts(machine.stream) if f.holds and f.user != presence.client.user
            ]
            if rivals:
                self.judged()
                self.broken(
                    "one stream id has one publisher", f"LIVE beside {rivals[0].user}'s", [rivals[0].since],
                    presence.subject(stream=machine.stream), guilty=record,
                )  # fmt: skip
        elif record.args.state == "IDLE" and record.args.code in codes and codes:
            self.judged()


class NotAdmitted(RefusedCall):
    """A bad or expired token, a full room, a blocked user."""

    def begin(self) -> None:
        super().begin()
        self._announced: dict[tuple[str, str], Record] = {}  # client, name of call: the mark
        self._refused: dict[tuple[str, str], Record] = {}  # room, user: LOGIN_FAILED

    def mark(self, record: Record) -> None:
        if record.name == "invalid":
            self._announced[record.client, record.args.call] = record

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        mark = self._announced.pop((record.client, record.name), None)
        if mark is not None:
            second = self.profile.codes.already_logged_in if presence is not None and presence.open else ()
            self.must_fail(record, (*mark.args.codes, *second) if mark.args.codes else (), mark.args.why)
        elif record.name == "login" and self._expired(record):
            self.must_fail(record, (), "its token had expired")

    def _expired(self, record: Record) -> bool:
        offset, expires = self.world.unix_offset, record.args.token_expires
        return offset is not None and expires is not None and expires + offset < record.t - 2

    def state(self, presence: Presence, record: Record, before: str) -> None:
        state = record.args.state
        if state == "LOGIN_FAILED":
            self.judged()
            if presence.login is not None and presence.client.cut_since(presence.login):
                return  # it may have been let in without knowing
            self._refused[presence.room.name, presence.client.user] = record
            self.later(self.world.now + self.world.propagation, self._forget, presence.room.name, presence.client.user)
        elif state == "IN":
            self._refused.pop((presence.room.name, presence.client.user), None)
            self._count(presence, record)

    def _count(self, presence: Presence, record: Record) -> None:
        """Who was there before the login, and is still there, leaves no room for more than the limit."""
        limit, login = self.profile.users_per_room, presence.login
        if limit is None or login is None:
            return
        others = [f for f in presence.room.users.current.values() if f.user != presence.client.user and f.holds]
        there = [(fact, fact.since) for fact in others if fact.older_than(login)]
        if len(there) >= limit:
            self.later(self.world.now + self.profile.deadlines.teardown, self._full, presence, record, there, limit)

    def _full(self, presence: Presence, record: Record, there: list[tuple[Fact, Record | None]], limit: int) -> None:
        still = [fact for fact, since in there if fact.holds and fact.since is since]
        if len(still) >= limit:
            self.broken(
                f"a room of {limit} users is full", f"{presence.client.user} came in as one more",
                [still[0].since, presence.login], presence.subject(user=presence.client.user), guilty=record,
            )  # fmt: skip

    def _forget(self, room: str, user: str) -> None:
        self._refused.pop((room, user), None)

    def users(self, presence: Presence, record: Record) -> None:
        late = self.world.propagation + self.world.slack
        if not self._refused or record.args.op == "DEL" or not presence.unbroken(record.t, late):
            return
        for item in record.args.items:
            refused = self._refused.get((presence.room.name, item.id))
            if refused is not None and not self._may_be_there(presence, record, item.id, refused):
                self.broken(
                    "whoever was refused is shown to nobody", f"{item.id} was", [refused],
                    presence.subject(user=item.id), guilty=record,
                )  # fmt: skip

    @staticmethod
    def _may_be_there(presence: Presence, record: Record, user: str, refused: Record) -> bool:
        """By an earlier login, one that was called after the refused one, or another client's."""
        found = [fact for fact in presence.room.users.of(user) if fact.may(record.t, 0)]
        return any(
            fact.must_from is not None or fact.may_from >= refused.t or fact.owner.client.name != refused.client
            for fact in found
        )


RULES = (
    Rule(
        "IN-01", MUST,
        "Empty, too long or illegal ids and extra info are refused with the error for it, and nobody sees anything.",
        "Ids come from users and databases; what slips in breaks every other client's parser.",
        "ZegoExpressErrorCode.h; ZEGO restrictions", Identifiers,
    ),
    Rule(
        "IN-02", MUST,
        "A call in the wrong phase is refused with its error and changes nothing; logout without a room succeeds.",
        "Teardown code calls everything; it must be safe to.",
        "ZegoExpressErrorCode.h; ZegoExpressInterface.h, logoutRoom", WrongPhase,
    ),
    Rule(
        "IN-03", MUST,
        "A second login to the room one is in is refused and leaves the first session alone.",
        "A double click on 'join' must not throw one out.",
        "ZegoExpressInterface.h, loginRoom", SecondLogin,
    ),
    Rule(
        "IN-04", MUST,
        "A stream id that is taken is refused to the later publisher; the first goes on, and nobody hears of it.",
        "Otherwise anybody can push anybody off the air by an id.",
        "ZegoExpressInterface.h, startPublishingStream; ZegoExpressErrorCode.h", StreamTaken,
    ),
    Rule(
        "IN-05", MUST,
        "A bad or expired token, a full room, a block: LOGIN_FAILED with its code, never IN, and nobody sees it.",
        "This is the door. It is either shut or it is not.",
        "ZegoExpressErrorCode.h, login errors", NotAdmitted,
    ),
)  # fmt: skip
