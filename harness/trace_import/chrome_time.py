"""Times as Chrome's dumps have them: ISO 8601, milliseconds, or the local date and time of the browser's language."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

_LOCAL = re.compile(
    r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4}),?\s+(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,6}))?\s*([AaPp][Mm])?"
)
_QUARTER = 900  # seconds: zones differ by quarters of an hour
_EARLIEST, _LATEST = 946_684_800.0, 4_102_444_800.0  # 2000 to 2100


def iso_seconds(value: Any) -> float | None:
    """Unix seconds of an ISO 8601 time with zone; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return _plausible(found.timestamp()) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def update_seconds(value: Any, zone: float) -> float | None:
    """Unix seconds of an update's time; zone: seconds to add to local times. None when it cannot be read."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value.strip()):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _plausible(value / 1000 if value > 1e11 else value)
    found = iso_seconds(value)
    if found is not None:
        return found
    local = _local_seconds(value)
    return None if local is None else local + zone


def zone_of(first_update: Any, first_stats: float | None) -> float:
    """Seconds to add to the local times of a dump: statistics have UTC, and begin soon after the first update."""
    local = _local_seconds(first_update) if iso_seconds(first_update) is None else None
    if local is None or first_stats is None:
        return 0.0
    return round((first_stats - local) / _QUARTER) * float(_QUARTER)


def _local_seconds(value: Any) -> float | None:
    """As if it were UTC. With AM or PM the month stands first; else the year, or the day."""
    found = _LOCAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    first, second, third, hour, minute, second_of = (int(found[group]) for group in range(1, 7))
    half = (found[8] or "").upper()
    if first > 31:
        year, month, day = first, second, third
    elif half:
        month, day, year = first, second, third
    else:
        day, month, year = first, second, third
    if half:
        hour = hour % 12 + (12 if half == "PM" else 0)
    try:
        when = datetime(year, month, day, hour, minute, second_of, tzinfo=UTC)
        return _plausible(when.timestamp() + float(f"0.{found[7] or 0}"))
    except (ValueError, OverflowError):
        return None


def _plausible(seconds: float) -> float | None:
    return seconds if _EARLIEST <= seconds <= _LATEST else None
