"""One direction of an access link, acted out: which packets come through, and when. No I/O; time is an argument."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate, cycle, islice, repeat
from operator import add
from statistics import NormalDist
from typing import Any

from harness.rtc.conditions import BurstLoss, Link

WIRE_BYTES = 28  # of IPv4 and UDP headers: a rate is one of IP packets
LOST: tuple[int, ...] = ()
_CUT = 3.0  # standard deviations beyond which normal jitter is cut
_NEVER = 1e12  # packets
_STEPS = 512  # of a distribution's table
_ROUND = 8191  # packets after which their jitter comes round again


@lru_cache
def _quantiles(distribution: str) -> tuple[float, ...]:
    """What a delay differs by, in units of the jitter: each value as likely as any other."""
    shares = [(step + 0.5) / _STEPS for step in range(_STEPS)]
    if distribution == "uniform":
        return tuple(2 * share - 1 for share in shares)
    if distribution == "exponential":
        return tuple(-math.log(1 - share) for share in shares)
    return tuple(max(-_CUT, min(_CUT, NormalDist().inv_cdf(share))) for share in shares)


def _delays(link: Link, dice: random.Random) -> list[int]:
    """The delays of the next packets in microseconds, which come round again: drawn beforehand, as a draw for each
    packet costs as much as all the rest that is done to it."""
    if not link.jitter:
        return [round(link.delay * 1_000_000)]
    each = [max(0, round((link.delay + q * link.jitter) * 1_000_000)) for q in _quantiles(link.distribution)]
    return dice.choices(each, k=_ROUND)


class EmulatedLink:
    """Offer packets in order of time. Equal seeds and offers give equal fates.

    Counted: offered, delivered (each packet once, however often it comes), lost, overflowed (no room in the queue),
    cut (in an outage), doubled (copies), reordered (due before one that was offered earlier); queued_us, longest_us:
    the time spent waiting for the rate, in sum and at most.
    """

    __slots__ = (
        "_at", "_bad", "_burst", "_delays", "_dice", "_doubles", "_free_us", "_last_us", "_loss", "_plain", "_queue_us",
        "_random", "_reorder", "_spared", "cut", "doubled", "link", "longest_us", "lost", "offered", "overflowed",
        "queued_us", "reordered",
    )  # fmt: skip

    def __init__(self, link: Link, dice: random.Random) -> None:
        self._dice, self._random = dice, dice.random
        self.offered = self.lost = self.overflowed = self.cut = 0
        self.doubled = self.reordered = self.queued_us = self.longest_us = 0
        self._free_us = 0.0  # when the last bit of what was accepted will have left the queue
        self._last_us = 0  # the latest time at which anything is due
        self.change(link)

    def change(self, link: Link) -> None:
        """From now on the link is like this. What is under way arrives as it was to arrive."""
        self.link = link
        self._delays, self._at = _delays(link, self._dice), 0
        self._reorder = link.reorder
        self._burst = link.burst
        self._loss = link.loss if link.burst is None else 0.0
        self._spared = self._next_loss()
        self._bad = link.burst is not None and self._random() < link.burst.bad_share
        self._doubles = link.duplicate
        self._queue_us = link.queue * 1_000_000
        if link.queue_bytes and link.rate:
            self._queue_us = link.queue_bytes * 8_000_000 / link.rate
        self._plain = not (link.outage or link.rate or link.duplicate or link.burst)

    def _next_loss(self) -> int:
        """How many packets are spared before one is lost at random: one draw a loss instead of one a packet."""
        if not self._loss:
            return -1
        if self._loss >= 1:
            return 0
        return int(min(_NEVER, math.log1p(-self._random()) / math.log1p(-self._loss)))

    @property
    def delivered(self) -> int:
        return self.offered - self.lost - self.overflowed - self.cut

    def offer(self, now_us: int, size: int) -> tuple[int, ...]:
        """When a UDP payload of `size` bytes comes out: never, once, or twice; in microseconds.

        Unless they may be reordered, packets come out in the order of their offers, also where `now_us` is earlier than
        at the offer before.
        """
        self.offered += 1
        if not self._plain or not self._spared:
            return self._offer_further(now_us, size)
        self._spared -= 1
        at = self._at
        due = now_us + self._delays[at]
        self._at = at + 1 if at + 1 < len(self._delays) else 0
        if due >= self._last_us:
            self._last_us = due
            return (due,)
        return (self._out_of_turn(due),)

    def offer_all(self, packets: list[Any], sizes: list[int], times_us: list[int]) -> tuple[list[Any], list[int]]:
        """What comes through of many packets, and when, in the order of their offers: as `offer` of each."""
        count = len(packets)
        if self._plain and not 0 <= self._spared < count and not self._reorder:
            self.offered += count
            self._spared -= count
            due = list(accumulate(map(add, times_us, self._next_delays(count)), max, initial=self._last_us))
            self._last_us = due[-1]
            return packets, due[1:]
        through = [
            (data, due)
            for data, size, now in zip(packets, sizes, times_us, strict=True)
            for due in self.offer(now, size)
        ]  # fmt: skip
        return [data for data, _ in through], [due for _, due in through]

    def _next_delays(self, count: int) -> Iterable[int]:
        delays, at = self._delays, self._at
        if len(delays) == 1:
            return repeat(delays[0])
        end = self._at = at + count
        if end < len(delays):
            return delays[at:end]
        self._at = end % len(delays)
        return islice(cycle(delays), at, end)

    def _offer_further(self, now_us: int, size: int) -> tuple[int, ...]:
        link = self.link
        if link.outage:
            self.cut += 1
            return LOST
        if self._loss:
            if not self._spared:
                self._spared = self._next_loss()
                self.lost += 1
                return LOST
            self._spared -= 1
        if self._burst is not None and self._lost_in_burst(self._burst):
            self.lost += 1
            return LOST
        left_us = self._leave_queue(now_us, size) if link.rate else now_us
        if left_us < 0:
            return LOST
        due = self._due(left_us)
        if self._doubles and self._random() < self._doubles:
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
        at = self._at
        due = left_us + self._delays[at]
        self._at = at + 1 if at + 1 < len(self._delays) else 0
        if due >= self._last_us:
            self._last_us = due
            return due
        return self._out_of_turn(due)

    def _out_of_turn(self, due: int) -> int:
        """Due before a packet that was offered earlier."""
        if not self._reorder:
            return self._last_us
        self.reordered += 1
        return due

    def counts(self) -> dict[str, int]:
        """What was counted, by name."""
        names = ("offered", "delivered", "lost", "overflowed", "cut", "doubled", "reordered")
        return {name: getattr(self, name) for name in names}
