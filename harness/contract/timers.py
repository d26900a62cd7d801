"""Deadlines of a pass over a trace: a heap of what is to be looked at when the trace's time has come that far."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

NEVER = float("inf")


class Timers:
    """`next` is the earliest second at which something is due."""

    def __init__(self) -> None:
        self.next = NEVER
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, due: float, action: Callable[..., None], *arguments: Any) -> None:
        self._number += 1
        heapq.heappush(self._heap, (due, self._number, action, arguments))
        self.next = self._heap[0][0]

    def take(self, now: float) -> tuple[float, Callable[..., None], tuple[Any, ...]] | None:
        """The earliest action due before `now`, or None."""
        if not self._heap or self._heap[0][0] >= now:
            return None
        due, _, action, arguments = heapq.heappop(self._heap)
        self.next = self._heap[0][0] if self._heap else NEVER
        return due, action, arguments
