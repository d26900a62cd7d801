"""What a simulated user sends: a camera clip and a microphone clip, stamped as its own."""

from __future__ import annotations

from collections.abc import Mapping

from harness.call.driver import OnFirst
from harness.call.quality import MediaFigures
from harness.rtc.clip_source import AudioSource, VideoSource
from harness.rtc.media_loop import MediaLoop
from harness.rtc.outbound import OutboundStream
from harness.scenario.participant import Participant
from synthetic_media.clip import AudioClip, VideoClip, load_audio, load_video
from synthetic_media.spec import AudioSpec, VideoSpec

_SEED_STRIDE = 4096  # clips of one run seed; a room has fewer publishers


def clip_seed(run_seed: int, clip: int) -> int:
    return (run_seed * _SEED_STRIDE + clip) & 0xFFFFFFFF


def video_clip(participant: Participant, run_seed: int) -> VideoClip | None:
    """The shared clip this participant shows; encoded now if it is not in the cache."""
    camera = participant.camera
    if camera is None:
        return None
    spec = VideoSpec(camera.width, camera.height, camera.fps, camera.bitrate, camera.codec)
    return _Clips.video(spec, clip_seed(run_seed, participant.clip))


def audio_clip(participant: Participant, run_seed: int) -> AudioClip | None:
    if participant.microphone is None:
        return None
    return _Clips.audio(AudioSpec(participant.microphone.bitrate), clip_seed(run_seed, participant.clip))


class _Clips:
    """Clips of this process: loaded once, shared by all its users."""

    _video: dict[tuple[VideoSpec, int], VideoClip] = {}  # noqa: RUF012
    _audio: dict[tuple[AudioSpec, int], AudioClip] = {}  # noqa: RUF012

    @classmethod
    def video(cls, spec: VideoSpec, seed: int) -> VideoClip:
        if (spec, seed) not in cls._video:
            cls._video[spec, seed] = load_video(spec, seed)
        return cls._video[spec, seed]

    @classmethod
    def audio(cls, spec: AudioSpec, seed: int) -> AudioClip:
        if (spec, seed) not in cls._audio:
            cls._audio[spec, seed] = load_audio(spec, seed)
        return cls._audio[spec, seed]


class _Beginning:
    """Stands for a source on the frame clock until its first frame has left, and tells of it: no later frame pays."""

    def __init__(self, publication: ClipPublication, kind: str, source: VideoSource | AudioSource) -> None:
        self._publication, self._kind, self._source = publication, kind, source

    def send_frame(self, due_us: int) -> int:
        publication, source = self._publication, self._source
        if source.muted:
            return source.send_frame(due_us)
        publication.first(self._kind, "captured")
        following = source.send_frame(due_us)
        if publication.streams[self._kind].packetsSent:
            publication.first(self._kind, "sent")
            publication.begun(self, self._kind, following)
        return following

    def skip_to(self, now_us: int, due_us: int) -> int:
        return self._source.skip_to(now_us, due_us)


class ClipPublication:
    """See call.driver.PublishSource."""

    def __init__(self, media: MediaLoop, participant: Participant, run_seed: int) -> None:
        self._media = media
        self._participant = participant
        self._video = video_clip(participant, run_seed)
        self._audio = audio_clip(participant, run_seed)
        self._sources: dict[str, VideoSource | AudioSource] = {}
        self._clocked: dict[str, VideoSource | AudioSource | _Beginning] = {}  # what the media loop calls, by kind
        self._muted: dict[str, bool] = {}
        self._on_first: OnFirst | None = None
        self._told: set[tuple[str, str]] = set()
        self._before = MediaFigures()  # what earlier starts had sent
        self.streams: dict[str, OutboundStream] = {}

    @property
    def kinds(self) -> Mapping[str, str]:
        kinds: dict[str, str] = {}
        if self._video is not None:
            kinds["video"] = self._video.spec.codec
        if self._audio is not None:
            kinds["audio"] = "opus"
        return kinds

    def start(self, streams: Mapping[str, OutboundStream]) -> None:
        self.stop()
        self._before = self.quality()
        self.streams = dict(streams)
        stamp = self._participant.stamp_id
        identity = {"publisher": stamp, "stamp_stream": stamp}
        late = self._held_back_us
        if self._video is not None and "video" in streams:
            video, held = streams["video"], late["video"]
            self._sources["video"] = VideoSource(self._video, video, **identity, start=stamp, delay_us=held)
        if self._audio is not None and "audio" in streams:
            audio, held = streams["audio"], late["audio"]
            self._sources["audio"] = AudioSource(self._audio, audio, **identity, start=stamp * 7, delay_us=held)
        # Users start within a frame of each other's clocks; without an offset all frames of a burst would coincide.
        now = self._media.now_us() + stamp * 7919 % 20_000
        for kind, source in self._sources.items():
            source.muted = self._muted.get(kind, False)
            told = self._on_first is None or (kind, "sent") in self._told
            self._clocked[kind] = source if told else _Beginning(self, kind, source)
            self._media.add_source(self._clocked[kind], now + late[kind])

    @property
    def _held_back_us(self) -> dict[str, int]:
        """How long after its capture each medium leaves: lips out of sync at the source."""
        microphone = self._participant.microphone
        delay_us = round(microphone.delay * 1_000_000) if microphone is not None else 0
        return {"audio": max(0, delay_us), "video": max(0, -delay_us)}

    def stop(self) -> None:
        for clocked in self._clocked.values():
            self._media.remove_source(clocked)
        self._sources.clear()
        self._clocked.clear()

    def listen(self, on_first: OnFirst) -> None:
        self._on_first = on_first
        self._told.clear()

    def first(self, kind: str, stage: str) -> None:
        if self._on_first is not None and (kind, stage) not in self._told:
            self._told.add((kind, stage))
            self._on_first(kind, stage, 0)

    def begun(self, beginning: _Beginning, kind: str, following_us: int) -> None:
        """The first frame has left: from now on the source itself is on the frame clock."""
        if self._clocked.get(kind) is beginning:  # whoever heard of the first frame may have stopped it
            self._media.remove_source(beginning)
            self._clocked[kind] = self._sources[kind]
            self._media.add_source(self._sources[kind], following_us)

    def quality(self) -> MediaFigures:
        before, streams = self._before, self.streams.values()
        trips = [stream.round_trip_ms for stream in streams if stream.round_trip_ms is not None]
        return MediaFigures(
            frames=before.frames + sum(stream.framesSent for stream in streams if stream.kind == "video"),
            bytes=before.bytes + sum(stream.bytesSent for stream in streams),
            packets=before.packets + sum(stream.packetsSent for stream in streams),
            lost=before.lost + sum(max(0, stream.remote_packets_lost) for stream in streams),
            rtt_ms=max(trips, default=None),
            has_video=self._video is not None,
        )

    def mute(self, kind: str, muted: bool) -> None:
        self._muted[kind] = muted
        source = self._sources.get(kind)
        if source is not None and muted:
            source.muted = True
        elif source is not None:
            source.unmute()

    @property
    def frames_skipped(self) -> int:
        """Frames the generator was too late to send."""
        return sum(source.framesSkipped for source in self._sources.values())
