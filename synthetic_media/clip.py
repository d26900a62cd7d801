"""Clips: loops that are encoded once, kept on disk, and shared by all simulated users that play them."""

from bisect import bisect_right
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from synthetic_media.cache import default_folder, fingerprint, read_entry, write_entry
from synthetic_media.camera import SCENE_VERSION
from synthetic_media.encoder import ENCODER_VERSION, encode_audio, encode_video, library_versions
from synthetic_media.frame import ClipFrame
from synthetic_media.microphone import VOICE_VERSION
from synthetic_media.packetize import MAX_PAYLOAD, cut_h264, cut_vp8
from synthetic_media.spec import AudioSpec, VideoSpec

__all__ = ["AudioClip", "AudioSpec", "ClipFrame", "VideoClip", "VideoSpec", "load_audio", "load_video"]

_CUT_VERSION = 1  # raise it whenever frames are cut in another way
_library_versions = cache(library_versions)


@dataclass(frozen=True)
class VideoClip:
    """A video loop; its first frame is a key frame, so the last may be followed by it."""

    spec: VideoSpec
    seed: int
    frames: tuple[ClipFrame, ...]
    key_positions: tuple[int, ...]  # rising; the first is 0

    def next_key(self, position: int) -> int:
        """The first key position after `position`, or the first of the clip when there is none."""
        index = bisect_right(self.key_positions, position)
        return self.key_positions[index] if index < len(self.key_positions) else self.key_positions[0]

    @property
    def bitrate(self) -> float:
        """Bits per second the encoder really produced, without stamps and packet headers."""
        return sum(frame.size for frame in self.frames) * 8 / self.spec.seconds


@dataclass(frozen=True)
class AudioClip:
    """A speech loop of Opus packets, 20 ms each, one frame per packet (code 0), not stamped."""

    spec: AudioSpec
    seed: int
    packets: tuple[bytes, ...]
    levels: tuple[int, ...]  # RFC 6464: dB below overload, 0..127, one per packet

    @property
    def bitrate(self) -> float:
        """Bits per second the encoder really produced, without stamps and packet headers."""
        return sum(map(len, self.packets)) * 8 / self.spec.seconds


def load_video(spec: VideoSpec, seed: int, cache_dir: Path | None = None) -> VideoClip:
    """The video clip of `seed`: from the cache, or encoded now and put there. Same arguments, same bytes.

    cache_dir: the folder of the cache; None for the user's own. A damaged file in it is replaced without a word.
    Raises ValueError when the seed is negative or the bitrate is out of the encoder's reach at this size.
    """
    key = _key("video", spec, seed, SCENE_VERSION)
    path = (cache_dir or default_folder()) / f"video-{key[:32]}.clip"
    stored = read_entry(path, key)
    if stored:
        frames = _frames_from(*stored)
    else:
        frames = _encode_frames(spec, seed)
        blobs = [fragment for frame in frames for fragment in frame.fragments]
        write_entry(path, key, {"frames": [_frame_header(frame) for frame in frames]}, blobs)
    return VideoClip(spec, seed, frames, tuple(index for index, frame in enumerate(frames) if frame.key))


def load_audio(spec: AudioSpec, seed: int, cache_dir: Path | None = None) -> AudioClip:
    """The speech clip of `seed`: from the cache, or encoded now and put there. Same arguments, same bytes.

    cache_dir: the folder of the cache; None for the user's own. A damaged file in it is replaced without a word.
    Raises ValueError when the seed is negative.
    """
    key = _key("audio", spec, seed, VOICE_VERSION)
    path = (cache_dir or default_folder()) / f"audio-{key[:32]}.clip"
    stored = read_entry(path, key)
    if stored is None:
        packets, levels = encode_audio(spec, seed)
        write_entry(path, key, {"levels": levels}, packets)
    else:
        packets, levels = stored[1], stored[0]["levels"]
    return AudioClip(spec, seed, tuple(packets), tuple(levels))


def _key(kind: str, spec: VideoSpec | AudioSpec, seed: int, scene_version: int) -> str:
    if seed < 0:
        raise ValueError(f"a seed must not be negative, as {seed} is")
    versions = [scene_version, ENCODER_VERSION, _CUT_VERSION, MAX_PAYLOAD]
    identity = {"kind": kind, "spec": asdict(spec), "seed": seed, "versions": versions}
    return fingerprint({**identity, "libraries": _library_versions()})


def _encode_frames(spec: VideoSpec, seed: int) -> tuple[ClipFrame, ...]:
    cut = cut_vp8 if spec.codec == "vp8" else cut_h264
    return tuple(ClipFrame(key, len(data), *cut(data)) for data, key in encode_video(spec, seed))


def _frame_header(frame: ClipFrame) -> list[Any]:
    return [frame.key, frame.size, len(frame.fragments), frame.stamp_slot]


def _frames_from(header: dict[str, Any], blobs: list[bytes]) -> tuple[ClipFrame, ...]:
    frames = []
    position = 0
    for key, size, count, slot in header["frames"]:
        frames.append(ClipFrame(key, size, tuple(blobs[position : position + count]), slot))
        position += count
    return tuple(frames)
