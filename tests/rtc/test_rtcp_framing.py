"""RTCP on the wire: compounds, padding, counts, and every way of being malformed."""

from __future__ import annotations

import contextlib
import struct

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSdesPacket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.rtc import rtcp

u32 = st.integers(0, 2**32 - 1)
blocks = st.builds(
    rtcp.ReportBlock, u32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32
)  # fmt: skip


def only(data: bytes) -> rtcp.Packet:
    [packet] = rtcp.parse(data)
    return packet


@settings(deadline=None, max_examples=40)
@given(u32, st.lists(blocks, max_size=70))
@example(1, [rtcp.ReportBlock(number, 1, -2, 3, 4, 5, 6) for number in range(63)])
def test_more_blocks_than_a_report_holds_go_into_several(ssrc: int, reports: list[rtcp.ReportBlock]) -> None:
    data = rtcp.receiver_report(ssrc, reports)
    found = list(rtcp.parse(data))
    assert len(found) == len(RtcpPacket.parse(data)) == max(1, -(-len(reports) // 31))
    assert all(isinstance(packet, rtcp.ReceiverReport) and packet.ssrc == ssrc for packet in found)
    assert [block for packet in found for block in packet.reports] == reports  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lost", "written"), [(0x800000, 0x7FFFFF), (1 << 40, 0x7FFFFF), (-0x800000, -0x800000), (-0x800001, -0x800000)]
)
def test_packets_lost_saturates_at_24_bits_and_leaves_the_fraction_alone(lost: int, written: int) -> None:
    packet = only(rtcp.receiver_report(1, [rtcp.ReportBlock(2, 3, lost, 4, 5, 6, 7)]))
    assert isinstance(packet, rtcp.ReceiverReport)
    assert (packet.reports[0].packets_lost, packet.reports[0].fraction_lost) == (written, 3)


def test_counters_of_a_sender_report_wrap_at_32_bits() -> None:
    report = only(rtcp.sender_report(1, 2, (1 << 32) + 3, (1 << 32) + 4, (1 << 32) + 5))
    assert report == rtcp.SenderReport(1, 2, 3, 4, 5, ())


@settings(deadline=None, max_examples=40)
@given(u32, st.text(max_size=300).filter(lambda text: "\0" not in text))
def test_a_source_description_of_any_length_is_aligned_and_read_by_aiortc(ssrc: int, cname: str) -> None:
    [theirs] = RtcpPacket.parse(rtcp.source_description(ssrc, cname))
    assert isinstance(theirs, RtcpSdesPacket)
    assert theirs.chunks[0].ssrc == ssrc
    assert theirs.chunks[0].items == [(1, cname.encode()[:255])]


def test_a_fir_names_its_sources_and_so_does_a_bye_of_aiortcs() -> None:
    named = struct.pack("!IBxxxIBxxx", 77, 1, 88, 2)
    fir = only(rtcp.feedback(rtcp.PAYLOAD_FEEDBACK, rtcp.FIR, 5, 0, named))
    assert isinstance(fir, rtcp.Feedback)
    assert rtcp.fir_ssrcs(fir.information) == [77, 88]
    assert only(bytes(RtcpByePacket([1, 2, 3]))) == rtcp.Bye((1, 2, 3))


def test_remb_has_the_documented_bits() -> None:
    packet = only(rtcp.remb(1, 260_125 << 4, [0x3A8C]))
    assert isinstance(packet, rtcp.Feedback)
    assert packet.information == b"REMB" + struct.pack("!BBHI", 1, 4 << 2 | 260_125 >> 16, 260_125 & 0xFFFF, 0x3A8C)


def test_packets_of_a_compound_come_in_order_and_unknown_types_are_skipped() -> None:
    unknown = struct.pack("!BBHI", 0x81, 204, 1, 9) + struct.pack("!BBH", 0x80, 209, 0)
    data = unknown + rtcp.sender_report(1, 2, 3, 4, 5) + rtcp.source_description(1, "me") + unknown + rtcp.pli(1, 9)
    assert [type(packet) for packet in rtcp.parse(data)] == [rtcp.SenderReport, rtcp.Feedback]


@pytest.mark.parametrize("size", [4, 8, 12])
def test_padding_is_cut_off(size: int) -> None:
    plain = rtcp.nack(1, 2, [3])
    padded = struct.pack("!BBH", plain[0] | 0x20, plain[1], (len(plain) + size) // 4 - 1)
    padded += plain[4:] + bytes(size - 1) + bytes((size,))
    assert only(padded) == only(plain)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"\x80\xc8\x00\x06",  # says 24 bytes more than there are
        b"\x00\xc9\x00\x01\x00\x00\x00\x01",  # version 0
        b"\xa0\xc9\x00\x01\x00\x00\x00\x09",  # more padding than packet
        b"\x81\xc9\x00\x01\x00\x00\x00\x01",  # one block announced, none there
        b"\x80\xc8\x00\x01\x00\x00\x00\x01",  # a sender report without its sender's half
        b"\x81\xcd\x00\x01\x00\x00\x00\x01",  # feedback without a media source
        b"\x82\xcb\x00\x01\x00\x00\x00\x01",  # a BYE of two with one
    ],
)
def test_a_malformed_packet_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="RTCP"):
        list(rtcp.parse(data))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 31), st.booleans(), st.integers(200, 207), st.binary(max_size=80), st.binary(max_size=8))
def test_well_framed_rubbish_is_read_or_is_a_value_error(
    count: int, padded: bool, packet_type: int, body: bytes, tail: bytes
) -> None:
    body = body[: len(body) // 4 * 4]
    framed = struct.pack("!BBH", 0x80 | padded << 5 | count, packet_type, len(body) // 4) + body
    with contextlib.suppress(ValueError):
        for packet in rtcp.parse(framed + tail):
            if isinstance(packet, rtcp.Feedback):
                rtcp.lost_sequences(packet.information)
                rtcp.fir_ssrcs(packet.information)


@pytest.mark.parametrize("information", [b"\0", b"\0\1\2", b"\0\1\2\3\4", bytes(9)])
def test_feedback_that_was_cut_off_is_refused(information: bytes) -> None:
    for read in (rtcp.lost_sequences, rtcp.fir_ssrcs):
        with pytest.raises(ValueError, match="truncated"):
            read(information)


def test_ntp_time_counts_from_1900_with_a_binary_fraction() -> None:
    assert rtcp.ntp_from_us(0) == 2_208_988_800 << 32
    assert rtcp.ntp_from_us(1_500_000) == (2_208_988_801 << 32) + (1 << 31)
