"""RTCP written is RTCP read, by us and by aiortc's parser; anything else is a ValueError."""

from __future__ import annotations

import contextlib

from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from harness.rtc import rtcp
from harness.rtc.transport_feedback import FeedbackWriter, count_feedback, read_feedback

u32 = st.integers(0, (1 << 32) - 1)
u16 = st.integers(0, (1 << 16) - 1)


@given(st.lists(u16, min_size=1, max_size=60, unique=True), u32, u32)
def test_a_nack_names_exactly_the_lost_packets(lost: list[int], ours: int, theirs: int) -> None:
    packet = rtcp.nack(ours, theirs, lost)
    (read,) = rtcp.parse(packet)
    assert isinstance(read, rtcp.Feedback)
    assert (read.media_ssrc, read.format) == (theirs, rtcp.NACK)
    assert set(rtcp.lost_sequences(read.information)) == set(lost)
    (other,) = RtcpPacket.parse(packet)
    assert isinstance(other, RtcpRtpfbPacket)
    assert {number & 0xFFFF for number in other.lost} == set(lost), "aiortc does not wrap them"


def test_a_nack_across_the_wrap_fits_one_pair() -> None:
    (read,) = rtcp.parse(rtcp.nack(1, 2, [65534, 65535, 0, 5]))
    assert isinstance(read, rtcp.Feedback)
    assert len(read.information) == 4
    assert rtcp.lost_sequences(read.information) == [65534, 65535, 0, 5]


@given(u32, st.integers(0, 255), st.integers(-(1 << 23), (1 << 23) - 1), u32, u32, u32, u32)
def test_report_blocks_keep_every_field_and_the_sign_of_the_loss(
    ssrc: int, fraction: int, lost: int, highest: int, jitter: int, last: int, delay: int
) -> None:
    block = rtcp.ReportBlock(ssrc, fraction, lost, highest, jitter, last, delay)
    packet = rtcp.receiver_report(7, [block])
    (read,) = rtcp.parse(packet)
    assert isinstance(read, rtcp.ReceiverReport)
    assert read.reports == (block,)
    (other,) = RtcpPacket.parse(packet)
    assert isinstance(other, RtcpRrPacket)
    assert (other.reports[0].packets_lost, other.reports[0].jitter) == (lost, jitter)


@given(u32, st.integers(0, (1 << 64) - 1), u32, u32, u32, st.text(max_size=40))
def test_a_compound_of_report_and_description_is_read_and_the_description_skipped(
    ssrc: int, ntp: int, timestamp: int, packets: int, octets: int, cname: str
) -> None:
    data = rtcp.sender_report(ssrc, ntp, timestamp, packets, octets) + rtcp.source_description(ssrc, cname)
    assert list(rtcp.parse(data)) == [rtcp.SenderReport(ssrc, ntp, timestamp, packets, octets, ())]
    assert isinstance(RtcpPacket.parse(data)[0], RtcpSrPacket)


@given(st.integers(1, 10**10), st.lists(u32, min_size=1, max_size=5))
def test_remb_is_within_its_mantissa_of_the_bitrate(bitrate: int, ssrcs: list[int]) -> None:
    (read,) = rtcp.parse(rtcp.remb(1, bitrate, ssrcs))
    assert isinstance(read, rtcp.Feedback)
    found = rtcp.remb_bitrate(read.information)
    assert found is not None
    assert bitrate * (1 - 2**-17) - 1 <= found <= bitrate


def test_pli_is_what_aiortc_takes_for_one() -> None:
    (other,) = RtcpPacket.parse(rtcp.pli(1, 2))
    assert isinstance(other, RtcpPsfbPacket)
    assert (other.fmt, other.media_ssrc) == (rtcp.PLI, 2)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_are_a_value_error(data: bytes) -> None:
    readers = (rtcp.parse, read_feedback, count_feedback, rtcp.lost_sequences, rtcp.fir_ssrcs, rtcp.remb_bitrate)
    for read in readers:
        with contextlib.suppress(ValueError):
            found = read(data)
            if read is rtcp.parse:
                list(found)  # type: ignore[call-overload]


arrivals = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 2_000_000)), min_size=1, max_size=80, unique_by=lambda a: a[0]
)


@given(u16, arrivals, st.integers(0, 10**12))
def test_transport_feedback_tells_which_packets_came_and_when(
    base: int, found: list[tuple[int, int]], start: int
) -> None:
    writer = FeedbackWriter()
    first = base + found[0][0]
    pairs = [((base + offset) & 0xFFFF, start + at) for offset, at in found]
    writer.arrivals = list(pairs)
    packet = writer.take(1, 2)
    assert packet is not None
    (read,) = rtcp.parse(packet)
    assert isinstance(read, rtcp.Feedback)
    sequence, times = read_feedback(read.information)
    told = {(sequence + i) & 0xFFFF: at for i, at in enumerate(times) if at is not None}
    # What is older than the first packet of all cannot be told of.
    expected = {s: at for s, at in pairs if (s - first) & 0xFFFF < 0x8000}
    assert set(told) == set(expected)
    period = (1 << 24) * 64_000
    reach = 32767 * 250  # a delta further than this is cut
    if max(at for _, at in pairs) - min(at for _, at in pairs) < reach:
        for s, at in expected.items():
            assert abs((told[s] - at + period // 2) % period - period // 2) < 500
    assert count_feedback(read.information) == (len(times), times.count(None))


@given(u16, st.lists(st.integers(0, 60_000), min_size=1, max_size=100), st.integers(0, 10**12))
def test_the_common_case_of_all_in_order_says_the_same_as_the_general_one(
    base: int, gaps: list[int], start: int
) -> None:
    pairs, at = [], start
    for index, gap in enumerate(gaps):
        at += gap
        pairs.append(((base + index) & 0xFFFF, at))
    quick, slow = FeedbackWriter(), FeedbackWriter()
    quick.arrivals, slow.arrivals = list(pairs), list(pairs)
    slow._orderly = lambda base, arrivals: None  # type: ignore[method-assign]
    first, second = quick.take(1, 2), slow.take(1, 2)
    assert first is not None is not second
    (a,), (b,) = rtcp.parse(first), rtcp.parse(second)
    assert isinstance(a, rtcp.Feedback)
    assert isinstance(b, rtcp.Feedback)
    assert read_feedback(a.information) == read_feedback(b.information)


def test_a_second_feedback_goes_on_where_the_first_ended_and_reports_the_gap() -> None:
    writer = FeedbackWriter()
    writer.arrivals = [(65534, 1000), (65535, 2000)]
    assert writer.take(1, 2)
    writer.arrivals = [(2, 5000)]
    (read,) = rtcp.parse(writer.take(1, 2) or b"")
    assert isinstance(read, rtcp.Feedback)
    sequence, times = read_feedback(read.information)
    assert sequence == 0
    assert [at is not None for at in times] == [False, False, True]
    assert writer.take(1, 2) is None
