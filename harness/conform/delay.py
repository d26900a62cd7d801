"""How long to wait, in seconds or in the windows of the service that is called: `0.2s`, `1.3 heartbeat`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.quantity import parse_duration

LONGEST = 86_400.0  # seconds, and as many windows
_DIGITS = 6  # microseconds are the finest that a trace tells apart


@dataclass(frozen=True, slots=True)
class Windows:
    """Seconds. settle: until news has reached everybody; heartbeat: silence after which a user is gone; window: how
    long a lost client may come back; warning: notice before a token expires; count: between counts of a room's users.
    """

    settle: float
    heartbeat: float
    window: float
    warning: float
    count: float


UNITS = ("settle", "heartbeat", "window", "warning", "count")
_IN_WINDOWS = re.compile(rf"([0-9]{{1,6}}(?:\.[0-9]{{1,{_DIGITS}}})?) ({'|'.join(UNITS)})")
ALLOWED = f"seconds such as 0.2s, or windows such as 1.3 heartbeat ({', '.join(UNITS)})"


@dataclass(frozen=True, slots=True)
class Delay:
    """unit: "s", or the name of a window. Raises ImpossibleError for a number below 0 or beyond a day."""

    number: float = 0.0
    unit: str = "s"

    def __post_init__(self) -> None:
        if self.unit != "s" and self.unit not in UNITS:
            raise ImpossibleError(f"{shown(self.unit)} is not a unit; allowed: {ALLOWED}")
        if not (math.isfinite(self.number) and 0 <= self.number <= LONGEST):
            raise ImpossibleError(f"{shown(self.number)} is out of range; allowed: 0 to {LONGEST:g} {self.unit}")
        object.__setattr__(self, "number", round(float(self.number), _DIGITS))

    def seconds(self, windows: Windows) -> float:
        return self.number if self.unit == "s" else self.number * float(getattr(windows, self.unit))

    def __str__(self) -> str:
        number = f"{self.number:.{_DIGITS}f}".rstrip("0").rstrip(".")
        return f"{number}s" if self.unit == "s" else f"{number} {self.unit}"


def parse_delay(value: object) -> Delay:
    """Raises ImpossibleError."""
    if isinstance(value, str):
        found = _IN_WINDOWS.fullmatch(value)
        if found is not None:
            return Delay(float(found[1]), found[2])
        if not re.match(r"[0-9.]+(ms|s|m|h)", value):
            raise ImpossibleError(f"{shown(value)} is not a delay; allowed: {ALLOWED}")
    return Delay(parse_duration(value, 0, LONGEST))
