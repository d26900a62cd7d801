"""What a simulated user sends: a camera clip and a microphone clip, stamped as its own."""

from __future__ import annotations

from collections.abc import Mapping

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


class ClipPublication:
    """See call.driver.PublishSource."""

    def __init__(self, media: MediaLoop, participant: Participant, run_seed: int) -> None:
        self._media = media
        self._participant = participant
        self._video = video_clip(participant, run_seed)
        self._audio = audio_clip(participant, run_seed)
        self._sources: dict[str, VideoSource | AudioSource] = {}
        self._muted: dict[str, bool] = {}
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
        self.streams = dict(streams)
        stamp = self._participant.stamp_id
        identity = {"publisher": stamp, "stamp_stream": stamp}
        if self._video is not None and "video" in streams:
            self._sources["video"] = VideoSource(self._video, streams["video"], **identity, start=stamp)
        if self._audio is not None and "audio" in streams:
            self._sources["audio"] = AudioSource(self._audio, streams["audio"], **identity, start=stamp * 7)
        # Users start within a frame of each other's clocks; without an offset all frames of a burst would coincide.
        now = self._media.now_us() + stamp * 7919 % 20_000
        for kind, source in self._sources.items():
            source.muted = self._muted.get(kind, False)
            self._media.add_source(source, now)

    def stop(self) -> None:
        for source in self._sources.values():
            self._media.remove_source(source)
        self._sources.clear()

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
