"""Loss, retransmission requests and receiver reports, by sequence numbers alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_packets import Heard, Packet, feed, receiver

from harness.rtc import rtcp
from harness.rtc.inbound import DAMAGED, GIVE_UP_US, NACK_ATTEMPTS, NACK_RETRY_US, InboundAudio
from synthetic_media.packetize import opus_payload
from synthetic_media.stamp import pack_stamp


def sound(number: int, *, base: int = 0, at_us: int | None = None) -> Packet:
    payload = opus_payload(b"\x78" + b"\x11" * 60, pack_stamp(7, 8, number, number, number * 20_000))
    return Packet((base + number) & 0xFFFF, number * 960, 0, payload, number * 20_000 if at_us is None else at_us)


def listener() -> tuple[InboundAudio, Heard]:
    heard = Heard()
    return InboundAudio(1, heard, [], depth="frames"), heard


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 0xFFFF), st.integers(0, 1 << 30), st.integers(10, 200))
def test_a_nack_names_exactly_the_missing_packets_in_order_and_reports_count_them(
    base: int, seed: int, count: int
) -> None:
    lost = sorted(random.Random(seed).sample(range(1, count - 1), count // 8))
    stream, _, alerts = receiver()
    for number in range(count):
        if number not in lost:
            feed(stream, Packet((base + number) & 0xFFFF, number, 0, b"\x80\x80\x80\x01x", number * 1000))
    assert alerts == ([stream] if lost else [])
    assert stream.sequences_to_request(count * 1000) == [(base + number) & 0xFFFF for number in lost]
    assert (stream.packetsExpected, stream.packetsLost) == (count, len(lost))
    block = stream.report_block(count * 1000)
    assert (block.packets_lost, block.fraction_lost) == (len(lost), (len(lost) << 8) // count)
    assert block.highest_sequence == base + count - 1, "extended by the cycles"
    assert stream.report_block(count * 1000).fraction_lost == 0, "of the interval since the last report"


def test_a_packet_is_asked_for_at_the_retry_time_until_it_is_given_up() -> None:
    stream, _, _ = receiver()
    feed(stream, Packet(1, 0, 0, b"\x80\x80\x80\x01x", 0))
    feed(stream, Packet(3, 0, 0, b"\x80\x80\x80\x01x", 0))
    asked = [now for now in range(0, 2 * GIVE_UP_US, 10_000) if stream.sequences_to_request(now)]
    assert asked == [NACK_RETRY_US * attempt for attempt in range(NACK_ATTEMPTS)]
    assert stream.wants_key_frame
    assert stream.nackCount == NACK_ATTEMPTS


def test_a_second_hole_alerts_again_only_after_the_first_was_answered() -> None:
    stream, _, alerts = receiver()
    for sequence in (1, 3, 5):
        feed(stream, Packet(sequence, 0, 0, b"\x80\x80\x80\x01x", 0))
    assert alerts == [stream]
    alerts.clear()
    stream.sequences_to_request(0)
    feed(stream, Packet(7, 0, 0, b"\x80\x80\x80\x01x", 0))
    assert alerts == [stream]


def test_the_report_echoes_the_last_sender_report_and_how_long_ago_it_came() -> None:
    stream, _, _ = receiver()
    feed(stream, Packet(1, 0, 0, b"", 0))
    assert (stream.report_block(5).last_sr, stream.report_block(5).delay_since_last_sr) == (0, 0)
    stream.on_sender_report(rtcp.SenderReport(1, 0x11112222_33334444, 0, 0, 0, ()), 1_000_000)
    block = stream.report_block(1_500_000)
    assert (block.last_sr, block.delay_since_last_sr) == (0x22223333, 32768)


def test_the_share_lost_is_that_of_the_interval() -> None:
    stream, _ = listener()
    for number in range(100):
        if number % 4:
            feed(stream, sound(number))
    assert stream.report_block(0).fraction_lost == (24 << 8) // 99  # the first packet seen is number 1
    for number in range(100, 200):
        if number % 10:
            feed(stream, sound(number))
    assert stream.report_block(0).fraction_lost == (10 << 8) // 100
    assert stream.packetsLost == 34


def test_late_sound_is_no_loss_and_a_doubled_packet_counts_once() -> None:
    stream, heard = listener()
    for number in (0, 1, 3, 2, 2, 4, 4):
        feed(stream, sound(number, base=65_534))
    assert [s[2] for s in heard.sounds if isinstance(s, tuple)] == [0, 1, 3, 2, 4]
    assert (stream.packetsLost, stream.packetsDuplicated, stream.packetsReceived) == (0, 2, 5)
    assert len(heard.packets) == 1


def test_lost_sound_is_not_remembered_for_ever() -> None:
    stream, _ = listener()
    for number in range(0, 20_000, 4):
        feed(stream, sound(number))
    assert len(stream._missing) <= 1000
    assert stream.packetsLost == 3 * 4999
    feed(stream, sound(19_999 - 4))
    assert stream.packetsLost == 3 * 4999 - 1, "but for as long as it may still come"


def test_the_first_packet_says_nothing_of_jitter_nor_does_a_restarted_clock() -> None:
    # Timestamps that happen to be near the clock's reading: their difference is not jitter.
    stream, _ = listener()
    for number in range(20):
        feed(stream, sound(number, at_us=number * 20_000 + 3_000_000))
    assert stream.jitter_clock == 0
    for number in range(20):
        packet = sound(number, base=30_000, at_us=number * 20_000 + 9_000_000)
        feed(stream, packet)
    assert stream.jitter_clock == 0


def test_a_damaged_stamp_in_sound_is_told_as_such_and_depth_packets_reads_none() -> None:
    stream, heard = listener()
    broken = sound(0)
    feed(stream, Packet(0, 0, 0, broken.payload[:-1] + b"\0", 0))
    assert heard.sounds == [DAMAGED]
    counting = InboundAudio(1, heard, [], depth="packets")
    assert not counting.decrypt
    feed(counting, sound(0))
    assert (len(heard.sounds), counting.packetsReceived) == (1, 1)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_first_packet_is_told_once(codec: str) -> None:
    stream, heard, _ = receiver(codec)
    for number in range(5):
        feed(stream, Packet(65_533 + number & 0xFFFF, number, 0, b"\x80\x80\x80\x01x", 100 + number))
    assert heard.packets == [100]
