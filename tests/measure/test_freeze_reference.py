"""Freezes, pauses and gaps against the rule written out a second time, for any course of frames."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.freezes import FreezeDetector

# Mostly steady pictures at some rate, with gaps of every size between.
gaps = st.one_of(
    st.just(40_000), st.integers(1_000, 150_000), st.integers(150_000, 700_000), st.integers(4_000_000, 7_000_000)
)


def by_the_rule(intervals: list[int]) -> tuple[int, int, int, int]:
    """W3C webrtc-stats freezeCount and totalFreezesDuration, pauseCount and totalPausesDuration, from the spec."""
    freezes = frozen = pauses = paused = 0
    window: list[int] = []
    for interval in intervals:
        if interval > 5_000_000:
            pauses, paused, window = pauses + 1, paused + interval, []
            continue
        window = [*window, interval][-30:]
        average = sum(window) // len(window)
        if len(window) >= 5 and interval >= max(3 * average, average + 150_000):
            freezes, frozen = freezes + 1, frozen + interval
    return freezes, frozen, pauses, paused


@settings(deadline=None, max_examples=150)
@given(st.lists(gaps, max_size=120))
def test_freezes_and_pauses_are_those_of_the_rule(intervals: list[int]) -> None:
    detector, at, told = FreezeDetector(), 5_000_000, 0
    detector.frame(at)
    for interval in intervals:
        at += interval
        told += detector.frame(at)
    expected = by_the_rule(intervals)
    assert (detector.freezeCount, detector.freeze_us, detector.pauseCount, detector.pause_us) == expected
    assert told == detector.freeze_us
    assert detector.watched_us == sum(intervals)
    assert detector.gap200_us == sum(interval for interval in intervals if interval >= 200_000)
    assert detector.gap500_us == sum(interval for interval in intervals if interval >= 500_000)


@settings(deadline=None, max_examples=100)
@given(st.lists(gaps, min_size=1, max_size=60), gaps)
def test_an_open_gap_at_the_end_counts_as_if_a_frame_had_ended_it_unless_it_is_a_pause(
    intervals: list[int], last: int
) -> None:
    open_, closed, at = FreezeDetector(), FreezeDetector(), 0
    for interval in (0, *intervals):
        at += interval
        open_.frame(at)
        closed.frame(at)
    open_.end(at + last)
    closed.frame(at + last)
    assert (open_.watched_us, open_.gap200_us, open_.gap500_us) == (
        closed.watched_us,
        closed.gap200_us,
        closed.gap500_us,
    )
    assert open_.freezeCount == closed.freezeCount
    assert open_.end(at + last + 1) == 0, "an end is final"


def test_four_intervals_are_too_few_to_call_anything_a_freeze() -> None:
    detector = FreezeDetector()
    for at in (0, 40_000, 80_000, 120_000):
        detector.frame(at)
    assert detector.frame(1_120_000) == 0
    detector = FreezeDetector()
    for at in (0, 40_000, 80_000, 120_000, 160_000):
        detector.frame(at)
    assert detector.frame(1_160_000) == 1_000_000


def test_a_stream_that_slows_down_little_by_little_never_freezes_but_has_gaps() -> None:
    detector, at, interval = FreezeDetector(), 0, 40_000.0
    while interval < 1_000_000:
        at += int(interval)
        detector.frame(at)
        interval *= 1.05
    assert detector.freezeCount == 0
    assert detector.gap500_us > 0


@pytest.mark.parametrize(("gap", "pauses"), [(5_000_000, 0), (5_000_001, 1)])
def test_a_pause_is_longer_than_five_seconds(gap: int, pauses: int) -> None:
    detector = FreezeDetector()
    for number in range(40):
        detector.frame(number * 40_000)
    detector.frame(39 * 40_000 + gap)
    assert (detector.pauseCount, detector.freezeCount) == (pauses, 1 - pauses)


def test_a_stream_that_never_showed_a_frame_has_nothing_to_end() -> None:
    detector = FreezeDetector()
    assert detector.end(9_000_000) == 0
    assert detector.watched_us == 0
