"""A camera and a microphone without pictures or sound: first frames are told, and counters run, by the loop's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from harness.call.driver import OnFirst
from harness.call.quality import MediaFigures

FPS, PACKETS, BYTES = 25, 100, 40_000  # a second
ROUND_TRIP_MS = 10.0
RENDERED_AFTER = 0.01  # seconds from the first packet to the first whole frame


class Flow:
    """Counters of media that flow from time to time."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seconds = 0.0

    def begin(self) -> None:
        if self._since is None:
            self._since = asyncio.get_running_loop().time()

    def end(self) -> None:
        self._seconds, self._since = self.seconds(), None

    def seconds(self) -> float:
        if self._since is None:
            return self._seconds
        return self._seconds + asyncio.get_running_loop().time() - self._since

    def figures(self) -> MediaFigures:
        seconds = self.seconds()
        frames, packets = int(seconds * FPS), int(seconds * PACKETS)
        return MediaFigures(frames, int(seconds * BYTES), packets, 0, ROUND_TRIP_MS, True)


class _Firsts:
    """Tells each stage of a medium once for every play or publish."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._on_first: OnFirst = lambda kind, stage, at_us: None
        self._told: set[tuple[str, str]] = set()

    def listen(self, on_first: OnFirst) -> None:
        self._on_first = on_first
        self._told.clear()

    def tell(self, kind: str, stage: str) -> None:
        if (kind, stage) not in self._told:
            self._told.add((kind, stage))
            self._on_first(kind, stage, self._now_us())


class VirtualSource:
    """See call.driver.PublishSource."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._firsts = _Firsts(now_us)
        self._flow = Flow()

    @property
    def kinds(self) -> Mapping[str, str]:
        return {"video": "vp8", "audio": "opus"}

    def start(self, streams: Mapping[str, Any]) -> None:
        self._flow.begin()
        for kind in self.kinds:
            self._firsts.tell(kind, "captured")
            self._firsts.tell(kind, "sent")

    def stop(self) -> None:
        self._flow.end()

    def mute(self, kind: str, muted: bool) -> None:
        """A muted camera sends black, a muted microphone silence: packets go on."""

    def listen(self, on_first: OnFirst) -> None:
        self._firsts.listen(on_first)

    def quality(self) -> MediaFigures:
        return self._flow.figures()


class VirtualSink:
    """See call.driver.PlaySink."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._firsts = _Firsts(now_us)
        self._flow = Flow()

    def open(self, kind: str, codec: str, ssrc: int, alerts: list[Any]) -> Any:
        """The first packet has come."""
        self._flow.begin()
        self._firsts.tell(kind, "received")
        asyncio.get_running_loop().call_later(RENDERED_AFTER, self._firsts.tell, kind, "rendered")

    def pause(self) -> None:
        """Nothing comes any more, for now."""
        self._flow.end()

    def phase(self, name: str, at_us: int) -> None:
        """Nobody divides a virtual start into phases."""

    def listen(self, on_first: OnFirst) -> None:
        self._firsts.listen(on_first)

    def quality(self) -> MediaFigures:
        return self._flow.figures()
