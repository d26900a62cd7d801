"""Transport-wide feedback packet after packet: nothing that arrived is left out, whatever the gaps and the numbers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rtc import rtcp
from harness.rtc.transport_feedback import DELTA_US, FeedbackWriter, count_feedback, read_feedback


def told(writer: FeedbackWriter) -> dict[int, int | None]:
    """The next feedback, read: arrival by sequence number."""
    data = writer.take(1, 2)
    assert data is not None
    assert len(data) < 4200, "1200 packets of the longest deltas"
    [packet] = rtcp.parse(data)
    assert isinstance(packet, rtcp.Feedback)
    base, arrivals = read_feedback(packet.information)
    assert count_feedback(packet.information) == (len(arrivals), arrivals.count(None))
    return {(base + offset) & 0xFFFF: at for offset, at in enumerate(arrivals)}


def all_told(writer: FeedbackWriter) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    while writer.arrivals:
        found |= told(writer)
    return found


def assert_close(found: dict[int, int | None], expected: dict[int, int]) -> None:
    assert {sequence for sequence, at in found.items() if at is not None} == set(expected)
    for sequence, at in expected.items():
        assert 0 <= at - (found[sequence] or 0) < DELTA_US


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 0xFFFF),
    st.lists(
        st.lists(st.tuples(st.integers(0, 300_000), st.booleans(), st.integers(0, 6)), min_size=1, max_size=30),
        min_size=1,
        max_size=6,
    ),
)
def test_lost_late_and_far_apart_packets_are_told_each_in_one_feedback(
    base: int, batches: list[list[tuple[int, bool, int]]]
) -> None:
    # Per packet: time since the last one, whether it arrives, by how many places late. Batches do not overlap.
    writer, sequence, clock = FeedbackWriter(), base, 5_000_000
    for batch in batches:
        start = sequence
        arriving = [
            (place + late if place else 0, (start + place) & 0xFFFF)
            for place, (_, arrives, late) in enumerate(batch)
            if arrives or place in (0, len(batch) - 1)
        ]
        sequence += len(batch)
        expected = {}
        for (_, number), (gap, _, _) in zip(sorted(arriving, key=lambda item: item[0]), batch, strict=False):
            clock += gap
            expected[number] = clock
            writer.arrivals.append((number, clock))
        found = told(writer)
        assert_close(found, expected)
        assert list(found) == [number & 0xFFFF for number in range(start, sequence)]


@pytest.mark.parametrize("count", [1199, 1200, 1201, 5000])
@pytest.mark.parametrize("lossy", [False, True])
def test_more_packets_than_one_feedback_holds_are_told_by_several(count: int, lossy: bool) -> None:
    writer = FeedbackWriter()
    sequences = [number & 0xFFFF for number in range(64_000, 64_000 + count)]
    if lossy:
        del sequences[1]
    writer.arrivals += [(sequence, 1_000_000 + 1000 * index) for index, sequence in enumerate(sequences)]
    expected = dict(writer.arrivals)
    assert_close(all_told(writer), expected)


@pytest.mark.parametrize("gap", [1199, 1200, 1201, 20_000])
def test_a_gap_longer_than_one_feedback_does_not_stop_the_telling(gap: int) -> None:
    writer = FeedbackWriter()
    writer.arrivals.append((65_000, 1_000_000))
    told(writer)
    after = (65_001 + gap) & 0xFFFF
    writer.arrivals += [(after, 1_100_000), (after + 1, 1_101_000)]
    assert_close(all_told(writer), {after: 1_100_000, after + 1: 1_101_000})
    writer.arrivals.append((after + 2, 1_102_000))
    assert told(writer) == {after + 2: 1_102_000}


def test_a_time_further_away_than_a_delta_can_say_does_not_shift_those_behind_it() -> None:
    writer = FeedbackWriter()
    writer.arrivals += [(1, 0), (2, 10_000_000), (3, 10_001_000)]
    assert told(writer)[3] == 10_001_000


def test_packets_older_than_what_was_told_and_doubled_ones_change_nothing() -> None:
    writer = FeedbackWriter()
    writer.arrivals += [(10, 1_000_000), (11, 1_001_000)]
    told(writer)
    writer.arrivals += [(9, 1_002_000), (12, 1_003_000), (12, 1_009_000)]
    assert told(writer) == {12: 1_003_000}
    writer.arrivals += [(12, 1_010_000)]
    assert writer.take(1, 2) is None


def test_each_feedback_has_its_number() -> None:
    writer, numbers = FeedbackWriter(), []
    for sequence in range(258):
        writer.arrivals.append((sequence + sequence // 2, 1_000_000))  # by turns with a loss and without
        data = writer.take(1, 2)
        assert data is not None
        numbers.append(data[19])
    assert numbers == [index & 0xFF for index in range(258)]


def test_the_forms_that_others_write_are_read() -> None:
    bits = 0x8000 | 0b10_1000_0000_0001  # 14 packets of one bit each
    pairs = 0xC000 | 0b01_11_10_00_00_00_00  # small, reserved, large, and four not received
    information = struct.pack("!HHIHHBBBBh", 100, 21, 1 << 8, bits, pairs, 1, 2, 3, 4, -4)
    base, arrivals = read_feedback(information)
    assert base == 100
    assert {i: at for i, at in enumerate(arrivals) if at is not None} == {
        0: 64_250,
        2: 64_750,
        13: 65_500,
        14: 66_500,
        16: 65_500,
    }
    assert count_feedback(information) == (21, 16)


def test_a_run_of_no_packets_is_refused_instead_of_read_for_ever() -> None:
    for read in (read_feedback, count_feedback):
        with pytest.raises(ValueError, match="run of no packets"):
            read(struct.pack("!HHI", 0, 5, 0) + bytes(40))
