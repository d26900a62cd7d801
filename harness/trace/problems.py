"""What keeps a trace from being read whole: the first few in full, the others as a count."""

from __future__ import annotations

MOST_KEPT = 20


class Problems:
    """found: line (0 if none in particular) and one sentence each; count: all there were. cut: the last line was cut
    off, which takes nothing from what stands before it."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self.count = 0
        self.cut = False

    def add(self, line: int, text: str) -> None:
        self.count += 1
        if len(self.found) < MOST_KEPT:
            self.found.append((line, text))

    def add_cut(self, line: int) -> None:
        """Kept however many there were before."""
        self.count += 1
        self.cut = True
        self.found.append((line, f"the trace was cut in line {line}"))
