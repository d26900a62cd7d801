"""One direction of an access link, acted out: which packets come through, and when. No I/O; time is an argument."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from harness.rtc.conditions import BurstLoss, Link

WIRE_BYTES = 28  # of IPv4 and UDP headers: a rate is one of IP packets
_CUT = 3.0  # standard deviations beyond which normal jitter is cut
LOST: tuple[int, ...] = ()


class EmulatedLink:
    """Offer packets in order of time. Equal seeds and offers give equal fates.

    Counted: offered, delivered (each packet once, however often it comes), lost, overflowed (no room in the queue),
    cut (in an outage), doubled (copies), reordered (due before one that was offered earlier); queued_us, longest_us:
    the time spent waiting for the rate, in sum and at most. offered = delivered + lost + overflowed + cut.
    """

    def __init__(self, link: Link, dice: random.Random) -> None:
        self._dice = dice
        self._random = dice.random
        self.offered = self.delivered = self.lost = self.overflowed = self.cut = 0
        self.doubled = self.reordered = self.queued_us = self.longest_us = 0
        self._free_us = 0.0  # when the last bit of what was accepted will have left the queue
        self._last_us = 0  # the latest time at which anything is due
        self.change(link)

    def change(self, link: Link) -> None:
        """From now on the link is like this. What is under way arrives as it was to arrive."""
        self.link = link
        self._delay_us = round(link.delay * 1_000_000)
        self._jitter = self._jitter_of(link)
        self._burst = link.burst
        self._bad = link.burst is not None and self._random() < link.burst.bad_share
        self._queue_us = link.queue * 1_000_000
        if link.queue_bytes and link.rate:
            self._queue_us = link.queue_bytes * 8_000_000 / link.rate

    def _jitter_of(self, link: Link) -> Callable[[], float] | None:
        """Draws what a packet's delay differs by, in microseconds."""
        dice, jitter = self._dice, link.jitter * 1_000_000
        if not jitter:
            return None
        if link.distribution == "uniform":
            return lambda: dice.uniform(-jitter, jitter)
        if link.distribution == "exponential":
            return lambda: dice.expovariate(1 / jitter)
        return lambda: max(-_CUT, min(_CUT, dice.gauss(0, 1))) * jitter

    def offer(self, now_us: int, size: int) -> tuple[int, ...]:
        """When a UDP payload of `size` bytes comes out: never, once, or twice; in microseconds.

        Without jitter and reordering, packets come out in the order of their offers, also where `now_us` is earlier
        than at the offer before.
        """
        link = self.link
        self.offered += 1
        if link.outage:
            self.cut += 1
            return LOST
        if (self._burst is not None and self._lost_in_burst(self._burst)) or (link.loss and self._random() < link.loss):
            self.lost += 1
            return LOST
        left_us = self._leave_queue(now_us, size) if link.rate else now_us
        if left_us < 0:
            return LOST
        self.delivered += 1
        due = self._due(left_us)
        if link.duplicate and self._random() < link.duplicate:
            self.doubled += 1
            return due, self._due(left_us)
        return (due,)

    def _lost_in_burst(self, burst: BurstLoss) -> bool:
        if self._bad:
            self._bad = self._random() >= burst.r
        else:
            self._bad = self._random() < burst.p
        share = burst.bad if self._bad else burst.good
        return share > 0 and self._random() < share

    def _leave_queue(self, now_us: int, size: int) -> int:
        """When the packet's last bit has left; -1 when there is no room for it. An empty queue takes any packet."""
        takes = (size + WIRE_BYTES) * 8_000_000 / self.link.rate
        waits = self._free_us - now_us
        if waits <= 0:
            self._free_us = now_us + takes
        elif waits + takes > self._queue_us:
            self.overflowed += 1
            return -1
        else:
            self._free_us += takes
            self.queued_us += int(waits)
            self.longest_us = max(self.longest_us, int(waits))
        return math.ceil(self._free_us)

    def _due(self, left_us: int) -> int:
        due = left_us + self._delay_us
        if self._jitter is not None:
            due = max(left_us, due + round(self._jitter()))
        if due >= self._last_us:
            self._last_us = due
        elif self.link.reorder:
            self.reordered += 1
        else:
            due = self._last_us
        return due

    def counts(self) -> dict[str, int]:
        """What was counted, by name."""
        names = ("offered", "delivered", "lost", "overflowed", "cut", "doubled", "reordered")
        return {name: getattr(self, name) for name in names}
