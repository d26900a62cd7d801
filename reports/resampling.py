"""How sure a percentile is. Frames of one room rise and fall together, so rooms are resampled, never frames."""

from __future__ import annotations

import math

import numpy as np

from harness.measure.histogram import Histogram, middle
from harness.measure.recorder import Totals

CONFIDENCE = 0.95
LEAST_ROOMS = 6  # fewer: an interval from resampling would be narrower than the truth
RESAMPLES = 400


def samples_needed(q: float) -> int:
    """How many samples the q-th percentile needs for a two-sided 95 % interval that is bounded on both sides."""
    tail = min(q, 100 - q) / 100
    if tail <= 0:
        return 1
    outside = (1 - CONFIDENCE) / 2
    return math.ceil(math.log(outside) / math.log(1 - tail))


def by_room(totals: Totals, name: str) -> dict[str, Histogram]:
    """A trend's samples room by room."""
    rooms: dict[str, Histogram] = {}
    for (found, tags), histogram in totals.trends.items():
        if found == name:
            rooms.setdefault(tags.room, Histogram()).merge(histogram)
    return rooms


def interval(rooms: dict[str, Histogram], q: float, seed: int) -> tuple[float, float] | None:
    """The 95 % interval of the q-th percentile, from resampled rooms; None when they are too few to tell."""
    count = sum(histogram.count for histogram in rooms.values())
    if len(rooms) < LEAST_ROOMS or count < samples_needed(q):
        return None
    buckets = sorted({bucket for histogram in rooms.values() for bucket in histogram.buckets})
    column = {bucket: i for i, bucket in enumerate(buckets)}
    table = np.zeros((len(rooms), len(buckets)))
    for row, (_, histogram) in enumerate(sorted(rooms.items())):
        for bucket, n in histogram.buckets.items():
            table[row, column[bucket]] = n
    drawn = np.random.default_rng(seed).multinomial(len(rooms), [1 / len(rooms)] * len(rooms), size=RESAMPLES)
    reached = np.cumsum(drawn @ table, axis=1)
    ranks = np.ceil(reached[:, -1] * q / 100)
    places = (reached < ranks[:, None]).sum(axis=1)
    values = np.array([middle(bucket) for bucket in buckets])[places]
    low, high = np.percentile(values, [100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2])
    return float(low), float(high)
