"""A run over time: its intervals, all processes together, in bins wide enough that a day of calls can be drawn."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from harness.measure.histogram import Histogram

MOST_BINS = 300
GAUGES = ("users", "publishing", "playing")
GAP = 3.0  # seconds that no interval covers, from which on a process was silent


@dataclass
class Bin:
    """start: seconds of the plan. gauges: at the bin's end. bits_per_second: None when nothing was sampled."""

    start: float
    gauges: dict[str, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    lost: float = 0
    freezes: float = 0
    bits_per_second: float | None = None
    lag: Histogram = field(default_factory=Histogram)
    pacing: Histogram = field(default_factory=Histogram)


@dataclass
class OverTime:
    """width: seconds per bin. cpu: by process, (second, cores in use). gaps: process, from, to of each silence."""

    width: float
    bins: list[Bin]
    cpu: dict[str, list[tuple[float, float]]]
    gaps: list[tuple[str, float, float]]


def over_time(intervals: list[dict[str, Any]]) -> OverTime:
    """intervals: by time, as RunData has them. What came before second 0, while processes got ready, is left out."""
    timed = [interval for interval in intervals if interval["t"] >= 0]
    last = max((interval["t"] for interval in timed), default=0.0)
    width = max(1.0, float(math.ceil(last / MOST_BINS)))
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for interval in timed:
        grouped[_bin_of(interval, width)].append(interval)
    gauges: dict[str, dict[str, Any]] = {}
    bins = []
    for index, group in sorted(grouped.items()):
        gauges |= {_worker(interval): interval for interval in group}
        current = [g for g in gauges.values() if g["t"] > group[-1]["t"] - max(GAP, width)]
        bins.append(_filled(Bin(index * width), group, current))
    return OverTime(width, bins, _cpu(timed, width), _gaps(timed))


def _bin_of(interval: dict[str, Any], width: float) -> int:
    """By its middle: intervals last a little more than a second, and by their ends one bin in a while stays empty."""
    middle = interval["t"] - interval["health"]["wall_seconds"] / 2
    return max(0, int(middle // width))


def _worker(interval: dict[str, Any]) -> str:
    return str(interval.get("worker", ""))


def _filled(found: Bin, group: list[dict[str, Any]], current: list[dict[str, Any]]) -> Bin:
    found.gauges = {name: sum(interval[name] for interval in current) for name in GAUGES}
    bits: dict[str, float] = defaultdict(float)
    wall: dict[str, float] = defaultdict(float)
    sampled = False
    for interval in group:
        health = interval["health"]
        wall[_worker(interval)] += health["wall_seconds"]
        for total, key in ((found.lag, "loop_lag_ms"), (found.pacing, "pacing_ms")):
            if health.get(key):
                total.merge(Histogram.from_dict(health[key]))
        for name, _, _, _, value in interval.get("counters", ()):
            if name == "framesLost":
                found.lost += value
            elif name == "freezeCount":
                found.freezes += value
        for name, _, _, _, data in interval.get("trends", ()):
            if name == "frame_latency_ms":
                found.latency.merge(Histogram.from_dict(data))
            elif name == "receive_bitrate":
                bits[_worker(interval)] += data["sum"]
                sampled = True
    if sampled:
        found.bits_per_second = sum(b / wall[worker] for worker, b in bits.items() if wall[worker] > 0)
    return found


def _cpu(intervals: list[dict[str, Any]], width: float) -> dict[str, list[tuple[float, float]]]:
    """Cores in use per process and bin."""
    spent: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    for interval in intervals:
        both = spent[_worker(interval)][_bin_of(interval, width)]
        both[0] += interval["health"]["cpu_seconds"]
        both[1] += interval["health"]["wall_seconds"]
    return {
        worker: [(index * width, cpu / wall) for index, (cpu, wall) in sorted(bins.items()) if wall > 0]
        for worker, bins in sorted(spent.items())
    }


def _gaps(intervals: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    covered: dict[str, float] = {}
    gaps = []
    for interval in intervals:
        worker, end = _worker(interval), interval["t"]
        begin = end - interval["health"]["wall_seconds"]
        if worker in covered and begin - covered[worker] >= GAP:
            gaps.append((worker, covered[worker], begin))
        covered[worker] = end
    return gaps
