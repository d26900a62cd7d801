"""An asyncio event loop on virtual time: when nothing is ready, the clock jumps to the next timer.

Nothing in it depends on the machine, so the same work takes the same steps every time. What needs the world outside
(threads, sockets, processes) is refused: it would take real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
BEGIN = 1000.0  # not 0, which traces take for "no time"
_RESOLUTION = 1e-9
_MOST_ROUNDS = 100_000  # without the clock moving; a whole performance needs fewer
_REFUSED = (
    "run_in_executor", "call_soon_threadsafe", "getaddrinfo", "getnameinfo", "create_connection", "create_server",
    "create_datagram_endpoint", "create_unix_connection", "create_unix_server", "sock_recv", "sock_sendall",
    "sock_connect", "sock_accept", "connect_read_pipe", "connect_write_pipe", "subprocess_exec", "subprocess_shell",
    "add_reader", "add_writer", "add_signal_handler", "sendfile", "start_tls",
)  # fmt: skip


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: everybody waits for something that never comes."""


class Livelock(RuntimeError):
    """Something is always ready and time stands still: somebody tries again and again without ever waiting."""


class NotVirtual(RuntimeError):
    """Something asked the loop for what takes real time."""


class _Jump:
    """Stands where the loop expects a selector: instead of waiting, it moves the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._rounds = 0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set: everybody waits for something that never comes")
        self._rounds = self._rounds + 1 if timeout == 0 else 0
        if self._rounds > _MOST_ROUNDS:
            raise Livelock("something is always ready and time stands still: somebody tries again without waiting")
        self._loop.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """now: seconds of virtual time; failures: errors that nobody caught."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN
        self.failures: list[BaseException] = []
        self.set_exception_handler(self._note)
        self._selector = _Jump(self)
        self._clock_resolution = _RESOLUTION

    def time(self) -> float:
        return self.now

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error that nobody caught: in a test bed it must not end as a line in a log."""
        self.failures.append(context.get("exception") or RuntimeError(context["message"]))

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody outside could be waiting to wake the loop."""


def _refusal(name: str) -> Any:
    def refuse(self: VirtualLoop, *args: Any, **options: Any) -> NoReturn:
        raise NotVirtual(f"{name} is not possible on virtual time: it depends on the world outside")

    return refuse


for _name in _REFUSED:
    setattr(VirtualLoop, _name, _refusal(_name))


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own. Tasks that are left over are cancelled.

    Raises Deadlock when the work waits for something that never comes, Livelock when it never waits, and the first
    error of a task or a timer that nobody caught.
    """
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(work)
    finally:
        _cancel_the_rest(loop)
        loop.close()
    if loop.failures:
        raise loop.failures[0]
    return result


def _cancel_the_rest(loop: VirtualLoop) -> None:
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
