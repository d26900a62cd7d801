"""Puts the records of several writers in the order of time.

Each writer appends to the one file as it goes, so lines are nearly sorted: records are held until the trace has moved
a window past them, and leave sorted by time, then line.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from harness.trace.problems import Problems
from harness.trace.record import Record

WINDOW = 2.0  # seconds of trace time
MOST_HELD, MOST_HELD_BYTES = 100_000, 64 << 20  # a window may hold anything, memory may not
MOST_CLIENTS = 200_000  # whose order is followed: a trace of rubbish must not fill the memory
_FEWEST = 1024  # records to gather between two sorts
_by_time = attrgetter("t")


class Orderer:
    """Give records in file order; take those that nothing can come before. Each leaves exactly once.

    What comes too late for its place leaves as early as it still can, and is a problem.
    """

    def __init__(self, problems: Problems, window: float = WINDOW) -> None:
        self._problems = problems
        self._window = window
        self._held: list[Record] = []
        self._bytes = 0
        self._due = _FEWEST
        self._newest = self._left = float("-inf")  # the latest time given; up to where records had to leave early
        self._latest: dict[str, int] = {}  # seq, by client

    def add(self, records: list[Record], size: int) -> list[Record]:
        """records: the next of the file, `size` bytes of it. Returns those that are ripe, in order."""
        newest, window = self._newest, self._window
        for record in records:
            if record.t >= newest:
                newest = record.t
            elif record.t < newest - window or record.t < self._left:
                self._late(record, newest)
        self._newest = newest
        self._held += records
        self._bytes += size
        if len(self._held) < self._due and self._bytes <= MOST_HELD_BYTES:
            return []
        return self._ripe()

    def rest(self) -> list[Record]:
        """All that is still held, in order: the file has ended."""
        self._held.sort(key=_by_time)
        found, self._held = self._held, []
        self._check(found)
        return found

    def _ripe(self) -> list[Record]:
        held = self._held
        held.sort(key=_by_time)
        ripe = bisect_right(held, self._newest - self._window, key=_by_time)
        kept = len(held) - ripe
        size = self._bytes * kept // len(held)
        if kept > MOST_HELD or size > MOST_HELD_BYTES:
            ripe += (kept + 1) // 2
            self._left = held[ripe - 1].t
        found = held[:ripe]
        del held[:ripe]
        self._bytes = self._bytes * len(held) // (len(held) + ripe)
        self._due = 2 * len(held) + _FEWEST  # so that sorting stays linear however much a window holds
        self._check(found)
        return found

    def _late(self, record: Record, newest: float) -> None:
        self._problems.add(
            record.line,
            f"line {record.line} stands {newest - record.t:.3f} s behind what is written before it; "
            f"allowed: {self._window:g} s, so its place in time is lost",
        )

    def _check(self, records: list[Record]) -> None:
        """In the order of time, each client's `seq` must grow: both say in which order its handler was called."""
        latest = self._latest
        for record in records:
            seq = record.seq
            if seq >= 0:
                last = latest.get(record.client, -1)
                if seq > last:
                    latest[record.client] = seq
                else:
                    self._problems.add(
                        record.line,
                        f"reordered: line {record.line} has seq {seq} of client {record.client[:80]!r} "
                        f"after its seq {last}, though by its time it is not earlier",
                    )
        if len(latest) > MOST_CLIENTS:
            latest.clear()
            self._problems.add(0, f"more than {MOST_CLIENTS} clients: whether seq grows was not followed at all")
