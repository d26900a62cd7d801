"""What chrome://webrtc-internals saves: its peer connections, with their updates and streams."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.scenario.errors import one_line, shown
from harness.trace_import.chrome_stats import RtpStream, rtp_streams
from harness.trace_import.chrome_time import update_seconds, zone_of
from harness.trace_import.errors import LogError

MOST_BYTES = 512 << 20
_ALLOWED = "allowed: the JSON that chrome://webrtc-internals saves"


@dataclass(frozen=True)
class Update:
    """One line of a connection's update log. t: Unix seconds."""

    t: float
    type: str
    value: str


@dataclass(frozen=True)
class Connection:
    """key: as in the dump, such as 24-1; page: the process of its page."""

    key: str
    page: str
    url: str
    updates: tuple[Update, ...]
    streams: tuple[RtpStream, ...]


@dataclass(frozen=True)
class Dump:
    """requests: calls of getUserMedia, with Unix seconds (None where the dump has no time)."""

    connections: tuple[Connection, ...]
    requests: tuple[tuple[float | None, dict[str, Any]], ...]
    coarse: bool  # some times are whole seconds of a local clock


def read_dump(path: Path) -> Dump:
    """Plain or gzipped. Raises LogError."""
    raw = _bytes(path)
    if raw.lstrip()[:12] == b"RTCStatsDump":
        raise LogError(f"{path}: is a dump in the rtcstats format; {_ALLOWED}, without that format")
    try:
        dump = json.loads(raw)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise LogError(f"{path}:{line}: is not JSON; {_ALLOWED}") from None
    connections = dump.get("PeerConnections") if isinstance(dump, dict) else None
    if not isinstance(connections, dict):
        raise LogError(f"{path}: has no PeerConnections; {_ALLOWED}")
    coarse = False
    found = []
    for key, raw_connection in connections.items():
        connection, local = _connection(path, key, raw_connection)
        found.append(connection)
        coarse = coarse or local
    requests = dump.get("getUserMedia")
    return Dump(tuple(found), _requests(requests if isinstance(requests, list) else []), coarse)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LogError(one_line(f"{path}: cannot be read ({reason}); {_ALLOWED}")) from None
    if len(raw) > MOST_BYTES:
        raise LogError(f"{path}: holds more than {MOST_BYTES} bytes; allowed: up to {MOST_BYTES}")
    return raw


def _connection(path: Path, key: str, raw: Any) -> tuple[Connection, bool]:
    """The connection, and whether its update times are a local clock's."""
    where = f"{path}: PeerConnections.{shown(key)}"
    log = raw.get("updateLog", []) if isinstance(raw, dict) else None
    if not isinstance(log, list) or not all(isinstance(item, dict) for item in log):
        raise LogError(f"{where}: has no list updateLog; {_ALLOWED}")
    streams = rtp_streams(raw.get("stats"))
    first = log[0].get("time") if log else None
    zone = zone_of(first, min((stream.begin for stream in streams), default=None))
    updates = []
    for at, item in enumerate(log):
        t = update_seconds(item.get("time"), zone)
        if t is None:
            allowed = "allowed: ISO 8601, milliseconds, or such as 1/31/2026, 12:30:00 PM"
            raise LogError(f"{where}.updateLog[{at}]: time is {shown(item.get('time'))}; {allowed}")
        updates.append(Update(t, str(item.get("type", "")), _as_text(item.get("value", ""))))
    page = str(raw.get("pid") or key.partition("-")[0])
    url = str(raw.get("url") or "")
    return Connection(key, page, url, tuple(updates), tuple(streams)), isinstance(first, str) and ":" in first and (
        "T" not in first
    )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _requests(raw: list[Any]) -> tuple[tuple[float | None, dict[str, Any]], ...]:
    return tuple((update_seconds(item.get("timestamp"), 0.0), item) for item in raw if isinstance(item, dict))
