"""One subscription measured: a subscriber's view of one publisher's stream, from its packets and stamps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.measure.frames import FrameAccount
from harness.measure.freezes import GAP_200_US, FreezeDetector
from harness.measure.recorder import Recorder, Tags
from harness.measure.scores import DEAD_US, SecondlyScores
from harness.rtc.inbound import ABSENT, DAMAGED, InboundStream, StampFields

_STREAM_COUNTERS = ("packetsReceived", "packetsLost", "nackCount", "pliCount")


class Listener(Protocol):
    """Listens to the sound of a subscription, where it is decoded."""

    ended: bool

    def tick(self, now_us: int, missing_us: int) -> None: ...
    def interrupt(self) -> None: ...


class SubscriptionMeasure:
    """Hears the inbound streams of one subscription (see rtc.inbound.Observer) and feeds the recorder.

    publisher, stream: what the stamps must say. audio_bitrate: bits/s of its microphone, 0 when it has none. Times are
    microseconds of the run clock.
    """

    def __init__(
        self,
        recorder: Recorder,
        tags: Tags,
        *,
        publisher: int,
        stream: int,
        depth: str,
        audio_only: bool = False,
        fps: int = 0,
        audio_bitrate: int = 0,
    ) -> None:
        self.tags = tags
        self.depth = depth
        self._audio_only = audio_only
        self._fps = fps
        self.streams: list[InboundStream] = []
        self.first_packet_us: int | None = None
        self.first_frame_us: int | None = None
        self.video = FrameAccount()
        self.audio = FrameAccount()
        self.freezes = FreezeDetector()
        self.wrong = self.absent = self.damaged = 0
        self.rendered_frames = 0
        self._recorder = recorder
        self._publisher, self._stream = publisher, stream
        self._counted: dict[str, float] = {}
        self._sampled: dict[int, tuple[int, int, int]] = {}
        self._latency: list[float] = []
        self._sound_latency: list[float] = []
        self._sound_due = audio_bitrate > 0
        self._sound_due_since_us = 0  # when that was first looked at; 0: not yet, or no media at all has come yet
        self._scores: SecondlyScores | None = None
        if depth != "packets":
            self._scores = SecondlyScores(recorder, tags, audio_bitrate=audio_bitrate, fps=fps)
        self.on_first_frame: Callable[[], None] | None = None
        self.on_first: Callable[[str, str, int], None] | None = None
        self._told: set[tuple[str, str]] = set()
        self.listener: Listener | None = None
        self.ended = False

    # -- Observer ------------------------------------------------------------------------------------------------

    def first_packet(self, at_us: int, kind: str) -> None:
        if self.first_packet_us is None:
            self.first_packet_us = at_us
        self._tell(kind, "received", at_us)
        if kind == "audio":
            self._tell(kind, "rendered", at_us)  # every packet of sound is a whole frame
        if self._audio_only:
            self._frame(at_us)

    def first_frame(self, at_us: int) -> None:
        self._tell("video", "rendered", at_us)
        self._frame(at_us)

    def _tell(self, kind: str, stage: str, at_us: int) -> None:
        """Firsts of a medium come again when its packets move to another SSRC; each stage is told once."""
        if self.on_first is not None and (kind, stage) not in self._told:
            self._told.add((kind, stage))
            self.on_first(kind, stage, at_us)

    def _frame(self, at_us: int) -> None:
        if self.first_frame_us is None:
            self.first_frame_us = at_us
            if self.on_first_frame is not None:
                self.on_first_frame()

    def video_frame(self, stamp: StampFields | str, completed_us: int, key: bool) -> None:
        if isinstance(stamp, tuple) and stamp[0] == self._publisher and stamp[1] == self._stream:
            if self.video.frame(stamp[2], completed_us):
                self._latency.append((completed_us - stamp[4]) / 1000)
        else:
            self._not_ours(stamp)

    def audio_frame(self, stamp: StampFields | str, arrival_us: int) -> None:
        if isinstance(stamp, tuple) and stamp[0] == self._publisher and stamp[1] == self._stream:
            if self.audio.frame(stamp[2], arrival_us):
                self._sound_latency.append((arrival_us - stamp[4]) / 1000)
        else:
            self._not_ours(stamp)

    def _not_ours(self, stamp: StampFields | str) -> None:
        if stamp == ABSENT:
            self.absent += 1
        elif stamp == DAMAGED:
            self.damaged += 1
        else:
            self.wrong += 1

    def rendered(self, at_us: int) -> None:
        self.rendered_frames += 1
        freeze = self.freezes.frame(at_us)
        if freeze:
            self._recorder.trend("freeze_duration_ms", self.tags, freeze / 1000)

    # -- life ----------------------------------------------------------------------------------------------------

    def attach(self, stream: InboundStream) -> None:
        self.streams.append(stream)

    def interrupt(self, kind: str, *, muted: bool = True) -> None:
        """The publisher muted its camera or microphone, or opened it again: the silence is its own."""
        if kind == "video":
            self.freezes.interrupt()
            self.video.interrupt()
            if self._scores is not None:
                self._scores.interrupt()
        else:
            self.audio.interrupt()
            self._sound_due = not muted
            self._sound_due_since_us = 0
            if self.listener is not None:
                self.listener.interrupt()

    def sound_missing_us(self, now_us: int) -> int:
        """For how long no packet of sound has come although the microphone is open; 0 when none is due."""
        if not self._sound_due or not self._sound_due_since_us:
            return 0
        arrived = [stream.lastPacketReceived_us for stream in self.streams if stream.kind == "audio"]
        return now_us - max([self._sound_due_since_us, *arrived])

    def _one_way_us(self, now_us: int) -> int:
        """The same while the picture flows, if there is to be one: what stops both is no fault of the sound."""
        if self._fps and (not self.freezes.awaiting or self.freezes.silent_us(now_us) >= DEAD_US):
            return 0
        return self.sound_missing_us(now_us)

    def end(self, at_us: int, *, stream_was_there: bool) -> None:
        """The subscription ends. stream_was_there: the publisher still sent, so an open gap is a gap."""
        if self.ended:
            return
        self.ended = True
        if stream_was_there:
            silent_us = self.freezes.silent_us(at_us)
            freeze = self.freezes.end(at_us)
            if freeze:
                self._recorder.trend("freeze_duration_ms", self.tags, freeze / 1000)
            if silent_us >= GAP_200_US:
                self.video.never_came(silent_us * self._fps // 1_000_000)
        self.flush(at_us)
        if self.listener is not None:
            self.listener.ended = True

    # -- once a second -------------------------------------------------------------------------------------------

    def flush(self, now_us: int) -> None:
        """Give the recorder what has come since the last time."""
        totals = self.totals()
        for name, value in totals.items():
            change = value - self._counted.get(name, 0)
            if change:
                self._recorder.count(name, self.tags, change)
        self._counted = totals
        for stream in self.streams:
            self._sample(stream, now_us)
        if self._sound_due and not self._sound_due_since_us and self.first_packet_us is not None:
            self._sound_due_since_us = now_us
        if self.listener is not None:
            self.listener.tick(now_us, self._one_way_us(now_us))
        if self._scores is not None:
            self._scores.look(self, now_us, self._latency, self._sound_latency)
        for name, latencies in (("frame_latency_ms", self._latency), ("audio_latency_ms", self._sound_latency)):
            if latencies:
                self._recorder.samples(name, self.tags).extend(latencies)
                latencies.clear()

    def _sample(self, stream: InboundStream, now_us: int) -> None:
        if not stream.packetsReceived:
            return
        self._recorder.trend("jitter_ms", self.tags, stream.jitter_ms)
        if stream.kind != "video":
            return
        frames = getattr(stream, "framesReceived", 0)
        before = self._sampled.get(stream.ssrc)
        self._sampled[stream.ssrc] = (now_us, frames, stream.bytesReceived)
        if before is not None and not self.ended:
            seconds = (now_us - before[0]) / 1_000_000
            self._recorder.trend("frame_rate", self.tags, (frames - before[1]) / seconds)
            self._recorder.trend("receive_bitrate", self.tags, (stream.bytesReceived - before[2]) * 8 / seconds)

    def totals(self) -> dict[str, float]:
        """Counters of the whole subscription so far."""
        freezes = self.freezes
        found: dict[str, float] = {name: sum(getattr(s, name) for s in self.streams) for name in _STREAM_COUNTERS}
        found |= {
            "framesReceived": sum(getattr(s, "framesReceived", 0) for s in self.streams),
            "packetsExpected": sum(s.packetsExpected for s in self.streams),
            "framesCaptured": self.video.captured,
            "framesLost": self.video.lost,
            "framesAccounted": self.video.received,
            "frames_late": self.video.late,
            "frames_doubled": self.video.doubled + self.audio.doubled,
            "frames_reordered": self.video.reordered,
            "wrong_stamps": self.wrong,
            "absent_stamps": self.absent,
            "damaged_stamps": self.damaged,
            "freezeCount": freezes.freezeCount,
            "totalFreezesDuration": freezes.freeze_us / 1_000_000,
            "pauseCount": freezes.pauseCount,
            "totalPausesDuration": freezes.pause_us / 1_000_000,
            "gap200_seconds": freezes.gap200_us / 1_000_000,
            "gap500_seconds": freezes.gap500_us / 1_000_000,
            "watched_seconds": freezes.watched_us / 1_000_000,
        }
        return found
