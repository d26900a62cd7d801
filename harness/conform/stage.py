"""Where a schedule is performed: on virtual time in memory, or live against a service that runs."""

from __future__ import annotations

from typing import Any, Protocol

from harness.call.driver import Driver, PlaySink, PublishSource
from harness.conform.argument import Token
from harness.conform.delay import Windows
from harness.trace.clock import RunClock


class StageClient(Protocol):
    """What one client of a stage calls with, and what can be done to it."""

    def driver(self) -> Driver:
        """A driver whose signalling goes through this client's network."""
        ...

    def source(self, stream_id: str) -> PublishSource: ...

    def sink(self, stream_id: str) -> PlaySink: ...

    def reset(self) -> None:
        """Its signalling sockets break; both sides see it."""
        ...

    def black_hole(self) -> None:
        """No signalling passes any more, either way; nobody is told."""
        ...

    def heal(self) -> None: ...

    async def crash(self, *, silent: bool) -> None:
        """It is gone, without a word; its sockets are closed for it unless it goes silently."""
        ...

    async def close(self) -> None:
        """Let go of everything. Safe to call twice."""
        ...


class Stage(Protocol):
    """windows: of the service; parameters: what a judge has to know of it, for the trace's header."""

    service: str
    windows: Windows
    parameters: dict[str, Any]

    @property
    def clock(self) -> RunClock: ...

    def wall(self) -> float:
        """Unix seconds."""
        ...

    def client(self, name: str) -> StageClient: ...

    def token(self, user_id: str, room_id: str, token: Token) -> str: ...
