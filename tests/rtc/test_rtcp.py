"""RTCP bit by bit, where test_rtcp_packets.py goes by random values: limits, signs, padding, what is skipped."""

from __future__ import annotations

import contextlib
import struct

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSdesPacket, unpack_remb_fci
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rtc import rtcp

ssrcs = st.integers(0, 2**32 - 1)


def only(data: bytes) -> rtcp.Packet:
    (packet,) = rtcp.parse(data)
    return packet


def information(data: bytes) -> bytes:
    packet = only(data)
    assert isinstance(packet, rtcp.Feedback)
    return packet.information


def test_counters_of_a_sender_report_wrap_at_32_bits() -> None:
    report = only(rtcp.sender_report(1, 2, (1 << 32) + 3, (1 << 32) + 4, (1 << 32) + 5))
    assert report == rtcp.SenderReport(1, 2, 3, 4, 5, ())


@pytest.mark.parametrize("count", [0, 1, 31, 32, 62, 63])
def test_receiver_reports_are_split_at_31_blocks(count: int) -> None:
    blocks = [rtcp.ReportBlock(n, n, -n, 4 * n, 5 * n, 6 * n, 7 * n) for n in range(count)]
    data = rtcp.receiver_report(9, blocks)
    packets = list(rtcp.parse(data))
    assert [type(packet) for packet in packets] == [rtcp.ReceiverReport] * max(1, -(-count // 31))
    assert [block for packet in packets for block in packet.reports] == blocks
    theirs = [report for packet in RtcpPacket.parse(data) for report in packet.reports]
    assert [(r.ssrc, r.packets_lost, r.dlsr) for r in theirs] == [
        (b.ssrc, b.packets_lost, b.delay_since_last_sr) for b in blocks
    ]


@pytest.mark.parametrize(
    ("lost", "written"),
    [(-1, -1), (0x7FFFFF, 0x7FFFFF), (0x800000, 0x7FFFFF), (-0x800000, -0x800000), (-0x800001, -0x800000)],
)
def test_packets_lost_is_a_signed_number_of_24_bits_and_saturates(lost: int, written: int) -> None:
    packet = only(rtcp.receiver_report(1, [rtcp.ReportBlock(2, 3, lost, 4, 5, 6, 7)]))
    assert isinstance(packet, rtcp.ReceiverReport)
    assert (packet.reports[0].packets_lost, packet.reports[0].fraction_lost) == (written, 3)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 0xFFFF), st.lists(st.integers(1, 40), max_size=60))
def test_a_nack_keeps_the_order_of_what_is_lost_over_the_wrap(start: int, gaps: list[int]) -> None:
    lost = [(start + sum(gaps[:place])) & 0xFFFF for place in range(len(gaps) + 1)]
    assert rtcp.lost_sequences(information(rtcp.nack(7, 8, lost))) == lost


@pytest.mark.parametrize("start", [0, 100, 0xFFEF, 0xFFF8, 0xFFFF])
def test_a_nack_packs_seventeen_neighbours_into_one_item_and_the_next_into_another(start: int) -> None:
    lost = [(start + index) & 0xFFFF for index in range(18)]
    told = information(rtcp.nack(1, 2, lost))
    assert told == struct.pack("!HHHH", start, 0xFFFF, lost[17], 0)
    assert rtcp.lost_sequences(told) == lost


def test_remb_has_the_documented_bits() -> None:
    told = information(rtcp.remb(1, 4_162_000, [0x3A8C]))
    assert told == b"REMB" + struct.pack("!BBHI", 1, 4 << 2 | 260125 >> 16, 260125 & 0xFFFF, 0x3A8C)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**60), st.lists(ssrcs, max_size=20))
def test_aiortc_reads_the_bitrate_and_the_ssrcs_of_remb(bitrate: int, ids: list[int]) -> None:
    told = information(rtcp.remb(1, bitrate, ids))
    assert unpack_remb_fci(told) == (rtcp.remb_bitrate(told), ids)


def test_remb_names_as_many_ssrcs_as_its_count_can_tell() -> None:
    bitrate, named = unpack_remb_fci(information(rtcp.remb(1, 1000, range(300))))
    assert (bitrate, named) == (1000, list(range(255)))


@pytest.mark.parametrize("other", [b"", b"REMB", b"REMB\0\0\0", b"BMER\1\0\0\1"])
def test_application_feedback_that_is_no_remb_has_no_bitrate(other: bytes) -> None:
    assert rtcp.remb_bitrate(other) is None


@settings(deadline=None, max_examples=60)
@given(ssrcs, st.text(max_size=300))
def test_aiortc_reads_the_name_in_a_source_description(ssrc: int, cname: str) -> None:
    data = rtcp.source_description(ssrc, cname)
    (theirs,) = RtcpPacket.parse(data)
    assert isinstance(theirs, RtcpSdesPacket)
    assert (theirs.chunks[0].ssrc, theirs.chunks[0].items) == (ssrc, [(1, cname.encode()[:255])])


def test_a_full_intra_request_names_its_sources() -> None:
    named = struct.pack("!IBxxxIBxxx", 77, 1, 88, 2)
    fir = only(rtcp.feedback(rtcp.PAYLOAD_FEEDBACK, rtcp.FIR, 5, 0, named))
    assert fir == rtcp.Feedback(rtcp.PAYLOAD_FEEDBACK, rtcp.FIR, 0, named)
    assert rtcp.fir_ssrcs(named) == [77, 88]
    assert only(rtcp.pli(5, 6)) == rtcp.Feedback(rtcp.PAYLOAD_FEEDBACK, rtcp.PLI, 6, b"")


def test_a_bye_by_aiortc_names_its_sources() -> None:
    assert only(bytes(RtcpByePacket([1, 2, 3]))) == rtcp.Bye((1, 2, 3))


def test_packets_of_a_compound_come_in_order_and_unknown_types_are_skipped() -> None:
    unknown = struct.pack("!BBHI", 0x81, 204, 1, 9) + struct.pack("!BBH", 0x80, 209, 0)
    data = unknown + rtcp.sender_report(1, 2, 3, 4, 5) + rtcp.source_description(1, "me") + unknown + rtcp.pli(1, 9)
    assert [type(packet) for packet in rtcp.parse(data)] == [rtcp.SenderReport, rtcp.Feedback]


@pytest.mark.parametrize("size", [4, 8, 252])
def test_padding_is_cut_off(size: int) -> None:
    plain = rtcp.nack(1, 2, [3])
    padded = bytes((plain[0] | 0x20, plain[1])) + struct.pack("!H", (len(plain) + size) // 4 - 1)
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
def test_malformed_packets_are_a_value_error_that_names_rtcp(data: bytes) -> None:
    with pytest.raises(ValueError, match="RTCP"):
        list(rtcp.parse(data))


def test_what_stands_in_front_of_a_malformed_packet_is_still_read() -> None:
    packets = rtcp.parse(rtcp.pli(1, 2) + b"\x80\xc8\x00\x06")
    assert isinstance(next(packets), rtcp.Feedback)
    with pytest.raises(ValueError, match="RTCP"):
        next(packets)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 63), st.integers(199, 208), st.binary(max_size=80), st.binary(max_size=8))
def test_well_framed_rubbish_raises_nothing_but_value_error(low: int, kind: int, body: bytes, tail: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    framed = struct.pack("!BBH", 0x80 | low, kind, len(body) // 4) + body
    with contextlib.suppress(ValueError):
        for packet in rtcp.parse(framed + tail):
            if isinstance(packet, rtcp.Feedback):
                for read in (rtcp.lost_sequences, rtcp.fir_ssrcs, rtcp.remb_bitrate):
                    with contextlib.suppress(ValueError):
                        read(packet.information)


@pytest.mark.parametrize("odd", [b"\0", b"\0\1\2", b"\0\1\2\3\4", bytes(9)])
def test_feedback_that_ends_inside_an_item_is_a_value_error(odd: bytes) -> None:
    for read in (rtcp.lost_sequences, rtcp.fir_ssrcs):
        with pytest.raises(ValueError, match="truncated"):
            read(odd)


def test_ntp_time_counts_from_1900_with_a_binary_fraction() -> None:
    assert rtcp.ntp_from_us(0) == 2_208_988_800 << 32
    assert rtcp.ntp_from_us(1_500_000) == (2_208_988_801 << 32) + (1 << 31)
