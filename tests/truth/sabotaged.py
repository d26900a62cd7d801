"""Faults that a service or a publisher could have: a forwarder that mixes up frames, clips that show something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from harness.room_service.forwarder import ForwardSink, ForwardSource, Publication
from harness.room_service.media import ForwarderMedia
from harness.rtc.inbound import InboundStream
from harness.rtc.sections import Section
from synthetic_media.camera import Camera, Picture
from synthetic_media.clip import VideoClip
from synthetic_media.encoder import _video_frame, _vp8_encoder
from synthetic_media.frame import ClipFrame
from synthetic_media.packetize import cut_vp8, vp8_payload
from synthetic_media.spec import VideoSpec
from synthetic_media.stamp import unpack_stamp
from synthetic_media.strip import draw_strip

LET_THROUGH = 50  # frames before a forwarder begins to misbehave
LEFT_OUT = 5  # of a group of frames, the one that a thinning forwarder leaves out

# -- in the forwarder ------------------------------------------------------------------------------------------------


@dataclass
class Sabotage:
    """faults: stamp id of a publisher to `swap`, `freeze`, `replay` or `thin`. partners: whose sinks a swapped one
    gets."""

    faults: dict[int, str] = field(default_factory=dict)
    partners: dict[int, int] = field(default_factory=dict)
    sources: dict[int, MutantSource] = field(default_factory=dict)


class MutantSource(ForwardSource):
    """Forwards whole frames under sequence numbers of its own, so that headers never betray what it does."""

    def __init__(self, sabotage: Sabotage, kind: str, ssrc: int, heard: Any, alerts: list[InboundStream]) -> None:
        super().__init__(kind, ssrc, heard, alerts)
        self.targets: list[ForwardSink] = []
        self._sabotage = sabotage
        self._frame: list[bytes] = []
        self._number = self._sequence = 0
        self._group: list[list[bytes]] = []  # frames since the last key frame
        self._earlier: list[list[bytes]] = []
        self._replaying = False

    def on_rtp(self, buffer, end, marker, sequence, timestamp, at, arrival_us) -> None:  # type: ignore[no-untyped-def]
        super().on_rtp(buffer, end, marker, sequence, timestamp, at, arrival_us)
        self._frame.append(bytes(buffer[at:end]))
        if marker:
            frame, self._frame = self._frame, []
            self._forward(frame, timestamp)

    def _forward(self, frame: list[bytes], timestamp: int) -> None:
        stamp = unpack_stamp(frame[-1], len(frame[-1]))
        whose = stamp[0] if stamp else -1
        self._sabotage.sources.setdefault(whose, self)
        self._number += 1
        key = vp8_payload(frame[0])[2]
        if key:
            self._earlier, self._group = self._group, []
        self._group.append(frame)
        fault = self._sabotage.faults.get(whose)
        if fault == "swap":
            partner = self._sabotage.sources.get(self._sabotage.partners[whose])
            return self._send(frame, timestamp, partner.targets if partner else [])
        if fault == "freeze" and self._number > LET_THROUGH:
            frame = self._group[0]
        if fault == "replay":
            if key:
                self._replaying = not self._replaying and LET_THROUGH < self._number <= 2 * LET_THROUGH
            if self._replaying:
                frame = self._earlier[len(self._group) - 1]
        if fault == "thin" and len(self._group) - 1 == LEFT_OUT:
            return None  # and the numbers close up behind it: no receiver can know
        return self._send(frame, timestamp, self.targets)

    def _send(self, frame: list[bytes], timestamp: int, targets: list[ForwardSink]) -> None:
        for index, payload in enumerate(frame):
            self._sequence = (self._sequence + 1) & 0xFFFF
            for sink in targets:
                sink.forward(self._sequence, 0x80 if index == len(frame) - 1 else 0, timestamp, payload)


class MutantPublication(Publication):
    def __init__(self, sabotage: Sabotage, *args: Any) -> None:
        self._sabotage = sabotage
        super().__init__(*args)

    def _new_stream(self, section: Section, ssrc: int) -> InboundStream | None:
        if section.kind != "video" or "video" in self.sources:
            return super()._new_stream(section, ssrc)
        source = MutantSource(self._sabotage, "video", ssrc, self._heard, self.peer.alerts)
        source.targets = self.sinks["video"]  # its own `sinks` stay empty: it forwards by itself
        self.sources["video"] = source
        return source


class MutantMedia(ForwarderMedia):
    """The embedded service's media, broken as told."""

    def __init__(self, addresses: list[str], sabotage: Sabotage) -> None:
        super().__init__(addresses)
        self._sabotage = sabotage

    def publication(
        self, codecs: dict[str, str], on_live: Callable[[], None], on_end: Callable[[], None]
    ) -> Publication:
        return MutantPublication(self._sabotage, self._loop, self._addresses, codecs, on_live, on_end)


# -- at the publisher ------------------------------------------------------------------------------------------------


def another(spec: VideoSpec, seed: int, index: int) -> Picture:
    """Somebody else's picture."""
    return _drawn(spec, seed + 100, index)


def frozen(spec: VideoSpec, seed: int, index: int) -> Picture:
    """Always the first picture."""
    return _drawn(spec, seed, 0)


def old(spec: VideoSpec, seed: int, index: int) -> Picture:
    """The picture of a second ago."""
    return _drawn(spec, seed, (index - spec.fps) % spec.frames)


def black(spec: VideoSpec, seed: int, index: int) -> Picture:
    grey = np.full((spec.height // 2, spec.width // 2), 128, np.uint8)
    return np.full((spec.height, spec.width), 16, np.uint8), grey, grey


def clip_that_shows(pictures: Callable[[VideoSpec, int, int], Picture], like: VideoClip) -> VideoClip:
    """A clip with the frames and key frames of another, encoded from other pictures."""
    spec = like.spec
    encoder = _vp8_encoder(spec, spec.bitrate)
    packets = []
    for index in range(spec.frames):
        frame = _video_frame(pictures(spec, like.seed, index))
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = tuple(ClipFrame(packet.is_keyframe, packet.size, *cut_vp8(bytes(packet))) for packet in packets)
    assert len(frames) == spec.frames
    return VideoClip(spec, like.seed, frames, tuple(n for n, frame in enumerate(frames) if frame.key))


PUBLISHER_FAULTS = {"another's picture": another, "frozen": frozen, "a second old": old, "black": black}
_cameras: dict[tuple[VideoSpec, int], Camera] = {}


def _drawn(spec: VideoSpec, seed: int, index: int) -> Picture:
    make = partial(Camera, seed, spec.width, spec.height, spec.fps, spec.frames)
    camera = _cameras.get((spec, seed)) or _cameras.setdefault((spec, seed), make())
    picture = camera.picture(index)
    draw_strip(picture[0], seed & 0xFFFFFFFF, 0, index)
    return picture
