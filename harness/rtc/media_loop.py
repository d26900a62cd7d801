"""One per process: the socket poller, the frame pacer, the RTCP ticker and the run clock, on one asyncio loop."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from harness.rtc.adapter import Datagram
from harness.rtc.held import Alarm
from harness.rtc.inbox import Inbox
from harness.rtc.poller import Poller

if TYPE_CHECKING:
    from harness.rtc.access_link import AccessLink
    from harness.rtc.packet_path import PacketPath

TICK = 0.1  # seconds: transport feedback and NACK retries, as browsers do it
# Frames due within a grid step leave together: with few sources each leaves at once, with many wake-ups are spared.
PACING_GRID_US = (1_000, 5_000)
GRID_PER_SOURCE_US = 25
HOPELESSLY_LATE_US = 1_000_000


class Source(Protocol):
    """Something with a frame clock."""

    def send_frame(self, due_us: int) -> int:
        """Send the frame due at `due_us` and return when the next one is due (microseconds)."""
        ...

    def skip_to(self, now_us: int, due_us: int) -> int:
        """The sender fell hopelessly behind: skip frame numbers and return the next due time after now."""
        ...


class MediaLoop:
    """Create inside the running loop.

    rest: seconds the poller rests between drains. `on_sent_late(us)` hears by how much each frame left after it was
    due: the generator's pacing error.
    """

    def __init__(self, *, rest: float, clock_offset_us: int = 0) -> None:
        self.loop = asyncio.get_running_loop()
        self.poller = Poller(rest)
        self.clock_offset_us = clock_offset_us
        self.inbox = Inbox()
        self.outgoing = Datagram()
        self.peers: set[PacketPath] = set()
        self.on_sent_late: Callable[[float], None] | None = None
        # For emulated links only; they cost nothing where there are none.
        self.arriving: list[AccessLink] = []
        self.arrivals, self.departures = Alarm(self.now_us), Alarm(self.now_us)
        self.arrivals.rest_us = self.arrivals.late_us = round(2 * rest * 1_000_000)  # the poller rides along earlier
        self._space_departures(PACING_GRID_US[0])
        self.poller.after = self.settle
        self._patient: Poller | None = None
        self._rest = rest
        self._heap: list[tuple[int, int, Source]] = []
        self._order = itertools.count()
        self._pacing: asyncio.TimerHandle | None = None
        self._tick_handle = self.loop.call_later(TICK, self._tick)
        self.closed = False

    def now_us(self) -> int:
        """The run clock in microseconds: this host's monotonic clock plus its measured offset to the master."""
        return time.monotonic_ns() // 1000 + self.clock_offset_us

    @property
    def from_unix_us(self) -> int:
        """What to add to a CLOCK_REALTIME microsecond to get the run clock."""
        return self.poller.realtime_offset_us + self.clock_offset_us

    # -- pacing --------------------------------------------------------------------------------------------------

    def add_source(self, source: Source, due_us: int) -> None:
        heapq.heappush(self._heap, (due_us, next(self._order), source))
        self._arm()

    def remove_source(self, source: Source) -> None:
        self._heap = [entry for entry in self._heap if entry[2] is not source]
        heapq.heapify(self._heap)

    def _arm(self) -> None:
        if self._pacing is not None:
            self._pacing.cancel()
        if self._heap and not self.closed:
            finest, coarsest = PACING_GRID_US
            grid = min(coarsest, max(finest, len(self._heap) * GRID_PER_SOURCE_US))
            self._space_departures(grid)
            wait = max(grid, self._heap[0][0] - self.now_us())
            self._pacing = self.loop.call_later(wait / 1_000_000, self._pace)
        else:
            self._pacing = None

    def _pace(self) -> None:
        self._pacing = None
        now = self.now_us()
        while self._heap and self._heap[0][0] <= now:
            due, order, source = self._heap[0]
            if now - due > HOPELESSLY_LATE_US:
                following = source.skip_to(now, due)
            else:
                following = source.send_frame(due)
                if self.on_sent_late is not None:
                    self.on_sent_late(self.now_us() - due)
            # A source may have removed itself or another while sending.
            if self._heap and self._heap[0][2] is source:
                heapq.heapreplace(self._heap, (following, order, source))
        self.departures.ride()
        self._arm()

    def poller_for(self, access: AccessLink | None) -> Poller:
        """Who reads the sockets of a peer behind this emulated link. What a link delays anyway may wait twice as long
        to be read, and then comes in larger batches."""
        if access is None or access.conditions.down.delay < self._rest:
            return self.poller
        if self._patient is None:
            self._patient = Poller(2 * self._rest, beside=self.poller)
            self._patient.after = self.settle
        return self._patient

    def _space_departures(self, grid_us: int) -> None:
        """Held packets leave on the grid of frames, as early as late."""
        self.departures.rest_us, self.departures.early_us = grid_us, grid_us // 2

    # -- emulated links ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """All sockets have been read: what arrived goes over its user's link, what is through goes on."""
        while self.arriving:
            self.arriving.pop().settle()
        self.arrivals.ride()

    # -- RTCP ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self.now_us()
        for peer in tuple(self.peers):
            peer.tick(now)
        if not self.closed:
            self._tick_handle = self.loop.call_later(TICK, self._tick)

    async def close(self) -> None:
        """Close every peer and stop all timers."""
        self.closed = True
        self._tick_handle.cancel()
        if self._pacing is not None:
            self._pacing.cancel()
        self._heap.clear()
        await asyncio.gather(*(peer.close() for peer in tuple(self.peers)), return_exceptions=True)
        self.departures.close()
        self.arrivals.close()
        self.poller.close()
        if self._patient is not None:
            self._patient.close()
