"""A second is scored by what came in it: sound by delay and loss, video by pictures and gaps; silence is not good."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from harness.measure.emodel import audio_opinion
from harness.measure.recorder import Recorder, Tags, Totals
from harness.measure.subscription import SubscriptionMeasure
from harness.rtc.inbound import InboundAudio

SECOND = 1_000_000
PICTURE, SOUND = 40_000, 20_000


class Second:
    """A subscription of a 25 fps camera and a 24 kbit/s microphone, fed second by second."""

    def __init__(self, depth: str = "frames", fps: int = 25, bitrate: int = 24_000) -> None:
        self.recorder, self.totals = Recorder(), Totals()
        self.measure = SubscriptionMeasure(
            self.recorder, Tags(), publisher=1, stream=1, depth=depth, fps=fps, audio_bitrate=bitrate
        )
        self.stream = InboundAudio(5, self.measure, [], depth=depth)
        self.measure.attach(self.stream)
        self.seconds = 0

    def pictures(self, numbers: Iterable[int], late_us: int = 10_000) -> None:
        for n in numbers:
            at = self.seconds * SECOND + n * PICTURE
            if self.measure.first_frame_us is None:
                self.measure.first_packet(at, "video")
                self.measure.first_frame(at)
            self.measure.video_frame((1, 1, self.seconds * 25 + n, 0, at - late_us), at, False)
            self.measure.rendered(at)

    def sound(self, numbers: Iterable[int], late_us: int = 10_000) -> None:
        for n in numbers:
            at = self.seconds * SECOND + n * SOUND
            self.measure.audio_frame((1, 1, self.seconds * 50 + n, 0, at - late_us), at)
            self.stream.lastPacketReceived_us = at

    def over(self, length: float = 1.0) -> dict[str, list[float]]:
        """The second ends: the samples of each score it gave."""
        self.seconds += 1
        self.measure.flush(round((self.seconds - 1 + length) * SECOND))
        found: dict[str, list[float]] = {}
        for (name, _), values in self.recorder._trends.items():
            found.setdefault(name, []).extend(values)
        self.recorder.flush()
        return found


def running(depth: str = "frames") -> Second:
    second = Second(depth)
    for _ in range(2):
        second.pictures(range(25))
        second.sound(range(50))
        second.over()
    return second


def test_a_perfect_second_has_full_marks() -> None:
    second = running()
    second.pictures(range(25))
    second.sound(range(50))
    found = second.over()
    assert found["video_delivery_score"] == [100.0]
    assert found["audio_mos"] == [pytest.approx(audio_opinion(10, 0, 24_000))]
    assert found["av_arrival_offset_ms"] == [0.0]


def test_sound_is_scored_by_the_share_of_frames_lost_and_by_its_delay() -> None:
    second = running()
    second.sound(n for n in range(50) if n not in (10, 20, 21, 30))
    assert second.over()["audio_mos"] == [pytest.approx(audio_opinion(10, 0.08, 24_000, 4 / 3 * 0.92))]
    second.sound(range(50), late_us=300_000)
    assert second.over()["audio_mos"] == [pytest.approx(audio_opinion(300, 0, 24_000))]


def test_sound_that_stops_although_the_microphone_is_open_is_the_worst_and_a_muted_one_is_no_fault() -> None:
    second = running()
    second.pictures(range(25))
    second.over()  # the gap is not yet a second long at its end
    second.pictures(range(25))
    assert second.over()["audio_mos"] == [1.0]
    second.measure.interrupt("audio", muted=True)
    for _ in range(4):
        second.pictures(range(25))
        assert "audio_mos" not in second.over()
    second.measure.interrupt("audio", muted=False)
    second.over()
    second.pictures(range(25))
    assert second.over()["audio_mos"] == [1.0], "it was opened and nothing came"
    second.sound(range(50))
    assert second.over()["audio_mos"][0] > 4


def test_sound_that_never_came_beside_a_picture_is_the_worst_too() -> None:
    second = Second()
    for _ in range(2):
        second.pictures(range(25))
        second.over()
    second.pictures(range(25))
    assert second.over()["audio_mos"] == [1.0]


@pytest.mark.parametrize(
    ("shown", "score"),
    [
        (range(0, 25, 2), 100 * (14 / 25) ** 0.5),  # every other picture
        ([n for n in range(25) if not 5 <= n < 17], 100 * (14 / 25) ** 0.5 * (1 - 0.52)),  # 520 ms without one
        ([n for n in range(25) if n != 7], 100.0),  # one missing is what the edges of a second may hide
    ],
)
def test_pictures_missing_here_and_there_cost_less_than_a_gap(shown: list[int], score: float) -> None:
    second = running()
    second.pictures(shown)
    assert second.over()["video_delivery_score"] == [pytest.approx(score, rel=1e-6)]


def test_a_dead_picture_scores_nothing_and_a_muted_camera_is_not_scored() -> None:
    second = running()
    second.over()
    assert second.over()["video_delivery_score"] == [0.0]
    second.measure.interrupt("video")
    assert "video_delivery_score" not in second.over()
    second.pictures(range(25))
    assert "video_delivery_score" not in second.over(), "a second it was opened in is not a whole one"
    second.pictures(range(25))
    assert second.over()["video_delivery_score"] == [100.0]


def test_the_gaps_of_all_seconds_are_the_gap_time_of_the_whole() -> None:
    second = running()
    second.pictures(range(5))
    first = second.over()["video_delivery_score"][0]  # 840 ms of the gap lie here
    second.pictures(range(10, 25))
    rest = second.over()["video_delivery_score"][0]  # and 400 here
    assert first == pytest.approx(100 * (6 / 25) ** 0.5 * (1 - 0.84))
    assert rest == pytest.approx(100 * (16 / 25) ** 0.5 * (1 - 0.4))
    assert second.measure.freezes.gap200_us == 1_240_000


def test_what_arrives_apart_is_an_offset_with_a_sign() -> None:
    second = running()
    second.pictures(range(25), late_us=10_000)
    second.sound(range(50), late_us=130_000)
    assert second.over()["av_arrival_offset_ms"] == [pytest.approx(120)]
    second.pictures(range(25), late_us=210_000)
    second.sound(range(50), late_us=10_000)
    assert second.over()["av_arrival_offset_ms"] == [pytest.approx(-200)]


def test_a_scrap_of_a_second_and_the_depth_that_knows_no_stamps_are_not_scored() -> None:
    second = running()
    second.pictures(range(10))
    second.sound(range(20))
    assert not {"video_delivery_score", "audio_mos"} & set(second.over(0.4))
    second = running("packets")
    second.pictures(range(25))
    second.sound(range(50))
    assert not {"video_delivery_score", "audio_mos", "av_arrival_offset_ms"} & set(second.over())
