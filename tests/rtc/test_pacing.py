"""The frame clocks of camera and microphone: no drift, no missing number, key frames when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_packets import encoded

from harness.rtc.clip_source import AUDIO_FRAME_US, AudioSource, VideoSource
from harness.rtc.media_loop import HOPELESSLY_LATE_US
from synthetic_media.clip import AudioClip, AudioSpec, VideoClip, VideoSpec
from synthetic_media.packetize import vp8_payload
from synthetic_media.stamp import read_opus_stamp, unpack_stamp

START_US = 1_234_567_890_123
KEYS = (0, 20, 40)


class Recorded:
    """In place of an OutboundStream: keeps what a source sends."""

    def __init__(self) -> None:
        self.wants_key_frame = False
        self.keyFramesSent = 0
        self.sent: list[tuple[Sequence[bytes], int, bool, int]] = []

    def send(
        self, payloads: Sequence[bytes], timestamp: int, *, marker: bool, level: int = 0, key: bool = False
    ) -> None:
        self.keyFramesSent += key
        self.sent.append((payloads, timestamp, marker, level))

    @property
    def stamps(self) -> list[Any]:
        """(publisher, stream, frame, clip frame, capture time) of each frame sent."""
        return [unpack_stamp(payloads[-1], len(payloads[-1])) for payloads, *_ in self.sent]

    @property
    def keys(self) -> list[bool]:
        return [vp8_payload(payloads[0])[2] for payloads, *_ in self.sent]


def camera(fps: int = 25, start: int = 0) -> tuple[VideoSource, Any]:
    frames = tuple(encoded("vp8", number in KEYS, 30) for number in range(60))
    clip = VideoClip(VideoSpec(320, 180, fps, 250_000, "vp8", seconds=2.0), 1, frames, KEYS)
    stream: Any = Recorded()
    return VideoSource(clip, stream, publisher=3, stamp_stream=4, start=start), stream


def microphone(start: int = 0) -> tuple[AudioSource, Any]:
    packets = tuple(b"\x78" + bytes([number]) * 20 for number in range(50))
    clip = AudioClip(AudioSpec(24_000, seconds=1.0), 1, packets, tuple(range(50)))
    stream: Any = Recorded()
    return AudioSource(clip, stream, publisher=3, stamp_stream=4, start=start), stream


@pytest.mark.parametrize("fps", [15, 24, 25, 30])
def test_captures_stay_on_the_frame_clock_for_ten_thousand_frames(fps: int) -> None:
    source, stream = camera(fps)
    due = START_US
    for _ in range(10_000):
        due = source.send_frame(due)
    stamps = stream.stamps
    assert [stamp[4] for stamp in stamps] == [START_US + n * 1_000_000 // fps for n in range(10_000)]
    assert [stamp[2] for stamp in stamps] == list(range(10_000))
    assert due == START_US + 10_000 * 1_000_000 // fps
    first = stream.sent[0][1]
    assert [sent[1] - first for sent in stream.sent] == [n * 90_000 // fps for n in range(10_000)]
    assert all(marker for _, _, marker, _ in stream.sent)


def test_the_clip_is_played_round_and_round_from_the_chosen_key_frame() -> None:
    source, stream = camera(start=1)
    due = START_US
    for _ in range(100):
        due = source.send_frame(due)
    assert [stamp[3] for stamp in stream.stamps] == [(20 + n) % 60 for n in range(100)]
    assert {stamp[:2] for stamp in stream.stamps} == {(3, 4)}
    assert stream.keys == [(20 + n) % 60 in KEYS for n in range(100)]
    assert stream.keyFramesSent == sum(stream.keys)


def test_picture_ids_count_frames_modulo_2_to_the_15() -> None:
    source, stream = camera()
    due = START_US
    for _ in range(40_000):
        due = source.send_frame(due)
    ids = [vp8_payload(payloads[0])[3] for payloads, *_ in stream.sent]
    assert all(after == (before + 1) & 0x7FFF for before, after in pairwise(ids))


def test_a_request_makes_the_next_frame_a_key_frame_without_a_jump_of_the_number() -> None:
    source, stream = camera()
    due = START_US
    for _ in range(5):
        due = source.send_frame(due)
    stream.wants_key_frame = True
    for _ in range(3):
        due = source.send_frame(due)
    assert stream.keys == [True, False, False, False, False, True, False, False]
    assert [stamp[2] for stamp in stream.stamps] == list(range(8))
    assert [stamp[3] for stamp in stream.stamps] == [0, 1, 2, 3, 4, 20, 21, 22]
    assert not stream.wants_key_frame


def test_a_request_at_the_end_of_the_clip_goes_to_its_beginning() -> None:
    source, stream = camera()
    due = START_US
    for _ in range(45):
        due = source.send_frame(due)
    stream.wants_key_frame = True
    source.send_frame(due)
    assert stream.stamps[-1][3] == 0


def test_a_request_in_front_of_a_key_frame_jumps_over_nothing() -> None:
    source, stream = camera()
    due = START_US
    for _ in range(20):
        due = source.send_frame(due)
    stream.wants_key_frame = True
    source.send_frame(due)
    assert stream.stamps[-1][3] == 20
    assert not stream.wants_key_frame


def test_requests_within_300_ms_are_answered_by_one_key_frame() -> None:
    source, stream = camera()
    due = START_US
    for number in range(20):
        if number >= 5:  # a request in front of every frame
            stream.wants_key_frame = True
        due = source.send_frame(due)
    asked_for = [number for number, key in enumerate(stream.keys) if key]
    assert asked_for == [0, 5, 13], "40 ms a frame: eight frames are the first distance of 300 ms or more"


def test_a_muted_camera_sends_nothing_keeps_its_clock_and_comes_back_with_a_key_frame() -> None:
    source, stream = camera()
    due = START_US
    for _ in range(5):
        due = source.send_frame(due)
    source.muted = True
    for _ in range(7):
        due = source.send_frame(due)
    assert len(stream.sent) == 5
    assert source.frame_number == 12
    source.unmute()
    source.send_frame(due)
    *_, last = stream.stamps
    assert (last[2], last[4]) == (12, START_US + 12 * 40_000)
    assert stream.keys[-1]
    assert stream.sent[-1][1] - stream.sent[0][1] == 12 * 3600


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([15, 24, 25, 30]), st.integers(0, 50), st.integers(HOPELESSLY_LATE_US, 20_000_000))
def test_a_camera_that_fell_behind_skips_to_the_first_frame_not_yet_due_and_sends_a_key_frame(
    fps: int, before: int, late_us: int
) -> None:
    source, stream = camera(fps)
    due = START_US
    for _ in range(before):
        due = source.send_frame(due)
    now = due + late_us
    following = source.skip_to(now, due)
    number = source.frame_number
    assert following == START_US + number * 1_000_000 // fps
    assert now <= following <= now + 1_000_000 // fps + 1
    assert source.framesSkipped == number - before
    source.send_frame(following)
    assert stream.keys[-1]
    assert stream.stamps[-1][2] == number
    assert stream.stamps[-1][4] == following


def test_sound_keeps_its_clock_its_levels_and_its_numbers_through_muting() -> None:
    source, stream = microphone(start=10)
    due = START_US
    for number in range(200):
        if number == 50:
            source.muted = True
        elif number == 70:
            source.unmute()
        due = source.send_frame(due)
    played = [n for n in range(200) if not 50 <= n < 70]
    stamps = [read_opus_stamp(payloads[0]) for payloads, *_ in stream.sent]
    assert stamps == [(3, 4, n, (10 + n) % 50, START_US + n * AUDIO_FRAME_US) for n in played]
    assert [level for *_, level in stream.sent] == [(10 + n) % 50 for n in played]
    first = stream.sent[0][1]
    assert [sent[1] - first for sent in stream.sent] == [n * 960 for n in played]
    assert due == START_US + 200 * AUDIO_FRAME_US


@given(st.integers(0, 60_000_000))
def test_a_microphone_that_fell_behind_skips_to_its_next_packet(late_us: int) -> None:
    source, stream = microphone()
    due = source.send_frame(START_US)
    following = source.skip_to(due + late_us, due)
    assert due + late_us < following <= due + late_us + AUDIO_FRAME_US
    source.send_frame(following)
    stamp = read_opus_stamp(stream.sent[-1][0][0])
    assert stamp is not None
    number = 1 + source.framesSkipped
    assert stamp == (3, 4, number, number % 50, START_US + number * AUDIO_FRAME_US)
    assert stream.sent[-1][1] - stream.sent[0][1] == number * 960
