"""The emulated access link of one user: whatever its peers send or receive goes through it, STUN and DTLS included."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from harness.rtc.conditions import Conditions
from harness.rtc.emulated_link import EmulatedLink
from harness.rtc.held import HeldPackets, Release
from harness.rtc.inbox import HeldAlone, HeldDatagram, alone

if TYPE_CHECKING:
    from harness.rtc.media_loop import MediaLoop

LONGEST_LINGER = 1.5  # seconds for which a closing peer waits for what it has sent
_arrival = itemgetter(0)


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
        self._all_sent_us = 0
        self._arrived: list[tuple[HeldPackets, list[HeldDatagram], list[int], list[int]]] = []

    def change(self, conditions: Conditions) -> None:
        """From now on the network is like this; what is under way arrives."""
        self.conditions = conditions
        self.up.change(conditions.up)
        self.down.change(conditions.down)

    # -- out -----------------------------------------------------------------------------------------------------

    def sender(self, transmit: Callable[[Any], object]) -> Callable[[bytes | memoryview], None]:
        """What sends a packet over the link and then by `transmit`; raises what that does when it is called at once."""

        def depart(packets: list[bytes], times_us: list[int]) -> None:
            for data in packets:
                try:
                    transmit(data)
                except OSError:  # a full socket buffer, or a socket closed meanwhile
                    self.send_errors += 1

        held = HeldPackets(self._media.departures, depart)
        up, clock, offset_us = self.up, time.monotonic_ns, self._media.clock_offset_us
        waiting, times = held.packets, held.times_us

        def send(data: bytes | memoryview) -> None:
            now = clock() // 1000 + offset_us
            for due in up.offer(now, len(data)):
                if times and due >= times[-1]:
                    waiting.append(bytes(data))
                    times.append(due)
                elif due <= now and not times:
                    transmit(data)
                    continue
                else:
                    held.put(bytes(data), due)
                self._all_sent_us = due

        return send

    async def linger(self) -> None:
        """Wait until what has been sent so far has left, but not for ever: a socket is about to be closed."""
        wait = (self._all_sent_us - self.now_us()) / 1_000_000
        if wait > 0:
            await asyncio.sleep(min(LONGEST_LINGER, wait + 0.001))

    # -- in ------------------------------------------------------------------------------------------------------

    def receiver(self, take: Release) -> HeldPackets:
        """Where the packets of one socket wait. take: hears of those that have come through, and when they did."""
        return HeldPackets(self._media.arrivals, take)

    def arrived(self, held: HeldPackets, packets: list[HeldDatagram], sizes: list[int], times_us: list[int]) -> None:
        """Packets reached this host; `settle` follows when all sockets have been read."""
        if not self._arrived:
            self._media.arriving.append(self)
        self._arrived.append((held, packets, sizes, times_us))

    def arrived_alone(self, held: HeldPackets, data: bytes) -> None:
        """One packet, read now and by itself."""
        self.arrived(held, [(HeldAlone(data), 0, len(data))], [len(data)], [self.now_us()])
        self._media.settle()

    def settle(self) -> None:
        """Send what arrived over the link, in the order of arrival at whichever socket: the link has one queue."""
        arrived, self._arrived = self._arrived, []
        first = arrived[0][0]
        if len(arrived) == 1 or all(batch[0] is first for batch in arrived):  # of one socket, and so in order
            for _, packets, sizes, times in arrived:
                through, times_due = self.down.offer_all(packets, sizes, times)
                link = self.down.link
                through = _copied(through) if link.duplicate else through
                first.extend(through, times_due, ordered=not link.reorder)
            return
        entries = [
            (at, held, packet)
            for held, packets, _, times in arrived
            for packet, at in zip(packets, times, strict=True)
        ]  # fmt: skip
        entries.sort(key=_arrival)
        for at, held, packet in entries:
            for number, due in enumerate(self.down.offer(at, packet[2])):
                held.put(alone(packet) if number else packet, due)


def _copied(packets: list[HeldDatagram]) -> list[HeldDatagram]:
    """What comes twice in a row, the second time as a copy of its own: packets are decrypted where they lie."""
    return [alone(packet) if at and packet is packets[at - 1] else packet for at, packet in enumerate(packets)]
