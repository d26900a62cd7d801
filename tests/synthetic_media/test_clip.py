"""Clips keep what their specification promises, are the same each time, and outlive a damaged cache."""

import dataclasses
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import synthetic_media.clip
from synthetic_media import AudioClip, AudioSpec, VideoClip, VideoSpec, load_audio, load_video

VIDEO = VideoSpec(160, 90, 10, 60_000, "vp8", seconds=2.0)
AUDIO = AudioSpec(16_000, seconds=1.0)


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(codec: str, tmp_path: Path) -> None:
    spec = dataclasses.replace(VIDEO, codec=codec)
    first = load_video(spec, 5, tmp_path / "a")
    assert load_video(spec, 5, tmp_path / "b") == first
    assert load_video(spec, 6, tmp_path / "a").frames != first.frames


def test_the_same_seed_gives_the_same_sound_and_another_seed_another(tmp_path: Path) -> None:
    first = load_audio(AUDIO, 5, tmp_path / "a")
    assert load_audio(AUDIO, 5, tmp_path / "b") == first
    assert load_audio(AUDIO, 6, tmp_path / "a").packets != first.packets


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize("bitrate", [100_000, 400_000])
def test_the_bitrate_is_kept(codec: str, bitrate: int, tmp_path: Path) -> None:
    clip = load_video(VideoSpec(320, 180, 15, bitrate, codec, seconds=2.0), 3, tmp_path)
    encoded = sum(len(fragment) for frame in clip.frames for fragment in frame.fragments)
    assert clip.bitrate == pytest.approx(bitrate, rel=0.15)
    assert encoded * 8 / 2.0 == pytest.approx(bitrate, rel=0.15)


@pytest.mark.parametrize("bitrate", [8_000, 16_000, 32_000, 64_000])
def test_the_bitrate_of_sound_is_kept(bitrate: int, tmp_path: Path) -> None:
    assert load_audio(AudioSpec(bitrate, seconds=2.0), 3, tmp_path).bitrate == pytest.approx(bitrate, rel=0.15)


def test_a_bitrate_out_of_reach_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"320x180 at 30 fps as vp8 cannot be encoded with 10000 bit/s, the nearest is"
    ):
        load_video(VideoSpec(320, 180, 30, 10_000, "vp8", seconds=1.0), 3, tmp_path)


def test_key_frames_come_each_second_and_the_next_one_is_found(vp8_clip: VideoClip, h264_clip: VideoClip) -> None:
    for clip in (vp8_clip, h264_clip):
        assert clip.key_positions == (0, 25)
        assert [index for index, frame in enumerate(clip.frames) if frame.key] == [0, 25]
        assert [clip.next_key(position) for position in (0, 24, 25, 49)] == [25, 25, 0, 0]


def test_a_key_frame_interval_of_its_own_is_kept(tmp_path: Path) -> None:
    for codec in ("vp8", "h264"):
        spec = dataclasses.replace(VIDEO, codec=codec, keyframe_interval=0.5)
        assert load_video(spec, 3, tmp_path).key_positions == (0, 5, 10, 15)


def test_the_gap_between_key_frames_is_two_seconds_at_most(vp8_clip: VideoClip, h264_clip: VideoClip) -> None:
    for clip in (vp8_clip, h264_clip):
        positions = [*clip.key_positions, len(clip.frames)]
        assert max(b - a for a, b in pairwise(positions)) <= 2 * clip.spec.fps


def test_opus_packets_are_single_frames_with_their_levels(audio_clip: AudioClip) -> None:
    assert len(audio_clip.packets) == len(audio_clip.levels) == 100
    assert all(packet[0] & 3 == 0 for packet in audio_clip.packets)
    assert all(0 <= level <= 127 for level in audio_clip.levels)
    assert min(audio_clip.levels) < 30 and max(audio_clip.levels) > 55  # speech, and pauses


def test_a_clip_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video, audio = load_video(VIDEO, 5, tmp_path), load_audio(AUDIO, 5, tmp_path)
    monkeypatch.setattr(synthetic_media.clip, "encode_video", None)
    monkeypatch.setattr(synthetic_media.clip, "encode_audio", None)
    assert load_video(VIDEO, 5, tmp_path) == video
    assert load_audio(AUDIO, 5, tmp_path) == audio


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "longer", "other"])
def test_a_damaged_cache_file_is_encoded_again_and_replaced(damage: str, tmp_path: Path) -> None:
    clip = load_audio(AUDIO, 5, tmp_path)
    path = only_file(tmp_path)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    load_audio(AUDIO, 6, tmp_path / "other")
    other = only_file(tmp_path / "other").read_bytes()  # intact, but under the wrong name
    for file in (tmp_path / "other").iterdir():
        file.unlink()
    (tmp_path / "other").rmdir()
    bad = {"flipped": bytes(flipped), "truncated": good[:-7], "empty": b"", "longer": good + b"x", "other": other}
    path.write_bytes(bad[damage])
    assert load_audio(AUDIO, 5, tmp_path) == clip
    assert only_file(tmp_path).read_bytes() == good


def test_a_damaged_video_file_is_encoded_again_and_replaced(tmp_path: Path) -> None:
    clip = load_video(VIDEO, 5, tmp_path)
    path = only_file(tmp_path)
    good = path.read_bytes()
    path.write_bytes(good[:1000] + b"?" + good[1001:])
    assert load_video(VIDEO, 5, tmp_path) == clip
    assert path.read_bytes() == good


def test_other_library_versions_are_other_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_audio(AUDIO, 5, tmp_path)
    monkeypatch.setattr(synthetic_media.clip, "_library_versions", lambda: {"av": "99"})
    load_audio(AUDIO, 5, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert len(load_audio(AUDIO, 5, tmp_path / "file").packets) == 50


def test_the_cache_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    load_audio(AUDIO, 5)
    assert only_file(tmp_path / "call-harness" / "clips").suffix == ".clip"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"codec": "vp9"}, "codec must be one of vp8, h264, not 'vp9'"),
        ({"width": 161}, "width must be even"),
        ({"width": 100}, "width must be even and 160 to"),
        ({"height": 20}, "height must be even and 90 to"),
        ({"fps": 0}, "fps must be 1 to 60"),
        ({"bitrate": 0}, "bitrate must be"),
        ({"seconds": 0.0}, "seconds must be above 0"),
        ({"seconds": float("nan")}, "seconds must be above 0"),
        ({"seconds": 2.05}, "not a whole number of frames"),
        ({"keyframe_interval": 0.33}, "keyframe_interval of 0.33 s is not a whole number of frames"),
        ({"keyframe_interval": 3.0}, "longer than the clip"),
    ],
)
def test_a_video_that_cannot_be_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(VIDEO, **change)


@pytest.mark.parametrize(
    ("bitrate", "seconds", "sentence"),
    [
        (5_000, 2.0, "Opus bitrate must be 6000 to 256000"),
        (16_000, 0.5, "at least 1 for speech"),
        (16_000, float("nan"), "at least 1 for speech"),
        (16_000, float("inf"), "at most 3600"),
        (16_000, 1.01, "not a whole number of frames"),
    ],
)
def test_sound_that_cannot_be_is_refused(bitrate: int, seconds: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AudioSpec(bitrate, seconds)


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed must not be negative"):
        load_video(VIDEO, -1, tmp_path)
    with pytest.raises(ValueError, match="seed must not be negative"):
        load_audio(AUDIO, -1, tmp_path)
