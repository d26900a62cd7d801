"""Small clips shared by the tests of this folder, and decoders to hold them against."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from synthetic_media import AudioClip, AudioSpec, VideoClip, VideoSpec, load_audio, load_video

SEED = 11

Decode = Callable[[str, Iterable[bytes]], list[np.ndarray]]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def vp8_clip(clip_folder: Path) -> VideoClip:
    return load_video(VideoSpec(320, 180, 25, 250_000, "vp8", seconds=2.0), SEED, clip_folder)


@pytest.fixture(scope="session")
def h264_clip(clip_folder: Path) -> VideoClip:
    return load_video(VideoSpec(320, 180, 25, 250_000, "h264", seconds=2.0), SEED, clip_folder)


@pytest.fixture(scope="session")
def audio_clip(clip_folder: Path) -> AudioClip:
    return load_audio(AudioSpec(24_000, seconds=2.0), SEED, clip_folder)


@pytest.fixture(scope="session")
def decode() -> Decode:
    """decode(decoder name, frames): one array per decoded picture (all planes in one row) or block of sound."""

    def run(name: str, frames: Iterable[bytes]) -> list[np.ndarray]:
        context: Any = av.CodecContext.create(name, "r")
        context.thread_count = 1
        if "opus" in name:
            context.sample_rate, context.layout = 48_000, "mono"
        shown = []
        for index, data in enumerate(frames):
            packet = av.Packet(data)
            packet.pts = packet.dts = index
            packet.time_base = Fraction(1, 50)
            shown += context.decode(packet)
        shown += context.decode(None)
        return [frame.to_ndarray() for frame in shown]

    return run
