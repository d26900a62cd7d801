"""RO: what one client is told of the others and their streams."""

from __future__ import annotations

from typing import Any

from harness.contract.check import Check
from harness.contract.presence import Outage, Presence
from harness.contract.rule import MUST, SHOULD, Rule
from harness.contract.truth import Fact
from harness.trace.record import Record

STOPPED, SILENT, REPEATED, KICKED, DISCONNECTED, REMOVED = 1, 2, 3, 4, 5, 6
REASONS = {
    "unpublish": {STOPPED},
    "logout": {STOPPED},
    "kick": {KICKED},
    "relogin": {REPEATED},
    "expiry": {KICKED},
    "crash": {SILENT, DISCONNECTED},
    "outage": {SILENT, DISCONNECTED},
    "destroy": {STOPPED, DISCONNECTED},
    "retry": {DISCONNECTED, SILENT},
    "failed": {DISCONNECTED, STOPPED, REMOVED},
}
BY_CALL = frozenset(
    ("unpublish", "logout", "kick", "relogin", "destroy")
)  # of several at once, any may be what ended it


class RosterCheck(Check):
    """Both lists, by one rule."""

    def users(self, presence: Presence, record: Record) -> None:
        self.roster(presence, record, presence.users, "user")

    def streams(self, presence: Presence, record: Record) -> None:
        self.roster(presence, record, presence.streams, "stream")

    def roster(self, presence: Presence, record: Record, view: dict[str, Any], what: str) -> None:
        raise NotImplementedError


class Position(RosterCheck):
    def roster(self, presence: Presence, record: Record, view: dict[str, Any], what: str) -> None:
        self._place(presence, record)

    def _place(self, presence: Presence, record: Record) -> None:
        self.judged()
        if self.profile.roster != "before_in" and presence.entered is None:
            self.broken(
                "roster, count and extra info come after IN", f"{record.name} in {presence.state}",
                [presence.changed], presence.subject(), guilty=record,
            )  # fmt: skip

    def count(self, presence: Presence, record: Record) -> None:
        self._place(presence, record)

    def room_extra(self, presence: Presence, record: Record) -> None:
        self._place(presence, record)

    def stream_extra(self, presence: Presence, record: Record) -> None:
        self._place(presence, record)

    def entered(self, presence: Presence, fact: Fact) -> None:
        if self.profile.roster != "before_in":
            return
        self.judged()
        there = [f for f in presence.room.users.current.values() if presence.login and _before(f, presence.login)]
        late = [f for f in there if f.user not in presence.users and f.owner is not presence]
        if late:
            self.broken(
                "the roster is complete at IN", f"{late[0].user} is missing", [late[0].since],
                presence.subject(user=late[0].user), guilty=presence.entered,
            )  # fmt: skip


class WellFormed(RosterCheck):
    def stream_extra(self, presence: Presence, record: Record) -> None:
        self.judged()
        ids = [item.id for item in record.args.items]
        if not ids or not all(ids):
            fault = "an empty id" if ids else "an empty list"
            self.broken("extra info names its streams", fault, [], presence.subject(), guilty=record)

    def roster(self, presence: Presence, record: Record, view: dict[str, Any], what: str) -> None:
        self.judged()
        items = record.args.items
        ids = [item.id for item in items]
        fault = ""
        if not items and record.args.op != "SNAP":
            fault = "an empty list"
        elif not all(ids):
            fault = "an empty id"
        elif len(set(ids)) < len(ids):
            fault = "the same id twice"
        elif what == "stream" and record.args.op != "DEL" and not all(item.user for item in items):
            fault = "a stream without its user"
        if fault:
            self.broken(
                "a list names at least one, each once, streams with their user",
                fault,
                [],
                presence.subject(),
                guilty=record,
            )


class NoDoubleAdd(RosterCheck):
    def roster(self, presence: Presence, record: Record, view: dict[str, Any], what: str) -> None:
        if record.args.op != "ADD":
            return
        self.judged()
        for item in record.args.items:
            known = view.get(item.id)
            if known is not None:
                first = known if isinstance(known, Record) else known[1]
                self.broken(
                    f"an added {what} was not there before",
                    f"{item.id} was added again",
                    [first],
                    presence.subject(**{what: item.id}),
                    guilty=record,
                )


class NoBlindDelete(RosterCheck):
    def roster(self, presence: Presence, record: Record, view: dict[str, Any], what: str) -> None:
        if record.args.op != "DEL":
            return
        self.judged()
        for item in record.args.items:
            if item.id not in view:
                self.broken(
                    f"a deleted {what} was there before",
                    f"{item.id} was not",
                    [presence.entered],
                    presence.subject(**{what: item.id}),
                    guilty=record,
                )


class NotOneself(RosterCheck):
    def roster(self, presence: Presence, record: Record, view: dict[str, Any], what: str) -> None:
        self.judged()
        me = presence.client.user
        for item in record.args.items:
            own = item.id == me if what == "user" else item.user == me or (not item.user and item.id in presence.pubs)
            if own:
                self.broken(
                    "rosters are of the others",
                    f"{me}'s own {what}",
                    [presence.login],
                    presence.subject(),
                    guilty=record,
                )


class InitialRoster(Check):
    """What was there before the login call came as the first list; by IN plus propagation the view is complete."""

    def entered(self, presence: Presence, fact: Fact) -> None:
        login, room = presence.login, presence.room
        if login is None:
            return
        users = {f.user: f for f in room.users.current.values() if _before(f, login) and f.user != presence.client.user}
        streams = [f for f in room.streams.current.values() if _before(f, login) and f.user != presence.client.user]
        if not users and not streams:
            return
        self.later(self.world.now + self.world.propagation, self._look, presence, users, streams, fact.since)

    def _look(self, presence: Presence, users: dict[str, Fact], streams: list[Fact], entered: Record) -> None:
        if not presence.steady(entered.t):
            return
        self.judged()
        if presence.user_updates:
            still = {user: f for user, f in users.items() if f.holds and f.must_from and f.must_from < entered.t}
            self._complete(presence, still, presence.users, entered, "user")
        live = {f.key.partition("\n")[0]: f for f in streams if f.holds and f.must_from and f.must_from < entered.t}
        self._complete(presence, live, presence.streams, entered, "stream")

    def _complete(
        self, presence: Presence, due: dict[str, Fact], view: dict[str, Any], entered: Record, what: str
    ) -> None:
        batches: dict[int, Record] = {}
        for name, fact in due.items():
            known = view.get(name)
            if known is None:
                self.broken(
                    f"a newcomer is told of every {what} that was there before its login",
                    f"nothing of {name}",
                    [fact.since, presence.login, entered],
                    presence.subject(**{what: name}),
                )
                continue
            record = known if isinstance(known, Record) else known[1]
            batches[record.line] = record
        if len(batches) > 1:
            self.broken(
                f"the {what}s that were there come as one list",
                f"{len(batches)} lists",
                [entered, *list(batches.values())[:3]],
                presence.subject(),
                should=True,
            )


def _before(fact: Fact, login: Record) -> bool:
    return fact.holds and fact.must_from is not None and fact.must_from < login.t


class NotificationOff(Check):
    def users(self, presence: Presence, record: Record) -> None:
        if not presence.user_updates:
            self.broken(
                "with user notification off no roster.users comes", "one came", [presence.login], presence.subject(),
                guilty=record,
            )  # fmt: skip

    def live(self, fact: Fact) -> None:
        for observer in fact.owner.room.observers(self.world.now, fact.user):
            if not observer.user_updates:
                self.later(self.world.now + self.world.propagation, self._look, observer, fact, fact.since)

    def _look(self, observer: Presence, fact: Fact, since: Record) -> None:
        if not fact.holds or fact.since is not since or not observer.steady(since.t):
            return
        self.judged()
        stream = fact.key.partition("\n")[0]
        if stream not in observer.streams:
            self.broken(
                "streams are announced with user notification off too",
                f"nothing of {stream}",
                [observer.login, since],
                observer.subject(stream=stream),
            )


class UserBeforeStream(Check):
    def streams(self, presence: Presence, record: Record) -> None:
        if record.args.op != "ADD" or not presence.user_updates:
            return
        self.judged()
        for item in record.args.items:
            if item.user and item.user not in presence.users and item.user != presence.client.user:
                self.broken(
                    "a stream is added after its user",
                    f"{item.id} came and {item.user} is not in the roster",
                    [presence.entered],
                    presence.subject(stream=item.id, user=item.user),
                    guilty=record,
                )


class NoOrphans(Check):
    def users(self, presence: Presence, record: Record) -> None:
        if record.args.op != "DEL":
            return
        for item in record.args.items:
            self.judged()
            left = [name for name, (stream, _) in presence.streams.items() if stream.user == item.id]
            if not left:
                continue
            if self.profile.leave_order == "streams_first":
                added = presence.streams[left[0]][1]
                self.broken(
                    "a user's streams are deleted before the user",
                    f"{left[0]} was still there",
                    [added],
                    presence.subject(user=item.id, stream=left[0]),
                    guilty=record,
                    should=True,
                )
            self.later(self.world.now + self.world.propagation, self._look, presence, item.id, record)

    def _look(self, presence: Presence, user: str, deleted: Record) -> None:
        if not presence.steady(deleted.t) or user in presence.users:
            return
        for name, (stream, added) in presence.streams.items():
            if stream.user == user and added.t <= deleted.t:
                self.broken(
                    "streams of a user who was deleted are deleted too",
                    f"{name} stayed",
                    [added, deleted],
                    presence.subject(user=user, stream=name),
                )


class DeleteReason(Check):
    def streams(self, presence: Presence, record: Record) -> None:
        if record.args.op != "DEL":
            return
        self.judged()
        items, reasons = record.args.items, record.args.reasons
        if reasons is None or len(reasons) != len(items):
            self.broken(
                "each deleted stream has one reason", "none" if reasons is None else f"{len(reasons)} for {len(items)}",
                [], presence.subject(), guilty=record,
            )  # fmt: skip
            return
        for item, reason in zip(items, reasons, strict=True):
            self._fits(presence, record, item.id, reason)

    def _fits(self, presence: Presence, record: Record, stream: str, reason: int) -> None:
        known = presence.streams.get(stream)
        owner = known[0].user if known is not None else ""
        if known is None or presence.client.fault is not None or not presence.steady(known[1].t):
            return  # what it is told after an outage of its own stands for all that happened meanwhile
        facts = [
            f for f in presence.room.streams.of(presence.room.stream_key(stream, owner)) if f.must_until is not None
        ]
        outage = presence.room.outages.get(owner)
        # What ended it may be told to its owner a little later than to the others.
        self.later(
            self.world.now + self.profile.deadlines.teardown, self._look, presence, record, facts, outage, reason
        )

    def _look(self, presence: Presence, record: Record, facts: list[Fact], outage: Outage | None, reason: int) -> None:
        causes = {fact.cause for fact in facts}
        causes |= {cause for fact in facts for _, cause, _ in fact.rest if cause in BY_CALL}
        allowed = set().union(*(REASONS.get(cause, set()) for cause in causes))
        if outage is not None:
            allowed |= {SILENT, DISCONNECTED} | ({REPEATED} if outage.replaced else set())
        if facts and reason not in allowed:
            fact = facts[-1]
            self.broken(
                f"after {fact.cause} the reason is {' or '.join(map(str, sorted(allowed)))}",
                f"reason {reason}",
                [fact.end],
                presence.subject(stream=fact.key.partition("\n")[0], user=fact.user),
                guilty=record,
            )


RULES = (
    Rule(
        "RO-01", MUST,
        "Roster, count and extra info come inside an epoch and on the side of IN that the service promises.",
        "An application builds its page at IN; what comes before is dropped, what is missing never appears.",
        "ZegoExpressDefines.h, room states; LiveKit: join response first; XEP-0045, order of events", Position,
    ),
    Rule(
        "RO-02", MUST,
        "Lists are not empty, ids are not empty and come once, and every stream names its user.",
        "An empty list crashes code that takes the first element; a nameless stream cannot be placed.",
        "ZEGO release notes (windows 1.16.0, web 1.6.0)", WellFormed,
    ),
    Rule(
        "RO-03", MUST,
        "What is added was not in the client's view.",
        "A double ADD makes two tiles of one person.",
        "core; ZEGO release notes (windows 1.15.2)", NoDoubleAdd,
    ),
    Rule(
        "RO-04", MUST,
        "What is deleted was in the client's view.",
        "A delete of the unknown means that its ADD was lost, and with it a person.",
        "core", NoBlindDelete,
    ),
    Rule(
        "RO-05", MUST,
        "A client's own user and streams never appear in its rosters.",
        "People would see and hear themselves, with echo.",
        "ZegoExpressEventHandler.h, onRoomUserUpdate and onRoomStreamUpdate", NotOneself,
    ),
    Rule(
        "RO-06", MUST,
        "After IN a newcomer is told of everybody and every stream that was there before, as one list each.",
        "A late joiner who misses one publisher does not know that anything is missing.",
        "ZegoExpressEventHandler.h, first login", InitialRoster,
    ),
    Rule(
        "RO-07", MUST,
        "With user notification off no roster.users comes, and roster.streams still does.",
        "Large rooms turn user notification off to survive; streams are what they live on.",
        "ZegoExpressEventHandler.h, onRoomUserUpdate; ZegoRoomConfig", NotificationOff,
    ),
    Rule(
        "RO-08", MUST,
        "A stream is added after its user was.",
        "A tile needs a name; code that looks the user up by the stream finds nobody.",
        "LiveKit client: participant before its tracks", UserBeforeStream,
    ),
    Rule(
        "RO-09", MUST,
        "When a user is deleted, its streams are gone by then or soon after.",
        "A picture that stays after its person left is the ghost every support team knows.",
        "ZegoExpressEventHandler.h; Janus VideoRoom, leaving; LiveKit client", NoOrphans,
    ),
    Rule(
        "RO-10", SHOULD,
        "Each deleted stream has one reason, and it fits what happened.",
        "An application says 'left' or 'connection lost' by it.",
        "ZegoExpressEventHandler.h, stream_delete_reason", DeleteReason,
    ),
)  # fmt: skip
