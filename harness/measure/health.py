"""Whether the load generator could keep up: its CPU, loop lag, pacing error, and datagrams its sockets dropped.

Past these limits what it measured says as much about itself as about the service, and no verdict can be given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from harness.measure.histogram import Histogram

PROBE_SECONDS = 0.02
LAG_LIMIT_MS = 20.0  # p99 over the run
PACING_LIMIT_MS = 20.0  # p99 over the run
CPU_LIMIT = 0.95  # of one core, in a tenth of the seconds or more
BUSY_SHARE = 0.1
WAITED_SHARE = 0.1  # of the time without a core, from which on others are named as the cause
SHORTEST_SECONDS = 0.5  # of an interval whose CPU share means anything


class Decoders(Protocol):
    """Threads that decode beside the media loop."""

    @property
    def cpu_seconds(self) -> float:
        """CPU time they have taken so far."""

    def frames_undecoded(self) -> int:
        """Frames so far that were not decoded because the threads were behind."""


class GeneratorHealth:
    """Runs on the media loop. `flush` gives one interval's figures as JSON values."""

    def __init__(self, socket_drops: Callable[[], int], decoders: Decoders | None = None) -> None:
        self._socket_drops = socket_drops
        self._decoders = decoders
        self._decoded = (0.0, 0)
        self._lag = Histogram()
        # Appended to for every frame sent: by how many microseconds it was late.
        self.sent_late_us: list[float] = []
        self._drops = 0
        self._cpu = time.process_time()
        self._wall = time.monotonic()
        self._waited = _run_queue_wait()
        self._task = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(PROBE_SECONDS)
            self._lag.record(max(0.0, (time.perf_counter() - before - PROBE_SECONDS) * 1000))

    def flush(self) -> dict[str, Any]:
        """cpu_seconds and wall_seconds of this process, histograms in ms, drops, seconds spent waiting for a core;
        of cpu_seconds, what decoding took, and the frames it did not manage."""
        cpu, wall, waited, drops = time.process_time(), time.monotonic(), _run_queue_wait(), self._socket_drops()
        pacing = Histogram()
        pacing.record_all([late / 1000 for late in self.sent_late_us])
        self.sent_late_us.clear()
        found = {
            "cpu_seconds": cpu - self._cpu,
            "wall_seconds": wall - self._wall,
            "wait_seconds": waited - self._waited,
            "loop_lag_ms": self._lag.to_dict() if self._lag.count else None,
            "pacing_ms": pacing.to_dict() if pacing.count else None,
            "socket_drops": max(0, drops - self._drops),
            **self._decoding(),
        }
        self._cpu, self._wall, self._waited, self._drops = cpu, wall, waited, drops
        self._lag = Histogram()
        return found

    def _decoding(self) -> dict[str, float]:
        if self._decoders is None:
            return {}
        before, self._decoded = self._decoded, (self._decoders.cpu_seconds, self._decoders.frames_undecoded())
        return {"decode_cpu_seconds": self._decoded[0] - before[0], "frames_undecoded": self._decoded[1] - before[1]}

    def close(self) -> None:
        self._task.cancel()


def _run_queue_wait() -> float:
    """Seconds this thread, the media loop's, was ready to run but had no core; 0 where the system does not tell."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) / 1_000_000_000
    except (OSError, IndexError, ValueError):
        return 0.0


class HealthTotals:
    """The health of all generator processes over a run."""

    def __init__(self) -> None:
        self.lag = Histogram()
        self.pacing = Histogram()
        self.cpu_seconds = self.wall_seconds = self.wait_seconds = 0.0
        self.socket_drops = 0
        self.frames_undecoded = 0
        self.decode_cpu_seconds = 0.0
        self.intervals = self.busy_intervals = 0

    def add(self, flushed: dict[str, Any]) -> None:
        for total, key in ((self.lag, "loop_lag_ms"), (self.pacing, "pacing_ms")):
            if flushed.get(key):
                total.merge(Histogram.from_dict(flushed[key]))
        self.cpu_seconds += flushed["cpu_seconds"]
        self.wall_seconds += flushed["wall_seconds"]
        self.wait_seconds += flushed["wait_seconds"]
        self.socket_drops += flushed["socket_drops"]
        self.frames_undecoded += flushed.get("frames_undecoded", 0)
        decoding = flushed.get("decode_cpu_seconds", 0.0)
        self.decode_cpu_seconds += decoding
        if flushed["wall_seconds"] >= SHORTEST_SECONDS:
            self.intervals += 1
            # Decoding has threads of its own: it is behind when frames stay undecoded, not when it uses another core.
            self.busy_intervals += (flushed["cpu_seconds"] - decoding) / flushed["wall_seconds"] > CPU_LIMIT

    def reasons(self) -> list[str]:
        """Why the generator was at its limit; empty when it was not."""
        found = list(_reasons(self))
        waited = self.wait_seconds / self.wall_seconds if self.wall_seconds else 0.0
        if found and waited >= WAITED_SHARE:
            found.append(f"others had the CPU: the generator waited for a core {waited:.0%} of the time")
        return found


def _reasons(health: HealthTotals) -> Iterable[str]:
    lag, pacing = health.lag.percentile(99), health.pacing.percentile(99)
    if lag > LAG_LIMIT_MS:
        yield f"the generator's loop lag p99 was {lag:.1f} ms (limit {LAG_LIMIT_MS:g} ms)"
    if pacing > PACING_LIMIT_MS:
        yield f"the generator sent frames late: p99 {pacing:.1f} ms after they were due (limit {PACING_LIMIT_MS:g} ms)"
    if health.socket_drops:
        yield f"the generator's sockets dropped {health.socket_drops} datagrams"
    if health.frames_undecoded:
        yield f"the generator's decoders fell behind: {health.frames_undecoded} frames were not decoded"
    if health.intervals and health.busy_intervals / health.intervals >= BUSY_SHARE:
        share = 100 * health.busy_intervals / health.intervals
        yield f"the generator used more than {CPU_LIMIT:.0%} of a core in {share:.0f} % of the time"
