"""RTP packets as a simulated camera sends them, a receiver for them, and an observer that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.rtc.inbound import InboundStream, StampFields
from harness.rtc.inbound_video import InboundVideo
from synthetic_media.frame import ClipFrame
from synthetic_media.packetize import cut_h264, cut_vp8, frame_payloads
from synthetic_media.stamp import pack_stamp

FRAME_US, PACKET_US = 40_000, 500


@dataclass
class Heard:
    """An observer that remembers."""

    packets: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    frames: list[tuple[StampFields | str, int, bool]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    sounds: list[StampFields | str] = field(default_factory=list)

    def first_packet(self, at_us: int, kind: str) -> None:
        self.packets.append(at_us)

    def first_frame(self, at_us: int) -> None:
        self.first.append(at_us)

    def video_frame(self, stamp: StampFields | str, completed_us: int, key: bool) -> None:
        self.frames.append((stamp, completed_us, key))

    def rendered(self, at_us: int) -> None:
        self.shown.append(at_us)

    def audio_frame(self, stamp: StampFields | str, arrival_us: int) -> None:
        self.sounds.append(stamp)

    @property
    def numbers(self) -> list[int]:
        return [stamp[2] for stamp, _, _ in self.frames if isinstance(stamp, tuple)]


@dataclass(frozen=True)
class Packet:
    sequence: int
    timestamp: int
    marker: int
    payload: bytes
    at_us: int


def encoded(codec: str, key: bool, size: int) -> ClipFrame:
    """A frame with the first bytes of a real one: all that a receiver which does not decode looks at."""
    if codec == "vp8":
        fragments, slot = cut_vp8((b"\x10" if key else b"\x11") + b"\x55" * size)
    else:
        units = (b"\x67\x42\xc0\x1f", b"\x68\xce\x3c\x80") if key else ()
        slice_ = (b"\x65" if key else b"\x61") + b"\x55" * size
        fragments, slot = cut_h264(b"".join(b"\0\0\0\1" + unit for unit in (*units, slice_)))
    return ClipFrame(key, size, fragments, slot)


def stream_of(codec: str, count: int, *, keys: int = 10, sequence: int = 100, size: int = 2500) -> list[Packet]:
    packets = []
    for number in range(count):
        frame = encoded(codec, number % keys == 0, size + number)
        stamp = pack_stamp(7, 8, number, number, number * FRAME_US)
        payloads = frame_payloads(codec, frame, number, stamp)
        for index, payload in enumerate(payloads):
            marker = 0x80 if index == len(payloads) - 1 else 0
            at = number * FRAME_US + index * PACKET_US
            packets.append(Packet(sequence & 0xFFFF, number * 3600, marker, payload, at))
            sequence += 1
    return packets


def receiver(codec: str = "vp8", depth: str = "frames") -> tuple[InboundVideo, Heard, list[InboundStream]]:
    heard, alerts = Heard(), []
    alerts_: list[InboundStream] = alerts
    return InboundVideo(1, heard, alerts_, codec=codec, depth=depth), heard, alerts_


def feed(stream: InboundStream, packet: Packet, at_us: int | None = None) -> None:
    buffer = bytearray(b"\0" * 20 + packet.payload + b"\0" * 300)
    at = packet.at_us if at_us is None else at_us
    end = 20 + len(packet.payload)
    stream.on_rtp(buffer, end, packet.marker, packet.sequence, packet.timestamp, 20, at)
