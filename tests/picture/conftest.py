"""A small clip per codec, its table, and encoded frames as a receiver gets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.picture.table import ClipTable, load_table
from synthetic_media import VideoClip, VideoSpec, frame_payloads, load_video, pack_stamp
from synthetic_media.stamp import StampFields

STAMP_ID = 7


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session", params=["vp8", "h264"])
def clip(request: pytest.FixtureRequest, folder: Path) -> VideoClip:
    return load_video(VideoSpec(320, 180, 25, 250_000, request.param, seconds=2.0), 11, folder)


@pytest.fixture(scope="session")
def table(clip: VideoClip, folder: Path) -> ClipTable:
    return load_table(clip, folder)


@pytest.fixture
def payloads(clip: VideoClip) -> Callable[[int, int], tuple[list[bytes], StampFields]]:
    """payloads(number, position): (RTP payloads of a frame of the clip, its stamp)."""

    def make(number: int, position: int) -> tuple[list[bytes], StampFields]:
        stamp = (STAMP_ID, STAMP_ID, number, position, number * 40_000)
        return frame_payloads(clip.spec.codec, clip.frames[position], number, pack_stamp(*stamp)), stamp

    return make
