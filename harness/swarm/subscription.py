"""One stream that a simulated user plays: where its packets go, and how its start divides into phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.call.driver import OnFirst
from harness.call.quality import MediaFigures
from harness.measure.recorder import Recorder, Tags
from harness.measure.subscription import SubscriptionMeasure
from harness.picture.decoded_stream import DecodedStream
from harness.rtc.decodable_video import DecodableVideo
from harness.rtc.inbound import InboundAudio, InboundStream
from harness.rtc.inbound_video import InboundVideo
from harness.scenario.participant import Participant
from harness.sound.heard_stream import HeardStream

PHASES = ("signalling", "ice", "dtls", "first_packet", "key_frame")


class Subscription:
    """See call.driver.PlaySink. called_us: when the play call was made."""

    def __init__(
        self,
        recorder: Recorder,
        subscriber: Participant,
        publisher: Participant,
        depth: str,
        called_us: int,
        on_first_frame: Callable[[Subscription], None],
    ) -> None:
        codec = publisher.camera.codec if publisher.camera is not None else "opus"
        self.publisher = publisher
        self.called_us = called_us
        self.tags = Tags(subscriber.role, subscriber.room_id, codec)
        self.measure = SubscriptionMeasure(
            recorder,
            self.tags,
            publisher=publisher.stamp_id,
            stream=publisher.stamp_id,
            depth=depth,
            audio_only=publisher.camera is None,
            fps=publisher.camera.fps if publisher.camera is not None else 0,
            audio_bitrate=publisher.microphone.bitrate if publisher.microphone is not None else 0,
        )
        self.measure.on_first_frame = lambda: on_first_frame(self)
        self._reached: dict[str, int] = {}
        # Set before the first packet where they are decoded.
        self.pictures: DecodedStream | None = None
        self.sound: HeardStream | None = None

    def decode(self, pictures: DecodedStream | None, sound: HeardStream | None) -> None:
        """Have what comes decoded: before the first packet. None: there is none, or it is not to be decoded."""
        self.pictures, self.sound = pictures, sound
        self.measure.listener = sound
        if pictures is not None and sound is not None:
            pictures.on_shown = sound.shown

    def open(self, kind: str, codec: str, ssrc: int, alerts: list[InboundStream]) -> InboundStream:
        stream: InboundStream
        if kind == "video" and self.pictures is not None:
            stream = DecodableVideo(ssrc, self.measure, alerts, codec=codec, taker=self.pictures)
        elif kind == "video":
            stream = InboundVideo(ssrc, self.measure, alerts, codec=codec, depth=self.measure.depth)
        else:
            stream = InboundAudio(ssrc, self.measure, alerts, depth=self.measure.depth, taker=self.sound)
        self.measure.attach(stream)
        return stream

    def phase(self, name: str, at_us: int) -> None:
        self._reached.setdefault(name, at_us)

    def listen(self, on_first: OnFirst) -> None:
        self.measure.on_first = on_first

    def quality(self) -> MediaFigures:
        streams = self.measure.streams
        return MediaFigures(
            frames=sum(getattr(stream, "framesReceived", 0) for stream in streams),
            bytes=sum(stream.bytesReceived for stream in streams),
            packets=sum(stream.packetsReceived for stream in streams),
            lost=sum(stream.packetsLost for stream in streams),
            has_video=self.publisher.camera is not None,
        )

    def phases_ms(self) -> dict[str, float]:
        """How first_frame_ms divides; the parts add up to the whole. Empty before the first frame."""
        measure = self.measure
        if measure.first_frame_us is None:
            return {}
        marks = [
            self._reached.get("signalled"),
            self._reached.get("ice"),
            self._reached.get("dtls"),
            measure.first_packet_us,
            measure.first_frame_us,
        ]
        found, last = {}, self.called_us
        for name, mark in zip(PHASES, marks, strict=True):
            # A phase that ended before the one before it (packets that raced the last handshake) took no time.
            at = max(last, min(mark if mark is not None else last, measure.first_frame_us))
            found[name] = (at - last) / 1000
            last = at
        return found

    def summary(self) -> dict[str, Any]:
        """For the trace, when the subscription ends."""
        first = self.measure.first_frame_us
        return {
            "stream": self.publisher.stream_id,
            "depth": self.measure.depth,
            "codec": self.tags.codec,
            "first_frame_ms": None if first is None else (first - self.called_us) / 1000,
            **self.measure.totals(),
        }
