"""One process's health, from flush to flush: what it hands over is what came since the last time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.health import BUSY_SHARE, CPU_LIMIT, SHORTEST_SECONDS, GeneratorHealth, HealthTotals


@contextmanager
def health(drops: Callable[[], int]) -> Iterator[GeneratorHealth]:
    with asyncio.Runner() as runner:

        async def make() -> GeneratorHealth:
            return GeneratorHealth(drops)

        found = runner.run(make())
        yield found
        found.close()


def test_each_flush_hands_over_the_late_frames_since_the_last_in_milliseconds() -> None:
    with health(lambda: 0) as generator:
        generator.sent_late_us.extend([1000.0, 3000.0])
        first, second = generator.flush(), generator.flush()
        generator.sent_late_us.append(7000.0)
        third = generator.flush()
    assert (first["pacing_ms"]["n"], first["pacing_ms"]["min"], first["pacing_ms"]["max"]) == (2, 1.0, 3.0)
    assert second["pacing_ms"] is None
    assert (third["pacing_ms"]["n"], third["pacing_ms"]["sum"]) == (1, 7.0)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_dropped_datagrams_are_counted_once_however_often_one_asks(steps: list[int]) -> None:
    counts = iter([0, *accumulate(steps)][1:])
    totals = HealthTotals()
    with health(lambda: next(counts)) as generator:
        for _ in steps:
            totals.add(json.loads(json.dumps(generator.flush(), allow_nan=False)))
    assert totals.socket_drops == sum(steps)


def test_sockets_that_closed_and_took_their_count_with_them_are_no_negative_drops() -> None:
    counts = iter([9, 4, 6])
    with health(lambda: next(counts)) as generator:
        assert [generator.flush()["socket_drops"] for _ in range(3)] == [9, 0, 2]


def busy(cpu: float, wall: float = 1.0) -> dict[str, object]:
    return {"cpu_seconds": cpu, "wall_seconds": wall, "wait_seconds": 0.0, "socket_drops": 0}


def test_an_interval_too_short_to_mean_anything_is_no_busy_one_but_its_seconds_count() -> None:
    totals = HealthTotals()
    totals.add(busy(0.4, SHORTEST_SECONDS * 0.9))
    totals.add(busy(0.1, 0.0))
    assert (totals.intervals, totals.reasons()) == (0, [])
    assert totals.cpu_seconds == pytest.approx(0.5)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 2), min_size=1, max_size=40))
def test_the_generator_is_busy_when_a_tenth_of_its_intervals_are_past_the_limit(shares: list[float]) -> None:
    totals = HealthTotals()
    for share in shares:
        totals.add(busy(share))
    past = sum(share > CPU_LIMIT for share in shares)
    assert bool(totals.reasons()) == (past / len(shares) >= BUSY_SHARE)


class FakeDecoders:
    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.undecoded = 0

    def frames_undecoded(self) -> int:
        return self.undecoded


def test_decoding_and_what_it_did_not_manage_are_handed_over_once() -> None:
    decoders = FakeDecoders()
    with asyncio.Runner() as runner:

        async def make() -> GeneratorHealth:
            return GeneratorHealth(lambda: 0, decoders)

        generator = runner.run(make())
        decoders.cpu_seconds, decoders.undecoded = 1.5, 7
        first, second = generator.flush(), generator.flush()
        generator.close()
    assert (first["decode_cpu_seconds"], first["frames_undecoded"]) == (1.5, 7)
    assert (second["decode_cpu_seconds"], second["frames_undecoded"]) == (0.0, 0)


def interval(**more: float) -> dict[str, object]:
    plain = {"loop_lag_ms": None, "pacing_ms": None, "cpu_seconds": 0.1, "wall_seconds": 1.0}
    return {**plain, "wait_seconds": 0.0, "socket_drops": 0, **more}


def test_frames_left_undecoded_are_the_generators_limit() -> None:
    totals = HealthTotals()
    totals.add(interval(frames_undecoded=0))
    assert totals.reasons() == []
    totals.add(interval(frames_undecoded=3))
    assert totals.reasons() == ["the generator's decoders fell behind: 3 frames were not decoded"]


def test_decoding_on_another_core_is_not_the_media_loop_being_busy() -> None:
    totals = HealthTotals()
    for _ in range(10):
        totals.add(interval(cpu_seconds=1.6, decode_cpu_seconds=1.2))
    assert totals.reasons() == []
    totals.add(interval(cpu_seconds=1.6, decode_cpu_seconds=0.2))
    totals.add(interval(cpu_seconds=1.6))
    assert "more than 95% of a core" in totals.reasons()[0]
