"""One user of the embedded service: its signalling translated, its two peer connections kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from harness.call.callbacks import (
    Callback,
    MediaState,
    MessageReceived,
    PlayerStateUpdated,
    PublisherStateUpdated,
    RemoteDeviceUpdated,
    RoomExtraInfoUpdated,
    RoomStateReason,
    RoomStateUpdated,
    RoomStreamsUpdated,
    RoomUsersUpdated,
    Stream,
    StreamExtraInfoUpdated,
    TokenWillExpire,
    UpdateType,
    User,
)
from harness.call.driver import Emit, PlaySink, PublishSource
from harness.call.errors import CallError, ErrorCode
from harness.rtc.sections import SdpError
from harness.services.reference_means import Channel, Means, SendingLeg

RECONNECT_PAUSE = 0.5
DEVICES = {"video": "camera", "audio": "microphone"}


class ReferenceDriver:
    """See call.driver.Driver. Reconnects by itself within the service's retry window, as the vendor's SDK does."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._emit: Emit = lambda callback, wire_us, native: None
        self._signalling: Channel | None = None
        self._room, self._user, self._token = "", User(""), ""
        self._session = ""
        self._retry_window = 0.0
        self._inside = False
        self._publishing: dict[str, SendingLeg] = {}
        self._playing = means.play_leg()
        self._heartbeat: asyncio.Task[None] | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def bind(self, emit: Emit) -> None:
        self._emit = emit

    # -- room ----------------------------------------------------------------------------------------------------

    async def login(self, room_id: str, user: User, token: str, *, user_updates: bool) -> None:
        if self._inside:
            raise CallError(ErrorCode.ALREADY_LOGGED_IN, "already logged in")
        self._room, self._user, self._token = room_id, user, token
        self._state(RoomStateReason.LOGGING_IN)
        fields = {"room": room_id, "user": user.user_id, "name": user.user_name or user.user_id, "token": token}
        try:
            await self._connect({**fields, "user_updates": user_updates}, RoomStateReason.IN)
        except CallError as error:
            await self._drop_signalling()
            self._state(RoomStateReason.LOGIN_FAILED, error.code or ErrorCode.LOGIN_TIMED_OUT)
            raise
        except asyncio.CancelledError:
            await self._drop_signalling()
            self._state(RoomStateReason.LOGIN_FAILED, ErrorCode.LOGIN_TIMED_OUT)
            raise

    async def _connect(self, fields: dict[str, Any], reason: RoomStateReason) -> dict[str, Any]:
        self._signalling = self._means.signalling(self._on_event, self._on_lost)
        await self._signalling.open()

        def logged_in(reply: dict[str, Any], read_us: int) -> None:
            self._inside = True
            self._session = reply["session"]
            self._retry_window = float(reply["retry_window"])
            self._state(reason, session=reply["room_session"], wire_us=read_us, native=reply)

        reply = await self._signalling.request("login", fields, on_reply=logged_in)
        self._heartbeat = asyncio.create_task(self._beat(float(reply["heartbeat_interval"])))
        return reply

    async def _beat(self, interval: float) -> None:
        while self._signalling is not None:
            await asyncio.sleep(interval)
            with contextlib.suppress(CallError):
                await self._signalling.request("heartbeat", {})

    async def logout(self) -> None:
        if not self._inside:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        self._inside = False
        with contextlib.suppress(CallError):
            await self._request("logout", {})
        await self._leave(RoomStateReason.OUT, 0)

    async def _leave(self, reason: RoomStateReason, code: int) -> None:
        """The end of a session, by our will or not: streams end with it."""
        self._inside = False
        await self._drop_signalling()
        for stream_id in tuple(self._publishing):
            await self._end_publishing(stream_id, 0 if reason is RoomStateReason.OUT else code)
        for stream_id in self._playing.stop_all():
            self._emit(PlayerStateUpdated(self._room, stream_id, MediaState.IDLE, code), 0, None)
        await self._playing.close()
        self._state(reason, code)

    async def _drop_signalling(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        if self._signalling is not None:
            signalling, self._signalling = self._signalling, None
            await signalling.close()

    def _on_lost(self) -> None:
        if self._inside and self._reconnecting is None:
            self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        self._state(RoomStateReason.RECONNECTING, ErrorCode.NETWORK_INTERRUPTED)
        fields = {"room": self._room, "user": self._user.user_id, "token": self._token, "resume": self._session}
        give_up = asyncio.get_running_loop().time() + self._retry_window
        try:
            while True:
                await self._drop_signalling()
                try:
                    reply = await self._connect(fields, RoomStateReason.REJOINED)
                    break
                except CallError as error:
                    refused = error.code not in (ErrorCode.SERVICE_UNREACHABLE, ErrorCode.SERVICE_CLOSED)
                    if refused or asyncio.get_running_loop().time() > give_up:
                        await self._leave(
                            RoomStateReason.RECONNECT_FAILED, error.code if refused else ErrorCode.LOGIN_TIMED_OUT
                        )
                        return
                    await asyncio.sleep(RECONNECT_PAUSE)
        finally:
            self._reconnecting = None
        await self._restore(reply)

    async def _restore(self, reply: dict[str, Any]) -> None:
        """Publish and play again what the service forgot during the outage."""
        for stream_id, leg in tuple(self._publishing.items()):
            if stream_id not in reply["streams"]:
                code = ErrorCode.PUBLISH_INTERRUPTED
                self._emit(PublisherStateUpdated(self._room, stream_id, MediaState.REQUESTING, code), 0, None)
                await leg.close()
                with contextlib.suppress(CallError):
                    await self._send_publish(stream_id, leg.source)
        missing = [stream_id for stream_id in self._playing.sinks if stream_id not in reply["plays"]]
        if missing and len(missing) == len(self._playing.sinks):
            await self._playing.close()  # the service has closed its side
        for stream_id in missing:
            code = ErrorCode.PLAY_INTERRUPTED
            self._emit(PlayerStateUpdated(self._room, stream_id, MediaState.REQUESTING, code), 0, None)
            with contextlib.suppress(CallError):
                await self._request("play", {"stream": stream_id})

    async def renew_token(self, token: str) -> None:
        await self._request("renew_token", {"token": token})
        self._token = token

    async def set_room_extra_info(self, key: str, value: str) -> None:
        await self._request("room_extra", {"key": key, "value": value})

    async def send_message(self, text: str, *, reliable: bool) -> str:
        reply = await self._request("message", {"body": text, "reliable": reliable})
        return str(reply["message"])

    async def kick(self, user_id: str) -> None:
        """Needs a token with the admin privilege."""
        await self._request("kick", {"user": user_id})

    async def _request(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        if self._signalling is None:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        return await self._signalling.request(op, fields)

    # -- publishing ----------------------------------------------------------------------------------------------

    async def publish(self, stream_id: str, source: PublishSource) -> None:
        if self._signalling is None:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        self._emit(PublisherStateUpdated(self._room, stream_id, MediaState.REQUESTING), 0, None)
        try:
            await self._send_publish(stream_id, source)
        except CallError as error:
            code = error.code or ErrorCode.MEDIA_FAILED
            self._emit(PublisherStateUpdated(self._room, stream_id, MediaState.IDLE, code), 0, None)
            raise

    async def _send_publish(self, stream_id: str, source: PublishSource) -> None:
        leg = self._means.publish_leg(source)
        try:
            offer = await leg.offer(stream_id)
            reply = await self._request("publish", {"stream": stream_id, "sdp": offer})
            self._publishing[stream_id] = leg
            await leg.start(reply["sdp"])
        except SdpError as error:
            await leg.close()
            raise CallError(ErrorCode.BAD_DESCRIPTION, str(error)) from None
        except BaseException:
            await leg.close()
            raise

    async def unpublish(self, stream_id: str) -> None:
        if stream_id not in self._publishing:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this stream is not being published")
        await self._request("unpublish", {"stream": stream_id})
        await self._end_publishing(stream_id, 0)

    async def _end_publishing(self, stream_id: str, code: int) -> None:
        leg = self._publishing.pop(stream_id)
        await leg.close()
        self._emit(PublisherStateUpdated(self._room, stream_id, MediaState.IDLE, code), 0, None)

    async def mute(self, stream_id: str, kind: str, muted: bool) -> None:
        leg = self._publishing.get(stream_id)
        if leg is None:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this stream is not being published")
        await self._request("mute", {"stream": stream_id, "kind": kind, "muted": muted})
        leg.source.mute(kind, muted)

    async def set_stream_extra_info(self, stream_id: str, text: str) -> None:
        await self._request("stream_extra", {"stream": stream_id, "extra": text})

    # -- playing -------------------------------------------------------------------------------------------------

    async def play(self, stream_id: str, sink: PlaySink) -> None:
        if self._signalling is None:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        self._playing.sinks[stream_id] = sink
        self._emit(PlayerStateUpdated(self._room, stream_id, MediaState.REQUESTING), 0, None)
        try:
            await self._request("play", {"stream": stream_id})
        except CallError as error:
            self._playing.sinks.pop(stream_id, None)
            self._emit(PlayerStateUpdated(self._room, stream_id, MediaState.IDLE, error.code), 0, None)
            raise

    async def unplay(self, stream_id: str) -> None:
        if self._playing.sinks.pop(stream_id, None) is None:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this stream is not being played")
        await self._request("unplay", {"stream": stream_id})
        self._emit(PlayerStateUpdated(self._room, stream_id, MediaState.IDLE), 0, None)

    async def _answer(self, event: dict[str, Any]) -> None:
        with contextlib.suppress(CallError, SdpError):
            sdp = await self._playing.answer(event["sdp"], event["streams"])
            await self._request("answer", {"offer": event["offer"], "sdp": sdp})

    # -- events --------------------------------------------------------------------------------------------------

    def _state(
        self, reason: RoomStateReason, code: int = 0, *, session: str = "", wire_us: int = 0, native: Any = None
    ) -> None:
        self._emit(RoomStateUpdated(self._room, reason, int(code), session), wire_us, native)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_event(self, event: dict[str, Any], read_us: int) -> None:
        name = event["event"]
        if name == "offer":
            self._spawn(self._answer(event))
        elif name == "kicked":
            self._inside = False
            self._spawn(self._leave(RoomStateReason.KICKED, event["code"]))
        else:
            translate = _TRANSLATIONS.get(name)
            if translate is not None:
                self._emit(translate(self._room, event), read_us, event)

    async def close(self) -> None:
        """Release everything, with or without a logout before."""
        self._inside = False
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reconnecting
        await self._drop_signalling()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for leg in self._publishing.values():
            await leg.close()
        self._publishing.clear()
        self._playing.stop_all()
        await self._playing.close()


def _users(room: str, event: dict[str, Any]) -> Callback:
    users = tuple(User(item["user"], item["name"]) for item in event["users"])
    return RoomUsersUpdated(room, UpdateType(event["op"]), users, event["seq"])


def _stream(item: dict[str, Any]) -> Stream:
    user = User(item["user"], item.get("name", ""))
    return Stream(item["stream"], user, item.get("extra", ""), item.get("reason", 0))


def _streams(room: str, event: dict[str, Any]) -> Callback:
    streams = tuple(map(_stream, event["streams"]))
    return RoomStreamsUpdated(room, UpdateType(event["op"]), streams, event["seq"])


_TRANSLATIONS: dict[str, Callable[[str, dict[str, Any]], Callback]] = {
    "user_update": _users,
    "stream_update": _streams,
    "publisher_state": lambda room, e: PublisherStateUpdated(room, e["stream"], MediaState(e["state"]), e["code"]),
    "player_state": lambda room, e: PlayerStateUpdated(room, e["stream"], MediaState(e["state"]), e["code"]),
    "device": lambda room, e: RemoteDeviceUpdated(room, e["stream"], DEVICES[e["kind"]], e["state"]),
    "room_extra": lambda room, e: RoomExtraInfoUpdated(room, e["key"], e["value"], e["by"], e["at"]),
    "stream_extra": lambda room, e: StreamExtraInfoUpdated(room, tuple(map(_stream, e["streams"]))),
    "token_expiring": lambda room, e: TokenWillExpire(room, e["remain"]),
    "message": lambda room, e: MessageReceived(room, e["id"], e["from"], e["body"], e["reliable"]),
}
