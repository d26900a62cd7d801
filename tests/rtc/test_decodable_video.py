"""At depth decode whole frames are handed over, in the order in which they can be decoded, and no others."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from made_packets import Heard, Packet, feed, receiver, stream_of

from harness.rtc.decodable_video import KEPT, DecodableVideo
from harness.rtc.inbound import GIVE_UP_US, InboundStream, StampFields


class Taker:
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.frames: list[tuple[list[bytes], int, bool, int]] = []

    def take(
        self, payloads: Sequence[bytes], stamp: StampFields | str, key: bool, at_us: int, stream: InboundStream
    ) -> None:
        self.frames.append((list(payloads), stamp[2] if isinstance(stamp, tuple) else -1, key, at_us))

    @property
    def numbers(self) -> list[int]:
        return [number for _, number, _, _ in self.frames]


def decodable(codec: str) -> tuple[DecodableVideo, Heard, Taker]:
    heard, taker = Heard(), Taker()
    return DecodableVideo(1, heard, [], codec=codec, taker=taker), heard, taker


def payloads_of(packets: list[Packet], number: int) -> list[bytes]:
    return [packet.payload for packet in packets if packet.timestamp == number * 3600]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_every_frame_is_handed_over_with_its_very_payloads(codec: str) -> None:
    packets = stream_of(codec, 30, sequence=65_500)
    stream, heard, taker = decodable(codec)
    for packet in packets:
        feed(stream, packet)
    assert taker.numbers == list(range(30))
    assert [payloads for payloads, _, _, _ in taker.frames] == [payloads_of(packets, n) for n in range(30)]
    assert [key for _, _, key, _ in taker.frames] == [n % 10 == 0 for n in range(30)]
    assert [at for _, _, _, at in taker.frames] == heard.shown


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_packets_in_disorder_and_doubled_make_the_same_frames(codec: str) -> None:
    packets = stream_of(codec, 40)
    chance = random.Random(3)
    order = sorted(packets, key=lambda packet: packet.sequence + chance.uniform(0, 4))
    order = [packet for packet in order for _ in range(1 + (chance.random() < 0.2))]
    stream, _, taker = decodable(codec)
    first = next(packet for packet in order if packet.sequence == packets[0].sequence)
    order.remove(first)
    for packet in (first, *order):
        feed(stream, packet)
    assert taker.numbers == list(range(40))
    assert [payloads for payloads, _, _, _ in taker.frames] == [payloads_of(packets, n) for n in range(40)]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_frame_with_a_packet_missing_and_all_behind_it_wait_for_the_key_frame(codec: str) -> None:
    packets = stream_of(codec, 30)
    missing = next(packet for packet in packets if packet.timestamp == 4 * 3600)
    stream, _, taker = decodable(codec)
    for packet in packets:
        if packet is not missing:
            feed(stream, packet)
    assert taker.numbers == [*range(4), *range(10, 30)]
    assert stream.framesDropped >= 5
    stream.sequences_to_request(packets[-1].at_us)
    stream.sequences_to_request(packets[-1].at_us + GIVE_UP_US + 1)
    assert stream.key_frame_request_due(10_000_000)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_packet_that_comes_after_all_lets_go_what_waited(codec: str) -> None:
    packets = stream_of(codec, 9)
    late = next(packet for packet in packets if packet.timestamp == 4 * 3600)
    stream, _, taker = decodable(codec)
    for packet in packets:
        if packet is not late:
            feed(stream, packet)
    assert taker.numbers == [0, 1, 2, 3]
    feed(stream, late, at_us=900_000)
    assert taker.numbers == list(range(9))
    assert taker.frames[4][0] == payloads_of(packets, 4)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_what_is_kept_of_frames_that_never_come_together_is_bounded(codec: str) -> None:
    packets = [packet for packet in stream_of(codec, 4000, size=4000) if packet.sequence % 4 != 1]
    stream, _, taker = decodable(codec)
    for packet in packets:
        feed(stream, packet)
        assert len(stream._payloads) <= KEPT
    assert not taker.frames


def test_a_stream_begun_anew_under_its_old_number_is_handed_over_as_well() -> None:
    stream, _, taker = decodable("vp8")
    for packet in stream_of("vp8", 5, sequence=100):
        feed(stream, packet)
    again = [replace(packet, timestamp=packet.timestamp + 900_000) for packet in stream_of("vp8", 5, sequence=20_000)]
    for packet in again:
        feed(stream, packet)
    assert taker.numbers == [*range(5), *range(5)]
    assert [payloads for payloads, _, _, _ in taker.frames[5:]] == [
        [packet.payload for packet in again if packet.timestamp == 900_000 + n * 3600] for n in range(5)
    ]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_the_account_is_that_of_depth_frames(codec: str) -> None:
    chance = random.Random(5)
    packets = [packet for packet in stream_of(codec, 200) if chance.random() > 0.02]
    plain, heard, _ = receiver(codec)
    stream, other, taker = decodable(codec)
    for packet in packets:
        feed(plain, packet)
        feed(stream, packet)
    assert (other.frames, other.shown) == (heard.frames, heard.shown)
    assert stream.framesDropped == plain.framesDropped
    assert len(taker.frames) == len(heard.shown)
