"""What decoding and judging pictures costs in CPU, beside stock aiortc, which decodes and judges nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import av
import pytest

from harness.picture.clip_decoder import encoded_frame, new_decoder
from harness.picture.judge import PictureJudge
from harness.picture.reference import ClipReference
from harness.picture.table import load_table
from harness.swarm import calibration
from synthetic_media.clip import VideoClip, load_video
from synthetic_media.spec import VideoSpec

JUDGING_ADDS = 1.25
# H.264 of a clip this calm decodes in a fifth of a millisecond, and the checksum of a picture takes 0.06 whatever the
# codec: there it is the sum that counts.
JUDGED_H264_MS = 0.5
ROUNDS, LOOPS = 5, 2
STAMP_ID = 1


def show(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        for line in lines:
            sys.stdout.write(f"\n    {line}")


def test_decoding_beside_stock_aiortc(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """640x360 at 30 fps, VP8: reception, decoding, PSNR and SSIM of every frame against aiortc's reception alone."""
    found: dict[str, Any] = {}

    def measure() -> None:
        _, found["ours"] = calibration.measure_pair("decode", 1)
        _, found["stock"] = calibration.measure_pair("stock", 1)

    benchmark.pedantic(measure, rounds=1, iterations=1)
    cost = {name: 1000 * one["cpu"] / one["wall"] / one["subscriptions"] for name, one in found.items()}
    ours = found["ours"]
    show(
        capsys,
        f"receive, decode and judge: {cost['ours']:.1f} CPU-ms per subscription-second on {ours['subscriptions']} "
        f"streams, {ours['decoded'] / ours['frames']:.1%} of frames decoded, {ours['intact']} intact",
        f"stock aiortc, receive and decode: {cost['stock']:.1f}; ours is {cost['ours'] / cost['stock']:.2f} of it\n",
    )
    assert ours["undecoded"] == 0
    assert ours["intact"] == ours["decoded"] > 0.95 * ours["frames"]
    assert cost["ours"] <= cost["stock"]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_judging_beside_decoding(benchmark: Any, capsys: pytest.CaptureFixture[str], codec: str, tmp_path: Any) -> None:
    """Of an intact picture the scores are looked up; of a damaged one they are computed, against both references."""
    clip = load_video(VideoSpec(640, 360, 30, 500_000, codec, seconds=2.0), 1, tmp_path)
    judge = PictureJudge(ClipReference(clip), load_table(clip, tmp_path), STAMP_ID)

    def intact(frame: av.VideoFrame, position: int) -> None:
        assert judge.look(frame, (STAMP_ID, STAMP_ID, position, position, 0), 0).intact

    def damaged(frame: av.VideoFrame, position: int) -> None:
        other = (position + 1) % len(clip.frames)
        assert not judge.look(frame, (STAMP_ID, STAMP_ID, other, other, 0), 0).intact

    tried: dict[str, Callable[[av.VideoFrame, int], None]] = {
        "decoded": lambda frame, position: None,
        "and judged, intact": intact,
        "and judged, damaged": damaged,
    }
    best: dict[str, float] = {}

    def measure() -> None:
        for _ in range(ROUNDS):  # in turn, and the least of each: what else the machine does only ever adds
            for name, look in tried.items():
                best[name] = min(best.get(name, 1e9), _decoded(clip, look))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    show(capsys, *(f"{codec} 640x360, {name}: {1000 * cost:.3f} CPU-ms a frame" for name, cost in best.items()), "")
    if codec == "vp8":
        assert best["and judged, intact"] <= JUDGING_ADDS * best["decoded"]
    else:
        assert 1000 * best["and judged, intact"] <= JUDGED_H264_MS


def _decoded(clip: VideoClip, look: Callable[[av.VideoFrame, int], None]) -> float:
    """CPU seconds per frame."""
    packets = [encoded_frame(clip, position) for position in range(len(clip.frames))]
    decoder = new_decoder(clip.spec.codec)
    before = time.thread_time()
    for _ in range(LOOPS):
        for position, data in enumerate(packets):
            for frame in decoder.decode(av.Packet(data)):
                look(frame, position)
    return (time.thread_time() - before) / LOOPS / len(packets)
