"""Peers on loopback that send frames of one packet each, some of them behind an emulated link with a log of its own."""

from __future__ import annotations

import asyncio
import random
import struct
from dataclasses import dataclass
from typing import Any

from harness.measure.recorder import Recorder, Tags
from harness.measure.subscription import SubscriptionMeasure
from harness.rtc.access_link import AccessLink
from harness.rtc.conditions import Conditions, Link
from harness.rtc.emulated_link import EmulatedLink
from harness.rtc.inbound import InboundStream
from harness.rtc.inbound_video import InboundVideo
from harness.rtc.media_loop import MediaLoop
from harness.rtc.outbound import OutboundStream
from harness.rtc.peer import Peer
from harness.rtc.sections import VP8, Section
from synthetic_media.stamp import pack_stamp

LOOPBACK = ["127.0.0.1"]
KEY_FRAME = bytes([0x90, 0x80, 0x80, 0x01, 0]) + bytes(120)  # VP8 with a 15-bit picture id; every frame is a key frame


class LoggedLink(EmulatedLink):
    """Writes down what becomes of every media packet (its sequence number, and when it comes out), and how many RTCP
    packets came twice."""

    __slots__ = ("copies_of_reports", "log")

    def __init__(self, link: Link, seed: str) -> None:
        super().__init__(link, random.Random(seed))
        self.log: list[tuple[int, tuple[int, ...]]] = []
        self.copies_of_reports = 0

    def offer_all(self, packets: list[Any], sizes: list[int], times_us: list[int]) -> tuple[list[Any], list[int]]:
        through: list[Any] = []
        due: list[int] = []
        for packet, size, now in zip(packets, sizes, times_us, strict=True):
            times = self.offer(now, size)
            first, second, sequence = struct.unpack_from("!BBH", packet[0].bytes, packet[0].starts[packet[1]])
            if 127 < first < 192 and 191 < second < 224:
                self.copies_of_reports += max(0, len(times) - 1)
            elif 127 < first < 192:
                self.log.append((sequence, times))
            through += [packet] * len(times)
            due += times
        return through, due


@dataclass
class Expected:
    """What a receiver must have counted, by the emulation's log."""

    packets: int = 0
    captured: int = 0
    received: int = 0
    lost: int = 0
    late: int = 0
    copies: int = 0


def expected_of(log: list[tuple[int, tuple[int, ...]]]) -> Expected:
    """Frames are packets here. They come out by the time they are due, and in the order of their offers where that is
    equal; what comes before the first that came out is not known to have been sent."""
    came = sorted((due, at) for at, (_, times) in enumerate(log) for due in times)
    found, seen, highest = Expected(packets=len(log)), set[int](), -1
    first = came[0][1]
    for _, at in came:
        if at in seen:
            found.copies += 1
            continue
        seen.add(at)
        found.late += first <= at < highest
        highest = max(highest, at)
    found.captured = highest - first + 1
    found.received = len([at for at in seen if at >= first])
    found.lost = found.captured - found.received
    return found


class Leg:
    """A sending and a receiving peer. link: of what arrives at the receiver, or with `up` of what leaves the sender;
    None for no emulation at all."""

    def __init__(self, media: MediaLoop, number: int, link: EmulatedLink | None, *, up: bool = False) -> None:
        self.media, self.number = media, number
        self.recorder = Recorder()
        self.measure = SubscriptionMeasure(
            self.recorder, Tags("viewer", "room", "vp8"), publisher=number, stream=number, depth="frames"
        )
        self.access: AccessLink | None = None
        if link is not None:
            self.access = AccessLink(media, Conditions(), f"leg/{number}")
            if up:
                self.access.up = link
            else:
                self.access.down = link
        before, behind = (self.access, None) if up else (None, self.access)
        self.sender = Peer(media, offers=True, addresses=LOOPBACK, access=before)
        self.receiver = Peer(media, offers=False, addresses=LOOPBACK, new_stream=self._stream, access=behind)
        self.sent = 0
        self.streams: list[InboundStream] = []
        self._out: OutboundStream | None = None

    def _stream(self, section: Section, ssrc: int) -> InboundStream:
        stream = InboundVideo(ssrc, self.measure, self.receiver.alerts, codec="vp8", depth="frames")
        stream.nacks = False  # what is lost stays lost: a repaired packet would not count as one
        self.measure.attach(stream)
        self.streams.append(stream)
        return stream

    async def connect(self) -> None:
        section = self.sender.add_section("video", VP8, f"s{self.number} v")
        await self.sender.accept_answer(await self.receiver.answer(await self.sender.create_offer()))
        assert await self.sender.wait_connected(20), self.sender.failure
        assert await self.receiver.wait_connected(20), self.receiver.failure
        self._out = self.sender.open_outbound(section)

    def send(self, frames: int) -> None:
        assert self._out is not None
        for _ in range(frames):
            stamp = pack_stamp(self.number, self.number, self.sent, 0, self.media.now_us())
            self._out.send((KEY_FRAME + stamp,), self.sent * 90, marker=True, key=True)
            self.sent += 1

    def latencies(self) -> list[float]:
        """Of the frames since the last call, in ms."""
        self.measure.flush(self.media.now_us())
        found = list(self.recorder.samples("frame_latency_ms", self.measure.tags))
        self.recorder.flush()
        return found


async def pump(legs: list[Leg], frames: int, *, burst: int, every: float) -> None:
    """Send that many frames on every leg, `burst` at a time, every so many seconds."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while legs[0].sent < frames:
        for leg in legs:
            leg.send(min(burst, frames - leg.sent))
        due += every
        await asyncio.sleep(max(0.0, due - loop.time()))
