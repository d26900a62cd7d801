"""The emulated access link of one user: whatever its peers send or receive goes through it, STUN and DTLS included."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from harness.rtc.conditions import Conditions
from harness.rtc.emulated_link import EmulatedLink
from harness.rtc.held import HeldPackets, Packet

if TYPE_CHECKING:
    from harness.rtc.media_loop import MediaLoop

LONGEST_LINGER = 1.5  # seconds for which a closing peer waits for what it has sent
_arrival = itemgetter(0)


class Receiver(Protocol):
    """Where packets go that have come through the link."""

    def take_held(self, packets: list[Any], times_us: list[int]) -> None:
        """times_us: when they came out, by the run clock."""
        ...


class AccessLink:
    """seed: of the run and the user; up and down draw apart, so that the one does not move the other.

    Outgoing packets leave when they are due. Incoming ones are dated by the kernel's time of arrival plus what the
    link adds, to the microsecond, however late the loop gets to them.
    """

    def __init__(self, media: MediaLoop, conditions: Conditions, seed: str) -> None:
        self.conditions = conditions
        self.up = EmulatedLink(conditions.up, random.Random(f"{seed}/up"))
        self.down = EmulatedLink(conditions.down, random.Random(f"{seed}/down"))
        self.send_errors = 0
        self.now_us = media.now_us
        self._media = media
        self._outgoing = HeldPackets(media.departures, self._depart)
        self._incoming = HeldPackets(media.arrivals, self._arrive)
        self._arrived: list[tuple[int, Receiver, bytes | bytearray]] = []

    def change(self, conditions: Conditions) -> None:
        """From now on the network is like this; what is under way arrives."""
        self.conditions = conditions
        self.up.change(conditions.up)
        self.down.change(conditions.down)

    # -- out -----------------------------------------------------------------------------------------------------

    def send(self, transmit: Callable[[Any], object], data: bytes | memoryview) -> None:
        """Send by `transmit` when the packet is through. Raises what transmit raises when that is at once."""
        now = self._media.now_us()
        held = self._outgoing
        for due in self.up.offer(now, len(data)):
            if due <= now and not held.packets:
                transmit(data)
            else:
                held.put(Packet(due, transmit, bytes(data)))
        held.watch()

    def _depart(self, packets: list[Packet]) -> None:
        for _, transmit, data in packets:
            try:
                transmit(data)
            except OSError:  # a full socket buffer, or a socket closed meanwhile
                self.send_errors += 1

    async def linger(self) -> None:
        """Wait until what has been sent so far has left, but not for ever: a socket is about to be closed."""
        packets = self._outgoing.packets
        if packets:
            wait = (packets[-1].due_us - self._media.now_us()) / 1_000_000
            await asyncio.sleep(min(LONGEST_LINGER, max(0.0, wait) + 0.001))

    # -- in ------------------------------------------------------------------------------------------------------

    def arrived(self, receiver: Receiver, data: bytes | bytearray, at_us: int) -> None:
        """A packet reached this host. All sockets of the user are read before any is judged: one link has one order."""
        if not self._arrived:
            self._media.loop.call_soon(self._settle)
        self._arrived.append((at_us, receiver, data))

    def _settle(self) -> None:
        arrived, self._arrived = self._arrived, []
        arrived.sort(key=_arrival)
        held, offer = self._incoming, self.down.offer
        for at, receiver, data in arrived:
            for due in offer(at, len(data)):
                held.put(Packet(due, receiver, data))
        held.release(self._media.now_us())
        held.watch()

    def _arrive(self, packets: list[Packet]) -> None:
        begin = 0
        while begin < len(packets):
            receiver, end = packets[begin].target, begin + 1
            while end < len(packets) and packets[end].target is receiver:
                end += 1
            batch = packets[begin:end]
            receiver.take_held([packet.data for packet in batch], [packet.due_us for packet in batch])
            begin = end
