"""One user of the embedded service in one room: its session, kept through losses of the connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from harness.call.callbacks import Callback, RoomStateReason, RoomStateUpdated, User
from harness.call.driver import Emit, PlaySink, PublishSource
from harness.call.errors import CallError, ErrorCode
from harness.services.reference_means import Channel, Means, OnMessage
from harness.services.reference_streams import Playing, Publishing
from harness.services.reference_translation import ClientKnowledge, translate

RECONNECT_PAUSE = 0.5
LONGEST_ATTEMPT = 10.0  # seconds to one try at reconnecting
LEAST_PATIENCE = 1.0  # seconds in which any heartbeat must be answered
LOGOUT_PATIENCE, CLOSE_PATIENCE = 1.5, 2.0  # seconds: leaving does not depend on the service
WORTH_ANOTHER_TRY = (ErrorCode.SERVICE_UNREACHABLE, ErrorCode.SERVICE_CLOSED, ErrorCode.TOO_MANY_REQUESTS)


class ReferenceDriver:
    """See call.driver.Driver. Reconnects by itself within the service's retry window, as the vendor's SDK does."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._emit: Emit = lambda callback, wire_us, native: None
        self.room_id = ""
        self._identity: dict[str, Any] = {}
        self._session = ""
        self._retry_window = self._attempt = 0.0
        # None: out. Not done: on the way in or back. Its result: whether that succeeded.
        self._entry: asyncio.Future[bool] | None = None
        self._leaving = False
        self._login = 0  # their number so far
        self._signalling: Channel | None = None
        self._knowledge = ClientKnowledge()
        self._publishing = Publishing(self, means)
        self._playing = Playing(self, means)
        self._heartbeat: asyncio.Task[None] | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def bind(self, emit: Emit) -> None:
        self._emit = emit

    # -- room ----------------------------------------------------------------------------------------------------

    async def login(self, room_id: str, user: User, token: str, *, user_updates: bool, client: str) -> None:
        if self._entry is not None:
            raise CallError(ErrorCode.ALREADY_LOGGED_IN, "already logged in")
        self.room_id = room_id
        self._identity = {"room": room_id, "user": user.user_id, "token": token, "client": client}
        self._knowledge, self._session = ClientKnowledge(), ""
        entry = self._entry = asyncio.get_running_loop().create_future()
        self._login += 1
        self._state(RoomStateReason.LOGGING_IN)
        fields = {"name": user.user_name or user.user_id, "user_updates": user_updates}
        try:
            await self._connect(lambda: fields, RoomStateReason.IN)
        except CallError as error:
            self._login_failed(entry, error.code or ErrorCode.LOGIN_TIMED_OUT)
            raise
        except BaseException:
            self._login_failed(entry, ErrorCode.LOGIN_TIMED_OUT)
            raise

    def _login_failed(self, entry: asyncio.Future[bool], code: int) -> None:
        if self._entry is entry and not entry.done():  # else it was left meanwhile, or is in and lost again
            self._leave(RoomStateReason.LOGIN_FAILED, code, streams=ErrorCode.NOT_LOGGED_IN)

    async def _connect(self, fields: Callable[[], dict[str, Any]], reason: RoomStateReason) -> None:
        def heard(event: dict[str, Any], read_us: int) -> None:
            if channel is self._signalling:
                self._on_event(event, read_us)

        channel = self._means.signalling(heard, lambda: self._lost(channel))
        self._signalling = channel
        await channel.open()
        if channel is not self._signalling:  # left while it was opening
            await channel.close()
            raise CallError(ErrorCode.SERVICE_CLOSED, "the connection was given up")

        def logged_in(reply: dict[str, Any], read_us: int) -> None:
            if channel is self._signalling:
                self._enter(channel, reply, read_us, reason)

        await channel.request("login", {**self._identity, **fields()}, on_reply=logged_in)

    def _enter(self, channel: Channel, reply: dict[str, Any], read_us: int, reason: RoomStateReason) -> None:
        """In, or back: between the reply and the events that follow it."""
        interval = float(reply["heartbeat_interval"])
        self._session, self._retry_window = reply["session"], float(reply["retry_window"])
        self._attempt = min(LONGEST_ATTEMPT, max(LEAST_PATIENCE, interval))
        self._reconnecting = None
        if self._entry is not None:
            self._entry.set_result(True)
        self._heartbeat = asyncio.create_task(self._beat(channel, interval))
        self._state(reason, session=reply["room_session"], read_us=read_us, native=reply)
        self._publishing.restore(reply["streams"])
        self._playing.restore(reply["plays"])

    async def _beat(self, channel: Channel, interval: float) -> None:
        """A socket on which a heartbeat stays unanswered is as good as lost, whatever TCP still hopes for."""
        while True:
            await asyncio.sleep(interval)
            try:
                async with asyncio.timeout(max(LEAST_PATIENCE, interval)):
                    await channel.request("heartbeat", {})
            except TimeoutError:
                self._lost(channel)
                return
            except CallError as error:
                if error.code == ErrorCode.SERVICE_CLOSED:
                    return

    async def logout(self) -> None:
        if self._entry is None:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        self._leaving, login = True, self._login
        try:
            if self._signalling is not None:  # behind a login that is under way, or it would let a ghost in
                with contextlib.suppress(CallError, TimeoutError):
                    async with asyncio.timeout(LOGOUT_PATIENCE):
                        await self._signalling.request("logout", {}, on_reply=self._logged_out)
            if self._entry is not None and self._login == login:  # else the next login has begun
                self._leave(RoomStateReason.OUT)
        finally:
            self._leaving = False

    def _logged_out(self, reply: dict[str, Any], read_us: int) -> None:
        if self._entry is not None:
            self._leave(RoomStateReason.OUT, read_us=read_us)

    def _leave(
        self,
        reason: RoomStateReason,
        code: int = 0,
        *,
        streams: int | None = None,
        plays: int | None = None,
        read_us: int = 0,
        native: Any = None,
    ) -> None:
        """The end of a session, by our will or not: its streams end first. streams, plays: their codes, else `code`."""
        entry, self._entry = self._entry, None
        if entry is not None and not entry.done():
            entry.set_result(False)
        if self._reconnecting is not None and self._reconnecting is not asyncio.current_task():
            self._reconnecting.cancel()
        self._reconnecting = None
        self._drop()
        own = code if streams is None else streams
        self._publishing.end_all(own)
        self._playing.end_all(own if plays is None else plays)
        self._state(reason, code, read_us=read_us, native=native)

    def _drop(self) -> None:
        """Let go of the socket; whatever still comes from it is not heard."""
        channel, self._signalling = self._signalling, None
        if self._heartbeat is not None and self._heartbeat is not asyncio.current_task():
            self._heartbeat.cancel()
        self._heartbeat = None
        if channel is not None:
            self.spawn_closing(channel.close())

    # -- losing the connection -----------------------------------------------------------------------------------

    @property
    def _inside(self) -> bool:
        return self._entry is not None and self._entry.done()

    def _lost(self, channel: Channel) -> None:
        if channel is not self._signalling or not self._inside or self._leaving:
            return
        self._drop()
        self._entry = asyncio.get_running_loop().create_future()
        self._state(RoomStateReason.RECONNECTING, ErrorCode.NETWORK_INTERRUPTED)
        if self._entry is not None:  # whoever heard of it may have left
            self._reconnecting = asyncio.create_task(self._reconnect(self._entry))

    async def _reconnect(self, entry: asyncio.Future[bool]) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._retry_window
        while (left := give_up - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, self._attempt)):
                    await self._connect(self._resume, RoomStateReason.REJOINED)
            except (CallError, TimeoutError) as error:
                if self._entry is not entry or entry.done():
                    return
                if isinstance(error, CallError) and error.code not in WORTH_ANOTHER_TRY:
                    self._leave(RoomStateReason.RECONNECT_FAILED, error.code)
                    return
            else:
                return
            self._drop()
            await asyncio.sleep(max(0.0, min(RECONNECT_PAUSE, give_up - loop.time())))
        codes = {"streams": ErrorCode.PUBLISH_RETRY_TIMED_OUT, "plays": ErrorCode.PLAY_INTERRUPTED}
        self._leave(RoomStateReason.RECONNECT_FAILED, ErrorCode.LOGIN_TIMED_OUT, **codes)

    def _resume(self) -> dict[str, Any]:
        """What a login says to take the session up again: all that this client knows of it."""
        states = {"published": self._publishing.states(), "played": self._playing.states()}
        return {"resume": self._session, "knows": {**self._knowledge.reported(), **states}}

    @property
    def visit(self) -> int:
        """See reference_streams.RoomSide."""
        return self._login if self._entry is not None else 0

    async def ready(self) -> None:
        """See reference_streams.RoomSide."""
        while True:
            entry = self._entry
            if entry is None or not await asyncio.shield(entry):
                raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
            if entry is self._entry:
                return

    async def request(self, op: str, fields: dict[str, Any], *, on_reply: OnMessage | None = None) -> dict[str, Any]:
        """Raises CallError 1000002 before the login's answer, 1002051 while reconnecting."""
        channel = self._signalling
        if self._inside and channel is not None:
            try:
                return await channel.request(op, fields, on_reply=on_reply)
            except CallError as error:
                if error.code == ErrorCode.SERVICE_CLOSED:  # known here before the socket's reader says so
                    self._lost(channel)
                raise
        if self._entry is not None and self._session:
            raise CallError(ErrorCode.NETWORK_INTERRUPTED, "the connection to the service is interrupted")
        raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")

    # -- calls ---------------------------------------------------------------------------------------------------

    async def renew_token(self, token: str) -> None:
        await self.request("renew_token", {"token": token})
        self._identity["token"] = token
        self._knowledge.warned = False

    async def set_room_extra_info(self, key: str, value: str) -> None:
        await self.request("room_extra", {"key": key, "value": value})
        self._knowledge.room_extra[key] = value

    async def send_message(self, text: str, *, reliable: bool) -> str:
        reply = await self.request("message", {"body": text, "reliable": reliable})
        return str(reply["message"])

    async def kick(self, user_id: str) -> None:
        """Needs a token with the admin privilege."""
        await self.request("kick", {"user": user_id})

    async def publish(self, stream_id: str, source: PublishSource) -> None:
        await self._publishing.start(stream_id, source)

    async def unpublish(self, stream_id: str) -> None:
        await self._publishing.stop(stream_id)

    async def mute(self, stream_id: str, kind: str, muted: bool) -> None:
        await self._publishing.mute(stream_id, kind, muted)

    async def set_stream_extra_info(self, stream_id: str, text: str) -> None:
        await self._publishing.set_extra(stream_id, text)

    async def play(self, stream_id: str, sink: PlaySink) -> None:
        await self._playing.start(stream_id, sink)

    async def unplay(self, stream_id: str) -> None:
        try:
            await self._playing.stop(stream_id)
        finally:
            if stream_id not in self._playing.wanted:
                self._knowledge.devices.pop(stream_id, None)

    # -- events --------------------------------------------------------------------------------------------------

    def _on_event(self, event: dict[str, Any], read_us: int) -> None:
        name = event["event"]
        self._knowledge.follow(event)
        if name == "offer":
            self.spawn(self._playing.answer(event))
        elif name == "kicked":
            self._leave(RoomStateReason.KICKED, event["code"], read_us=read_us, native=event)
        elif name == "publisher_state":
            self._publishing.heard(event, read_us)
        elif name == "player_state":
            self._playing.heard(event, read_us)
        else:
            callback = translate(self.room_id, event)
            if callback is not None:
                self.tell(callback, read_us, event)

    def _state(
        self, reason: RoomStateReason, code: int = 0, *, session: str = "", read_us: int = 0, native: Any = None
    ) -> None:
        self.tell(RoomStateUpdated(self.room_id, reason, int(code), session), read_us, native)

    def tell(self, callback: Callback, read_us: int = 0, native: Any = None) -> None:
        self._emit(callback, read_us, native)

    # -- tasks ---------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(self._tasks, work)

    def spawn_closing(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(self._closing, work)

    @staticmethod
    def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def close(self) -> None:
        """Release everything; a user who is still in is logged out."""
        self._emit = lambda callback, wire_us, native: None
        if self._entry is not None:
            await self.logout()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._playing.close()
        if self._closing:
            _, unfinished = await asyncio.wait(self._closing, timeout=CLOSE_PATIENCE)
            for task in unfinished:
                task.cancel()
