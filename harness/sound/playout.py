"""The playout: which packet of sound is heard when, and what is concealed because it did not come in time.

A model, the same for every service, so that figures compare; no receiver's adaptive buffer is imitated:

* a packet is heard when it has arrived and all before it have been heard or given up;
* one that is missing is waited for until REORDER_US after the first packet behind it came, then 20 ms are concealed;
  what comes later than that is not heard any more;
* nothing is stretched, shortened or held back to even out jitter, so the delay heard is the path's own;
* where the sender left time out (the timestamp moves on, the sequence number does not) nothing is concealed.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.rtc.inbound import RESTART_GAP, StampFields

REORDER_US = 60_000
FRAME_CLOCK = 960  # RTP clock units of 20 ms (RFC 7587 section 4.1)
FRAME_US = 20_000


class Arrived(NamedTuple):
    """A packet as it came. sequence: of RTP, 16 bits. timestamp: of RTP, 32 bits."""

    sequence: int
    timestamp: int
    payload: bytes
    stamp: StampFields | str
    arrival_us: int


class Due(NamedTuple):
    """20 ms to be played. payload: None when they have to be concealed. fresh: nothing before it belongs to it."""

    payload: bytes | None
    stamp: StampFields | str | None
    heard_us: int
    fresh: bool


class Playout:
    """One stream's packets, put in order. `push` per packet, `take` once in a while. late: came, but too late."""

    def __init__(self) -> None:
        self._waiting: dict[int, Arrived] = {}  # by sequence number, counted on beyond 16 bits
        self._highest: int | None = None
        self._next: int | None = None
        self._timestamp = 0  # of the frame played last
        self._heard_us = 0
        self.late = 0

    def push(self, packet: Arrived) -> None:
        """A packet has come. Doubles and what is too late are ignored."""
        if self._highest is None:
            index = packet.sequence
        else:
            index = self._highest + ((packet.sequence - self._highest + 0x8000) & 0xFFFF) - 0x8000
            if abs(index - self._highest) > RESTART_GAP:
                self._begin_anew()
        if self._next is not None and index < self._next:
            self.late += 1
            return
        self._highest = index if self._highest is None else max(index, self._highest)
        self._waiting.setdefault(index, packet)

    def _begin_anew(self) -> None:
        """The sequence numbers jumped: another stream under the same SSRC."""
        self._waiting.clear()
        self._next = self._highest = None

    def take(self, now_us: int) -> list[Due]:
        """What can be played by now, in order."""
        played: list[Due] = []
        order = sorted(self._waiting)
        behind = self._arrivals_behind(order)
        for place, index in enumerate(order):
            packet = self._waiting[index]
            if self._next is not None and index > self._next:
                # The gap before this packet is waited for until something behind it has been there long enough.
                given_up = min(packet.arrival_us, behind[place]) + REORDER_US
                if given_up > now_us:
                    break
                self._conceal(played, index - self._next, given_up)
            del self._waiting[index]
            if packet.arrival_us <= behind[place] + REORDER_US:
                self._play(played, packet)
            else:
                self.late += 1
                if self._next is None:
                    continue  # nothing has been heard yet, so nothing is missed
                self._conceal(played, 1, behind[place] + REORDER_US)
            self._next = index + 1
        return played

    def _arrivals_behind(self, order: list[int]) -> list[int]:
        """For each packet the earliest arrival of any behind it."""
        earliest = 1 << 62
        found = []
        for index in reversed(order):
            found.append(earliest)
            earliest = min(earliest, self._waiting[index].arrival_us)
        return found[::-1]

    def _conceal(self, played: list[Due], count: int, at_us: int) -> None:
        for _ in range(count):
            self._heard_us = max(self._heard_us, at_us)
            self._timestamp += FRAME_CLOCK
            played.append(Due(None, None, self._heard_us, False))

    def _play(self, played: list[Due], packet: Arrived) -> None:
        expected = (self._timestamp + FRAME_CLOCK) & 0xFFFFFFFF
        fresh = self._next is None or packet.timestamp != expected
        self._timestamp = packet.timestamp
        self._heard_us = max(self._heard_us, packet.arrival_us)
        played.append(Due(packet.payload, packet.stamp, self._heard_us, fresh))
