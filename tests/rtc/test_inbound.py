"""Incoming streams: continuity, repair, jitter and reports over loss, disorder, wrap-around and restarts."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_packets import FRAME_US, Heard, Packet, feed, receiver, stream_of

from harness.rtc.inbound import (
    ABSENT,
    DAMAGED,
    GIVE_UP_US,
    NACK_ATTEMPTS,
    NACK_RETRY_US,
    RESTART_GAP,
    InboundAudio,
    InboundStream,
)
from harness.rtc.inbound_video import KEY_FRAME_RETRY_US
from synthetic_media.packetize import opus_payload
from synthetic_media.stamp import pack_stamp

codecs = st.sampled_from(["vp8", "h264"])


def frame_of(packet: Packet) -> int:
    return packet.timestamp // 3600


def sound(number: int, at_us: int, sequence: int | None = None, payload: bytes | None = None) -> Packet:
    stamp = pack_stamp(7, 8, number, number, number * 20_000)
    made = opus_payload(b"\x78" + b"\x11" * 60, stamp) if payload is None else payload
    return Packet((number if sequence is None else sequence) & 0xFFFF, number * 960, 0, made, at_us)


@settings(deadline=None, max_examples=40)
@given(codecs, st.integers(65_440, 65_540), st.data())
def test_exactly_the_missing_packets_are_asked_for_and_repair_shows_every_frame_in_order(
    codec: str, start: int, data: st.DataObject
) -> None:
    packets = stream_of(codec, 20, sequence=start)
    first = sum(frame_of(p) == 0 for p in packets)
    lost = data.draw(st.sets(st.integers(first, len(packets) - 2), max_size=20))
    stream, heard, _ = receiver(codec)
    for place, packet in enumerate(packets):
        if place not in lost:
            feed(stream, packet)
    now = packets[-1].at_us
    assert stream.sequences_to_request(now) == [packets[place].sequence for place in sorted(lost)]
    assert stream.packetsLost == len(lost)
    broken = {frame_of(packets[place]) for place in lost}
    if codec == "vp8":
        assert heard.numbers == [n for n in range(20) if n not in broken]
    for place in data.draw(st.permutations(sorted(lost))):
        feed(stream, packets[place], at_us=now + 20_000)
    assert sorted(heard.numbers) == list(range(20))
    assert {stamp[2]: at for stamp, at, _ in heard.frames if stamp[2] in broken} == dict.fromkeys(broken, now + 20_000)
    assert stream.sequences_to_request(now + NACK_RETRY_US) == []
    assert (stream.packetsLost, stream.retransmittedPacketsReceived) == (0, len(lost))
    assert len(heard.shown) + stream.framesDropped == 20
    assert heard.shown == sorted(heard.shown)


@settings(deadline=None, max_examples=60)
@given(codecs, st.integers(0, 0xFFFF), st.floats(0, 0.2), st.integers(0, 1 << 30))
def test_whatever_is_lost_no_frame_comes_twice_and_the_picture_returns_with_the_next_key_frame(
    codec: str, start: int, share: float, seed: int
) -> None:
    chance = random.Random(seed)
    packets = stream_of(codec, 31, sequence=start)
    kept = [p for p in packets if frame_of(p) in (0, 30) or chance.random() >= share]
    arriving = sorted(kept, key=lambda p: p.at_us + (chance.randrange(3000) if 0 < frame_of(p) < 29 else 0))
    stream, heard, _ = receiver(codec)
    for packet in arriving:
        feed(stream, packet)
    whole = {n for n in range(31) if [p for p in kept if frame_of(p) == n] == [p for p in packets if frame_of(p) == n]}
    assert len(set(heard.numbers)) == len(heard.numbers)
    assert set(heard.numbers) <= whole
    if codec == "vp8":
        assert set(heard.numbers) == whole
    assert stream.packetsLost == len(packets) - len(kept)
    assert heard.shown[-1] == packets[-1].at_us


def test_a_packet_is_asked_for_ten_times_and_never_after_a_second() -> None:
    packets = stream_of("vp8", 4)
    for step, attempts in ((NACK_RETRY_US, NACK_ATTEMPTS), (2 * NACK_RETRY_US, 6)):
        stream, _, _ = receiver()
        for packet in packets:
            if packet is not packets[4]:
                feed(stream, packet)
        noticed = packets[5].at_us
        asked = [n for n in range(50) if stream.sequences_to_request(noticed + n * step)]
        assert asked == list(range(attempts))
        assert stream.nackCount == attempts
        assert asked[-1] * step <= GIVE_UP_US
        assert stream.wants_key_frame, "what is not repaired wants a key frame"
        feed(stream, packets[4])
        assert stream.packetsLost == 1, "too late is lost"


def test_key_frames_are_asked_for_again_while_the_picture_stands_still() -> None:
    stream, heard, _ = receiver()
    packets = [p for p in stream_of("vp8", 100, keys=90) if not (frame_of(p) == 3 and p.marker)]
    asked = []
    for packet in packets:
        feed(stream, packet)
        if packet.marker:
            stream.sequences_to_request(packet.at_us)
            if stream.key_frame_request_due(packet.at_us):
                asked.append(packet.at_us)
    assert asked[0] > 4 * FRAME_US + KEY_FRAME_RETRY_US
    assert all(after - before >= KEY_FRAME_RETRY_US for before, after in itertools.pairwise(asked))
    assert 3 <= len(asked) <= 7
    assert asked[-1] < 91 * FRAME_US + KEY_FRAME_RETRY_US
    assert stream.pliCount == len(asked)
    assert len(heard.shown) == 3 + 10
    assert stream.framesReceived == 99


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize("second", [RESTART_GAP + 200, 0x7F00, 0x8100, 0xF000])
def test_a_stream_that_restarts_under_its_ssrc_is_shown_again_from_its_key_frame(codec: str, second: int) -> None:
    stream, heard, _ = receiver(codec)
    before = stream_of(codec, 10)
    after = [
        replace(p, at_us=p.at_us + 10 * FRAME_US, timestamp=p.timestamp + 1_000_000)
        for p in stream_of(codec, 25, sequence=before[-1].sequence + second)
    ]
    for packet in (*before, *after):
        feed(stream, packet)
    assert stream.packetsLost == 0
    assert heard.shown[-1] == after[-1].at_us
    expected = {p.timestamp for p in after if p.marker}
    # Behind the old numbers it takes two packets in a row to tell a restart from a straggler: its first frame is gone.
    told = sum(at >= 10 * FRAME_US for _, at, _ in heard.frames)
    assert len(expected) - 1 <= told <= len(expected)


@settings(deadline=None, max_examples=60)
@given(
    codecs,
    st.integers(65_430, 65_530),
    st.lists(st.integers(0, 3), min_size=15, max_size=15),
    st.sampled_from(["in order", "early", "late"]),
)
def test_padding_behind_frames_breaks_no_continuity_even_when_it_comes_early_or_late(
    codec: str, start: int, padding: list[int], order: str
) -> None:
    stream, heard, _ = receiver(codec)
    packets: list[Packet] = []
    sequence = start
    for packet in stream_of(codec, 15):
        packets.append(replace(packet, sequence=sequence & 0xFFFF))
        sequence += 1
        for _ in range(padding[frame_of(packet)] if packet.marker else 0):
            packets.append(Packet(sequence & 0xFFFF, packet.timestamp, 0, b"", packet.at_us))
            sequence += 1
    steps = {"in order": [], "early": range(8, len(packets) - 1), "late": range(len(packets) - 2, 8, -1)}
    for place in steps[order]:  # padding changes places with the packet beside it
        pair = packets[place : place + 2]
        if [bool(p.payload) for p in pair] == [order == "early", order == "late"]:
            packets[place : place + 2] = reversed(pair)
    for packet in packets:
        feed(stream, packet)
    assert heard.numbers == list(range(15))
    assert len(heard.shown) == 15
    assert (stream.packetsLost, stream.framesDropped) == (0, 0)


@pytest.mark.parametrize("kind", ["vp8", "h264", "opus"])
def test_nothing_is_lost_where_sequence_numbers_begin_again(kind: str) -> None:
    if kind == "opus":
        stream: InboundStream = InboundAudio(1, Heard(), [], depth="packets")
        packets = [sound(number, number * 20_000, 65_500 + number) for number in range(80)]
    else:
        stream, packets = receiver(kind)[0], stream_of(kind, 30, sequence=65_500)
    for packet in packets:
        feed(stream, packet)
    block = stream.report_block(0)
    assert (block.packets_lost, block.fraction_lost, stream.packetsLost) == (0, 0, 0)
    assert block.highest_sequence == 65_500 + len(packets) - 1, "extended by the cycles"


def test_what_comes_twice_counts_as_duplicate_and_not_as_received() -> None:
    stream, heard, _ = receiver()
    packets = stream_of("vp8", 5)
    for packet in packets:
        feed(stream, packet)
        feed(stream, packet)
    assert (stream.packetsReceived, stream.packetsDuplicated) == (len(packets), len(packets))
    assert stream.bytesReceived == sum(len(p.payload) for p in packets)
    assert heard.numbers == list(range(5))


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_damaged_stamp_and_an_absent_one_are_told_apart(codec: str) -> None:
    stream, heard, _ = receiver(codec)
    damaged_at, absent_at = 2, 4
    stamps = {n: pack_stamp(7, 8, n, n, n * FRAME_US) for n in range(6)}
    for packet in stream_of(codec, 6):
        payload, number = packet.payload, frame_of(packet)
        magic = payload.find(stamps[number][:4])
        if magic >= 0 and number == damaged_at:
            payload = payload[: magic + 9] + bytes([payload[magic + 9] ^ 0x5A]) + payload[magic + 10 :]
        elif magic >= 0 and number == absent_at:
            payload = payload[:magic] + b"\x55" + payload[magic + 1 :]
        feed(stream, replace(packet, payload=payload))
    told = [stamp if isinstance(stamp, str) else stamp[2] for stamp, _, _ in heard.frames]
    assert told == [0, 1, DAMAGED, 3, ABSENT, 5]


def reference_jitter(samples: list[tuple[int, int]], rate: int) -> float:
    """RFC 3550 appendix A.8 in RTP clock units, written apart from the product."""
    jitter = 0.0
    for (before_at, before_ts), (at, ts) in itertools.pairwise(samples):
        d = (at - before_at) * rate / 1e6 - (ts - before_ts)
        jitter += (abs(d) - jitter) / 16
    return jitter


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 15_000), min_size=2, max_size=40), st.sampled_from(["frames", "packets"]))
def test_video_jitter_looks_at_the_first_packet_of_each_frame_only(delays: list[int], depth: str) -> None:
    stream, _, _ = receiver(depth=depth)
    samples = []
    for number, group in itertools.groupby(stream_of("vp8", len(delays)), key=frame_of):
        for place, packet in enumerate(group):
            at = packet.at_us + delays[number] + 7000 * place  # slow tails, which must not count
            feed(stream, packet, at_us=at)
            if not place:
                samples.append((at, packet.timestamp))
    assert stream.jitter_clock == pytest.approx(reference_jitter(samples, 90_000), abs=0.01)
    assert stream.jitter_ms == pytest.approx(stream.jitter_clock / 90)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 60_000), min_size=2, max_size=60))
def test_audio_jitter_looks_at_every_packet(delays: list[int]) -> None:
    stream = InboundAudio(1, Heard(), [], depth="packets")
    packets = [sound(number, number * 20_000 + delay) for number, delay in enumerate(delays)]
    for packet in packets:
        feed(stream, packet)
    expected = reference_jitter([(p.at_us, p.timestamp) for p in packets], 48_000)
    assert stream.jitter_clock == pytest.approx(expected, abs=0.01)


def test_a_wrap_of_the_rtp_timestamp_is_no_jitter() -> None:
    stream = InboundAudio(1, Heard(), [], depth="packets")
    for number in range(100):
        packet = replace(sound(number, number * 20_000), timestamp=((1 << 32) - 50 * 960 + number * 960) & 0xFFFFFFFF)
        feed(stream, packet)
    assert stream.jitter_clock == pytest.approx(0, abs=0.01)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 0xFFFF), st.lists(st.lists(st.booleans(), max_size=40), max_size=6))
def test_report_blocks_tell_the_loss_of_their_interval_and_of_all_time(start: int, intervals: list[list[bool]]) -> None:
    stream = InboundAudio(1, Heard(), [], depth="packets")
    feed(stream, sound(0, 0, start))
    sequence, expected, received, reported = start, 1, 1, (0, 0)
    for arrivals in intervals:
        for arrives in (*arrivals, True):  # the last one comes, so that the stream knows of the loss before it
            sequence, expected = sequence + 1, expected + 1
            if arrives:
                received += 1
                feed(stream, sound(sequence - start, 20_000 * (sequence - start), sequence))
        block = stream.report_block(0)
        span = expected - reported[0]
        lost = span - (received - reported[1])
        reported = (expected, received)
        assert (block.ssrc, block.packets_lost, block.fraction_lost) == (1, expected - received, lost * 256 // span)
        assert block.highest_sequence == sequence, "extended by the cycles"
    assert stream.packetsLost == expected - received


def test_a_report_of_an_interval_with_nothing_new_tells_no_loss() -> None:
    stream = InboundAudio(1, Heard(), [], depth="packets")
    for number in (0, 1, 3):
        feed(stream, sound(number, number * 20_000))
    assert stream.report_block(0).fraction_lost == 64
    assert stream.report_block(0).fraction_lost == 0
    feed(stream, sound(2, 70_000))
    block = stream.report_block(0)
    assert (block.fraction_lost, block.packets_lost) == (0, 0)


def test_sound_is_not_asked_for_again_and_what_it_forgets_is_bounded() -> None:
    alerts: list[InboundStream] = []
    heard = Heard()
    stream = InboundAudio(1, heard, alerts, depth="frames")
    for number in range(0, 60_000, 30):
        feed(stream, sound(number, number * 20_000))
    assert stream.sequences_to_request(10**12) == []
    assert not alerts
    assert stream.packetsLost == 2000 * 29 - 29
    assert len(heard.sounds) == 2000


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(["vp8", "h264", "opus"]),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400)), max_size=30),
)
def test_truncated_and_altered_packets_never_raise(codec: str, harm: list[tuple[int, int, int, int]]) -> None:
    if codec == "opus":
        packets = [sound(number, number * 20_000) for number in range(31)]
        stream = InboundAudio(1, Heard(), [], depth="frames")
    else:
        packets = stream_of(codec, 16, size=1300)[:31]
        stream = receiver(codec)[0]  # type: ignore[assignment]
    for place, at, value, cut in harm:
        packet = packets[place]
        payload = bytearray(packet.payload)
        if at < len(payload):
            payload[at] = value
        packets[place] = replace(packet, payload=bytes(payload[: cut if cut < 40 else None]), marker=value & 0x80)
    for packet in packets:
        feed(stream, packet)
        stream.sequences_to_request(packet.at_us)
        stream.key_frame_request_due(packet.at_us)
    assert stream.packetsReceived == len(packets)
