"""Tables for spreadsheets: metrics.csv, one row a metric; seconds.csv, one row a second of the run."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from harness.measure.recorder import Totals
from reports.load import RunData

SUMMARY = ("count", "min", "mean", "p5", "p50", "p90", "p95", "p99", "max", "value")
COLUMNS = ("second", "users", "publishing", "playing", "frame_latency_p50_ms", "frame_latency_p99_ms", "frames", "bits")


def write_csv(data: RunData, folder: Path, caution: str = "") -> None:
    """caution: why the figures are not the service's; beside every one of them, as rows are read without their file."""
    with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["metric", "unit", *SUMMARY, "caution"])
        for name, found in data.measured.metrics().items():
            writer.writerow([name, found["unit"], *(found.get(column, "") for column in SUMMARY), caution])
    with (folder / "seconds.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "caution"])
        for row in seconds(data.intervals):
            writer.writerow([*(row[column] for column in COLUMNS), caution])


def seconds(intervals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All processes' intervals by second of the plan: gauges summed, latencies of that second merged."""
    merged: dict[int, dict[str, Any]] = {}
    for interval in intervals:
        # By its middle: intervals last a little over a second, and before the plan's start t is below 0.
        second = math.floor(interval["t"] - interval["health"]["wall_seconds"] / 2)
        row = merged.setdefault(second, {"second": second, "gauges": {}, "totals": Totals(), "busy": 0.0})
        row["gauges"][interval.get("worker", "")] = interval
        row["totals"].add(interval)
        wall = interval["health"]["wall_seconds"]
        row["busy"] += interval["health"]["cpu_seconds"] / wall if wall else 0.0
    return [_row(row) for _, row in sorted(merged.items())]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    totals: Totals = row["totals"]
    latency = totals.trend("frame_latency_ms", {})
    gauges = {name: sum(g[name] for g in row["gauges"].values()) for name in ("users", "publishing", "playing")}
    return {
        "second": row["second"],
        **gauges,
        "frame_latency_p50_ms": round(latency.percentile(50), 3) if latency.count else "",
        "frame_latency_p99_ms": round(latency.percentile(99), 3) if latency.count else "",
        "frames": int(totals.counter(["framesReceived"], {})),
        "bits": int(totals.trend("receive_bitrate", {}).total),
        "lost": int(totals.counter(["framesLost"], {})),
        "freezes": int(totals.counter(["freezeCount"], {})),
        "cores": row["busy"],
    }
