"""Freezes and pauses by the W3C webrtc-stats rule, and time in gaps, from the times at which frames were rendered.

A freeze is an interval of at least max(3 x average, average + 150 ms) over the last 30 frame intervals (freezeCount,
totalFreezesDuration); as in libwebrtc the interval itself is in the average and five samples are needed. A pause is
more than 5 s without a frame. A stream that dies has no W3C freeze, so time in gaps of 200 and 500 ms counts beside.
"""

from __future__ import annotations

from collections import deque

WINDOW, LEAST_SAMPLES = 30, 5
ADDED_US, PAUSE_US = 150_000, 5_000_000
GAP_200_US, GAP_500_US = 200_000, 500_000


class FreezeDetector:
    """Times in microseconds, rising. `on_freeze(duration_us)` is left to the caller: `frame` returns it."""

    __slots__ = (
        "_intervals",
        "_last_us",
        "_sum",
        "freezeCount",
        "freeze_us",
        "gap200_us",
        "gap500_us",
        "pauseCount",
        "pause_us",
        "watched_us",
    )

    def __init__(self) -> None:
        self._intervals: deque[int] = deque()
        self._sum = 0
        self._last_us: int | None = None
        self.freezeCount = self.freeze_us = 0
        self.pauseCount = self.pause_us = 0
        self.gap200_us = self.gap500_us = 0
        self.watched_us = 0

    def frame(self, at_us: int) -> int:
        """A frame was rendered. Returns the length of the freeze it ended, 0 when it ended none."""
        last, self._last_us = self._last_us, at_us
        if last is None:
            return 0
        interval = at_us - last
        self._watch(interval)
        if interval > PAUSE_US:
            self.pauseCount += 1
            self.pause_us += interval
            self._forget()
            return 0
        return self._judge(interval)

    def _judge(self, interval: int) -> int:
        """Take an interval into the average, and count it when that makes it a freeze."""
        self._intervals.append(interval)
        self._sum += interval
        if len(self._intervals) > WINDOW:
            self._sum -= self._intervals.popleft()
        if len(self._intervals) < LEAST_SAMPLES:
            return 0
        average = self._sum // len(self._intervals)
        if interval < max(3 * average, average + ADDED_US):
            return 0
        self.freezeCount += 1
        self.freeze_us += interval
        return interval

    def _watch(self, interval: int) -> None:
        self.watched_us += interval
        if interval >= GAP_200_US:
            self.gap200_us += interval
            if interval >= GAP_500_US:
                self.gap500_us += interval

    def _forget(self) -> None:
        self._intervals.clear()
        self._sum = 0

    def interrupt(self) -> None:
        """The picture stopped on purpose (muted, unpublished): what follows is a new beginning, not a gap."""
        self._last_us = None
        self._forget()

    @property
    def awaiting(self) -> bool:
        """Whether a frame has come and another should."""
        return self._last_us is not None

    def silent_us(self, at_us: int) -> int:
        """Time since the last frame; 0 when none is awaited."""
        return 0 if self._last_us is None else max(0, at_us - self._last_us)

    def end(self, at_us: int) -> int:
        """The subscription ends while its stream should be there. Returns the length of an open freeze, else 0.

        An open gap counts as if a frame had ended it: as watched time, as gap, and as a freeze when the rule makes it
        one; longer than a pause it is neither freeze nor pause, as nothing has come after it.
        """
        last, self._last_us = self._last_us, None
        if last is None or at_us <= last:
            return 0
        gap = at_us - last
        self._watch(gap)
        return 0 if gap > PAUSE_US else self._judge(gap)
