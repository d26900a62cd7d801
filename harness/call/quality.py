"""How good a stream is, every few seconds, from counters that its media keep anyway.

Levels, the worse of what loss and round trip say:

| level | loss below | round trip below |
|-------|------------|------------------|
| 0     | 2 %        | 150 ms           |
| 1     | 5 %        | 300 ms           |
| 2     | 10 %       | 500 ms           |
| 3     | 30 %       | 1000 ms          |
| 4     | worse      | worse            |
| 5     | nothing was sent or received: not known      |
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

LOSS_LIMITS = (0.02, 0.05, 0.10, 0.30)
ROUND_TRIP_LIMITS_MS = (150.0, 300.0, 500.0, 1000.0)
UNKNOWN_LEVEL = 5


@dataclass(frozen=True, slots=True)
class MediaFigures:
    """Counters of a source or a sink since it was made; none falls, but for `lost` when a packet was only late.

    frames: of video; packets: sent, or received; lost: as the receiving side counts it; rtt_ms: the latest round trip,
    None when nobody measures one; has_video: whether frames means anything.
    """

    frames: int = 0
    bytes: int = 0
    packets: int = 0
    lost: int = 0
    rtt_ms: float | None = None
    has_video: bool = True


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds between reports; the defaults are the vendor's."""

    publish: float = 3.0
    play: float = 3.0
    network: float = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """See call.callbacks.StreamQuality."""

    fps: float | None
    kbps: float
    rtt: float | None
    loss: float
    level: int
    bytes: int


def level(loss: float, rtt_ms: float | None) -> int:
    """0 (best) to 4, by the table above."""
    return max(bisect_right(LOSS_LIMITS, loss), bisect_right(ROUND_TRIP_LIMITS_MS, rtt_ms or 0.0))


class Meter:
    """Reads one stream's counters: what came since the last reading, and how much in all. Times in seconds."""

    def __init__(self, figures: Callable[[], MediaFigures], now: float) -> None:
        self._figures = figures
        self._first = self._last = figures()
        self._at = now
        self._level = UNKNOWN_LEVEL

    def start(self, now: float) -> None:
        """It is live: rates count from here, and not from the call."""
        self._last, self._at = self._figures(), now

    def read(self, now: float) -> Reading:
        """What there is since the last time."""
        figures, last = self._figures(), self._last
        seconds = max(now - self._at, 1e-6)
        loss, packets = self._loss(figures)
        self._level = level(loss, figures.rtt_ms) if packets else UNKNOWN_LEVEL
        self._last, self._at = figures, now
        return Reading(
            round((figures.frames - last.frames) / seconds, 2) if figures.has_video else None,
            round((figures.bytes - last.bytes) / 125 / seconds, 2),
            None if figures.rtt_ms is None else round(figures.rtt_ms, 2),
            round(loss, 4),
            self._level,
            figures.bytes - self._first.bytes,
        )

    def level_now(self) -> int:
        """The level of what came since the last reading, or that reading's when nothing has."""
        figures = self._figures()
        loss, packets = self._loss(figures)
        return level(loss, figures.rtt_ms) if packets else self._level

    def _loss(self, figures: MediaFigures) -> tuple[float, int]:
        """The share that was lost since the last reading, and of how many packets."""
        lost = max(0, figures.lost - self._last.lost)
        packets = lost + max(0, figures.packets - self._last.packets)
        return (lost / packets if packets else 0.0), packets
