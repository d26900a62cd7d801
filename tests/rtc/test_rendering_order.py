"""The picture never goes back, and goes on after late key frames, padding, long freezes and restarted streams."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_packets import Packet, feed, receiver, stream_of

from harness.rtc.inbound import DAMAGED


def frame(packets: list[Packet], number: int) -> list[Packet]:
    return [packet for packet in packets if packet.timestamp == number * 3600]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_key_frame_that_comes_after_a_younger_one_does_not_turn_the_picture_back(codec: str) -> None:
    packets = stream_of(codec, 10, keys=2)
    stream, heard, _ = receiver(codec)
    late = frame(packets, 2)[1]
    for packet in packets:
        if packet is not late and packet.timestamp <= 6 * 3600:
            feed(stream, packet)
    shown = len(heard.shown)
    feed(stream, late, at_us=400_000)
    assert 2 in heard.numbers, "it counts as received"
    assert len(heard.shown) == shown, "but is not shown"
    for packet in packets:
        if packet.timestamp > 6 * 3600:
            feed(stream, packet)
    assert len(heard.shown) == shown + 3, "and what follows is"
    assert stream.framesDropped == 1 + 1  # the late frame, and the one that had waited for it


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize("late", [False, True])
def test_padding_between_frames_holds_up_no_codec(codec: str, late: bool) -> None:
    stream, heard, _ = receiver(codec)
    shift, held = 0, []
    for packet in stream_of(codec, 10, sequence=65_520):
        feed(stream, replace(packet, sequence=(packet.sequence + shift) & 0xFFFF))
        for padding in held:
            feed(stream, padding)
        held = []
        if packet.marker:
            paddings = [replace(packet, sequence=(packet.sequence + shift + n) & 0xFFFF, payload=b"") for n in (1, 2)]
            shift += 2
            if late:
                held = [replace(p, marker=0) for p in reversed(paddings)]  # behind the next frame's first packet
            else:
                for padding in paddings:
                    feed(stream, replace(padding, marker=0))
    assert heard.numbers == list(range(10))
    assert len(heard.shown) == 10


def test_padding_before_the_marker_of_the_frame_it_follows_holds_up_nothing() -> None:
    stream, heard, _ = receiver("h264")
    packets = stream_of("h264", 3)
    first, second = frame(packets, 0), [replace(p, sequence=p.sequence + 1) for p in frame(packets, 1)]
    padding = replace(first[-1], sequence=first[-1].sequence + 1, payload=b"", marker=0)
    for packet in (*first[:-1], padding, *second, first[-1]):
        feed(stream, packet)
    assert heard.numbers == [0, 1]
    assert len(heard.shown) == 2


@pytest.mark.parametrize("frames", [800, 1_500, 2_100])  # of about 30 packets each: a half, most and all of a cycle
def test_a_picture_that_stood_for_half_a_cycle_of_sequence_numbers_or_more_goes_on_with_a_key_frame(
    frames: int,
) -> None:
    stream, heard, _ = receiver()
    packets = stream_of("vp8", frames + 1, keys=frames, size=33_000)
    lost = frame(packets, 1)[3].sequence
    for packet in packets:
        if packet.sequence != lost or packet.timestamp != 3600:
            feed(stream, packet)
        if stream._missing:  # a peer's tick gives up what never comes
            stream.sequences_to_request(packet.at_us)
    assert len(heard.shown) == 2, "the first frame, and the key frame at last"
    assert not stream._waiting


@pytest.mark.parametrize("jump", [5_000, -5_000, 30_000, -30_000])
def test_a_stream_restarted_far_ahead_or_far_behind_is_taken_up_and_loses_its_past(jump: int) -> None:
    stream, heard, _ = receiver()
    before, after = stream_of("vp8", 6, sequence=40_000), stream_of("vp8", 12, keys=5, sequence=40_000 + jump)
    for packet in before:
        if packet is not before[4]:  # what waits behind this gap must not wait for ever
            feed(stream, packet)
    for packet in after:
        feed(stream, packet)
    assert stream.packetsLost == 1, "the jump is no loss, the loss before it stays one"
    from_key = [0, 5][jump < 0]  # the first packet from far behind is taken for a double, and its frame is lost
    assert len(heard.shown) == 1 + len(after) // 3 - from_key, "shown again from the next key frame"
    assert stream.framesDropped == 5 + from_key - (jump < 0), "all that was begun or waited, but for that lost frame"
    assert len(stream._open) == (jump < 0)
    assert not stream._waiting
    assert not stream.key_frame_request_due(after[-1].at_us + 2_000_000)


def test_two_late_doubles_from_far_behind_in_no_order_are_no_restart() -> None:
    stream, heard, _ = receiver()
    packets = stream_of("vp8", 60, size=40_000)
    for packet in packets:
        feed(stream, packet)
    for packet in (packets[5], packets[3], packets[9]):
        feed(stream, packet)
    assert stream.packetsDuplicated == 3
    assert len(heard.shown) == 60


def test_a_frame_whose_stamp_was_damaged_is_told_as_such() -> None:
    for codec in ("vp8", "h264"):
        stream, heard, _ = receiver(codec)
        for packet in stream_of(codec, 2):
            wrong = packet.payload
            for escape in (b"", b"\3"):  # H.264 escapes what looks like a start code
                start = b"\xc7MS\x01\0\0" + escape + b"\0"
                wrong = wrong.replace(start + b"\x07", start + b"\x06")
            feed(stream, replace(packet, payload=wrong))
        assert [stamp for stamp, _, _ in heard.frames] == [DAMAGED, DAMAGED]


@pytest.mark.parametrize(
    "payload", [b"\x90", b"\x90\x80", b"\x90\x80\x80", b"\x90\x80\x80\x01", b"\x1c", b"\x18", b"\x7c\x85"]
)
def test_a_payload_cut_short_at_the_very_end_of_the_buffer_is_read_no_further(payload: bytes) -> None:
    for codec in ("vp8", "h264"):
        stream, _, _ = receiver(codec)
        buffer = bytearray(payload)
        stream.on_rtp(buffer, len(buffer), 0x80, 1, 0, 0, 0)
        assert stream.packetsReceived == 1
