"""What is counted is what happened: frames, freezes, samples, the generator's own health."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.frames import FrameAccount
from harness.measure.freezes import FreezeDetector
from harness.measure.health import HealthTotals
from harness.measure.histogram import Histogram
from harness.measure.recorder import Recorder, Tags, Totals
from harness.measure.subscription import SubscriptionMeasure

samples = st.lists(st.floats(1e-3, 1e6) | st.floats(-1e6, -1e-3), min_size=1, max_size=300)


@given(samples, st.floats(0, 100))
def test_a_percentile_is_within_a_third_of_a_percent(values: list[float], q: float) -> None:
    histogram = Histogram()
    histogram.record_all(values)
    exact = float(np.percentile(values, q, method="inverted_cdf"))
    assert histogram.percentile(q) == pytest.approx(exact, rel=0.003)
    assert (histogram.min, histogram.max, histogram.count) == (min(values), max(values), len(values))
    assert histogram.mean == pytest.approx(sum(values) / len(values), abs=1e-6)


@given(st.lists(samples, min_size=1, max_size=5), st.randoms())
def test_merging_in_any_order_and_recording_one_by_one_give_the_same(
    parts: list[list[float]], chance: random.Random
) -> None:
    whole = Histogram()
    for value in (value for part in parts for value in part):
        whole.record(value)
    chance.shuffle(parts)
    merged = Histogram()
    for part in parts:
        histogram = Histogram()
        histogram.record_all(part)
        merged.merge(Histogram.from_dict(histogram.to_dict()))
    assert merged.buckets == whole.buckets
    assert (merged.count, merged.min, merged.max) == (whole.count, whole.min, whole.max)


def gap_freezes(fps: int, gap_ms: int) -> int:
    """Freezes of a steady stream with one gap."""
    detector, at = FreezeDetector(), 0
    for frame in range(10 * fps):
        at += gap_ms * 1000 if frame == 5 * fps else 1_000_000 // fps
        detector.frame(at)
    return detector.freezeCount


@pytest.mark.parametrize(
    ("fps", "gap_ms", "freezes"),
    [(30, 200, 1), (25, 200, 1), (15, 200, 0), (10, 240, 0), (7, 320, 0), (30, 120, 0), (30, 700, 1), (7, 700, 1)],
)
def test_one_gap_is_a_freeze_by_the_rule_or_it_is_not(fps: int, gap_ms: int, freezes: int) -> None:
    assert gap_freezes(fps, gap_ms) == freezes


def test_a_pause_is_no_freeze_and_an_open_gap_counts_at_the_end() -> None:
    detector = FreezeDetector()
    for frame in range(50):
        detector.frame(frame * 40_000)
    detector.frame(49 * 40_000 + 6_000_000)
    assert (detector.freezeCount, detector.pauseCount, detector.pause_us) == (0, 1, 6_000_000)
    at = 49 * 40_000 + 6_000_000
    for _ in range(20):
        at += 40_000
        detector.frame(at)
    assert detector.end(at + 900_000) == 900_000
    assert (detector.freezeCount, detector.gap500_us) == (1, 6_900_000)


def test_an_interruption_on_purpose_is_neither() -> None:
    detector = FreezeDetector()
    for frame in range(50):
        detector.frame(frame * 40_000)
    detector.interrupt()
    for frame in range(50):
        detector.frame(60_000_000 + frame * 40_000)
    assert (detector.freezeCount, detector.pauseCount, detector.gap200_us) == (0, 0, 0)


@settings(deadline=None)
@given(st.integers(0, 1 << 30), st.integers(20, 300))
def test_lost_late_and_doubled_frames_are_exactly_those_injected(seed: int, count: int) -> None:
    chance = random.Random(seed)
    inner = range(1, count - 1)  # the first and the last frame are what the account knows the range by
    lost = set(chance.sample(inner, count // 10))
    late = {n for n in chance.sample(inner, count // 10) if n not in lost and n + 1 not in lost and n + 1 < count - 1}
    late = {n for n in late if n - 1 not in late}
    order = [n for n in range(count) if n not in lost]
    for n in sorted(late):
        place = order.index(n)
        order[place], order[place + 1] = order[place + 1], order[place]
    account, doubled = FrameAccount(), 0
    for at, number in enumerate(order):
        account.frame(number, at)
        if chance.random() < 0.1:
            doubled += 1
            assert not account.frame(number, at)
    assert (account.captured, account.lost, account.late, account.doubled) == (count, len(lost), len(late), doubled)


def test_a_frame_put_in_order_but_completed_after_its_successor_is_late() -> None:
    account = FrameAccount()
    for number, completed in ((0, 10), (1, 50), (2, 30), (3, 60)):
        account.frame(number, completed)
    assert (account.late, account.lost) == (1, 0)


def test_a_stream_that_dies_loses_what_its_frame_clock_says_was_captured() -> None:
    recorder = Recorder()
    measure = SubscriptionMeasure(recorder, Tags("a", "r1", "vp8"), publisher=1, stream=2, depth="frames", fps=25)
    for number in range(50):
        measure.video_frame((1, 2, number, 0, number * 40_000), number * 40_000 + 3000, key=False)
        measure.rendered(number * 40_000 + 3000)
    measure.end(49 * 40_000 + 3000 + 4_000_000, stream_was_there=True)
    assert (measure.video.received, measure.video.captured) == (50, 150)
    assert measure.freezes.gap500_us == 4_000_000
    assert measure.freezes.freezeCount == 1


names = st.sampled_from(["join_time_ms", "frame_latency_ms"])
tags = st.builds(Tags, st.sampled_from(["a", "b"]), st.sampled_from(["r1", "r2"]))


@given(st.lists(st.tuples(names, tags, st.floats(0.1, 1e4), st.booleans()), max_size=100))
def test_the_sum_of_all_flushes_is_the_whole(events: list[tuple[str, Tags, float, bool]]) -> None:
    recorder, totals = Recorder(), Totals()
    for name, tag, value, flush in events:
        recorder.trend(name, tag, value)
        recorder.count("logins", tag, 2)
        if flush:
            totals.add(recorder.flush())
    totals.add(recorder.flush())
    for role in ("a", "b"):
        mine = [e for e in events if e[1].role == role]
        assert totals.counter(["logins"], {"role": role}) == 2 * len(mine)
        for name in ("join_time_ms", "frame_latency_ms"):
            assert totals.trend(name, {"role": role}).count == sum(e[0] == name for e in mine)


def interval(lag: float = 1.0, pacing: float = 1.0, drops: int = 0, cpu: float = 0.3) -> dict[str, object]:
    found = {}
    for name, value in (("loop_lag_ms", lag), ("pacing_ms", pacing)):
        histogram = Histogram()
        histogram.record_all([value] * 50)
        found[name] = histogram.to_dict()
    return {**found, "socket_drops": drops, "cpu_seconds": cpu, "wall_seconds": 1.0, "wait_seconds": 0.0}


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"lag": 30.0}, "loop lag"), ({"pacing": 30.0}, "late"), ({"drops": 3}, "dropped 3"), ({"cpu": 0.99}, "core")],
)
def test_each_limit_of_the_generator_is_named_when_it_is_passed(changes: dict[str, float], word: str) -> None:
    health = HealthTotals()
    for _ in range(10):
        health.add(interval())
    assert health.reasons() == []
    for _ in range(10):
        health.add(interval(**changes))  # type: ignore[arg-type]
    assert len(health.reasons()) == 1
    assert word in health.reasons()[0]
