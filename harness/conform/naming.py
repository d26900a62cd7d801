"""Names of a performance: schedules that share a service must not meet in it."""

from __future__ import annotations

from dataclasses import dataclass

_SHORT = 32  # what is longer, or empty, is there to be refused, and stays as it is


@dataclass(frozen=True, slots=True)
class Naming:
    """prefix: put before every user, room and stream id."""

    prefix: str = ""

    def __call__(self, name: str) -> str:
        return f"{self.prefix}{name}" if 0 < len(name) <= _SHORT else name
