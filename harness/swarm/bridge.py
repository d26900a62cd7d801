"""One asyncio loop in one native thread, and greenlets that call into it.

Locust runs on gevent and has no asyncio; aiortc has no gevent. A greenlet hands a coroutine over and waits without
blocking its hub; killing the greenlet cancels the task.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import gevent
from gevent.event import AsyncResult
from gevent.monkey import get_original

from harness.rtc.poller import system_selector

T = TypeVar("T")
SWITCH_SECONDS = 0.0005


class Bridge:
    """Start it in the process that uses it: threads do not survive a fork."""

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        ready = self._hub.loop.async_()
        started: AsyncResult[None] = AsyncResult()
        ready.start(lambda: started.set(None))
        self.loop: asyncio.AbstractEventLoop
        get_original("_thread", "start_new_thread")(self._run, (ready,))
        started.get(timeout=10)
        ready.close()

    def _run(self, ready: Any) -> None:
        # Locust's greenlets run in another thread: they must not hold the interpreter for Python's usual 5 ms.
        sys.setswitchinterval(SWITCH_SECONDS)
        self.loop = asyncio.SelectorEventLoop(system_selector())
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(ready.send)
        self.loop.run_forever()

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine on the loop; blocks only the calling greenlet. Raises what it raises."""
        result: AsyncResult[T] = AsyncResult()
        wake = self._hub.loop.async_()
        finished: list[asyncio.Task[T]] = []
        tasks: list[asyncio.Task[T]] = []

        def deliver() -> None:
            wake.close()
            task = finished[0]
            if task.cancelled():
                result.set_exception(gevent.GreenletExit())
            elif (error := task.exception()) is not None:
                result.set_exception(error)
            else:
                result.set(task.result())

        def start() -> None:
            task = self.loop.create_task(work)
            tasks.append(task)

            def done(ended: asyncio.Task[T]) -> None:
                finished.append(ended)
                wake.send()

            task.add_done_callback(done)

        wake.start(deliver)
        self.loop.call_soon_threadsafe(start)
        try:
            value: T = result.get(timeout=timeout)
            return value
        except BaseException:
            self.loop.call_soon_threadsafe(lambda: tasks and tasks[0].cancel())
            raise
