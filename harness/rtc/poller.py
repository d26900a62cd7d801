"""Drains many UDP sockets from one wake-up.

asyncio wakes once per datagram and socket; at thousands of packets a second that wake-up costs more than the packet.
Here one selector holds every socket: the loop is woken when any is readable, all readable sockets are drained, and
the selector then rests for a short time so that the next wake-up again finds a batch. Arrival times come from the
kernel, so resting does not blur them.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import sys
import time
from collections.abc import Callable
from typing import Any


class Poller:
    """Sockets of one process, drained together.

    rest: seconds between a drain and the next look (a forwarder wants about 2 ms, a generator 10 ms). beside: another
    poller, whose clock this one keeps as well.
    """

    def __init__(self, rest: float, beside: Poller | None = None) -> None:
        self._rest = rest
        self._clock = beside or self
        self._selector = system_selector()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._selector.fileno(), self._wake)
        self._resting: asyncio.TimerHandle | None = None
        self.after: Callable[[], None] | None = None  # called when all sockets that could be read have been
        # What to add to a CLOCK_REALTIME arrival to get the monotonic clock, refreshed at every drain.
        self.realtime_offset_us = 0
        self.closed = False

    def add(self, sock: socket.socket, drain: Callable[[], None]) -> None:
        self._selector.register(sock, selectors.EVENT_READ, drain)

    def remove(self, sock: socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def _wake(self) -> None:
        self._clock.realtime_offset_us = (time.monotonic_ns() - time.time_ns()) // 1000
        for key, _ in self._selector.select(0):
            key.data()
        if self.after is not None:
            self.after()
        if self._rest and not self.closed:
            self._loop.remove_reader(self._selector.fileno())
            self._resting = self._loop.call_later(self._rest, self._look_again)

    def _look_again(self) -> None:
        self._resting = None
        if not self.closed:
            self._loop.add_reader(self._selector.fileno(), self._wake)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._resting is not None:
            self._resting.cancel()
        else:
            self._loop.remove_reader(self._selector.fileno())
        self._selector.close()


def system_selector() -> Any:
    """A selector of the system's own, also where gevent (under plain `locust -f`) has put its own in their place."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("select"):
        return selectors.DefaultSelector()
    try:
        poll = monkey.get_original("select", "epoll")()
    except AttributeError:
        return selectors.DefaultSelector()
    return _Epoll(poll)


class _Epoll(selectors._BaseSelectorImpl):
    """What selectors.EpollSelector is, for an epoll object that had to be asked for."""

    def __init__(self, poll: Any) -> None:
        super().__init__()
        self._poll = poll
        self._by_descriptor: dict[int, selectors.SelectorKey] = {}

    def fileno(self) -> int:
        return int(self._poll.fileno())

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        self._poll.register(key.fd, _to_epoll(events))
        self._by_descriptor[key.fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key: selectors.SelectorKey = super().unregister(fileobj)
        self._by_descriptor.pop(key.fd, None)
        with contextlib.suppress(OSError):  # the descriptor may be closed already
            self._poll.unregister(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        wait = -1.0 if timeout is None else max(0.0, timeout)
        ready: list[tuple[selectors.SelectorKey, int]] = []
        try:
            found = self._poll.poll(wait, max(1, len(self.get_map())))
        except InterruptedError:
            return ready
        for descriptor, event in found:
            key = self._by_descriptor.get(descriptor)
            if key is not None:
                events = selectors.EVENT_WRITE if event & ~_EPOLLIN else 0
                events |= selectors.EVENT_READ if event & ~_EPOLLOUT else 0
                ready.append((key, events & key.events))
        return ready

    def close(self) -> None:
        self._poll.close()
        super().close()


_EPOLLIN, _EPOLLOUT = 1, 4


def _to_epoll(events: int) -> int:
    return (_EPOLLIN if events & selectors.EVENT_READ else 0) | (_EPOLLOUT if events & selectors.EVENT_WRITE else 0)
