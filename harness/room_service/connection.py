"""One client's connection: requests in with their types checked, replies and events out in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from harness.call.errors import CallError, ErrorCode
from harness.room_service.clock import ServiceClock
from harness.room_service.settings import Settings
from harness.room_service.socket import Socket

QUEUE_LIMIT = 10_000  # events a slow reader may fall behind before it is cut off


class Request:
    """One parsed request. The accessors raise CallError 1900001 when a field is missing or of a wrong type."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, text: str) -> Request:
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            raise CallError(ErrorCode.BAD_REQUEST, "the message is not JSON") from None
        if not isinstance(fields, dict):
            raise CallError(ErrorCode.BAD_REQUEST, "a message must be a JSON object")
        return cls(fields)

    @property
    def id(self) -> int | None:
        value = self._fields.get("id")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, name: str, default: str | None = None) -> str:
        value = self._fields.get(name, default)
        if not isinstance(value, str):
            raise CallError(ErrorCode.BAD_REQUEST, f'"{name}" must be a string')
        try:
            value.encode()
        except UnicodeEncodeError:
            raise CallError(ErrorCode.BAD_REQUEST, f'"{name}" is not valid Unicode') from None
        return value

    def mapping(self, name: str) -> dict[str, Any] | None:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise CallError(ErrorCode.BAD_REQUEST, f'"{name}" must be an object')
        return value

    def texts(self, name: str) -> list[str]:
        value = self._fields.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise CallError(ErrorCode.BAD_REQUEST, f'"{name}" must be a list of strings')
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        value = self._fields.get(name, default)
        if not isinstance(value, bool):
            raise CallError(ErrorCode.BAD_REQUEST, f'"{name}" must be true or false')
        return value

    def number(self, name: str) -> int:
        value = self._fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise CallError(ErrorCode.BAD_REQUEST, f'"{name}" must be a whole number')
        return value


class Connection:
    """The socket of at most one session. `session` is set by a successful login."""

    def __init__(self, settings: Settings, socket: Socket, clock: ServiceClock) -> None:
        self.session: str | None = None
        self._settings = settings
        self._socket = socket
        self._clock = clock
        self._outgoing: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LIMIT)
        self._writer = asyncio.create_task(self._write())
        self._allowance = settings.messages_per_second
        self._allowed_at = clock.monotonic()

    async def receive(self) -> Request | None:
        """The next request, or None when the socket has closed. Raises CallError for one that cannot be read."""
        text = await self._socket.receive()
        if text is None:
            return None
        if not self._within_rate():
            raise CallError(ErrorCode.TOO_MANY_REQUESTS, "too many messages a second")
        return Request.parse(text)

    def _within_rate(self) -> bool:
        """A bucket that refills at the allowed rate and holds two seconds' worth."""
        now, rate = self._clock.monotonic(), self._settings.messages_per_second
        self._allowance = min(2 * rate, self._allowance + (now - self._allowed_at) * rate)
        self._allowed_at = now
        self._allowance -= 1
        return self._allowance >= 0

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; a reader too slow to take them is cut off."""
        try:
            self._outgoing.put_nowait(json.dumps(message, separators=(",", ":")))
        except asyncio.QueueFull:
            self.end()

    def reply(self, number: int | None, fields: dict[str, Any]) -> None:
        self.send({"id": number, "ok": fields})

    def refuse(self, number: int | None, error: CallError) -> None:
        self.send({"id": number, "error": {"code": error.code, "message": error.args[0]}})

    def end(self) -> None:
        """Close after what is queued has been written."""
        while True:
            try:
                self._outgoing.put_nowait(None)
                return
            except asyncio.QueueFull:
                self._outgoing.get_nowait()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while (text := await self._outgoing.get()) is not None:
                await self._socket.send(text)
        await self._socket.close()

    async def close(self) -> None:
        self.end()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._writer, 2)
