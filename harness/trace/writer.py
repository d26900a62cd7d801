"""Writes the trace: one JSON object per line, each with one write call, so that a killed process loses nothing.

Several processes of one host append to the same file: with O_APPEND a single write lands whole, in some order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.trace.clock import RunClock

FORMAT = "call-trace"
VERSION = 1


class TraceWriter:
    """`sink` takes whole lines as bytes: a file's append, or a queue on the way to the master."""

    def __init__(self, clock: RunClock, sink: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._sink = sink
        self.records = 0

    def now(self) -> float:
        return self._clock.now()

    def write(self, record: dict[str, Any]) -> None:
        """Write one record. Values JSON does not know are written as their text."""
        self.records += 1
        self._sink(json.dumps(record, separators=(",", ":"), default=str).encode() + b"\n")

    def probe(self, name: str, args: dict[str, Any], **where: Any) -> None:
        """An observation of the harness itself, such as a first frame."""
        self.write({"kind": "probe", "name": name, **where, "args": args, "t": self.now()})


class AppendingFile:
    """A file opened for atomic appends."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __call__(self, line: bytes) -> None:
        os.write(self._descriptor, line)

    def close(self) -> None:
        os.close(self._descriptor)


def header(
    *, scenario: str, seed: int, service: str, started_unix: float, clock: RunClock, started: float
) -> dict[str, Any]:
    """The first line. started: the run clock's second at which the run began; epsilon_us: see RunClock."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "scenario": scenario,
        "seed": seed,
        "service": service,
        "started_unix": started_unix,
        "started": started,
        "clock": "monotonic",
        "epsilon_us": clock.uncertainty_us,
    }
