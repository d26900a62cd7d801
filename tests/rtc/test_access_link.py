"""Two peers over an emulated access link, on loopback: what is delayed, cut off and dropped is what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harness.rtc.access_link import AccessLink
from harness.rtc.conditions import Conditions, Link
from harness.rtc.held import Alarm, HeldPackets
from harness.rtc.inbound import InboundStream
from harness.rtc.inbound_video import InboundVideo
from harness.rtc.inbox import HeldAlone
from harness.rtc.media_loop import MediaLoop
from harness.rtc.outbound import OutboundStream
from harness.rtc.peer import Peer
from harness.rtc.sections import VP8, Section
from synthetic_media.stamp import pack_stamp

LOOPBACK = ["127.0.0.1"]
INTERVAL = 0.02
DESCRIPTOR = bytes([0x90, 0x80, 0x80, 0x01])  # VP8: a frame begins, 15-bit picture id
PAYLOAD = DESCRIPTOR + bytes([0]) + bytes(100)  # a key frame by its first bit


class Seen:
    """What a receiving peer hears of one stream: (frame number, latency in ms)."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, float]] = []
        self.streams: list[InboundStream] = []

    def video_frame(self, stamp: Any, completed_us: int, key: bool) -> None:
        self.frames.append((stamp[2], (completed_us - stamp[4]) / 1000))

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


class Pair:
    """A sender and a receiver; one of them behind an emulated link."""

    def __init__(self, conditions: Conditions, *, behind: str) -> None:
        self.media = MediaLoop(rest=0.005)
        self.access = AccessLink(self.media, conditions, "seed")
        self.seen = Seen()
        self.sender = Peer(
            self.media, offers=True, addresses=LOOPBACK, access=self.access if behind == "sender" else None
        )
        self.receiver = Peer(
            self.media,
            offers=False,
            addresses=LOOPBACK,
            new_stream=self._stream,
            access=self.access if behind == "receiver" else None,
        )
        self.number = 0

    def _stream(self, section: Section, ssrc: int) -> InboundStream:
        stream = InboundVideo(ssrc, self.seen, self.receiver.alerts, codec="vp8", depth="frames")
        self.seen.streams.append(stream)
        return stream

    async def connect(self) -> OutboundStream:
        section = self.sender.add_section("video", VP8, "s s-video")
        await self.sender.accept_answer(await self.receiver.answer(await self.sender.create_offer()))
        assert await self.sender.wait_connected(15), self.sender.failure
        assert await self.receiver.wait_connected(15), self.receiver.failure
        return self.sender.open_outbound(section)

    async def send(self, stream: OutboundStream, frames: int) -> None:
        for _ in range(frames):
            stamp = pack_stamp(1, 1, self.number, 0, self.media.now_us())
            stream.send((PAYLOAD + stamp,), self.number * 1800, marker=True, key=True)
            self.number += 1
            await asyncio.sleep(INTERVAL)

    async def until(self, condition: Callable[[], Any], seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)


def run(conditions: Conditions, behind: str, work: Callable[[Pair], Awaitable[None]]) -> None:
    async def main() -> None:
        pair = Pair(conditions, behind=behind)
        try:
            async with asyncio.timeout(60):
                await work(pair)
        finally:
            await pair.media.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("conditions", "behind", "added_ms"),
    [
        (Conditions(up=Link(delay=0.06)), "sender", 60),
        (Conditions(down=Link(delay=0.06)), "sender", 0),
        (Conditions(down=Link(delay=0.06)), "receiver", 60),
        (Conditions(up=Link(delay=0.06)), "receiver", 0),
    ],
)
def test_a_direction_delays_what_goes_that_way_and_nothing_else(
    conditions: Conditions, behind: str, added_ms: float
) -> None:
    async def work(pair: Pair) -> None:
        stream = await pair.connect()
        await pair.send(stream, 50)
        await pair.until(lambda: len(pair.seen.frames) == 50)
        latencies = sorted(latency for _, latency in pair.seen.frames)
        assert latencies[0] >= added_ms - 1.0
        assert latencies[25] == pytest.approx(added_ms, abs=3)

    run(conditions, behind, work)


def test_nothing_passes_in_an_outage_not_even_consent_and_afterwards_all_goes_on() -> None:
    async def work(pair: Pair) -> None:
        stream = await pair.connect()
        await pair.send(stream, 10)
        await pair.until(lambda: len(pair.seen.frames) == 10)
        access = pair.access
        through = access.up.delivered, access.down.delivered
        access.change(Conditions(Link(outage=True), Link(outage=True)))
        await pair.send(stream, 50)
        assert (access.up.delivered, access.down.delivered) == through
        assert access.up.cut > 0 < access.down.cut
        assert len(pair.seen.frames) == 10
        access.change(Conditions())
        await pair.send(stream, 10)
        await pair.until(lambda: {n for n, _ in pair.seen.frames} >= set(range(60, 70)))
        assert pair.sender.transport.connected
        assert pair.receiver.transport.connected

    run(Conditions(), "receiver", work)


def test_a_connection_begun_in_an_outage_comes_about_when_it_is_over() -> None:
    async def work(pair: Pair) -> None:
        connecting = asyncio.ensure_future(pair.connect())
        await pair.until(lambda: pair.access.up.cut > 0)
        await asyncio.sleep(0.3)
        assert not pair.sender.connected.is_set()
        pair.access.change(Conditions())
        stream = await connecting
        await pair.send(stream, 5)
        await pair.until(lambda: pair.seen.frames)

    run(Conditions(Link(outage=True), Link(outage=True)), "sender", work)


def test_a_connection_comes_about_over_a_slow_and_lossy_link() -> None:
    slow = Link(delay=0.3, loss=0.1)

    async def work(pair: Pair) -> None:
        stream = await pair.connect()
        await pair.send(stream, 20)
        await pair.until(lambda: len(pair.seen.frames) > 10)

    run(Conditions(slow, slow), "receiver", work)


def test_what_was_sent_before_a_close_still_arrives_and_the_farewell_behind_it() -> None:
    async def work(pair: Pair) -> None:
        stream = await pair.connect()
        await pair.send(stream, 10)
        await pair.sender.close()
        await pair.until(pair.receiver.ended.is_set, 1.0)
        assert [number for number, _ in pair.seen.frames] == list(range(10))

    run(Conditions(up=Link(delay=0.15)), "sender", work)


def test_packets_of_a_peer_that_closed_meanwhile_go_nowhere() -> None:
    async def work(pair: Pair) -> None:
        stream = await pair.connect()
        await pair.send(stream, 5)
        await pair.receiver.close(farewell=False)
        await asyncio.sleep(0.3)
        assert pair.seen.frames == []

    run(Conditions(down=Link(delay=0.25)), "receiver", work)


def test_one_link_has_one_order_whichever_socket_is_read_first() -> None:
    async def main() -> None:
        media = MediaLoop(rest=0.005)
        access = AccessLink(media, Conditions(down=Link(rate=1_000_000, queue=1)), "seed")
        now = media.now_us()
        first, second = (HeldPackets(Alarm(media.now_us), lambda packets, times: None) for _ in range(2))
        packet = (HeldAlone(bytes(1222)), 0, 1222)
        access.arrived(second, [packet], [1222], [now + 7])
        access.arrived(first, [packet, packet], [1222, 1222], [now, now + 12])
        media.settle()
        assert first.times_us == [now + 10_000, now + 30_000]
        assert second.times_us == [now + 20_000]
        await media.close()

    asyncio.run(main())
