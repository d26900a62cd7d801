"""An engine's place in one room: its driver, what it publishes and plays there, and the reports on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from harness.call.callbacks import (
    Callback,
    MediaState,
    NetworkQualityUpdated,
    PlayerFirstFrame,
    PlayerQualityUpdated,
    PlayerStateUpdated,
    PublisherFirstFrame,
    PublisherQualityUpdated,
    PublisherStateUpdated,
    RoomStateReason,
    RoomStateUpdated,
    StreamQuality,
)
from harness.call.driver import Driver, PlaySink, PublishSource
from harness.call.periodic import PeriodicWork
from harness.call.quality import UNKNOWN_LEVEL, Meter, Periods

TERMINAL = (
    RoomStateReason.LOGIN_FAILED,
    RoomStateReason.RECONNECT_FAILED,
    RoomStateReason.KICKED,
    RoomStateReason.OUT,
)
Dispatch = Callable[["Membership", Callback, int, Any], None]


class MediaSession:
    """One publish or play of a stream, from REQ to IDLE."""

    def __init__(self, media: PublishSource | PlaySink, stream: str, room: str, *, publishes: bool) -> None:
        self.stream, self.room, self.publishes = stream, room, publishes
        self.over = False
        self.live = False
        self.meter = Meter(media.quality, asyncio.get_running_loop().time())
        self._told: set[tuple[str, str]] = set()

    def first(self, media: str, stage: str) -> Callback | None:
        """The callback for a first frame; None when it was told before, or the session is over."""
        if self.over or (media, stage) in self._told:
            return None
        self._told.add((media, stage))
        callback = PublisherFirstFrame if self.publishes else PlayerFirstFrame
        return callback(self.room, self.stream, media, stage)

    def report(self, now: float) -> StreamQuality:
        callback = PublisherQualityUpdated if self.publishes else PlayerQualityUpdated
        reading = self.meter.read(now)
        return callback(
            self.room,
            self.stream,
            fps=reading.fps,
            kbps=reading.kbps,
            rtt=reading.rtt,
            loss=reading.loss,
            level=reading.level,
            bytes=reading.bytes,
        )


class Membership:
    """One room at a time; free for another when it is no longer `open`. `epoch` counts the logins to its room."""

    def __init__(self, driver: Driver, dispatch: Dispatch, work: PeriodicWork, periods: Periods) -> None:
        self.driver = driver
        self.room = self.user = ""
        self.epoch = self.attempt = 0
        self.open = False  # from the login call to the end of the session, however it ends
        self.inside = False  # from IN to the end
        self._dispatch = dispatch
        self._work = work
        self._periods = periods
        self._offered: dict[tuple[bool, str], PublishSource | PlaySink] = {}
        self._sessions: dict[tuple[bool, str], MediaSession] = {}
        driver.bind(self._heard)

    def begin(self, room: str, user: str, epoch: int) -> int:
        """The number of this attempt to get in."""
        self.room, self.user, self.epoch, self.open = room, user, epoch, True
        self.attempt += 1
        return self.attempt

    def end(self) -> None:
        """Out of the room: no report on anything in it comes any more."""
        self.open = self.inside = False
        self._work.end((self, "network"))
        for key in tuple(self._sessions):
            self._end_session(key)

    # -- calls ---------------------------------------------------------------------------------------------------

    async def publish(self, stream: str, source: PublishSource) -> None:
        await self._with(True, stream, source, lambda: self.driver.publish(stream, source))

    async def play(self, stream: str, sink: PlaySink) -> None:
        await self._with(False, stream, sink, lambda: self.driver.play(stream, sink))

    async def _with(
        self, publishes: bool, stream: str, media: PublishSource | PlaySink, work: Callable[[], Any]
    ) -> None:
        """Keep the media at hand while the call lasts: its session begins when the driver reports REQ."""
        key = (publishes, stream)
        self._offered[key] = media
        try:
            await work()
        finally:
            if self._offered.get(key) is media:
                del self._offered[key]

    # -- callbacks -----------------------------------------------------------------------------------------------

    def _heard(self, callback: Callback, wire_us: int, native: Any) -> None:
        if isinstance(callback, RoomStateUpdated) and callback.reason is RoomStateReason.LOGGING_IN:
            self.epoch += 1
        self._dispatch(self, callback, wire_us, native)

    def follow(self, callback: Callback) -> None:
        """What a callback changes here; before the handler hears it, after it is written down."""
        if isinstance(callback, PublisherStateUpdated):
            self._follow_media((True, callback.stream), callback.state)
        elif isinstance(callback, PlayerStateUpdated):
            self._follow_media((False, callback.stream), callback.state)
        elif isinstance(callback, RoomStateUpdated):
            self._follow_room(callback.reason)

    def _follow_room(self, reason: RoomStateReason) -> None:
        if reason in (RoomStateReason.IN, RoomStateReason.REJOINED):
            self.inside = True
            self._work.begin((self, "network"), self._periods.network, self._report_network)
        elif reason is RoomStateReason.RECONNECTING:
            self._work.end((self, "network"))
        elif reason in TERMINAL:
            self.end()

    def _follow_media(self, key: tuple[bool, str], state: MediaState) -> None:
        if state is MediaState.IDLE:
            self._end_session(key)
            return
        session = self._sessions.get(key) or self._begin_session(key)
        if session is not None and state is MediaState.LIVE and not session.live:
            session.live = True
            session.meter.start(asyncio.get_running_loop().time())
            period = self._periods.publish if session.publishes else self._periods.play
            self._work.begin(session, period, lambda now: self._dispatch(self, session.report(now), 0, None))

    def _begin_session(self, key: tuple[bool, str]) -> MediaSession | None:
        publishes, stream = key
        media = self._offered.get(key)
        if media is None:
            return None
        session = self._sessions[key] = MediaSession(media, stream, self.room, publishes=publishes)

        def on_first(medium: str, stage: str, read_us: int) -> None:
            callback = session.first(medium, stage)
            if callback is not None:
                self._dispatch(self, callback, read_us, None)

        media.listen(on_first)
        return session

    def _end_session(self, key: tuple[bool, str]) -> None:
        session = self._sessions.pop(key, None)
        if session is not None:
            session.over = True
            self._work.end(session)

    def _report_network(self, now: float) -> None:
        levels = {True: UNKNOWN_LEVEL, False: UNKNOWN_LEVEL}
        for session in self._sessions.values():
            if session.live:
                found = session.meter.level_now()
                known = levels[session.publishes]
                # The worst of what is known.
                levels[session.publishes] = min(known, found) if UNKNOWN_LEVEL in (known, found) else max(known, found)
        self._dispatch(self, NetworkQualityUpdated(self.room, self.user, levels[True], levels[False]), 0, None)
