"""Transport-wide feedback: what arrived and when, told and read back to a quarter of a millisecond."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.rtc import rtcp
from harness.rtc.adapter import MAX_DATAGRAM
from harness.rtc.transport_feedback import DELTA_US, FeedbackWriter, count_feedback, read_feedback

CYCLE_US = (1 << 24) * 64_000
SRTCP_TRAILER = 14  # index and authentication tag


def told(writer: FeedbackWriter) -> dict[int, int | None]:
    """One feedback, read: arrival by sequence number. Checks its frame and the sender's short cut on the way."""
    data = writer.take(1, 2)
    assert data is not None
    assert len(data) + SRTCP_TRAILER <= MAX_DATAGRAM
    (packet,) = rtcp.parse(data)
    assert isinstance(packet, rtcp.Feedback)
    assert (packet.packet_type, packet.format, packet.media_ssrc) == (205, 15, 2)
    base, arrivals = read_feedback(packet.information)
    assert count_feedback(packet.information) == (len(arrivals), arrivals.count(None))
    return {(base + offset) & 0xFFFF: at for offset, at in enumerate(arrivals)}


def all_told(writer: FeedbackWriter) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    while writer.arrivals:
        more = told(writer)
        assert not found.keys() & more.keys(), "no packet is told of twice"
        found |= more
    return found


def assert_close(found: dict[int, int | None], expected: dict[int, int]) -> None:
    assert {sequence for sequence, at in found.items() if at is not None} == set(expected)
    for sequence, at in expected.items():
        read = found[sequence]
        assert read is not None
        assert 0 <= (at - read) % CYCLE_US < DELTA_US


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 0xFFFF), st.integers(0, 3 * CYCLE_US), st.integers(1, 300), st.integers(0, 70_000))
def test_packets_in_order_read_back_within_a_tick(base: int, start: int, count: int, gap: int) -> None:
    writer = FeedbackWriter()
    writer.arrivals += [((base + index) & 0xFFFF, start + index * gap) for index in range(count)]
    assert_close(told(writer), dict(writer.arrivals or [((base + n) & 0xFFFF, start + n * gap) for n in range(count)]))
    assert writer.take(1, 2) is None


# Of each packet: microseconds since the one before, whether it arrives, and how many places it comes too late.
fates = st.lists(st.tuples(st.integers(0, 1_500_000), st.booleans(), st.integers(0, 6)), min_size=1, max_size=100)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 0xFFFF), fates)
def test_lost_late_and_far_apart_packets_read_back_within_a_tick(
    base: int, packets: list[tuple[int, bool, int]]
) -> None:
    places = [(index + late, index) for index, (_, arrives, late) in enumerate(packets) if arrives and index]
    order = [0, *(index for _, index in sorted(places))]
    writer, clock = FeedbackWriter(), 5_000_000
    for index in order:
        clock += packets[index][0]
        writer.arrivals.append(((base + index) & 0xFFFF, clock))
    expected = dict(writer.arrivals)
    times = [at for _, at in sorted(((sequence - base) & 0xFFFF, at) for sequence, at in expected.items())]
    found = told(writer)
    assert set(found) == {(base + index) & 0xFFFF for index in range(max(order) + 1)}, "the lost are told of as well"
    if all(abs(after - before) < 8_000_000 for before, after in zip(times, times[1:], strict=False)):  # noqa: RUF007
        assert_close(found, expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 0xFFFF), st.lists(st.lists(st.integers(0, 40_000), min_size=1, max_size=30), max_size=8))
def test_a_feedback_begins_where_the_one_before_ended(base: int, batches: list[list[int]]) -> None:
    writer, sequence, clock = FeedbackWriter(), base, 1_000_000
    for batch in batches:
        start = sequence
        for gap in batch:
            clock += gap
            writer.arrivals.append((sequence & 0xFFFF, clock))
            sequence += 1
        assert list(told(writer)) == [number & 0xFFFF for number in range(start, sequence)]


def test_packets_lost_between_two_feedbacks_are_told_of_by_the_second() -> None:
    writer = FeedbackWriter()
    writer.arrivals += [(0xFFFE, 1_000_000), (0xFFFF, 1_001_000)]
    told(writer)
    writer.arrivals += [(3, 1_010_000), (2, 1_011_000)]
    assert told(writer) == {0: None, 1: None, 2: 1_011_000, 3: 1_010_000}


def test_each_feedback_has_the_next_number_whichever_way_it_is_written() -> None:
    writer, numbers = FeedbackWriter(), []
    for step in range(260):
        writer.arrivals.append((step + step // 2, 1_000_000))  # every second feedback has a loss
        data = writer.take(1, 2)
        assert data is not None
        numbers.append(data[19])
    assert numbers == [index & 0xFF for index in range(260)]


def test_a_packet_older_than_what_was_told_and_a_doubled_one_change_nothing() -> None:
    writer = FeedbackWriter()
    writer.arrivals += [(10, 1_000_000), (11, 1_001_000)]
    told(writer)
    writer.arrivals += [(9, 1_002_000), (12, 1_003_000), (12, 1_009_000)]
    assert told(writer) == {12: 1_003_000}
    writer.arrivals += [(12, 1_010_000)]
    assert writer.take(1, 2) is None
    assert not writer.arrivals


@pytest.mark.parametrize("count", [1199, 1200, 1201, 5000])
@pytest.mark.parametrize("lossy", [False, True])
def test_more_packets_than_fit_a_datagram_are_told_of_by_several(count: int, lossy: bool) -> None:
    writer = FeedbackWriter()
    sequences = [(64_000 + offset) & 0xFFFF for offset in range(count)]
    if lossy:
        del sequences[1]
    writer.arrivals += [(sequence, 1_000_000 + 1000 * index) for index, sequence in enumerate(sequences)]
    expected = dict(writer.arrivals)
    assert_close(all_told(writer), expected)


def test_feedback_of_many_packets_out_of_order_still_fits_a_datagram() -> None:
    writer = FeedbackWriter()
    order = [*range(0, 1200, 2), *range(1, 1200, 2)]  # each time is far from the one before: two bytes each
    writer.arrivals += [(sequence, 1_000_000 + 83 * place) for place, sequence in enumerate(order)]
    expected = dict(writer.arrivals)
    assert_close(all_told(writer), expected)


@pytest.mark.parametrize("gap", [255, 499, 500, 501, 1199, 1200, 1201, 20_000])
def test_a_gap_longer_than_one_feedback_can_tell_of_does_not_end_the_telling(gap: int) -> None:
    writer = FeedbackWriter()
    writer.arrivals.append((65_000, 1_000_000))
    told(writer)
    after = (65_001 + gap) & 0xFFFF
    writer.arrivals += [(after, 1_100_000), (after + 1, 1_101_000)]
    found = all_told(writer)
    assert (found[after], found[after + 1]) == (1_100_000, 1_101_000)


def test_a_pause_further_than_a_delta_reaches_does_not_shift_what_comes_behind() -> None:
    writer = FeedbackWriter()
    writer.arrivals += [(1, 0), (2, 10_000_000), (3, 10_001_000)]
    assert told(writer)[3] == 10_001_000


def test_every_kind_of_chunk_is_read() -> None:
    bits = 0x8000 | 0b10_1000_0000_0001
    pairs = 0xC000 | 0b01_11_10_00_00_00_00  # 11 is reserved: nothing arrived
    run = 1 << 13 | 3
    information = struct.pack("!HHIHHHBBBBhBB", 100, 23, 1 << 8, bits, pairs, run, 1, 2, 3, 4, -4, 5, 6)
    base, arrivals = read_feedback(information)
    assert base == 100
    places = {index: at for index, at in enumerate(arrivals) if at is not None}
    assert places == {0: 64_250, 2: 64_750, 13: 65_500, 14: 66_500, 16: 65_500, 21: 66_750, 22: 68_250}
    assert count_feedback(information) == (23, 16), "a run may announce more than the packet tells of"


@settings(deadline=None, max_examples=250)
@given(st.binary(max_size=60))
@example(struct.pack("!HHI", 0, 5, 0) + bytes(40))
@example(struct.pack("!HHIH", 0, 0xFFFF, 0, 0x3FFF))
def test_arbitrary_bytes_are_read_or_are_a_value_error_and_are_counted_as_they_are_read(information: bytes) -> None:
    try:
        _, arrivals = read_feedback(information)
    except ValueError:
        with pytest.raises(ValueError, match=r".*"):
            read_feedback(information)
        return
    assert count_feedback(information) == (len(arrivals), arrivals.count(None))


def test_a_run_of_no_packets_is_refused_instead_of_read_for_ever() -> None:
    for read in (read_feedback, count_feedback):
        with pytest.raises(ValueError, match="run of no packets"):
            read(struct.pack("!HHI", 0, 5, 0) + bytes(40))
