"""A JSON WebSocket with numbered requests: replies find their caller, events go to one listener in order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp

from harness.call.errors import CallError, ErrorCode

CONNECT_TIMEOUT = 10.0


class ClientSocket(Protocol):
    """Whole text messages to and from the service. Sending to a closed one raises ConnectionError."""

    @property
    def closed(self) -> bool: ...

    async def receive(self) -> str | None:
        """The next message, or None when the socket has closed."""
        ...

    async def send(self, text: str) -> None: ...

    async def close(self) -> None: ...


class ClientWebSocket:
    """Messages of a WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    @classmethod
    async def connect(cls, http: aiohttp.ClientSession, url: str) -> ClientWebSocket:
        """Raises OSError or aiohttp.ClientError."""
        return cls(await http.ws_connect(url, max_msg_size=8 << 20, compress=0))

    @property
    def closed(self) -> bool:
        return self._socket.closed

    async def receive(self) -> str | None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                return str(message.data)
        return None

    async def send(self, text: str) -> None:
        try:
            await self._socket.send_str(text)
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from None

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._socket.close()


class Signalling:
    """`on_message(message, read_us)` hears everything but plain replies; `on_closed` the end of the socket."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[ClientSocket]],
        now_us: Callable[[], int],
        on_message: Callable[[dict[str, Any], int], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._connect, self._now_us = connect, now_us
        self._on_message, self._on_closed = on_message, on_closed
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reply_hooks: dict[int, Callable[[dict[str, Any], int], None]] = {}
        self._socket: ClientSocket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        """Connect. Raises CallError 1900005 when the service cannot be reached."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                self._socket = await self._connect()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise CallError(ErrorCode.SERVICE_UNREACHABLE, f"cannot connect to the service: {reason}") from None
        self._reader = asyncio.create_task(self._read())

    async def request(
        self, op: str, fields: dict[str, Any], *, on_reply: Callable[[dict[str, Any], int], None] | None = None
    ) -> dict[str, Any]:
        """Send a request and wait for its reply's fields; `on_reply` hears it in order with the events around it.

        Raises CallError with the service's code, or 1900006 when the socket closes first.
        """
        if self._socket is None or self._socket.closed:
            raise CallError(ErrorCode.SERVICE_CLOSED, "the connection to the service is closed")
        number = next(self._numbers)
        future = self._pending[number] = asyncio.get_running_loop().create_future()
        if on_reply is not None:
            self._reply_hooks[number] = on_reply
        try:
            await self._socket.send(json.dumps({"id": number, "op": op, **fields}))
            reply: dict[str, Any] = await future
            return reply
        except ConnectionError:
            raise CallError(ErrorCode.SERVICE_CLOSED, "the connection to the service was lost") from None
        finally:
            self._pending.pop(number, None)
            self._reply_hooks.pop(number, None)

    async def _read(self) -> None:
        assert self._socket is not None
        while (text := await self._socket.receive()) is not None:
            read_us = self._now_us()
            with contextlib.suppress(ValueError):
                body = json.loads(text)
                if isinstance(body, dict):
                    self._route(body, read_us)
        if not self._closing:
            self._give_up("the service closed the connection")
            self._on_closed()

    def _give_up(self, reason: str) -> None:
        """Nobody will answer any more."""
        for future in self._pending.values():
            if not future.done():
                future.set_exception(CallError(ErrorCode.SERVICE_CLOSED, reason))

    def _route(self, body: dict[str, Any], read_us: int) -> None:
        if "event" in body:
            self._on_message(body, read_us)
            return
        number = body.get("id")
        future = self._pending.get(number) if isinstance(number, int) else None
        if future is None or future.done():
            return
        if "error" in body:
            error = body["error"]
            future.set_exception(CallError(error.get("code", 0), str(error.get("message", "refused"))))
        else:
            fields = body.get("ok", {})
            hook = self._reply_hooks.get(number)  # type: ignore[arg-type]
            if hook is not None:
                hook(fields, read_us)
            future.set_result(fields)

    async def close(self) -> None:
        """Close the socket; what waits for a reply fails with CallError 1900006."""
        self._closing = True
        self._give_up("the connection to the service was given up")
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
