"""Trace lines of a worker on another machine: each travels to the master once, whatever is written meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.swarm.station import Station


class Interrupted(list[bytes]):
    """Another thread appends just after each look at the list, twice in all."""

    more = (b"line 2\n", b"line 1\n")

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self._interrupt()
        return found

    def __iter__(self) -> Any:
        found = list.__iter__(list.copy(self))
        self._interrupt()
        return found

    def _interrupt(self) -> None:
        if self.more:
            self.append(self.more[-1])
            self.more = self.more[:-1]


class Bridge:
    def call(self, work: Any, timeout: float = 0) -> Any:
        return asyncio.run(work)


class Generator:
    def collect(self) -> dict[str, Any]:
        return {}


def test_a_line_that_is_written_while_others_are_taken_travels_with_the_next_interval() -> None:
    station = Station(None, None)  # type: ignore[arg-type]
    station._bridge, station._generator = Bridge(), Generator()  # type: ignore[assignment]
    station._lines = Interrupted([b"line 0\n"])
    found = []
    for _ in range(4):
        found += (station.collect() or {}).get("trace_lines", [])
    assert found == [b"line 0\n", b"line 1\n", b"line 2\n"]
