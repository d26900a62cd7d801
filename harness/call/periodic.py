"""Work that comes round every few seconds, all of it on one timer of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Entry:
    due: float
    period: float
    work: Callable[[float], None]


class PeriodicWork:
    """Entries begin and end by key; each keeps its own phase. `work` gets the loop's time in seconds.

    One timer for all: a participant who plays fifty streams has one, not fifty.
    """

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, key: Hashable, period: float, work: Callable[[float], None]) -> None:
        """First in `period` seconds from now. Replaces an entry of the same key."""
        now = asyncio.get_running_loop().time()
        self._entries[key] = _Entry(now + period, period, work)
        self._arm()

    def end(self, key: Hashable) -> None:
        if self._entries.pop(key, None) is not None and not self._entries:
            self.close()

    def close(self) -> None:
        """End everything. Safe to call twice."""
        self._entries.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        due = min(entry.due for entry in self._entries.values())
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._round)

    def _round(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for key, entry in tuple(self._entries.items()):
            # An entry's work may have ended another.
            if entry.due <= now and self._entries.get(key) is entry:
                # In phase, unless the loop has stood still for longer than a period: what was missed is not made up.
                entry.due = max(entry.due + entry.period, now + entry.period / 2)
                entry.work(now)
        if self._entries:
            self._arm()
