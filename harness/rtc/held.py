"""Packets that emulated links hold until they are due, and the alarm that all links of a process share."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

TIMER_LATE_US = 500  # a selector sleeps whole milliseconds, rounded up
# Hears of packets that are due, and when they were by the run clock.
Release = Callable[[list[Any], list[int]], None]


class Alarm:
    """Calls queues when their first packet is due: one timer for all, since each timer costs as much as many packets.

    A loop that is awake anyway says so by `ride`. early_us: what is due so soon counts as due. late_us: for how long a
    ride may be waited for. rest_us: between two calls without a ride.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        self.early_us = self.late_us = self.rest_us = 0
        self._now_us = now_us
        self._heap: list[tuple[int, int, HeldPackets]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_us = 0
        self._rode_us = 0

    def set(self, due_us: int, queue: HeldPackets) -> None:
        heapq.heappush(self._heap, (due_us, next(self._order), queue))
        self._arm()

    @property
    def _next_us(self) -> int:
        return max(self._heap[0][0] + self.late_us - TIMER_LATE_US, self._rode_us + self.rest_us)

    def _arm(self) -> None:
        """Have a timer; one that is set already and rings too early does as well, and is set again then."""
        at = self._next_us
        if self._timer is not None:
            if self._timer_us <= at:
                return
            self._timer.cancel()
        self._timer_us = at
        wait = max(0, at - self._now_us())
        self._timer = asyncio.get_running_loop().call_later(wait / 1_000_000, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._heap and self._next_us <= self._now_us():
            self.ride()
        elif self._heap:
            self._arm()

    def ride(self) -> None:
        """Call the queues whose first packet is due."""
        heap = self._heap
        if not heap:
            return
        self._rode_us = self._now_us()
        now = self._rode_us + self.early_us
        while heap and heap[0][0] <= now:
            due, _, queue = heapq.heappop(heap)
            queue.ring(due, now)
        if heap:
            self._arm()

    def close(self) -> None:
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()


class HeldPackets:
    """Packets under way between a link and one socket, in the order in which they come out, and when they do.

    Two lists side by side: a tuple for every packet would cost as much as all the rest.
    """

    __slots__ = ("_alarm", "_release", "_set_for", "packets", "times_us")

    def __init__(self, alarm: Alarm, release: Release) -> None:
        self._alarm, self._release = alarm, release
        self.packets: list[Any] = []
        self.times_us: list[int] = []
        self._set_for = -1

    def put(self, packet: Any, due_us: int) -> None:
        times = self.times_us
        if times and due_us >= times[-1]:
            self.packets.append(packet)
            times.append(due_us)
            return
        at = bisect_right(times, due_us)
        self.packets.insert(at, packet)
        times.insert(at, due_us)
        if not at:
            self._watch()

    def extend(self, packets: list[Any], times_us: list[int], *, ordered: bool) -> None:
        """Many at once. ordered: their times are known to rise."""
        if not packets:
            return
        held = self.times_us
        if held and times_us[0] >= held[-1] and (ordered or times_us == sorted(times_us)):
            self.packets += packets
            held += times_us
        elif held or not ordered:
            for packet, due in zip(packets, times_us, strict=True):
                self.put(packet, due)
        else:
            self.packets += packets
            held += times_us
            self._watch()

    def _watch(self) -> None:
        """Have the alarm ring for the first packet."""
        first = self.times_us[0]
        if self._set_for < 0 or first < self._set_for:
            self._set_for = first
            self._alarm.set(first, self)

    def ring(self, due_us: int, now_us: int) -> None:
        """The alarm set for `due_us` rang; one that was set before an earlier packet came says nothing."""
        if due_us != self._set_for:
            return
        self._set_for = -1
        count = bisect_right(self.times_us, now_us)
        packets, times = self.packets[:count], self.times_us[:count]
        del self.packets[:count], self.times_us[:count]
        if packets:
            self._release(packets, times)
        if self.times_us:
            self._watch()
