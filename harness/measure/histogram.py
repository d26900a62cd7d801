"""A mergeable histogram: 128 buckets an octave on either side of zero, so a percentile is off by 0.27 % at most.

Sparse, because a run keeps one per metric, role, room and codec: a dict of the buckets in use. Counts are exact and
the order of merging does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PER_OCTAVE = 128
_UNDER = -(1 << 20)  # the bucket of zero and of anything too small to matter
_MIRROR = 2 * _UNDER  # a negative number's bucket is this less its magnitude's, so that buckets sort as numbers do
SMALLEST = 2.0**-20
LEAST_FOR_ARRAYS = 32


class Histogram:
    """`record` samples, `merge` others into it, ask for percentiles."""

    __slots__ = ("buckets", "count", "max", "min", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.min = math.inf
        self.max = -math.inf

    def record(self, value: float) -> None:
        bucket = math.floor(math.log2(value) * PER_OCTAVE) if value > SMALLEST else _bucket_below(value)
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + 1
        self.count += 1
        self.total += value
        self.min = min(self.min, value)
        self.max = max(self.max, value)

    def record_all(self, values: Sequence[float]) -> None:
        """Many samples at once, for a sixth of the cost of recording each."""
        if len(values) < LEAST_FOR_ARRAYS:
            for value in values:
                self.record(value)
            return
        array = np.asarray(values, dtype=np.float64)
        size = np.abs(array)
        scaled = np.floor(np.log2(np.maximum(size, SMALLEST)) * PER_OCTAVE).astype(np.int64)
        scaled = np.where(array < 0, _MIRROR - scaled, scaled)
        found, counts = np.unique(np.where(size > SMALLEST, scaled, _UNDER), return_counts=True)
        for bucket, n in zip(found.tolist(), counts.tolist(), strict=True):
            self.buckets[bucket] = self.buckets.get(bucket, 0) + n
        self.count += len(values)
        self.total += float(array.sum())
        self.min = min(self.min, float(array.min()))
        self.max = max(self.max, float(array.max()))

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else math.nan

    def percentile(self, q: float) -> float:
        """The q-th percentile (0 to 100), nearest rank; NaN when empty."""
        if not self.count:
            return math.nan
        rank = max(1, math.ceil(q / 100 * self.count))
        if rank == 1:
            return self.min
        if rank == self.count:
            return self.max
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return min(self.max, max(self.min, middle(bucket)))
        return self.max

    def share_above(self, limit: float) -> float:
        """Share of samples above a limit, to within a bucket; 0 when empty."""
        above = sum(n for bucket, n in self.buckets.items() if middle(bucket) > limit)
        return above / self.count if self.count else 0.0

    def merge(self, other: Histogram) -> None:
        for bucket, n in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + n
        self.count += other.count
        self.total += other.total
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; reads back as an equal histogram."""
        flat = [number for item in sorted(self.buckets.items()) for number in item]
        return {"n": self.count, "sum": self.total, "min": self.min, "max": self.max, "b": flat}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Histogram:
        histogram = cls()
        flat = data["b"]
        histogram.buckets = dict(zip(flat[::2], flat[1::2], strict=True))
        histogram.count, histogram.total = data["n"], data["sum"]
        histogram.min, histogram.max = data["min"], data["max"]
        return histogram

    def summary(self) -> dict[str, float]:
        """count, min, mean, p5, p50, p90, p95, p99, max; only the count when empty."""
        if not self.count:
            return {"count": 0}
        percentiles = {f"p{q}": self.percentile(q) for q in (5, 50, 90, 95, 99)}
        return {"count": self.count, "min": self.min, "mean": self.mean, **percentiles, "max": self.max}


def _bucket_below(value: float) -> int:
    """The bucket of a number that is not above SMALLEST."""
    return _MIRROR - math.floor(math.log2(-value) * PER_OCTAVE) if value < -SMALLEST else _UNDER


def middle(bucket: int) -> float:
    """The value that stands for a bucket."""
    if bucket < _UNDER:
        return -float(2 ** ((_MIRROR - bucket + 0.5) / PER_OCTAVE))
    return 0.0 if bucket == _UNDER else float(2 ** ((bucket + 0.5) / PER_OCTAVE))
