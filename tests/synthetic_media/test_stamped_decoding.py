"""A decoder shows the same pictures and plays the same sound whether frames are stamped or not, and after jumps."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from synthetic_media import (
    AudioClip,
    AudioSpec,
    ClipFrame,
    VideoClip,
    frame_payloads,
    load_audio,
    opus_payload,
    pack_stamp,
    speech,
)
from synthetic_media.packetize import join_h264, join_vp8

Decode = Callable[[str, Iterable[bytes]], list[np.ndarray]]


def plain(clip: VideoClip, frame: ClipFrame) -> bytes:
    return b"".join(frame.fragments) if clip.spec.codec == "vp8" else join_h264(frame.fragments)


def stamped(clip: VideoClip, frame: ClipFrame, number: int) -> bytes:
    join = join_vp8 if clip.spec.codec == "vp8" else join_h264
    return join(frame_payloads(clip.spec.codec, frame, number, pack_stamp(1, 2, number, number % 50, number * 40_000)))


@pytest.fixture(params=["vp8", "libvpx", "h264"])
def decoder(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def clip(decoder: str, request: pytest.FixtureRequest) -> VideoClip:
    clip: VideoClip = request.getfixturevalue("h264_clip" if decoder == "h264" else "vp8_clip")
    return clip


def same(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return len(left) == len(right) and all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))


def test_stamps_change_no_pixel(clip: VideoClip, decoder: str, decode: Decode) -> None:
    pictures = decode(decoder, [plain(clip, frame) for frame in clip.frames])
    assert len(pictures) == 50
    assert not same(pictures[:25], pictures[25:])  # or the comparison would say nothing
    assert same(decode(decoder, [stamped(clip, frame, index) for index, frame in enumerate(clip.frames)]), pictures)


def test_a_jump_to_a_key_position_changes_no_pixel(clip: VideoClip, decoder: str, decode: Decode) -> None:
    pictures = decode(decoder, [plain(clip, frame) for frame in clip.frames])
    order = [*range(7), *range(clip.next_key(6), 33), *range(clip.next_key(32), 50), *range(10)]
    assert order[7] == 25 and order[15] == 0
    frames = [stamped(clip, clip.frames[position], index) for index, position in enumerate(order)]
    assert same(decode(decoder, frames), [pictures[position] for position in order])


def test_the_loop_seam_changes_no_pixel(clip: VideoClip, decoder: str, decode: Decode) -> None:
    frames = [plain(clip, frame) for frame in clip.frames]
    twice = decode(decoder, frames + frames)
    assert same(twice[:50], twice[50:])


@pytest.mark.parametrize("name", ["libopus", "opus"])
def test_stamps_change_no_sample(name: str, audio_clip: AudioClip, decode: Decode) -> None:
    sound = np.concatenate(decode(name, audio_clip.packets), axis=1)
    assert sound.shape[1] >= 95_000 and np.abs(sound).max() > 0
    packets = [opus_payload(data, pack_stamp(1, 2, index, index, 0)) for index, data in enumerate(audio_clip.packets)]
    assert np.array_equal(np.concatenate(decode(name, packets), axis=1), sound)


def test_the_sound_loop_goes_on_as_if_it_had_never_ended(tmp_path: Path, decode: Decode) -> None:
    """The encoder delays by 312 samples: the first of them after the seam must be the end of the loop, not silence."""
    for seed in (1, 2):
        clip = load_audio(AudioSpec(128_000, seconds=1.0), seed, tmp_path)
        twice = np.concatenate(decode("libopus", clip.packets * 2), axis=1)[0].astype(np.float64)
        assert np.corrcoef(twice[48_000 : 48_000 + 312], speech(seed, 1.0)[-312:])[0, 1] > 0.8
