"""What keeps a trace from being read whole: the first few in full, the others as a count."""

from __future__ import annotations

MOST_KEPT = 20


class Problems:
    """found: line (0 if none in particular) and one sentence each; count: all there were."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self.count = 0

    def add(self, line: int, text: str, *, always: bool = False) -> None:
        """always: kept however many there were before."""
        self.count += 1
        if always or len(self.found) < MOST_KEPT:
            self.found.append((line, text))
