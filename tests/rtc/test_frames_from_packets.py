"""Video frames from packets that are lost, doubled, late and out of order; sound likewise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_packets import Heard, Packet, feed, receiver, stream_of

from harness.rtc.inbound import ABSENT, InboundAudio
from harness.rtc.inbound_video import MOST_OPEN
from synthetic_media.packetize import opus_payload
from synthetic_media.stamp import pack_stamp


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_frames_in_order_complete_with_their_last_packet(codec: str) -> None:
    stream, heard, _ = receiver(codec)
    for packet in stream_of(codec, 30, sequence=65_500):
        feed(stream, packet)
    assert heard.numbers == list(range(30))
    last = {p.timestamp: p.at_us for p in stream_of(codec, 30)}
    assert [at for _, at, _ in heard.frames] == [last[n * 3600] for n in range(30)]
    assert (stream.packetsLost, stream.framesReceived, stream.keyFramesReceived) == (0, 30, 3)
    assert len(heard.shown) == 30


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["vp8", "h264"]), st.integers(0, 1 << 30), st.integers(1, 6))
def test_any_order_within_a_window_with_doubles_gives_every_frame_once(codec: str, seed: int, window: int) -> None:
    packets, chance = stream_of(codec, 25), random.Random(seed)
    first_frame = [p for p in packets if p.timestamp == 0]
    rest = packets[len(first_frame) :]
    arriving = [(place + chance.uniform(0, window), packet) for place, packet in enumerate(rest)]
    arriving += [(place + chance.uniform(0, window), rest[place]) for place in chance.sample(range(len(rest)), 5)]
    stream, heard, _ = receiver(codec)
    for packet in (*first_frame, *(packet for _, packet in sorted(arriving, key=lambda item: item[0]))):
        feed(stream, packet)
    assert sorted(heard.numbers) == list(range(25))
    assert stream.packetsLost == 0
    assert 25 - 2 <= len(heard.shown) <= 25, "only a key frame, of which two follow, may overtake the frame before it"
    assert heard.shown == sorted(heard.shown)


def test_a_lost_packet_is_asked_for_and_its_coming_completes_the_frame() -> None:
    packets = stream_of("vp8", 6)
    stream, heard, alerts = receiver()
    lost = packets[4]
    for packet in packets:
        if packet is not lost:
            feed(stream, packet)
    assert alerts == [stream]
    assert stream.sequences_to_request(lost.at_us + 1000) == [lost.sequence]
    assert stream.sequences_to_request(lost.at_us + 2000) == [], "not again before the retry time"
    assert stream.sequences_to_request(lost.at_us + 150_000) == [lost.sequence]
    assert len(heard.shown) == lost.timestamp // 3600, "what comes after the gap is not shown"
    feed(stream, lost, at_us=999_000)
    assert sorted(heard.numbers) == list(range(6))
    completed = {stamp[2]: at for stamp, at, _ in heard.frames if isinstance(stamp, tuple)}
    assert completed[lost.timestamp // 3600] == 999_000
    assert len(heard.shown) == 6
    assert (stream.packetsLost, stream.retransmittedPacketsReceived) == (0, 1)


def test_a_loss_that_is_never_repaired_asks_for_a_key_frame_and_shows_again_from_it() -> None:
    packets = stream_of("vp8", 40, keys=30)
    gone = next(p for p in packets if p.timestamp == 5 * 3600)
    stream, heard, _ = receiver()
    for packet in packets:
        if packet.timestamp <= 29 * 3600 and packet is not gone:
            feed(stream, packet)
    now = packets[-1].at_us + 2_000_000
    assert stream.sequences_to_request(now) == []
    assert stream.key_frame_request_due(now)
    assert not stream.key_frame_request_due(now + 1000), "not more than twice a second"
    assert len(heard.shown) == 5
    for packet in packets:
        if packet.timestamp > 29 * 3600:
            feed(stream, packet)
    assert len(heard.shown) == 5 + 10
    assert sorted(heard.numbers) == [n for n in range(40) if n != 5]
    assert stream.packetsLost == 1
    block = stream.report_block(now)
    assert block.packets_lost == 1
    assert block.fraction_lost == 256 // len(packets)


def test_without_a_key_frame_there_is_no_picture_and_one_is_asked_for() -> None:
    stream, heard, alerts = receiver()
    for packet in stream_of("vp8", 6, keys=4):
        if packet.timestamp:
            feed(stream, packet)
    assert heard.first == [next(at for s, at, key in heard.frames if key)]
    assert heard.numbers == [4, 5]
    assert alerts == [stream]


def test_a_jump_of_the_sequence_is_a_new_stream_and_not_loss() -> None:
    stream, heard, _ = receiver()
    for packet in (*stream_of("vp8", 10), *stream_of("vp8", 10, sequence=30_000)):
        feed(stream, packet)
    assert stream.packetsLost == 0
    assert len(heard.frames) >= 19


def test_padding_between_frames_does_not_hold_the_picture() -> None:
    packets = stream_of("vp8", 10)
    stream, heard, _ = receiver()
    shift = 0
    for packet in packets:
        moved = Packet(
            (packet.sequence + shift) & 0xFFFF, packet.timestamp, packet.marker, packet.payload, packet.at_us
        )
        feed(stream, moved)
        if packet.marker:
            shift += 1
            sequence = (packet.sequence + shift) & 0xFFFF
            feed(stream, Packet(sequence, packet.timestamp, 0, b"", packet.at_us))
    assert len(heard.shown) == 10
    assert stream.packetsLost == 0


def test_depth_packets_stops_decrypting_after_the_first_key_frame_and_counts_markers() -> None:
    stream, heard, _ = receiver(depth="packets")
    for packet in stream_of("vp8", 20):
        feed(stream, packet)
    assert not stream.decrypt
    assert len(heard.first) == 1
    assert (stream.framesReceived, len(heard.shown), len(heard.frames)) == (20, 20, 1)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["vp8", "h264"]),
    st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 5), st.booleans()), max_size=40),
)
def test_garbage_for_payloads_never_raises(codec: str, garbage: list[tuple[bytes, int, bool]]) -> None:
    stream, heard, _ = receiver(codec)
    for number, (payload, timestamp, marker) in enumerate(garbage):
        feed(stream, Packet(number, timestamp, 0x80 if marker else 0, payload, number * 1000))
    assert all(stamp == ABSENT for stamp, _, _ in heard.frames)


def test_sound_is_stamped_packet_by_packet_and_its_jitter_is_rfc_3550s() -> None:
    heard = Heard()
    stream = InboundAudio(1, heard, [], depth="frames")
    chance, at, expected, before = random.Random(3), 0, 0.0, None
    for number in range(200):
        at = number * 20_000 + chance.randrange(8000)
        payload = opus_payload(b"\x78" + b"\x11" * 60, pack_stamp(7, 8, number, number, number * 20_000))
        feed(stream, Packet(number, number * 960, 0, payload, at))
        transit = at * 0.048 - number * 960
        if before is not None:
            expected += (abs(transit - before) - expected) / 16
        before = transit
    assert [s[2] for s in heard.sounds if isinstance(s, tuple)] == list(range(200))
    assert stream.jitter_ms == pytest.approx(expected / 48, rel=0.02)


def test_frames_that_never_complete_are_bounded_and_a_key_frame_is_asked_for() -> None:
    stream, heard, alerts = receiver()
    for number in range(5000):
        feed(stream, Packet(number & 0xFFFF, number * 3600, 0, b"\x80\x80\x80\x01" + b"x" * 20, number * 1000))
    assert len(stream._open) == MOST_OPEN
    assert stream.framesDropped == 5000 - MOST_OPEN
    assert alerts == [stream]
    assert not heard.frames
