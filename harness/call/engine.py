"""CallEngine: the guide's calls over a driver, every call, return and callback written to the trace."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from harness.call import identifiers
from harness.call.callbacks import Callback, RoomStateReason, RoomStateUpdated, User
from harness.call.driver import Driver, PlaySink, PublishSource
from harness.call.errors import CallError, ErrorCode
from harness.call.handler import EventHandler

T = TypeVar("T")
LOGIN_TIMEOUT, CALL_TIMEOUT = 30.0, 20.0  # seconds: services that never answer must not hang a user for ever


class Trace(Protocol):
    """The writer side of harness.trace, as far as the engine needs it."""

    def now(self) -> float: ...

    def write(self, record: dict[str, Any]) -> None: ...


class NoTrace:
    """Keeps the clock, drops the records."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def write(self, record: dict[str, Any]) -> None:
        pass


class CallEngine:
    """One participant of one room.

    client: the incarnation's name in the trace, unique in a run ("alice#1"). Create, set the event handler, log in,
    publish, play what on_room_stream_update adds, stop what it deletes, log out, destroy.
    """

    def __init__(self, driver: Driver, *, client: str, trace: Trace | None = None) -> None:
        self._driver = driver
        self._trace = trace or NoTrace()
        self._handler = EventHandler()
        self._client = client
        self._user = ""
        self._room = ""
        self._epoch = 0
        self._sequence = itertools.count()
        self._operation = itertools.count(1)
        self._previewing: PublishSource | None = None
        self._destroyed = False
        driver.bind(self._dispatch)

    def set_event_handler(self, handler: EventHandler) -> None:
        self._handler = handler

    # -- room ----------------------------------------------------------------------------------------------------

    async def login_room(self, room_id: str, user: User, token: str = "", *, user_updates: bool = True) -> None:
        """Log in. Raises CallError with the contract's code; a retry is the caller's, never silent."""
        self._room, self._user = room_id, user.user_id
        identifiers_checked = self._login(room_id, user, token, user_updates)
        args = {"room": room_id, "user": user.user_id, "user_updates": user_updates}
        await self._call("login", args, identifiers_checked, LOGIN_TIMEOUT)

    async def _login(self, room_id: str, user: User, token: str, user_updates: bool) -> None:
        identifiers.check_room_id(room_id)
        identifiers.check_user_id(user.user_id)
        identifiers.check_user_name(user.user_name or user.user_id)
        await self._driver.login(room_id, user, token, user_updates=user_updates)

    async def logout_room(self) -> None:
        await self._call("logout", {}, self._driver.logout())

    async def renew_token(self, token: str) -> None:
        await self._call("renew_token", {}, self._driver.renew_token(token))

    async def set_room_extra_info(self, key: str, value: str) -> None:
        await self._call("set_room_extra", {"key": key, "value": value}, self._set_room_extra(key, value))

    async def _set_room_extra(self, key: str, value: str) -> None:
        identifiers.check_room_extra(key, value)
        await self._driver.set_room_extra_info(key, value)

    async def send_message(self, text: str, *, reliable: bool = True) -> str:
        """Send to everybody else in the room; returns the service's message id."""
        args = {"body": text, "class": "reliable" if reliable else "lossy"}
        return await self._call("send", args, self._send_message(text, reliable))

    async def _send_message(self, text: str, reliable: bool) -> str:
        identifiers.check_message(text)
        return await self._driver.send_message(text, reliable=reliable)

    # -- publishing ----------------------------------------------------------------------------------------------

    def start_preview(self, source: PublishSource) -> None:
        """Keep the source that startPublishingStream will send; a simulated camera has no picture to show."""
        self._previewing = source
        self._write("call", "preview", {"kinds": dict(source.kinds)})

    def stop_preview(self) -> None:
        self._previewing = None
        self._write("call", "stop_preview", {})

    async def start_publishing_stream(self, stream_id: str, source: PublishSource | None = None) -> None:
        """Publish the given source, or the previewed one. Raises CallError."""
        chosen = source or self._previewing
        if chosen is None:
            raise CallError(ErrorCode.BAD_REQUEST, "nothing to publish: start a preview or give a source")
        args = {"stream": stream_id, "kinds": dict(chosen.kinds)}
        await self._call("publish", args, self._publish(stream_id, chosen))

    async def _publish(self, stream_id: str, source: PublishSource) -> None:
        identifiers.check_stream_id(stream_id)
        await self._driver.publish(stream_id, source)

    async def stop_publishing_stream(self, stream_id: str) -> None:
        await self._call("unpublish", {"stream": stream_id}, self._driver.unpublish(stream_id))

    async def mute_publish_stream_video(self, stream_id: str, muted: bool) -> None:
        await self._mute(stream_id, "video", muted)

    async def mute_publish_stream_audio(self, stream_id: str, muted: bool) -> None:
        await self._mute(stream_id, "audio", muted)

    async def _mute(self, stream_id: str, kind: str, muted: bool) -> None:
        device = "camera" if kind == "video" else "microphone"
        args = {"stream": stream_id, "device": device, "muted": muted}
        await self._call("mute", args, self._driver.mute(stream_id, kind, muted))

    async def set_stream_extra_info(self, stream_id: str, text: str) -> None:
        args = {"stream": stream_id, "extra": text}
        await self._call("set_stream_extra", args, self._set_stream_extra(stream_id, text))

    async def _set_stream_extra(self, stream_id: str, text: str) -> None:
        identifiers.check_stream_extra(text)
        await self._driver.set_stream_extra_info(stream_id, text)

    # -- playing -------------------------------------------------------------------------------------------------

    async def start_playing_stream(self, stream_id: str, sink: PlaySink) -> None:
        await self._call("play", {"stream": stream_id}, self._play(stream_id, sink))

    async def _play(self, stream_id: str, sink: PlaySink) -> None:
        identifiers.check_stream_id(stream_id)
        await self._driver.play(stream_id, sink)

    async def stop_playing_stream(self, stream_id: str) -> None:
        await self._call("unplay", {"stream": stream_id}, self._driver.unplay(stream_id))

    async def destroy(self) -> None:
        """Release everything; no callback comes afterwards. Safe to call twice."""
        if not self._destroyed:
            self._write("call", "destroy", {})
            self._destroyed = True
            await self._driver.close()

    # -- trace and dispatch --------------------------------------------------------------------------------------

    async def _call(self, name: str, args: dict[str, Any], work: Awaitable[T], limit: float = CALL_TIMEOUT) -> T:
        operation = next(self._operation)
        self._write("call", name, args, op=operation)
        try:
            result = await asyncio.wait_for(work, limit)
        except CallError as error:
            self._write("ret", name, {"result": "fail", "code": error.code, "message": error.args[0]}, op=operation)
            raise
        except TimeoutError:
            self._write("ret", name, {"result": "info", "code": 0, "message": "no answer"}, op=operation)
            raise CallError(0, f"{name}: no answer within {limit:g} s") from None
        except asyncio.CancelledError:
            self._write("ret", name, {"result": "info", "code": 0, "message": "cancelled"}, op=operation)
            raise
        except Exception as error:  # a fault of the driver's: whether the call took effect is not known
            self._write("ret", name, {"result": "info", "code": 0, "message": repr(error)}, op=operation)
            raise
        self._write("ret", name, {"result": "ok", "code": 0}, op=operation)
        return result

    def _dispatch(self, callback: Callback, wire_us: int, native: Any) -> None:
        if self._destroyed:
            return
        if isinstance(callback, RoomStateUpdated) and callback.reason is RoomStateReason.LOGGING_IN:
            self._epoch += 1
        self._write("cb", callback.event, callback.fields(), wire_us=wire_us, native=native)
        getattr(self._handler, callback.handler)(callback)

    def _write(
        self, kind: str, name: str, args: dict[str, Any], *, op: int = 0, wire_us: int = 0, native: Any = None
    ) -> None:
        record: dict[str, Any] = {
            "seq": next(self._sequence),
            "client": self._client,
            "user": self._user,
            "room": self._room,
            "epoch": self._epoch,
            "kind": kind,
            "name": name,
            "args": args,
            "t": self._trace.now(),
        }
        if op:
            record["op"] = op
        if wire_us:
            record["t_wire"] = wire_us / 1_000_000
        if native is not None:
            record["native"] = native
        self._trace.write(record)
