"""An engine's surroundings, made up: an event loop on virtual time, a driver that does as told, a trace in memory."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from harness.call import CallError
from harness.call.callbacks import Callback
from harness.call.quality import MediaFigures


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.clock = 1000.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.clock


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for something that never comes"
        ready = super().select(0)
        if not ready:
            self._loop.clock += timeout
        return ready


def run(work: Coroutine[Any, Any, Any]) -> float:
    """Run to the end; the seconds of virtual time that it took."""
    loop = VirtualLoop()
    try:
        loop.run_until_complete(work)
        return loop.clock - 1000.0
    finally:
        loop.close()


class Driver:
    """Every call does what the test said it should: `does[name]` is awaited, or raised; else it succeeds at once."""

    def __init__(self) -> None:
        self.does: dict[str, Any] = {}
        self.called: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.emit: Callable[[Callback, int, Any], None]

    def bind(self, emit: Callable[[Callback, int, Any], None]) -> None:
        self.emit = emit

    @property
    def room(self) -> str:
        """That it was last asked to log in to."""
        return str(next(args[0] for name, args, _ in reversed(self.called) if name == "login"))

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            self.called.append((name, args, options))
            what = self.does.get(name)
            if isinstance(what, BaseException):
                raise what
            return await what() if callable(what) else what

        return call


class Trace:
    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def now(self) -> float:
        return float(len(self.records))

    def write(self, record: dict[str, Any]) -> None:
        self.records.append(record)

    def names(self, kind: str) -> list[str]:
        return [r["name"] for r in self.records if r["kind"] == kind]

    def returns(self) -> list[tuple[str, str, int]]:
        """Name, result and code of each return."""
        return [(r["name"], r["args"]["result"], r["args"]["code"]) for r in self.records if r["kind"] == "ret"]


class Source:
    kinds = {"audio": "opus"}  # noqa: RUF012

    def start(self, streams: Any) -> None: ...
    def stop(self) -> None: ...
    def mute(self, kind: str, muted: bool) -> None: ...
    def listen(self, on_first: Any) -> None: ...
    def quality(self) -> MediaFigures:
        return MediaFigures()


async def fails(call: Coroutine[Any, Any, Any]) -> CallError:
    with pytest.raises(CallError) as caught:
        await call
    return caught.value


async def never() -> None:
    await asyncio.get_running_loop().create_future()
