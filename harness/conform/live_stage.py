"""A running service over sockets: real signalling through a proxy per client, real media with small clips."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from harness.call.driver import Driver, PlaySink, PublishSource
from harness.conform.argument import Token
from harness.conform.delay import Windows
from harness.conform.parameters import parameters, windows
from harness.conform.proxy import Proxy
from harness.conform.token import make
from harness.measure.recorder import Recorder
from harness.room_service.settings import Settings
from harness.rtc.media_loop import MediaLoop
from harness.scenario.model import Scenario
from harness.scenario.participant import Participant
from harness.scenario.plan import build_plan
from harness.services.reference import ReferenceService
from harness.services.reference_driver import ReferenceDriver
from harness.services.reference_legs import PlayLeg, PublishLeg
from harness.services.reference_means import Channel, OnMessage, RealMeans
from harness.swarm.publication import ClipPublication
from harness.swarm.subscription import Subscription
from harness.trace.clock import RunClock

SETTLE = 1.5  # seconds in which news reaches everybody, on a machine that has other things to do as well
SETTINGS = Settings(
    heartbeat_interval=0.5, heartbeat_timeout=2.0, retry_window=8.0, count_interval=3.0, token_warning=3.0
)
RUN_SEED = 1
_SMALLEST = "160x90"  # below what scenarios offer: nobody looks at these pictures


def _somebody() -> Participant:
    """The camera and microphone of every stream; clips are shared."""
    camera = {"size": "320x180", "fps": 15, "bitrate": 60_000, "codec": "vp8"}
    role = {"count": 1, "camera": camera, "microphone": True}
    scenario = Scenario.model_validate({"name": "conformance", "duration": "10m", "roles": {"user": role}})
    somebody = build_plan(scenario).participants[0]
    assert somebody.camera is not None
    return replace(somebody, camera=somebody.camera.model_copy(update={"size": _SMALLEST}))


class LiveStage:
    """Create inside the running loop. settings: what the service that runs has set; secret: signs its tokens."""

    service = "reference"

    def __init__(self, service: ReferenceService, secret: str, settings: Settings, media: MediaLoop) -> None:
        self.clock = RunClock()
        self.windows: Windows = windows(settings, SETTLE)
        self.parameters: dict[str, Any] = parameters(settings, SETTLE)
        self.reached = service
        self.media = media
        self.recorder = Recorder()
        self.somebody = _somebody()
        self._secret = secret
        self._stamps: Iterator[int] = itertools.count(1)
        self._streams: dict[str, Participant] = {}
        self._clients: list[LiveClient] = []

    def wall(self) -> float:
        return time.time()

    def client(self, name: str) -> LiveClient:
        client = LiveClient(self)
        self._clients.append(client)
        return client

    def token(self, user_id: str, room_id: str, token: Token) -> str:
        return make(self._secret, user_id, room_id, token, self.windows, self.wall)

    def stream(self, stream_id: str) -> Participant:
        """Who publishes a stream, with the number that its frames are stamped with."""
        if stream_id not in self._streams:
            self._streams[stream_id] = replace(self.somebody, stream_id=stream_id, stamp_id=next(self._stamps))
        return self._streams[stream_id]

    async def close(self) -> None:
        """Let go of every socket."""
        await asyncio.gather(*(client.release() for client in self._clients))


class LiveClient:
    """See stage.StageClient."""

    def __init__(self, stage: LiveStage) -> None:
        self._stage = stage
        target = urlsplit(stage.reached.url)
        self._proxy = Proxy((target.hostname or "127.0.0.1", target.port or 80))
        self._means: list[LiveMeans] = []
        self._silent = False

    def driver(self) -> Driver:
        means = LiveMeans(self._stage.reached.means(via=f"http://{self._proxy.address}"))
        self._means.append(means)
        return ReferenceDriver(means)

    def source(self, stream_id: str) -> PublishSource:
        return ClipPublication(self._stage.media, self._stage.stream(stream_id), RUN_SEED)

    def sink(self, stream_id: str) -> PlaySink:
        stage = self._stage
        publisher, now = stage.stream(stream_id), stage.media.now_us()
        return Subscription(stage.recorder, stage.somebody, publisher, "frames", now, lambda first: None)

    def reset(self) -> None:
        self._proxy.reset()

    def black_hole(self) -> None:
        self._proxy.black_hole()

    def heal(self) -> None:
        self._proxy.heal()

    async def crash(self, *, silent: bool) -> None:
        self._silent = silent
        self._proxy.refuse()
        if silent:
            self._proxy.black_hole()
        else:
            self._proxy.reset()
        await asyncio.gather(*(means.vanish() for means in self._means))

    async def close(self) -> None:
        """Who went silently must not be heard to go: its sockets stay until the stage closes."""
        if not self._silent:
            await self._proxy.close()

    async def release(self) -> None:
        await self._proxy.close()


class LiveMeans:
    """See services.reference_means.Means: the real ones, and what they made, in case it has to vanish."""

    def __init__(self, means: RealMeans) -> None:
        self._means = means
        self._legs: list[PublishLeg | PlayLeg] = []

    def now_us(self) -> int:
        return self._means.now_us()

    def signalling(self, on_message: OnMessage, on_closed: Callable[[], None]) -> Channel:
        return self._means.signalling(on_message, on_closed)

    def publish_leg(self, source: PublishSource) -> PublishLeg:
        leg = self._means.publish_leg(source)
        self._legs.append(leg)
        return leg

    def play_leg(self) -> PlayLeg:
        leg = self._means.play_leg()
        self._legs.append(leg)
        return leg

    async def vanish(self) -> None:
        await asyncio.gather(*(leg.close(farewell=False) for leg in self._legs))
