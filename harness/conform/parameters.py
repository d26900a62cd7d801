"""What the windows of a service are, for schedules that count in them and for whoever judges the trace."""

from __future__ import annotations

from typing import Any

from harness.conform.delay import Windows
from harness.room_service.settings import Settings

HEARTBEAT_SLACK = 2.5  # seconds by which the service may notice a silence late


def windows(settings: Settings, settle: float) -> Windows:
    """settle: seconds in which news has reached everybody."""
    return Windows(
        settle=settle,
        heartbeat=settings.heartbeat_timeout,
        window=settings.retry_window,
        warning=settings.token_warning,
        count=settings.count_interval,
    )


def parameters(settings: Settings, settle: float) -> dict[str, Any]:
    """As a profile names them: see harness.contract.profile."""
    least = settings.heartbeat_timeout - settings.heartbeat_interval
    return {
        "heartbeat": [least, settings.heartbeat_timeout + HEARTBEAT_SLACK],
        "retry_window": settings.retry_window,
        "token_expiry": "kick" if settings.kick_on_token_expiry else "keep",
        "token_warning": settings.token_warning,
        "count": settings.count_interval,
        "users_per_room": settings.users_per_room,
        "propagation": settle,
        "settle": settle,
    }
