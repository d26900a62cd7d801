"""Frame accounts, histograms and totals where order, size or emptiness could deceive."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.frames import JUMP, REMEMBERED, FrameAccount
from harness.measure.health import BUSY_SHARE, CPU_LIMIT, LAG_LIMIT_MS, PACING_LIMIT_MS, HealthTotals
from harness.measure.histogram import Histogram
from harness.measure.recorder import Recorder, Tags, Totals


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 1 << 30), st.integers(1, 250), st.integers(0, 30), st.integers(0, 1 << 31))
def test_an_account_agrees_with_what_the_network_did_in_any_order(
    seed: int, count: int, reach: int, first: int
) -> None:
    chance = random.Random(seed)
    arriving = [(-1.0, 0)]  # the first frame of all begins the account
    for number in range(1, count):
        copies = chance.choice((0, 1, 1, 1, 1, 2))
        arriving += [(number + chance.uniform(0, reach), number) for _ in range(copies)]
    order = [number for _, number in sorted(arriving)]
    account, seen, highest, late, doubled = FrameAccount(), set(), -1, 0, 0
    for at, number in enumerate(order):
        new = number not in seen
        assert account.frame(first + number, at) == new
        late += new and number < highest
        doubled += not new
        seen.add(number)
        highest = max(highest, number)
        assert account.lost == account.captured - account.received == highest + 1 - len(seen), "at any time"
    assert (account.late, account.reordered, account.doubled) == (late, late, doubled)
    assert (account.received, account.captured) == (len(seen), highest + 1)


def test_a_frame_may_come_late_by_as_many_frames_as_are_remembered() -> None:
    account = FrameAccount()
    account.frame(0, 0)
    account.frame(REMEMBERED + 1, 1)
    assert account.frame(1, 2)
    assert (account.lost, account.late) == (REMEMBERED - 1, 1)


def test_an_outage_of_any_length_is_lost_frames_and_no_memory() -> None:
    account = FrameAccount()
    for number in range(0, 50_000, 10):
        account.frame(number, number)
    assert account.lost == 9 * 4999
    assert len(account._missing) <= 2 * REMEMBERED
    account.frame(49_990 + JUMP, 60_000)
    assert account.lost == 9 * 4999 + JUMP - 1


@pytest.mark.parametrize("number", [JUMP + 1001, 1])
def test_a_number_from_another_recording_begins_anew_without_loss(number: int) -> None:
    account = FrameAccount()
    start = 1000 if number > JUMP else JUMP + 1000
    account.frame(start, 0)
    assert account.frame(number, 1)
    assert account.frame(number + 1, 2)
    assert (account.lost, account.received, account.doubled) == (0, 3, 0)


def test_frames_skipped_while_the_stream_was_stopped_on_purpose_are_not_lost() -> None:
    account = FrameAccount()
    for number in (0, 2):
        account.frame(number, number)
    account.interrupt()
    for number in (500, 501):
        account.frame(number, number)
    assert (account.lost, account.captured) == (1, 5)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e9)), min_size=1, max_size=200),
    st.sampled_from([0, 0.1, 50, 90, 99, 99.9, 100]),
)
def test_a_percentile_of_anything_from_nothing_to_a_billion_is_near_the_exact_one(
    values: list[float], q: float
) -> None:
    one_by_one, at_once = Histogram(), Histogram()
    for value in values:
        one_by_one.record(value)
    at_once.record_all(values)
    exact = float(np.percentile(values, q, method="inverted_cdf"))
    for histogram in (one_by_one, at_once):
        assert histogram.percentile(q) == pytest.approx(exact, rel=0.003, abs=2e-6)
    assert one_by_one.to_dict()["b"] == at_once.to_dict()["b"]


def test_no_value_of_an_octave_is_off_by_more_than_the_promise() -> None:
    worst = 0.0
    for value in np.geomspace(100, 200, 2000).tolist():
        histogram = Histogram()
        histogram.record_all([value / 2, value, value * 2])
        worst = max(worst, abs(histogram.percentile(50) - value) / value)
    assert worst <= 0.0028


def test_a_histogram_survives_json_and_an_empty_one_says_nothing() -> None:
    histogram = Histogram()
    histogram.record_all([0.0, 1.5, 2.5e6] * 40)
    again = Histogram.from_dict(json.loads(json.dumps(histogram.to_dict(), allow_nan=False)))
    assert again.to_dict() == histogram.to_dict()
    assert again.summary() == histogram.summary()
    again.merge(Histogram())
    assert again.summary() == histogram.summary()
    empty = Histogram()
    assert empty.summary() == {"count": 0}
    assert math.isnan(empty.mean)
    assert math.isnan(empty.percentile(50))
    assert empty.share_above(0) == 0


def test_the_share_above_a_limit_is_exact_to_a_bucket() -> None:
    histogram = Histogram()
    histogram.record_all([float(value) for value in range(1, 1001)])
    assert histogram.share_above(900) == pytest.approx(0.1, abs=0.005)
    assert histogram.share_above(0.5) == 1
    assert histogram.share_above(2000) == 0


def test_selection_by_tags_takes_every_series_that_matches_all_of_them() -> None:
    recorder, totals = Recorder(), Totals()
    for role, room, codec, value in (("a", "1", "vp8", 1), ("a", "2", "h264", 10), ("b", "1", "vp8", 100)):
        recorder.count("frames", Tags(role, room, codec), value)
        recorder.trend("ms", Tags(role, room, codec), value)
    recorder.count("others", Tags("a", "1", "vp8"), 1000)
    recorder.samples("ms", Tags("c")).extend([])
    recorder.count("nothing", Tags(), 0)
    flushed = recorder.flush()
    assert [c[0] for c in flushed["counters"]].count("nothing") == 0, "nothing travels for nothing"
    assert len(flushed["trends"]) == 3
    totals.add(json.loads(json.dumps(flushed)))
    assert totals.counter(["frames"], {}) == 111
    assert totals.counter(["frames", "others"], {"role": "a"}) == 1011
    assert totals.counter(["frames"], {"role": "a", "codec": "vp8"}) == 1
    assert totals.trend("ms", {"room": "1"}).max == 100
    assert totals.trend("ms", {"room": "3"}).count == 0
    assert recorder.flush() == {"counters": [], "trends": []}


def health(cpu: float = 0.5, drops: int = 0, lag: float | None = None, pacing: float | None = None) -> HealthTotals:
    """Twenty intervals; what is given happens in the last two."""
    totals = HealthTotals()
    for number in range(20):
        at_the_end = number >= 18
        interval = {
            "cpu_seconds": cpu if at_the_end else 0.5,
            "wall_seconds": 1.0,
            "wait_seconds": 0.25,
            "socket_drops": drops if at_the_end else 0,
        }
        for name, value in (("loop_lag_ms", lag), ("pacing_ms", pacing)):
            histogram = Histogram()
            histogram.record_all([value if at_the_end and value is not None else 1.0] * 50)
            interval[name] = histogram.to_dict()
        totals.add(json.loads(json.dumps(interval)))
    return totals


def test_at_its_limits_the_generator_is_healthy_still() -> None:
    assert health(cpu=CPU_LIMIT, lag=LAG_LIMIT_MS * 0.99, pacing=PACING_LIMIT_MS * 0.99).reasons() == []
    assert health().wait_seconds == 5


def test_all_limits_passed_at_once_are_all_named() -> None:
    reasons = health(cpu=0.96, drops=1, lag=21, pacing=21).reasons()
    assert [
        word
        for word in ("loop lag", "sent frames late", "dropped 2", "of a core", "others had the CPU")
        if word in " ".join(reasons)
    ] == [
        "loop lag",
        "sent frames late",
        "dropped 2",
        "of a core",
        "others had the CPU",
    ]
    assert len(reasons) == 5


def test_a_single_busy_second_is_no_reason_but_a_tenth_of_them_is() -> None:
    totals = health(cpu=1.0)
    assert totals.busy_intervals / totals.intervals == BUSY_SHARE
    assert len(totals.reasons()) == 2, "that, and who had the CPU meanwhile"
    for _ in range(5):
        totals.add({"cpu_seconds": 0.1, "wall_seconds": 1.0, "wait_seconds": 0.0, "socket_drops": 0})
    assert totals.reasons() == []


def test_a_generator_that_has_measured_nothing_yet_has_no_reasons() -> None:
    assert HealthTotals().reasons() == []
    idle = HealthTotals()
    idle.add({"cpu_seconds": 0, "wall_seconds": 0, "wait_seconds": 0, "socket_drops": 0, "loop_lag_ms": None})
    assert idle.reasons() == []
