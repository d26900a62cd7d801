"""What one process measures between two flushes: counters and histograms by metric, role, room and codec."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.measure.histogram import Histogram


@dataclass(frozen=True, slots=True)
class Tags:
    """What a series can be selected by."""

    role: str = ""
    room: str = ""
    codec: str = ""


class Recorder:
    """Holds deltas: `flush` hands them over and starts anew, so the sum of all flushes is the whole."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, Tags], float] = {}
        self._trends: dict[tuple[str, Tags], list[float]] = {}

    def count(self, name: str, tags: Tags, amount: float = 1) -> None:
        key = (name, tags)
        self._counters[key] = self._counters.get(key, 0) + amount

    def trend(self, name: str, tags: Tags, value: float) -> None:
        """One sample. What comes per frame keeps the list of `samples` instead."""
        self.samples(name, tags).append(value)

    def samples(self, name: str, tags: Tags) -> list[float]:
        """The samples of the current interval: append to it. Valid until the next flush."""
        key = (name, tags)
        found = self._trends.get(key)
        if found is None:
            found = self._trends[key] = []
        return found

    def flush(self) -> dict[str, Any]:
        """JSON values: counters and trends since the last flush, each [name, role, room, codec, value]."""
        counters = [[n, t.role, t.room, t.codec, value] for (n, t), value in self._counters.items() if value]
        trends = []
        for (name, t), values in self._trends.items():
            if values:
                histogram = Histogram()
                histogram.record_all(values)
                trends.append([name, t.role, t.room, t.codec, histogram.to_dict()])
        self._counters, self._trends = {}, {}
        return {"counters": counters, "trends": trends}


class Totals:
    """The sum of flushes, over processes and time."""

    def __init__(self) -> None:
        self.counters: dict[tuple[str, Tags], float] = {}
        self.trends: dict[tuple[str, Tags], Histogram] = {}

    def add(self, flushed: dict[str, Any]) -> None:
        for name, role, room, codec, value in flushed.get("counters", ()):
            key = (name, Tags(role, room, codec))
            self.counters[key] = self.counters.get(key, 0) + value
        for name, role, room, codec, data in flushed.get("trends", ()):
            key = (name, Tags(role, room, codec))
            histogram = Histogram.from_dict(data)
            if key in self.trends:
                self.trends[key].merge(histogram)
            else:
                self.trends[key] = histogram

    def counter(self, names: Iterable[str], wanted: dict[str, str]) -> float:
        chosen = set(names)
        return sum(v for (name, tags), v in self.counters.items() if name in chosen and matches(tags, wanted))

    def trend(self, name: str, wanted: dict[str, str]) -> Histogram:
        merged = Histogram()
        for (found, tags), histogram in self.trends.items():
            if found == name and matches(tags, wanted):
                merged.merge(histogram)
        return merged


def matches(tags: Tags, wanted: dict[str, str]) -> bool:
    return all(getattr(tags, name) == value for name, value in wanted.items())
