"""What a connection reads from and writes to: whole text messages. The real one is a WebSocket."""

from __future__ import annotations

import contextlib
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from harness.call.errors import CallError, ErrorCode


class Socket(Protocol):
    """One client's way in and out."""

    async def receive(self) -> str | None:
        """The next message, or None when the socket has closed. Raises CallError for one that is not text."""
        ...

    async def send(self, text: str) -> None:
        """Raises ConnectionError or RuntimeError when the socket has closed."""
        ...

    async def close(self) -> None: ...


class WebSocket:
    """Messages of a WebSocket."""

    def __init__(self, response: web.WebSocketResponse) -> None:
        self._response = response

    async def receive(self) -> str | None:
        message = await self._response.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        if message.type is WSMsgType.BINARY:
            raise CallError(ErrorCode.BAD_REQUEST, "messages must be text")
        return None

    async def send(self, text: str) -> None:
        await self._response.send_str(text)

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self._response.close(code=WSCloseCode.GOING_AWAY)
