"""Real calls on loopback: the embedded service, the packet path and the driver, all of them the product's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from harness.call import CallEngine, EventHandler, MediaState, RoomStateReason, UpdateType, User
from harness.call.callbacks import Callback
from harness.measure.recorder import Recorder
from harness.picture.decoded_stream import DecodedStream
from harness.room_service.media import ForwarderMedia
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.media_loop import MediaLoop
from harness.scenario.model import Scenario
from harness.scenario.participant import Participant
from harness.scenario.plan import build_plan
from harness.services.reference import ReferenceService
from harness.swarm.publication import ClipPublication
from harness.swarm.subscription import Subscription

SECRET = "a secret for tests, long enough to sign with"
LOOPBACK = ["127.0.0.1"]
PATIENCE = 10.0  # seconds until something that must happen has failed to


def members(count: int, codec: str = "vp8", room: str = "test room") -> tuple[Participant, ...]:
    """Participants with a small camera and a microphone, all in one room."""
    role = {
        "count": count,
        "camera": {"size": "320x180", "fps": 25, "bitrate": 150_000, "codec": codec},
        "microphone": True,
    }
    return build_plan(Scenario.model_validate({"name": room, "duration": "10m", "roles": {"m": role}})).participants


class Caller(EventHandler):
    """A user under a test's control: hears every callback, plays what it is told to."""

    def __init__(self, bed: Testbed, who: Participant, name: str | None = None) -> None:
        self.bed, self.who = bed, who
        self.user_id = name or who.user_id
        self.heard: list[Callback] = []
        self.recorder = Recorder()
        self.playing: dict[str, Subscription] = {}
        self.publication = ClipPublication(bed.media, who, 1)
        self.engine = CallEngine(bed.service.driver, client=f"{self.user_id}#1")
        self.engine.set_event_handler(self)
        self._changed = asyncio.Event()

    @property
    def driver(self) -> Any:
        """Of the only room: tests break its connection."""
        (membership,) = self.engine._memberships
        return membership.driver

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return object.__getattribute__(self, "hear")
        return object.__getattribute__(self, name)

    def hear(self, callback: Callback) -> None:
        self.heard.append(callback)
        self._changed.set()

    async def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Wait until a condition holds that callbacks or packets bring about."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (found := condition()):
                    self._changed.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), 0.02)
                return found
        except TimeoutError:
            heard = [f"{c.event} {c.fields()}" for c in self.heard]
            raise AssertionError(f"{self.user_id} waited in vain for {what or condition}; it heard {heard}") from None

    async def hears(self, event: str, **fields: Any) -> Callback:
        """Wait for a callback with these fields, heard already or yet to come."""

        def found() -> Callback | None:
            for callback in self.heard:
                given = callback.fields()
                if callback.event == event and all(given.get(key) == value for key, value in fields.items()):
                    return callback
            return None

        callback: Callback = await self.until(found, f"{event} {fields}")
        return callback

    def roster(self, event: str) -> set[str]:
        """Users or streams by the fold of what this user was told."""
        known: set[str] = set()
        for callback in self.heard:
            if callback.event == event:
                given = callback.fields()
                ids = {item["id"] for item in given["items"]}
                known = known | ids if given["op"] == UpdateType.ADD.value else known - ids
        return known

    def reasons(self) -> list[RoomStateReason]:
        return [c.reason for c in self.heard if c.event == "room.state"]  # type: ignore[attr-defined]

    async def enter(self, *, publish: bool = True, token: str | None = None) -> Caller:
        token = token or self.bed.service.token(self.user_id, self.who.room_id)
        await self.engine.login_room(self.who.room_id, User(self.user_id, self.user_id), token)
        if publish:
            await self.publish()
        return self

    @property
    def stream_id(self) -> str:
        assert self.who.stream_id is not None
        return self.who.stream_id

    async def publish(self) -> None:
        before = len(self.heard)
        await self.engine.start_publishing_stream(self.stream_id, self.publication)
        await self.until(
            lambda: any(
                c.event == "pub.state" and c.fields()["state"] == MediaState.LIVE.value for c in self.heard[before:]
            ),
            "its stream to be live",
        )

    async def play(
        self, publisher: Caller, depth: str = "frames", pictures: DecodedStream | None = None
    ) -> Subscription:
        """Play and wait for the first frame."""
        stream = publisher.stream_id
        subscription = Subscription(
            self.recorder, self.who, publisher.who, depth, self.bed.media.now_us(), lambda first: None
        )
        subscription.pictures = pictures
        self.playing[stream] = subscription
        await self.engine.start_playing_stream(stream, subscription)
        await self.until(lambda: subscription.measure.first_frame_us, f"the first frame of {stream}")
        return subscription

    async def sees(self, subscription: Subscription, frames: int) -> None:
        """Wait for so many more frames."""
        target = subscription.measure.video.received + frames
        await self.until(lambda: subscription.measure.video.received >= target, f"{frames} frames")


class Testbed:
    """One embedded service and the media loop of the users who call through it."""

    __test__ = False

    def __init__(self, settings: Settings) -> None:
        self.server = RoomServer(settings, SECRET, ForwarderMedia(LOOPBACK))
        self.callers: list[Caller] = []
        self.media: MediaLoop
        self.service: ReferenceService

    @property
    def url(self) -> str:
        return self.service.url

    def caller(self, who: Participant, name: str | None = None) -> Caller:
        caller = Caller(self, who, name)
        self.callers.append(caller)
        return caller

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Testbed]:
        runner = web.AppRunner(self.server.application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.media = MediaLoop(rest=0.005)
        self.service = ReferenceService(f"http://127.0.0.1:{runner.addresses[0][1]}", SECRET, self.media, LOOPBACK)
        try:
            yield self
        finally:
            for caller in self.callers:
                await caller.engine.destroy()
            await self.service.close()
            await self.media.close()
            await runner.cleanup()


@pytest.fixture
def testbed() -> Callable[..., contextlib.AbstractAsyncContextManager[Testbed]]:
    """`async with testbed(heartbeat_timeout=1) as bed:` - an embedded service with these settings."""

    def make(**settings: Any) -> contextlib.AbstractAsyncContextManager[Testbed]:
        return Testbed(Settings(**settings)).open()

    return make


@pytest.fixture
def participants() -> Callable[..., tuple[Participant, ...]]:
    return members
