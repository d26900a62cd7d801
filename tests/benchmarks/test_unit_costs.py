"""What one frame, stamp and packet cost, for finding out why a whole run got dearer."""

from __future__ import annotations

from typing import Any

from harness.measure.frames import FrameAccount
from harness.measure.freezes import FreezeDetector
from harness.measure.histogram import Histogram
from harness.rtc.transport_feedback import FeedbackWriter
from synthetic_media.packetize import frame_payloads
from synthetic_media.spec import VideoSpec
from synthetic_media.stamp import pack_stamp, unpack_stamp


def test_stamp_written(benchmark: Any) -> None:
    benchmark(pack_stamp, 1, 2, 3, 4, 5)


def test_stamp_read(benchmark: Any) -> None:
    buffer = b"x" * 1000 + pack_stamp(1, 2, 3, 4, 5)
    assert benchmark(unpack_stamp, buffer, len(buffer)) == (1, 2, 3, 4, 5)


def test_frame_cut_and_stamped(benchmark: Any, tmp_path: Any) -> None:
    from synthetic_media.clip import load_video

    frame = load_video(VideoSpec(640, 360, 25, 500_000, "vp8", seconds=2), 1, tmp_path).frames[1]
    stamp = pack_stamp(1, 2, 3, 4, 5)
    assert benchmark(frame_payloads, "vp8", frame, 7, stamp)


def test_frame_accounted(benchmark: Any) -> None:
    account, number = FrameAccount(), iter(range(1 << 62))
    benchmark(lambda: account.frame(next(number), 1))


def test_freeze_rule(benchmark: Any) -> None:
    detector, at = FreezeDetector(), iter(range(0, 1 << 62, 40_000))
    benchmark(lambda: detector.frame(next(at)))


def test_thousand_samples_folded(benchmark: Any) -> None:
    samples = [value / 7 for value in range(1, 1001)]
    benchmark(lambda: Histogram().record_all(samples))


def test_transport_feedback_of_a_hundred_packets(benchmark: Any) -> None:
    def write() -> None:
        writer = FeedbackWriter()
        writer.arrivals = [(sequence, sequence * 1000) for sequence in range(100)]
        assert writer.take(1, 2)

    benchmark(write)
