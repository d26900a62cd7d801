"""The processes of a calibration: senders, receivers, and stock aiortc, each told by lines on standard input.

Every role answers each JSON line with one JSON line. Roles measure their own CPU, so that what one side costs is not
blurred by the other.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

from harness.measure.health import GeneratorHealth
from harness.measure.histogram import Histogram
from harness.measure.recorder import Recorder, Tags
from harness.measure.subscription import SubscriptionMeasure
from harness.rtc.access_link import AccessLink
from harness.rtc.clip_source import AudioSource, VideoSource
from harness.rtc.conditions import Conditions
from harness.rtc.inbound import InboundAudio, InboundStream
from harness.rtc.inbound_video import InboundVideo
from harness.rtc.media_loop import MediaLoop
from harness.rtc.peer import Peer
from harness.rtc.sections import OPUS, VP8, Section
from harness.scenario.model import Scenario
from harness.scenario.plan import build_plan
from harness.services.reference import ReferenceService
from harness.services.service import Service
from harness.swarm.generator import GENERATOR_REST, Generator, calm_garbage_collector
from harness.swarm.judgement import Measured
from harness.swarm.preparation import encode_clips
from harness.trace.clock import RunClock
from synthetic_media.clip import load_audio, load_video
from synthetic_media.spec import AudioSpec, VideoSpec

LOOPBACK = ["127.0.0.1"]
VIDEO = VideoSpec(640, 360, 30, 500_000, "vp8")
AUDIO = AudioSpec(24_000)
CLIPS = 8


def _access(media: MediaLoop, order: dict[str, Any], number: int) -> AccessLink | None:
    """A link of its own for every peer, when the order names a network."""
    if not order.get("network"):
        return None
    return AccessLink(media, Conditions.from_dict(order["network"]), f"calibration/{number}")


async def _measure(seconds: float) -> dict[str, float]:
    """CPU of this process over a stretch of time."""
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    return {"cpu": time.process_time() - cpu, "wall": time.monotonic() - wall}


class Sender:
    """Peers that send bundles of audio and video streams."""

    def __init__(self) -> None:
        self.media = MediaLoop(rest=GENERATOR_REST)
        self._video = [load_video(VIDEO, seed) for seed in range(CLIPS)]
        self._audio = [load_audio(AUDIO, seed) for seed in range(CLIPS)]
        self._peers: list[tuple[Peer, list[Section]]] = []
        self._streams = 0
        calm_garbage_collector()

    async def offer(self, order: dict[str, Any]) -> dict[str, Any]:
        access = _access(self.media, order, len(self._peers))
        peer = Peer(self.media, offers=True, addresses=LOOPBACK, access=access)
        sections = []
        for number in range(order["streams"]):
            name = f"s{number}"
            sections.append(peer.add_section("video", VP8, f"{name} {name}-video"))
            sections.append(peer.add_section("audio", OPUS, f"{name} {name}-audio"))
        self._peers.append((peer, sections))
        return {"sdp": await peer.create_offer()}

    async def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        peer, sections = self._peers[-1]
        await peer.accept_answer(order["sdp"])
        if not await peer.wait_connected(15):
            raise RuntimeError(f"no connection: {peer.failure}")
        for section in sections:
            stream = peer.open_outbound(section)
            number = self._streams // 2
            self._streams += 1
            identity = {"publisher": number, "stamp_stream": number, "start": number}
            source: VideoSource | AudioSource
            if section.kind == "video":
                source = VideoSource(self._video[number % CLIPS], stream, **identity)
            else:
                source = AudioSource(self._audio[number % CLIPS], stream, **identity)
            self.media.add_source(source, self.media.now_us() + number * 7919 % 33_000)
        return {}

    async def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        late_us: list[float] = []
        self.media.on_sent_late = late_us.append
        found: dict[str, Any] = await _measure(order["seconds"])
        late = Histogram()
        late.record_all(late_us)
        return {**found, "streams": self._streams // 2, "pacing_p99_ms": late.percentile(99) / 1000}


class Receiver:
    """Peers that receive and account for everything at one depth, feedback included."""

    def __init__(self, depth: str) -> None:
        self.media = MediaLoop(rest=GENERATOR_REST)
        self._depth = depth
        self._recorder = Recorder()
        self._measures: list[SubscriptionMeasure] = []
        self._peers: list[Peer] = []
        calm_garbage_collector()

    async def offer(self, order: dict[str, Any]) -> dict[str, Any]:
        first = len(self._measures)
        by_stream: dict[str, SubscriptionMeasure] = {}

        def new_stream(section: Section, ssrc: int) -> InboundStream:
            name = (section.msid or "").split()[0]
            measure = by_stream.get(name)
            if measure is None:
                number = first + len(by_stream)
                measure = by_stream[name] = SubscriptionMeasure(
                    self._recorder, Tags("viewer", "room", "vp8"), publisher=number, stream=number, depth=self._depth
                )
                self._measures.append(measure)
            stream: InboundStream
            if section.kind == "video":
                stream = self._video(ssrc, measure, peer.alerts)
            else:
                stream = InboundAudio(ssrc, measure, peer.alerts, depth=self._depth)
            measure.attach(stream)
            return stream

        access = _access(self.media, order, len(self._peers))
        peer = Peer(self.media, offers=False, addresses=LOOPBACK, new_stream=new_stream, access=access)
        self._peers.append(peer)
        return {"sdp": await peer.answer(order["sdp"])}

    def _video(self, ssrc: int, measure: SubscriptionMeasure, alerts: list[InboundStream]) -> InboundStream:
        return InboundVideo(ssrc, measure, alerts, codec="vp8", depth=self._depth)

    async def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        health = GeneratorHealth(lambda: sum(peer.transport.socket_drops() for peer in self._peers))
        before = [measure.totals() for measure in self._measures]
        found: dict[str, Any] = await _measure(order["seconds"])
        after = [measure.totals() for measure in self._measures]
        state = health.flush()
        health.close()
        total = {name: sum(a[name] - b[name] for a, b in zip(after, before, strict=True)) for name in after[0]}
        return {
            **found,
            "subscriptions": len(self._measures),
            "frames": total["framesReceived"],
            "frames_lost": total["framesLost"],
            "wrong": total["wrong_stamps"] + total["absent_stamps"] + total["damaged_stamps"],
            "packets": total["packetsReceived"],
            "lag_p99_ms": Histogram.from_dict(state["loop_lag_ms"]).percentile(99),
            "drops": state["socket_drops"],
        }


class StockReceiver:
    """aiortc's own peer connection, decoded frames consumed: what a harness built on it pays."""

    def __init__(self) -> None:
        from aiortc import RTCPeerConnection
        from aiortc.rtcconfiguration import RTCBundlePolicy, RTCConfiguration

        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._make: Callable[[], Any] = lambda: RTCPeerConnection(configuration)
        self._connections: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._frames = 0
        self._streams = 0

    async def offer(self, order: dict[str, Any]) -> dict[str, Any]:
        from aiortc import RTCSessionDescription

        connection = self._make()
        self._connections.append(connection)
        connection.add_listener("track", lambda track: self._tasks.append(asyncio.ensure_future(self._consume(track))))
        await connection.setRemoteDescription(RTCSessionDescription(order["sdp"], "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        self._streams += order["streams"]
        return {"sdp": connection.localDescription.sdp}

    async def _consume(self, track: Any) -> None:
        while True:
            await track.recv()
            self._frames += track.kind == "video"

    async def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        before = self._frames
        found: dict[str, Any] = await _measure(order["seconds"])
        return {**found, "subscriptions": self._streams, "frames": self._frames - before}


class RoomUsers:
    """A room of speakers and viewers at the embedded service, by the swarm's own generator."""

    def __init__(self) -> None:
        self._generator: Generator | None = None
        self._parts: list[asyncio.Task[None]] = []

    async def join(self, order: dict[str, Any]) -> dict[str, Any]:
        camera = {"size": "640x360", "fps": order["fps"], "bitrate": VIDEO.bitrate, "codec": "vp8"}
        rooms = {
            "name": "calibration",
            "rooms": order["rooms"],
            "duration": "10m",
            "arrival": {"ramp": f"{order['ramp']}s"},
            "observe": order["depth"],
            "roles": {
                "speaker": {"count": order["speakers"], "camera": camera, "microphone": True, "play": order["play"]},
            },
        }
        if order["viewers"]:
            rooms["roles"]["viewer"] = {"count": order["viewers"], "play": "all"}
        plan = build_plan(Scenario.model_validate(rooms))
        encode_clips(plan, lambda what, done, total: None)
        clock = RunClock()

        def make_service(media: MediaLoop) -> Service:
            return ReferenceService(order["url"], order["secret"], media, LOOPBACK)

        self._generator = Generator(plan, clock, clock.now_us(), make_service, lambda line: None)
        run = self._generator.run_participant
        self._parts = [asyncio.create_task(run(participant)) for participant in plan.participants]
        return {"users": len(plan.participants)}

    async def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._generator is not None
        self._generator.collect()
        found: dict[str, Any] = await _measure(order["seconds"])
        measured = Measured(self._generator.plan)
        measured.add(self._generator.collect())
        gauges = {"users": 0, "playing": 0}
        for participant in self._generator.participants:
            gauges["users"] += participant.inside
            gauges["playing"] += sum(s.measure.first_frame_us is not None for s in participant.subscriptions.values())
        return {
            **found,
            **gauges,
            "frames_lost": measured.totals.counter(["framesLost"], {}),
            "packets_lost": measured.totals.counter(["packetsLost"], {}),
            "lag_p99_ms": measured.health.lag.percentile(99),
            "latency_p99_ms": measured.totals.trend("frame_latency_ms", {}).percentile(99),
            "limits": measured.health.reasons(),
            "memory": psutil.Process().memory_info().rss,
        }

    async def leave(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._generator is not None
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)
        await self._generator.close()
        return {}


async def _serve(role: Any) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=8 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"ready": True}), flush=True)
    while line := await reader.readline():
        order = json.loads(line)
        print(json.dumps(await getattr(role, order["do"])(order)), flush=True)


async def _main(name: str) -> None:
    roles = {"sender": Sender, "stock": StockReceiver, "room": RoomUsers}
    if name == "decode":
        from harness.swarm.calibration_decoding import DecodingReceiver

        await _serve(DecodingReceiver())
        return
    await _serve(Receiver(name) if name in ("packets", "frames") else roles[name]())


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
