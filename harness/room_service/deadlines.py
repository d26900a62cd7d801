"""When something is due for a session: its silence, its token, the next notice of how many users are in the room."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.room_service.settings import Settings
from harness.room_service.state import Session

STEPS_PER_INTERVAL = 30
MEDIA_PATIENCE = 20.0  # seconds: less than a media connection without an answer takes to give up


def first_count(now: float, interval: float) -> float:
    """An interval from now, on a grid that all sessions share: notices of a full service come in few bursts."""
    step = interval / STEPS_PER_INTERVAL
    return math.ceil((now + interval) / step) * step


def next_count(due: float, now: float, interval: float) -> float:
    """The first one after now, in step with the one that was due."""
    if due > now:
        return due
    following = due + interval * (math.floor((now - due) / interval) + 1)
    return following if following > now else following + interval  # sums of seconds are not exact


def deadlines(session: Session, settings: Settings, now: float, wall: float) -> Iterator[float]:
    """Seconds of the monotonic clock."""
    if not session.present:
        yield session.last_heard + settings.retry_window
        return
    yield session.last_heard + settings.heartbeat_timeout
    to_warn = session.connected and not session.warned  # who is away is warned when it is back
    if to_warn:
        yield now + session.claims.expires_at - settings.token_warning - wall
    elif settings.kick_on_token_expiry:
        yield now + session.claims.expires_at - wall
    if session.connected:
        yield session.count_due


def cut_off(session: Session, settings: Settings, now: float) -> bool:
    """Whether this client, whose media connection failed, may have lost its network: nothing was heard since then."""
    return not session.connected or now - session.last_heard >= min(MEDIA_PATIENCE, settings.heartbeat_interval)
