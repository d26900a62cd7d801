"""A Chrome dump as a trace: what the browser saw of its peer connections. docs/trace.md says what it cannot tell.

A page is a client. A stream is one transceiver of one peer connection in one direction, such as 24-1/in-0. A dump knows
no rooms; as rules look at streams only inside one, each page is taken to enter one of its own with its first record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.call.errors import ErrorCode
from harness.scenario.errors import one_line
from harness.trace_import.callback_log import Imported
from harness.trace_import.chrome_dump import Connection, Dump, read_dump
from harness.trace_import.chrome_stats import RtpStream
from harness.trace_import.errors import LogError
from harness.trace_import.trace_file import TraceFile

SERVICE = "webrtc-internals"
QUALITY_SECONDS, SAMPLE_SECONDS = 3.0, 1.0
LATE_SECONDS = 5.0  # a stream that its statistics show later than this after `connected` was added then
LOCAL_CLOCK_US = 1_000_000.0  # update times of a local clock are whole seconds
_LONGEST_VALUE = 4000
_STATES = ("connecting", "connected", "disconnected", "failed", "closed")
_ICE_STATES = {"checking": "connecting", "completed": "connected", "connected": "connected"}
_CLOSING = ("close", "stop")

Moment = tuple[float, str]
Event = tuple[float, str, str, dict[str, Any]]  # t, kind, name, args


def import_dump(path: Path, trace: TraceFile, service: str) -> Imported:
    """Write the trace of a dump. Raises LogError."""
    dump = read_dump(path)
    try:
        return _write(path, dump, trace, service)
    except LogError:
        raise
    except ValueError as error:
        raise LogError(one_line(f"{path}: gives no trace: {error}")) from None


def _write(path: Path, dump: Dump, trace: TraceFile, service: str) -> Imported:
    imported = Imported()
    for page in dict.fromkeys(connection.page for connection in dump.connections):
        connections = [connection for connection in dump.connections if connection.page == page]
        imported.clients.add(_add_page(page, connections, trace))
    imported.records = len(trace)
    if not trace:
        raise LogError(f"{path}: its peer connections hold no update and no stream; allowed: a dump of a call")
    started, _ = trace.span
    _add_requests(dump, trace, started)
    trace.finish(
        {
            "service": service or SERVICE,
            "imported_from": path.name,
            "started": started,
            "started_unix": started,
            "clock": "unix",
            "epsilon_us": LOCAL_CLOCK_US if dump.coarse else 0.0,
        }
    )
    return imported


def _add_page(page: str, connections: list[Connection], trace: TraceFile) -> str:
    """The client's name."""
    user = f"page-{page}"
    room = f"{_address(connections[0].url)}#{page}"
    events = sorted((event for connection in connections for event in _events(connection)), key=lambda event: event[0])
    sequence = 0
    for t, kind, name, args in [*_entering(events[0][0], room, user), *events] if events else ():
        record: dict[str, Any] = {"client": f"{user}#1", "user": user, "room": room, "t": round(t, 6)}
        record |= {"kind": kind, "name": name, "args": args}
        if name in ("login", "room.state"):
            record |= {"op": 1 if name == "login" else 0, "native": {"assumed": True}}
        if kind != "probe":
            record |= {"seq": sequence, "epoch": min(1, sequence)}
            sequence += 1
        trace.add(record)
    return f"{user}#1"


def _entering(t: float, room: str, user: str) -> Iterator[Event]:
    yield t, "call", "login", {"room": room, "user": user}
    yield t, "cb", "room.state", {"state": "LOGGING_IN"}
    yield t, "cb", "room.state", {"state": "IN"}
    yield t, "ret", "login", {"result": "ok"}


def _address(url: str) -> str:
    """The page's address without what may be secret in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.hostname or ''}{parts.path}"[:100]


def _add_requests(dump: Dump, trace: TraceFile, started: float) -> None:
    for t, request in dump.requests:
        user = f"page-{request.get('pid', '')}"
        where = {"client": f"{user}#1", "user": user, "t": round(t if t is not None else started, 6)}
        trace.add({**where, "kind": "probe", "name": "getUserMedia", "args": request})


def _events(connection: Connection) -> Iterator[Event]:
    for update in connection.updates:
        args = {"connection": connection.key, "value": update.value[:_LONGEST_VALUE]}
        yield update.t, "probe", update.type or "update", args
    moments = _moments(connection)
    for stream in connection.streams:
        yield from _stream_events(connection, stream, moments)


def _moments(connection: Connection) -> list[Moment]:
    """The states of the connection, in order, without repetitions; of ICE where the dump has no others."""
    changes = [(u.t, u.value.strip('" ')) for u in connection.updates if u.type == "connectionstatechange"]
    if not changes:
        changes = [
            (u.t, _ICE_STATES.get(state, state))
            for u in connection.updates
            if u.type.lower() == "iceconnectionstatechange"
            for state in [_old_ice_state(u.value)]
        ]
    changes += [(u.t, "closed") for u in connection.updates if u.type in _CLOSING]
    found: list[Moment] = []
    for t, state in sorted(changes, key=lambda change: change[0]):
        if state in _STATES and (not found or found[-1][1] not in (state, "closed")):
            found.append((t, state))
    return found


def _old_ice_state(value: str) -> str:
    """Of kICEConnectionStateConnected: connected."""
    return value.strip('" ').lower().removeprefix("k").removeprefix("iceconnectionstate")


def _stream_events(connection: Connection, stream: RtpStream, moments: list[Moment]) -> Iterator[Event]:
    name = f"{connection.key}/{stream.direction}-{stream.identity}"
    begin = _begin(connection, stream, moments)
    at_begin = [(begin, state) for t, state in moments if t <= begin][-1:]
    lived = [*at_begin, *((t, state) for t, state in moments if t > begin)]
    yield from _states(name, stream.direction, begin, lived)
    if stream.direction == "in":
        for number, stage in (("packetsReceived", "received"), ("framesDecoded", "rendered")):
            t = stream.first(number)
            if t is not None and begin <= t:
                yield t, "cb", "play.first", {"stream": name, "media": stream.media, "stage": stage}
    callback = "play.quality" if stream.direction == "in" else "pub.quality"
    last = begin
    for t in stream.times:
        over = any(at <= t and state == "closed" for at, state in lived) or _state_at(lived, t) == "failed"
        if t >= last + QUALITY_SECONDS - SAMPLE_SECONDS / 2 and not over:
            yield t, "cb", callback, {"stream": name, **_quality(stream, last, t)}
            last = t


def _begin(connection: Connection, stream: RtpStream, moments: list[Moment]) -> float:
    """When the stream was asked for: with its connection, unless its statistics begin long after that."""
    connected = next((t for t, state in moments if state == "connected"), None)
    if connected is None or stream.begin <= connected + LATE_SECONDS:
        return min([stream.begin, *(update.t for update in connection.updates[:1])])
    return stream.begin


def _state_at(moments: list[Moment], t: float) -> str:
    return next((state for at, state in reversed(moments) if at <= t), "")


def _quality(stream: RtpStream, before: float, now: float) -> dict[str, Any]:
    """From the counters at two times. loss: the share lost in between; bytes: since the beginning."""
    found: dict[str, Any] = {}
    count = "bytesReceived" if stream.direction == "in" else "bytesSent"
    if (total := stream.total(count, now)) is not None:
        found["bytes"] = int(total)
        found["kbps"] = round(max(0.0, total - (stream.total(count, before) or 0.0)) * 8 / 1000 / (now - before), 3)
    if (rate := stream.most("framesPerSecond", now)) is not None:
        found["fps"] = rate
    if stream.direction == "in" and stream.total("packetsReceived", now) is not None:
        lost, received = (
            max(0.0, (stream.total(name, now) or 0.0) - (stream.total(name, before) or 0.0))
            for name in ("packetsLost", "packetsReceived")
        )
        found["loss"] = round(lost / (lost + received), 6) if lost + received else 0.0
    return found


def _states(name: str, direction: str, begin: float, moments: list[Moment]) -> Iterator[Event]:
    """Calls and state callbacks of one stream: the connection's states, as its own."""
    out = direction == "out"
    start, stop, callback = ("publish", "unpublish", "pub.state") if out else ("play", "unplay", "play.state")
    broken = ErrorCode.PUBLISH_INTERRUPTED if out else ErrorCode.PLAY_INTERRUPTED
    state = "IDLE"

    def change(t: float, new: str, code: int = 0) -> Event:
        nonlocal state
        state = new
        return t, "cb", callback, {"stream": name, "state": new, "code": int(code)}

    def ask(t: float) -> Iterator[Event]:
        yield t, "call", start, {"stream": name}
        yield change(t, "REQ")

    yield from ask(begin)
    for t, now in moments:
        if now in ("connecting", "connected") and state == "IDLE":  # after `failed`: ICE was restarted
            yield from ask(t)
        if now == "connected" and state != "LIVE":
            yield change(t, "LIVE")
        elif now == "disconnected" and state == "LIVE":
            yield change(t, "REQ", broken)
        elif now == "failed" and state != "IDLE":
            yield change(t, "IDLE", broken)
        elif now == "closed" and state != "IDLE":
            yield t, "call", stop, {"stream": name}
            yield change(t, "IDLE")
