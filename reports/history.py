"""Who did what when, from a trace: each user's course through the call, the slowest starts, what failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.call.errors import ErrorCode
from harness.scenario.plan import LEAST_TOGETHER
from reports.formats import counted
from reports.load import RunData

INSIDE = ("IN", "REJOINED", "LOGOUT_FAILED")
LOST = ("RECONNECTING", "KICKED", "RECONNECT_FAILED")
Span = tuple[float, float | None]  # seconds of the plan; None: the trace ends first


@dataclass
class Course:
    """One user. Times are seconds of the plan; never_played: ends of subscriptions that had no first frame."""

    user: str
    room: str
    inside: list[Span] = field(default_factory=list)
    published: list[Span] = field(default_factory=list)
    joins: list[float] = field(default_factory=list)
    first_frames: list[float] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    slowest_ms: float = 0.0
    never_played: list[float] = field(default_factory=list)

    @property
    def troubles(self) -> int:
        return len(self.failures) + len(self.lost) + len(self.never_played)


@dataclass(frozen=True)
class Start:
    """One first frame: who waited for which stream, since when, how long, and on what."""

    user: str
    stream: str
    room: str
    called_at: float
    total_ms: float
    phases: dict[str, float]


@dataclass(frozen=True)
class Join:
    user: str
    room: str
    role: str
    due: float
    total_ms: float


@dataclass
class Failure:
    """Equal failures together. code 0: none was given."""

    what: str
    code: int
    message: str
    count: int = 0
    users: set[str] = field(default_factory=set)
    rooms: set[str] = field(default_factory=set)
    first_at: float = 0.0

    @property
    def code_name(self) -> str:
        try:
            return ErrorCode(self.code).name if self.code else ""
        except ValueError:
            return "not in the contract"


@dataclass
class History:
    """depths, codecs: subscriptions that came to their recorded end, by how deep they were looked into, by codec."""

    courses: dict[str, Course]
    starts: list[Start]
    joins: list[Join]
    failures: list[Failure]
    notices: list[Failure]
    depths: Counter[str]
    codecs: Counter[str]
    end: float = 0.0


def history(data: RunData) -> History:
    courses: dict[str, Course] = {p.user_id: Course(p.user_id, p.room_id) for p in data.plan.participants}
    found = History(courses, [], [], [], [], Counter(), Counter())
    for record in data.failures:
        _course(found, record).failures.append(_second(data, record))
    _read_states(data, found)
    _read_probes(data, found)
    found.failures = _grouped(_failed(data))
    found.notices = _grouped(_interrupted(data))
    # A call is also at its end where the trace stops.
    times = [t for c in courses.values() for t in (*c.joins, *c.first_frames, *c.leaves, *c.failures)]
    found.end = max([data.measured.elapsed, *times])
    return found


def _second(data: RunData, record: dict[str, Any]) -> float:
    return float(record["t"]) - data.started


def _course(found: History, record: dict[str, Any]) -> Course:
    user = str(record.get("user", ""))
    if user not in found.courses:
        found.courses[user] = Course(user, str(record.get("room", "")))
    return found.courses[user]


def _read_probes(data: RunData, found: History) -> None:
    for record in data.probes.get("join", ()):
        course, args = _course(found, record), record["args"]
        course.joins.append(_second(data, record))
        due = float(args["due"]) - data.started
        found.joins.append(Join(course.user, course.room, str(record.get("role", "")), due, args["join_time_ms"]))
    for record in data.probes.get("first_frame", ()):
        course, args, at = _course(found, record), record["args"], _second(data, record)
        course.first_frames.append(at)
        total = float(args["first_frame_ms"])
        course.slowest_ms = max(course.slowest_ms, total)
        phases = {str(name): float(part) for name, part in args.get("phases", {}).items()}
        start = Start(course.user, str(args["stream"]), course.room, at - total / 1000, total, phases)
        found.starts.append(start)
    for record in data.probes.get("subscription", ()):
        args = record["args"]
        found.depths[str(args.get("depth", "not recorded"))] += 1
        found.codecs[str(args.get("codec", "not recorded"))] += 1
    for record in _unplayed(data)[0]:
        _course(found, record).never_played.append(_second(data, record))
    found.joins.sort(key=lambda join: (-join.total_ms, join.user, join.due))
    found.starts.sort(key=lambda start: (-start.total_ms, start.user, start.stream))


def _read_states(data: RunData, found: History) -> None:
    inside: dict[str, float] = {}
    live: dict[str, float] = {}
    changes = [*data.probes.get("room.state", ()), *data.probes.get("pub.state", ())]
    for record in sorted(changes, key=lambda record: float(record["t"])):
        course, at, state = _course(found, record), _second(data, record), record["args"].get("state")
        if record["name"] == "room.state":
            if state in LOST:
                course.lost.append(at)
            if state in INSIDE:
                inside.setdefault(course.user, at)
            elif course.user in inside:
                course.inside.append((inside.pop(course.user), at))
                if state == "OUT":
                    course.leaves.append(at)
        if state == "LIVE":
            live.setdefault(course.user, at)
        elif course.user in live and (record["name"] == "pub.state" or state not in INSIDE):
            course.published.append((live.pop(course.user), at))
    for user, since in inside.items():
        found.courses[user].inside.append((since, None))
    for user, since in live.items():
        found.courses[user].published.append((since, None))


# -- failures --------------------------------------------------------------------------------------------------------

_Event = tuple[str, int, str, str, str, float]  # what, code, message, user, room, second


def _failed(data: RunData) -> Iterator[_Event]:
    for record in data.failures:
        args = record["args"]
        yield _event(data, record, f"{record['name']} failed", args.get("code", 0), str(args.get("message", "")))
    for record in data.probes.get("room.state", ()):
        state = record["args"].get("state")
        if state in LOST:
            yield _event(data, record, f"room lost: {state}", record["args"].get("code", 0), "")
    for record in _unplayed(data)[0]:
        yield _event(data, record, "no first frame", 0, "the subscription ended without one")


def _interrupted(data: RunData) -> Iterator[_Event]:
    """Media states that carry a code: a break, or what a publisher's own stop looks like from the other side."""
    for name in ("pub.state", "play.state"):
        for record in data.probes.get(name, ()):
            code = record["args"].get("code", 0)
            if code:
                yield _event(data, record, f"{name} {record['args'].get('state')}", code, "")
    for record in _unplayed(data)[1]:
        yield _event(data, record, f"no first frame: ended within {LEAST_TOGETHER:g} s", 0, "")


def _unplayed(data: RunData) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Subscriptions that ended without a first frame: those that stood long enough for one, and those too short."""
    called: dict[tuple[Any, Any], list[float]] = defaultdict(list)
    for record in data.probes.get("play.state", ()):
        if record["args"].get("state") == "REQ" and not record["args"].get("code"):
            called[record.get("client"), record["args"].get("stream")].append(float(record["t"]))
    long: list[dict[str, Any]] = []
    short: list[dict[str, Any]] = []
    for record in data.probes.get("subscription", ()):
        if record["args"].get("first_frame_ms") is None:
            at = float(record["t"])
            since = [t for t in called[record.get("client"), record["args"].get("stream")] if t <= at]
            (short if since and at - max(since) < LEAST_TOGETHER else long).append(record)
    return long, short


def _event(data: RunData, record: dict[str, Any], what: str, code: Any, message: str) -> _Event:
    user, room = str(record.get("user", "")), str(record.get("room", ""))
    return what, code if isinstance(code, int) else 0, message, user, room, _second(data, record)


def _grouped(events: Iterator[_Event]) -> list[Failure]:
    groups: dict[tuple[str, int, str], Failure] = {}
    for what, code, message, user, room, at in events:
        if (what, code, message) not in groups:
            groups[what, code, message] = Failure(what, code, message, first_at=at)
        group = groups[what, code, message]
        group.count += 1
        group.users.add(user)
        group.rooms.add(room)
        group.first_at = min(group.first_at, at)
    return sorted(groups.values(), key=lambda group: (-group.count, group.what, group.code, group.message))


# -- rooms -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """A room and why it is worth a look; courses: those to draw, the most telling first to be kept, by arrival."""

    name: str
    courses: list[Course]
    users: int
    why: str


def telling_rooms(data: RunData, found: History, most_rooms: int, most_users: int) -> list[Room]:
    """The worst rooms first: by what failed, then freezes, then lost frames, then the slowest first frame."""
    frozen, lost = _by_room(data, "freezeCount"), _by_room(data, "framesLost")
    members: dict[str, list[Course]] = defaultdict(list)
    for course in found.courses.values():
        members[course.room].append(course)

    def badness(room: str) -> tuple[float, float, float, float, str]:
        courses = members[room]
        troubles = sum(course.troubles for course in courses)
        slowest = max((course.slowest_ms for course in courses), default=0.0)
        return -troubles, -frozen[room], -lost[room], -slowest, room

    watched = _by_room(data, "watched_seconds")
    return [
        Room(
            room, _telling(members[room], most_users), len(members[room]), _why(badness(room), bool(watched.get(room)))
        )
        for room in sorted(members, key=badness)[:most_rooms]
    ]


def _telling(courses: list[Course], most: int) -> list[Course]:
    kept = sorted(range(len(courses)), key=lambda i: (-courses[i].troubles, i))[:most]
    return [courses[i] for i in sorted(kept)]


def _by_room(data: RunData, name: str) -> dict[str, float]:
    rooms: dict[str, float] = defaultdict(float)
    for (counter, tags), value in data.measured.totals.counters.items():
        if counter == name:
            rooms[tags.room] += value
    return rooms


def _why(badness: tuple[float, float, float, float, str], watched: bool) -> str:
    """watched: whether any video was watched there, without which no freeze and no loss would mean nothing."""
    troubles, frozen, lost, slowest = (int(-part) for part in badness[:4])
    parts = [
        f"{troubles} {'failure or break' if troubles == 1 else 'failures or breaks'}" if troubles else "no failure"
    ]
    if watched or frozen or lost:
        parts.append(counted(frozen, "freeze") if frozen else "no freeze")
        parts.append(f"{counted(lost, 'frame')} lost" if lost else "no frame lost")
    else:
        parts.append("freezes and lost frames not measured")
    parts.append(f"slowest first frame {slowest} ms" if slowest else "no first frame")
    return ", ".join(parts)
