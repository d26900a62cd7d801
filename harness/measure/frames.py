"""Whose frames came, which are missing, doubled, late: accounting by stamps."""

from __future__ import annotations

REMEMBERED = 600  # frame numbers back to which a missing frame may still come
JUMP = 100_000  # a number further ahead than this is not the same recording


class FrameAccount:
    """Frames of one publisher and stream at one subscriber, by the numbers in their stamps.

    captured: numbers from the first frame seen to the last; lost = captured - received, at any time. A frame is late
    when a younger one had been complete before; doubled when it was complete already. What comes from before the first
    is none of these: whether it is a double is not known. bursts: how often numbers were missing, one or more in a row.
    """

    __slots__ = (
        "_first",
        "_highest",
        "_missing",
        "_newest_at_us",
        "bursts",
        "captured",
        "doubled",
        "late",
        "received",
        "reordered",
    )

    def __init__(self) -> None:
        self._first = self._highest = -1
        self._newest_at_us = 0
        self._missing: set[int] = set()
        self.captured = self.received = self.late = self.doubled = self.reordered = self.bursts = 0

    def frame(self, number: int, completed_us: int) -> bool:
        """Account for one frame, in order of processing. False: it is a double, or from before the first."""
        if self._highest < 0 or number > self._highest + JUMP or number < self._first - JUMP:
            self._first = self._highest = number
            self._missing.clear()
            self.captured += 1
            self.received += 1
            self._newest_at_us = completed_us
            return True
        if number == self._highest + 1:
            self._highest = number
            self.captured += 1
        elif number > self._highest:
            self.bursts += 1
            self._missing.update(range(max(self._highest + 1, number - REMEMBERED), number))
            self.captured += number - self._highest
            self._highest = number
            if len(self._missing) > 2 * REMEMBERED:
                self._missing = {n for n in self._missing if n > number - REMEMBERED}
        else:
            if number not in self._missing:
                self.doubled += number >= self._first
                return False
            self._missing.discard(number)
            self.late += 1
            self.reordered += 1
            self.received += 1
            return True
        self.received += 1
        if completed_us < self._newest_at_us:
            # Put in order by its packets' numbers, but complete before an older frame was: that one is the late one.
            self.late += 1
            self.reordered += 1
        else:
            self._newest_at_us = completed_us
        return True

    def interrupt(self) -> None:
        """The stream stopped on purpose: the numbers skipped meanwhile are not lost."""
        self._highest = -1
        self._missing.clear()

    def never_came(self, frames: int) -> None:
        """The stream died: so many more were captured by its frame clock, and none of them arrived."""
        self.captured += frames

    @property
    def lost(self) -> int:
        return self.captured - self.received
