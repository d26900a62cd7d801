"""Writes the trace: one JSON object per line, each with one write call, so that a killed process loses nothing.

Several processes of one host append to the same file: with O_APPEND a single write lands whole, in some order.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.trace.clock import RunClock
from harness.trace.line import trace_line

FORMAT = "call-trace"
VERSION = 1
LOST = "trace.lost"  # the mark that stands where records are missing
_logger = logging.getLogger(__name__)


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
        self._sink(trace_line(record))

    def probe(self, name: str, args: dict[str, Any], **where: Any) -> None:
        """An observation of the harness itself, such as a first frame."""
        self.write({"kind": "probe", "name": name, **where, "args": args, "t": self.now()})


class AppendingFile:
    """A file opened for atomic appends. A disk that is full ends no call: what cannot be written is said once on the
    log and counted in `lost`, and when there is room again a mark with that count stands before the next line.

    clock: of the marks; without one there are none.
    """

    def __init__(self, path: Path, clock: RunClock | None = None) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._path = path
        self._clock = clock
        self._unmarked = 0  # lost since the last mark
        self._torn = False  # the file may end within a line of ours
        self.lost = 0

    def __call__(self, line: bytes) -> None:
        if not self._unmarked:
            if not self._append(line):
                self._lose(1)
            return
        before = self._unmarked
        if self._append(b"\n" * self._torn + self._mark() + line):
            self._unmarked, self._torn = self._unmarked - before, False
        else:
            self._lose(1)

    def close(self) -> None:
        """Nothing can be written afterwards. Records that were lost get their mark, if there is room for that."""
        if self._unmarked:
            self._append(b"\n" * self._torn + self._mark())
        os.close(self._descriptor)

    def _append(self, line: bytes) -> bool:
        """One write. What is written in part, the disk being full in the middle of it, is torn and counts as lost."""
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            self._complain(error.strerror or str(error))
            return False
        if written < len(line):
            self._torn = self._torn or written > 0
            self._complain("the disk took only a part of a line")
            return False
        return True

    def _complain(self, reason: str) -> None:
        if not self._unmarked:
            _logger.error("%s: cannot be written (%s); the run goes on, its trace has a gap", self._path, reason)

    def _lose(self, count: int) -> None:
        self.lost += count
        self._unmarked += count

    def _mark(self) -> bytes:
        if self._clock is None:
            return b""
        args = {"records": self._unmarked}
        return trace_line({"kind": "mark", "name": LOST, "t": self._clock.now(), "args": args})


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
