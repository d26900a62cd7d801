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
import time
from collections.abc import Callable


class Poller:
    """Sockets of one process, drained together.

    rest: seconds between a drain and the next look (a forwarder wants about 2 ms, a generator 10 ms).
    """

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._selector.fileno(), self._wake)  # type: ignore[attr-defined]
        self._resting: asyncio.TimerHandle | None = None
        # What to add to a CLOCK_REALTIME arrival to get the monotonic clock, refreshed at every drain.
        self.realtime_offset_us = 0
        self.closed = False

    def add(self, sock: socket.socket, drain: Callable[[], None]) -> None:
        self._selector.register(sock, selectors.EVENT_READ, drain)

    def remove(self, sock: socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def _wake(self) -> None:
        self.realtime_offset_us = (time.monotonic_ns() - time.time_ns()) // 1000
        for key, _ in self._selector.select(0):
            key.data()
        if self._rest and not self.closed:
            self._loop.remove_reader(self._selector.fileno())  # type: ignore[attr-defined]
            self._resting = self._loop.call_later(self._rest, self._look_again)

    def _look_again(self) -> None:
        self._resting = None
        if not self.closed:
            self._loop.add_reader(self._selector.fileno(), self._wake)  # type: ignore[attr-defined]

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._resting is not None:
            self._resting.cancel()
        else:
            self._loop.remove_reader(self._selector.fileno())  # type: ignore[attr-defined]
        self._selector.close()
