"""Packets that emulated links hold until they are due, and the alarm that all links of a process share."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from bisect import insort
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

_due = itemgetter(0)


class Packet(NamedTuple):
    """due_us: run clock. target: what it goes to when it is due."""

    due_us: int
    target: Any
    data: bytes | bytearray


class Alarm:
    """Calls queues when their first packet is due: one timer for all, since each timer costs as much as a packet.

    early_us: what is due so soon counts as due, since the system's timers are as late. rest_us: between two calls, as
    the poller rests.
    """

    def __init__(self, now_us: Callable[[], int], *, early_us: int, rest_us: int) -> None:
        self._now_us = now_us
        self._early_us, self._rest_us = early_us, rest_us
        self._heap: list[tuple[int, int, HeldPackets]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_us = 0

    def set(self, due_us: int, queue: HeldPackets) -> None:
        heapq.heappush(self._heap, (due_us, next(self._order), queue))
        if self._timer is None or due_us < self._rings_us:
            self._arm(0)

    def _arm(self, least_us: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            wait = max(least_us, self._heap[0][0] - self._early_us - self._now_us())
            self._rings_us = self._heap[0][0]
            self._timer = asyncio.get_running_loop().call_later(max(0, wait) / 1_000_000, self._ring)

    def _ring(self) -> None:
        self._timer = None
        heap, now = self._heap, self._now_us() + self._early_us
        while heap and heap[0][0] <= now:
            due, _, queue = heapq.heappop(heap)
            queue.ring(due, now)
        self._arm(self._rest_us)

    def close(self) -> None:
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()


class HeldPackets:
    """Packets under way on one link, in the order in which they come out. release hears of those that are due."""

    __slots__ = ("_alarm", "_release", "_set_for", "packets")

    def __init__(self, alarm: Alarm, release: Callable[[list[Packet]], None]) -> None:
        self._alarm, self._release = alarm, release
        self.packets: deque[Packet] = deque()
        self._set_for = -1

    def put(self, packet: Packet) -> None:
        packets = self.packets
        if not packets or packet.due_us >= packets[-1].due_us:
            packets.append(packet)
        else:
            insort(packets, packet, key=_due)

    def watch(self) -> None:
        """Have the alarm ring for the first packet. Call after any `put`."""
        first = self.packets[0].due_us if self.packets else -1
        if first >= 0 and (self._set_for < 0 or first < self._set_for):
            self._set_for = first
            self._alarm.set(first, self)

    def ring(self, due_us: int, now_us: int) -> None:
        """The alarm set for `due_us` rang; one that was set before an earlier packet came says nothing."""
        if due_us == self._set_for:
            self._set_for = -1
            self.release(now_us)
            self.watch()

    def release(self, now_us: int) -> None:
        """Let go of what is due."""
        packets, due = self.packets, []
        while packets and packets[0].due_us <= now_us:
            due.append(packets.popleft())
        if due:
            self._release(due)
