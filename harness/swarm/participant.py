"""One simulated user: does what its plan says when it says so, and reacts to callbacks. Nothing polls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.call import CallEngine, CallError, EventHandler, MediaState, RoomStateReason, UpdateType, User
from harness.call.callbacks import (
    PublisherStateUpdated,
    RemoteDeviceUpdated,
    RoomStateUpdated,
    RoomStreamsUpdated,
    Stream,
)
from harness.call.driver import Driver
from harness.measure.recorder import Tags
from harness.scenario.participant import Action, Participant
from harness.swarm.publication import ClipPublication
from harness.swarm.subscription import Subscription
from harness.swarm.user_network import UserNetwork

if TYPE_CHECKING:
    from harness.swarm.generator import Generator

PLAY_DEADLINE = 10.0  # seconds to a first frame, after which a play counts as failed (it may still start later)
LOST = (RoomStateReason.RECONNECTING, RoomStateReason.KICKED, RoomStateReason.RECONNECT_FAILED)


class CallParticipant(EventHandler):
    """A participant of the plan, over all its logins. `run` returns when its last action is done."""

    def __init__(self, generator: Generator, plan: Participant) -> None:
        self.plan = plan
        self.tags = Tags(plan.role, plan.room_id)
        self.subscriptions: dict[str, Subscription] = {}
        self.publication: ClipPublication | None = None
        self.network = UserNetwork(generator, plan) if plan.network is not None else None
        self.inside = False
        self.publishing = False
        self._generator = generator
        self._engine: CallEngine | None = None
        self._incarnation = 0
        self._available: dict[str, Participant] = {}
        self._played: set[str] = set()
        self._joined = self._published = False
        self._publish_called_us = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadlines: dict[str, asyncio.TimerHandle] = {}

    # -- the plan ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        following = asyncio.create_task(self.network.follow()) if self.network is not None else None
        try:
            for action in self.plan.actions:
                await self._generator.sleep_until(action.at)
                await self._perform(action)
        finally:
            if following is not None:
                following.cancel()
            await self._end_call()
            if self.network is not None:
                self.network.count()

    async def _perform(self, action: Action) -> None:
        if action.kind == "login":
            await self._login(action)
        elif not self.inside or self._engine is None:
            return  # a login that failed takes its publications and mutes with it
        elif action.kind == "publish":
            self._spawn(self._publish())
        elif action.kind == "unpublish":
            await self._unpublish()
        elif action.kind == "logout":
            await self._logout()
        else:
            verb, device = action.kind.split("_")
            await self._mute("video" if device == "camera" else "audio", verb == "mute")

    async def _login(self, action: Action) -> None:
        generator, plan = self._generator, self.plan
        self._incarnation += 1
        client = f"{plan.user_id}#{self._incarnation}"
        driver: Callable[[], Driver] = generator.service.driver
        if self.network is not None:
            driver = partial(generator.service.driver, self.network.access)
            self.network.enter(client)
        engine = CallEngine(driver, client=client, trace=generator.trace)
        engine.set_event_handler(self)
        self._engine = engine
        due_us = generator.at_us(action.at)
        try:
            token = generator.token(plan)
            await engine.login_room(plan.room_id, User(plan.user_id, plan.user_name), token)
        except CallError as error:
            generator.recorder.count("login_failures", self.tags)
            generator.step("login", self._since_ms(due_us), error)
            await self._end_call()
            return
        elapsed = self._since_ms(due_us)
        generator.recorder.count("logins", self.tags)
        if not self._joined:
            self._joined = True
            generator.recorder.count("users_joined", self.tags)
        generator.recorder.trend("join_time_ms", self.tags, elapsed)
        generator.step("login", elapsed)
        self._probe("join", {"due": due_us / 1_000_000, "join_time_ms": elapsed})

    async def _logout(self) -> None:
        assert self._engine is not None
        called_us = self._generator.now_us()
        self.inside = False
        self._end_subscriptions()
        try:
            await self._engine.logout_room()
        except CallError as error:
            self._generator.step("logout", self._since_ms(called_us), error)
        else:
            elapsed = self._since_ms(called_us)
            self._generator.recorder.trend("logout_time_ms", self.tags, elapsed)
            self._generator.step("logout", elapsed)
        await self._end_call()

    async def _publish(self) -> None:
        engine, stream_id = self._engine, self.plan.stream_id
        if engine is None or stream_id is None:
            return
        self._publish_called_us = self._generator.now_us()
        self.publication = ClipPublication(self._generator.media, self.plan, self._generator.plan.seed)
        engine.start_preview(self.publication)
        try:
            await engine.start_publishing_stream(stream_id)
        except CallError as error:
            self._generator.recorder.count("publish_failures", self.tags)
            self._generator.step("publish", self._since_ms(self._publish_called_us), error)

    async def _unpublish(self) -> None:
        engine, stream_id = self._engine, self.plan.stream_id
        if engine is not None and stream_id is not None and self.publishing:
            self.publishing = False
            with contextlib.suppress(CallError):
                await engine.stop_publishing_stream(stream_id)

    async def _mute(self, kind: str, muted: bool) -> None:
        engine, stream_id = self._engine, self.plan.stream_id
        if engine is None or stream_id is None or not self.publishing:
            return
        call = engine.mute_publish_stream_video if kind == "video" else engine.mute_publish_stream_audio
        with contextlib.suppress(CallError):
            await call(stream_id, muted)

    async def _end_call(self) -> None:
        """Release the engine, whatever state it is in."""
        self.inside = self.publishing = False
        self._end_subscriptions()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        engine, self._engine = self._engine, None
        self._available.clear()
        if engine is not None:
            await engine.destroy()
        if self.network is not None:
            self.network.leave()

    # -- callbacks -----------------------------------------------------------------------------------------------

    def on_room_state_update(self, update: RoomStateUpdated) -> None:
        if update.reason in (RoomStateReason.IN, RoomStateReason.REJOINED):
            self.inside = True
        elif update.reason in LOST and self.inside:
            self._generator.recorder.count("disconnects", self.tags)
            if update.reason is not RoomStateReason.RECONNECTING:
                self.inside = self.publishing = False
                self._end_subscriptions()

    def on_publisher_state_update(self, update: PublisherStateUpdated) -> None:
        if update.state is not MediaState.LIVE or self.publishing:
            return
        self.publishing = True
        elapsed = self._since_ms(self._publish_called_us)
        recorder = self._generator.recorder
        recorder.trend("publish_time_ms", self.tags, elapsed)
        if not self._published:
            self._published = True
            recorder.count("published", self.tags)
        self._generator.step("publish", elapsed)
        self._probe("published", {"stream": update.stream, "publish_time_ms": elapsed})

    def on_room_stream_update(self, update: RoomStreamsUpdated) -> None:
        for stream in update.streams:
            if update.update_type is UpdateType.ADD:
                self._stream_added(stream)
            else:
                self._stream_deleted(stream)

    def _stream_added(self, stream: Stream) -> None:
        publisher = self._generator.publisher(stream.stream_id)
        if publisher is not None and self._generator.plan.wants(self.plan, publisher):
            self._available[stream.stream_id] = publisher
            self._play_more()

    def _stream_deleted(self, stream: Stream) -> None:
        self._available.pop(stream.stream_id, None)
        subscription = self.subscriptions.pop(stream.stream_id, None)
        if subscription is not None:
            self._end_subscription(subscription, stream_was_there=False)
            self._spawn(self._unplay(stream.stream_id))
        self._play_more()

    def _play_more(self) -> None:
        """Play what is available and wanted, up to the policy's number."""
        if not self.inside:
            return  # on its way out
        limit = self.plan.play.at_most
        for stream_id, publisher in self._available.items():
            if limit is not None and len(self.subscriptions) >= limit:
                return
            if stream_id not in self.subscriptions:
                self._subscribe(stream_id, publisher)

    def _subscribe(self, stream_id: str, publisher: Participant) -> None:
        generator = self._generator
        depth = generator.plan.depth_of(self.plan, publisher)
        now = generator.now_us()
        subscription = Subscription(generator.recorder, self.plan, publisher, depth, now, self._on_first_frame)
        if depth == "decode":
            subscription.decode(
                generator.decoded(self.plan, publisher, subscription.tags),
                generator.hearing.listen(self.plan, publisher, subscription.tags),
            )
        self.subscriptions[stream_id] = subscription
        loop = asyncio.get_running_loop()
        self._deadlines[stream_id] = loop.call_later(PLAY_DEADLINE, self._play_overdue, subscription)
        self._spawn(self._play(stream_id, subscription))

    async def _play(self, stream_id: str, subscription: Subscription) -> None:
        engine = self._engine
        if engine is None:
            return
        try:
            await engine.start_playing_stream(stream_id, subscription)
        except CallError as error:
            if self.subscriptions.get(stream_id) is subscription:
                self._generator.recorder.count("play_failures", subscription.tags)
                self._generator.step("play", self._since_ms(subscription.called_us), error)

    async def _unplay(self, stream_id: str) -> None:
        if self._engine is not None:
            with contextlib.suppress(CallError):
                await self._engine.stop_playing_stream(stream_id)

    def on_remote_device_update(self, update: RemoteDeviceUpdated) -> None:
        subscription = self.subscriptions.get(update.stream)
        if subscription is not None:
            kind = "video" if update.device == "camera" else "audio"
            subscription.measure.interrupt(kind, muted=update.state == "mute")

    # -- measurements --------------------------------------------------------------------------------------------

    def _on_first_frame(self, subscription: Subscription) -> None:
        recorder, tags = self._generator.recorder, subscription.tags
        stream_id = subscription.publisher.stream_id or ""
        first_us = subscription.measure.first_frame_us or 0
        elapsed = (first_us - subscription.called_us) / 1000
        recorder.trend("first_frame_ms", tags, elapsed)
        phases = subscription.phases_ms()
        for name, part in phases.items():
            recorder.trend(f"first_frame_{name}_ms", tags, part)
        self._count_played(stream_id, subscription)
        timer = self._deadlines.pop(stream_id, None)
        if timer is not None:
            timer.cancel()
        self._generator.step("first_frame", elapsed)
        self._probe("first_frame", {"stream": stream_id, "first_frame_ms": elapsed, "phases": phases})

    def _count_played(self, stream_id: str, subscription: Subscription) -> None:
        """Each expected pair once, however often it breaks; what plays beyond the plan's expectation is not counted."""
        limit = self.plan.play.at_most
        if stream_id in self._played or (limit is not None and len(self._played) >= limit):
            return
        if self._generator.plan.expects(self.plan, subscription.publisher):
            self._played.add(stream_id)
            self._generator.recorder.count("played", subscription.tags)

    def _play_overdue(self, subscription: Subscription) -> None:
        stream_id = subscription.publisher.stream_id or ""
        if self.subscriptions.get(stream_id) is subscription and subscription.measure.first_frame_us is None:
            self._generator.recorder.count("play_failures", subscription.tags)
            error = CallError(0, f"no first frame within {PLAY_DEADLINE:g} s")
            self._generator.step("first_frame", PLAY_DEADLINE * 1000, error)
            self._probe("play_overdue", {"stream": stream_id, "waited_ms": PLAY_DEADLINE * 1000})

    def _end_subscriptions(self) -> None:
        for subscription in self.subscriptions.values():
            self._end_subscription(subscription, stream_was_there=True)
        self.subscriptions.clear()

    def _end_subscription(self, subscription: Subscription, *, stream_was_there: bool) -> None:
        timer = self._deadlines.pop(subscription.publisher.stream_id or "", None)
        if timer is not None:
            timer.cancel()
        subscription.measure.end(self._generator.now_us(), stream_was_there=stream_was_there)
        if subscription.pictures is not None:
            subscription.pictures.ended = True
        self._probe("subscription", subscription.summary())

    def _since_ms(self, since_us: int) -> float:
        return (self._generator.now_us() - since_us) / 1000

    def _probe(self, name: str, args: dict[str, Any]) -> None:
        where = {"client": f"{self.plan.user_id}#{self._incarnation}", "user": self.plan.user_id}
        self._generator.trace.probe(name, args, **where, room=self.plan.room_id, role=self.plan.role)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
