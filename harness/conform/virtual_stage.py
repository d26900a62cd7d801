"""The embedded service in memory and on virtual time: its real shell and room logic, links and media made up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.call.driver import Driver, PlaySink, PublishSource
from harness.conform.argument import Token
from harness.conform.delay import Windows
from harness.conform.link import End, Network
from harness.conform.parameters import parameters, windows
from harness.conform.token import make
from harness.conform.virtual_media import Air, VirtualMedia, VirtualPlayLeg, VirtualPublishLeg
from harness.conform.virtual_source import VirtualSink, VirtualSource
from harness.room_service.clock import ServiceClock
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.services.reference_driver import ReferenceDriver
from harness.services.reference_means import OnMessage
from harness.services.signalling import Signalling
from harness.trace.clock import RunClock

SETTLE = 5.0  # seconds; costs nothing here, and is the time that the contract gives news to reach everybody
SECRET = "of a service that exists only on virtual time"
_UNIX_BEGIN = 1_700_000_000.0  # what the virtual clock's 0 is, in Unix seconds


@dataclass(frozen=True)
class LoopClock(RunClock):
    """The run clock of a stage: its loop's time."""

    loop: asyncio.AbstractEventLoop | None = None

    def now_us(self) -> int:
        assert self.loop is not None
        return round(self.loop.time() * 1_000_000)


class VirtualStage:
    """Create inside the running virtual loop."""

    service = "reference"

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.get_running_loop()
        self.clock = LoopClock(loop=self._loop)
        self.windows: Windows = windows(settings, SETTLE)
        self.parameters: dict[str, Any] = parameters(settings, SETTLE)
        self.air = Air()
        clock = ServiceClock(self._loop.time, self.wall)
        self.server = RoomServer(settings, SECRET, VirtualMedia(self.air), clock)
        self.server.start()
        self._served: set[asyncio.Task[None]] = set()

    def wall(self) -> float:
        return _UNIX_BEGIN + self._loop.time()

    def client(self, name: str) -> VirtualClient:
        return VirtualClient(self)

    def token(self, user_id: str, room_id: str, token: Token) -> str:
        return make(SECRET, user_id, room_id, token, self.windows, self.wall)

    def accept(self, end: End) -> None:
        """A link has come to the service."""
        task = self._loop.create_task(self.server.serve_socket(end))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def close(self) -> None:
        await self.server.stop()


class VirtualClient:
    """See stage.StageClient."""

    def __init__(self, stage: VirtualStage) -> None:
        self._stage = stage
        self._network = Network(stage.accept)
        self._means: list[VirtualMeans] = []

    def driver(self) -> Driver:
        means = VirtualMeans(self._stage, self._network)
        self._means.append(means)
        return ReferenceDriver(means)

    def source(self, stream_id: str) -> PublishSource:
        return VirtualSource(self._stage.clock.now_us)

    def sink(self, stream_id: str) -> PlaySink:
        return VirtualSink(self._stage.clock.now_us)

    def reset(self) -> None:
        self._network.reset()

    def black_hole(self) -> None:
        self._network.black_hole()

    def heal(self) -> None:
        self._network.heal()

    async def crash(self, *, silent: bool) -> None:
        if not silent:
            self._network.reset()
        self._network.drop()
        for means in self._means:
            means.vanish()

    async def close(self) -> None:
        """Nothing is held."""


class VirtualMeans:
    """See services.reference_means.Means."""

    def __init__(self, stage: VirtualStage, network: Network) -> None:
        self._air, self._network = stage.air, network
        self.now_us = stage.clock.now_us
        self._legs: list[VirtualPublishLeg | VirtualPlayLeg] = []

    def signalling(self, on_message: OnMessage, on_closed: Callable[[], None]) -> Signalling:
        return Signalling(self._network.connect, self.now_us, on_message, on_closed)

    def publish_leg(self, source: PublishSource) -> VirtualPublishLeg:
        leg = VirtualPublishLeg(self._air, source)
        self._legs.append(leg)
        return leg

    def play_leg(self) -> VirtualPlayLeg:
        leg = VirtualPlayLeg(self._air, self.now_us)
        self._legs.append(leg)
        return leg

    def vanish(self) -> None:
        for leg in self._legs:
            leg.vanish()
