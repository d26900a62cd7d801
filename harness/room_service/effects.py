"""What the room logic wants done. The shell does it; the logic never touches a socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Send:
    """An event for a session's socket. A session without one loses it; resuming sends what changed."""

    session: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CloseSession:
    """The session has ended: close its socket and its media."""

    session: str


@dataclass(frozen=True, slots=True)
class ClosePublication:
    """Stop receiving this stream."""

    session: str
    stream: str


@dataclass(frozen=True, slots=True)
class Attach:
    """Forward a live stream to this session."""

    session: str
    stream: str


@dataclass(frozen=True, slots=True)
class Detach:
    """Stop forwarding a stream to this session."""

    session: str
    stream: str


Effect = Send | CloseSession | ClosePublication | Attach | Detach
