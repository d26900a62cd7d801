"""What a simulated user's source and sink tell of their first frames, and what they count."""

from __future__ import annotations

from typing import Any

from harness.measure.recorder import Recorder
from harness.rtc.clip_source import AudioSource, VideoSource
from harness.rtc.outbound import HeaderExtensions, OutboundStream
from harness.scenario.model import Scenario
from harness.scenario.participant import Participant
from harness.scenario.plan import build_plan
from harness.swarm.publication import ClipPublication
from harness.swarm.subscription import Subscription

CAMERA = {"size": "320x180", "fps": 25, "bitrate": 150_000}


def participant(**role: Any) -> Participant:
    plan = {"name": "test", "duration": "5s", "roles": {"m": {"count": 1, **role}}}
    return build_plan(Scenario.model_validate(plan)).participants[0]


class Pacer:
    """The part of the media loop that a publication uses: a frame clock that the test turns."""

    def __init__(self) -> None:
        self.due: dict[Any, int] = {}

    def now_us(self) -> int:
        return 0

    def add_source(self, source: Any, due_us: int) -> None:
        self.due[source] = due_us

    def remove_source(self, source: Any) -> None:
        self.due.pop(source, None)

    def turn(self) -> None:
        """Each source sends the frame that is due."""
        for source, due in tuple(self.due.items()):
            if source in self.due:
                following = source.send_frame(due)
                if source in self.due:
                    self.due[source] = following


class Connection:
    """What an outbound stream sends into."""

    def __init__(self) -> None:
        self.transport = self
        self.connected = True

    def send_packet(self, *packet: Any) -> None:
        """Gone."""


class Scene:
    def __init__(self) -> None:
        self.pacer, self.connection = Pacer(), Connection()
        self.publication = ClipPublication(self.pacer, participant(camera=CAMERA, microphone=True), 1)  # type: ignore[arg-type]
        self.told: list[tuple[str, str]] = []
        self.publication.listen(lambda kind, stage, read_us: self.told.append((kind, stage)))

    def start(self) -> None:
        bare = HeaderExtensions(mid=None, level=None, send_time=None, sequence=None)
        streams = {
            kind: OutboundStream(self.connection, kind, n, 96, bare) for n, kind in enumerate(("video", "audio"))
        }  # type: ignore[arg-type]
        self.publication.start(streams)


FIRSTS = [("video", "captured"), ("video", "sent"), ("audio", "captured"), ("audio", "sent")]


def test_the_first_frame_of_each_medium_is_captured_and_then_sent_and_no_later_frame_is_looked_at() -> None:
    scene = Scene()
    scene.start()
    assert scene.told == []
    scene.pacer.turn()
    assert sorted(scene.told) == sorted(FIRSTS)
    assert scene.told.index(("video", "captured")) < scene.told.index(("video", "sent"))
    assert {type(source) for source in scene.pacer.due} == {VideoSource, AudioSource}, "nothing stands between"
    scene.pacer.turn()
    assert len(scene.told) == 4


def test_no_frame_is_lost_doubled_or_moved_by_the_change_of_hands() -> None:
    scene = Scene()
    scene.start()
    begun = dict(scene.pacer.due)
    for _ in range(3):
        scene.pacer.turn()
    video, audio = (scene.publication.streams[kind] for kind in ("video", "audio"))
    assert (video.framesSent, audio.framesSent) == (3, 3)
    assert sorted(scene.pacer.due.values()) == sorted(
        due + 3 * frame for due, frame in zip(begun.values(), (40_000, 20_000), strict=True)
    )


def test_what_is_muted_from_the_start_has_its_first_frame_when_it_is_opened() -> None:
    scene = Scene()
    scene.publication.mute("video", True)
    scene.start()
    scene.pacer.turn()
    assert scene.told == FIRSTS[2:]
    scene.publication.mute("video", False)
    scene.pacer.turn()
    assert scene.told[2:] == FIRSTS[:2]


def test_a_frame_is_not_sent_before_the_transport_takes_it() -> None:
    scene = Scene()
    scene.connection.connected = False
    scene.start()
    scene.pacer.turn()
    assert scene.told == [("video", "captured"), ("audio", "captured")]
    scene.connection.connected = True
    scene.pacer.turn()
    assert scene.told[2:] == [("video", "sent"), ("audio", "sent")]


def test_a_restart_within_one_publish_tells_nothing_again_and_goes_on_counting() -> None:
    scene = Scene()
    scene.start()
    for _ in range(5):
        scene.pacer.turn()
    before = scene.publication.quality()
    scene.publication.stop()
    assert scene.pacer.due == {}
    assert scene.publication.quality() == before
    scene.start()
    scene.pacer.turn()
    after = scene.publication.quality()
    assert len(scene.told) == 4
    assert (after.frames, after.packets > before.packets) == (before.frames + 1, True)
    scene.publication.listen(lambda kind, stage, read_us: scene.told.append((kind, stage)))
    scene.start()
    scene.pacer.turn()
    assert len(scene.told) == 8, "another publish of the same source"


def test_who_hears_of_the_first_frame_may_stop_the_publication() -> None:
    scene = Scene()
    scene.publication.listen(lambda kind, stage, read_us: scene.publication.stop())
    scene.start()
    scene.pacer.turn()
    assert scene.pacer.due == {}


def test_quality_adds_up_both_media_and_takes_the_worse_round_trip() -> None:
    scene = Scene()
    scene.start()
    scene.pacer.turn()
    video, audio = (scene.publication.streams[kind] for kind in ("video", "audio"))
    video.remote_packets_lost, audio.remote_packets_lost = 3, -1
    video.round_trip_ms, audio.round_trip_ms = 20.0, 35.0
    figures = scene.publication.quality()
    assert (figures.frames, figures.lost, figures.rtt_ms) == (1, 3, 35.0)
    assert figures.packets == video.packetsSent + audio.packetsSent
    assert figures.bytes == video.bytesSent + audio.bytesSent


def subscription(**role: Any) -> tuple[Subscription, list[tuple[str, str, int]]]:
    who = participant(**role)
    found = Subscription(Recorder(), who, who, "frames", 0, lambda first: None)
    told: list[tuple[str, str, int]] = []
    found.listen(lambda kind, stage, read_us: told.append((kind, stage, read_us)))
    return found, told


def test_a_subscription_tells_the_first_packet_and_the_first_whole_frame_of_each_medium_once() -> None:
    found, told = subscription(camera=CAMERA, microphone=True)
    measure = found.measure
    for _ in range(2):  # the second time as after a change of SSRC
        measure.first_packet(10, "video")
        measure.first_packet(20, "audio")
        measure.first_frame(30)
    assert told == [
        ("video", "received", 10),
        ("audio", "received", 20),
        ("audio", "rendered", 20),
        ("video", "rendered", 30),
    ]
    assert measure.first_frame_us == 30, "sound is not the picture"


def test_a_played_stream_of_sound_alone_has_no_frame_rate() -> None:
    found, told = subscription(microphone=True)
    found.measure.first_packet(10, "audio")
    assert told == [("audio", "received", 10), ("audio", "rendered", 10)]
    assert found.measure.first_frame_us == 10
    assert not found.quality().has_video


def test_a_subscription_counts_over_all_its_streams() -> None:
    found, _ = subscription(camera=CAMERA, microphone=True)
    streams = [found.open(kind, codec, n, []) for n, (kind, codec) in enumerate((("video", "vp8"), ("audio", "opus")))]
    for number, stream in enumerate(streams, 1):
        stream.packetsReceived, stream.bytesReceived = 10 * number, 1000 * number
    figures = found.quality()
    assert (figures.packets, figures.bytes, figures.frames, figures.rtt_ms) == (30, 3000, 0, None)
