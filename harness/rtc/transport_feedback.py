"""Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): writing it, and reading it back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

from harness.rtc import rtcp

URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
DELTA_US = 250
REFERENCE_US = 64_000
_MAX_STATUSES = 500  # one feedback packet must fit one datagram, also when every time takes two bytes
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2


class FeedbackWriter:
    """Collects arrivals of one transport and turns them into feedback packets.

    The drain loop appends (16-bit transport sequence, arrival in microseconds) to `arrivals`.
    """

    def __init__(self) -> None:
        self.arrivals: list[tuple[int, int]] = []
        self._count = 0
        self._next: int | None = None

    def take(self, sender_ssrc: int, media_ssrc: int) -> bytes | None:
        """Feedback for all arrivals since the last call (times in microseconds), or None when there were none."""
        if not self.arrivals:
            return None
        arrivals, self.arrivals = self.arrivals, []
        base = self._next if self._next is not None else arrivals[0][0]
        information = self._orderly(base, arrivals)
        if information is not None:
            self._next = (base + len(arrivals)) & 0xFFFF
            return rtcp.feedback(rtcp.TRANSPORT_FEEDBACK, rtcp.TRANSPORT_WIDE, sender_ssrc, media_ssrc, information)
        received: dict[int, int] = {}
        for sequence, at in arrivals:
            offset = (sequence - base) & 0xFFFF
            if offset < 0x8000:  # older than what was already reported: nothing useful can be said of it
                received.setdefault(offset, at)
        if not received:
            return None
        first = min(received)
        if first >= _MAX_STATUSES:  # a gap longer than one packet can tell of: begin behind it
            base = (base + first) & 0xFFFF
            received = {offset - first: at for offset, at in received.items()}
        last = max(offset for offset in received if offset < _MAX_STATUSES)
        self.arrivals = [((base + o) & 0xFFFF, at) for o, at in received.items() if o > last]  # for the next feedback
        self._next = (base + last + 1) & 0xFFFF
        information = self._information(base, last + 1, received)
        return rtcp.feedback(rtcp.TRANSPORT_FEEDBACK, rtcp.TRANSPORT_WIDE, sender_ssrc, media_ssrc, information)

    def _information(self, base: int, count: int, received: dict[int, int]) -> bytes:
        first_at = min(at for offset, at in received.items() if offset < count)
        reference = first_at // REFERENCE_US
        ticks = reference * (REFERENCE_US // DELTA_US)
        statuses, deltas = [], []
        for offset in range(count):
            at = received.get(offset)
            if at is None:
                statuses.append(_NOT_RECEIVED)
                continue
            delta = max(-32768, min(32767, at // DELTA_US - ticks))
            ticks += delta
            if 0 <= delta <= 255:
                statuses.append(_SMALL)
                deltas.append(struct.pack("!B", delta))
            else:
                statuses.append(_LARGE)
                deltas.append(struct.pack("!h", delta))
        return self._packed(base, count, reference, _chunks(statuses) + b"".join(deltas))

    def _orderly(self, base: int, arrivals: list[tuple[int, int]]) -> bytes | None:
        """The common case, all packets there and in order with small deltas, without a look at each; else None."""
        count = len(arrivals)
        if count > _MAX_STATUSES or [sequence for sequence, _ in arrivals] != [*range(base, base + count)]:
            return None
        ticks = [at // DELTA_US for _, at in arrivals]
        reference = ticks[0] // (REFERENCE_US // DELTA_US)
        deltas = [after - before for before, after in pairwise([reference * (REFERENCE_US // DELTA_US), *ticks])]
        if min(deltas) < 0 or max(deltas) > 255:
            return None
        return self._packed(base, count, reference, struct.pack("!H", _SMALL << 13 | count) + bytes(deltas))

    def _packed(self, base: int, count: int, reference: int, rest: bytes) -> bytes:
        head = struct.pack("!HHI", base, count, (reference & 0xFFFFFF) << 8 | self._count & 0xFF)
        self._count += 1
        body = head + rest
        return body + b"\0" * (-len(body) % 4)


def _chunks(statuses: Sequence[int]) -> bytes:
    out, at = [], 0
    while at < len(statuses):
        run = 1
        while at + run < len(statuses) and statuses[at + run] == statuses[at] and run < 0x1FFF:
            run += 1
        if run >= 7:
            out.append(statuses[at] << 13 | run)
            at += run
        else:
            word = 0xC000
            for place, status in enumerate(statuses[at : at + 7]):
                word |= status << (12 - 2 * place)
            out.append(word)
            at += 7
    return struct.pack(f"!{len(out)}H", *out)


def read_feedback(information: bytes) -> tuple[int, list[int | None]]:
    """The first transport sequence number, and per packet its arrival in microseconds modulo 2^24 x 64 ms, or None.

    Raises ValueError when the feedback is malformed.
    """
    try:
        base, count, reference = struct.unpack_from("!HHI", information)
        at = 8
        statuses: list[int] = []
        while len(statuses) < count:
            (word,) = struct.unpack_from("!H", information, at)
            at += 2
            if word < 0x8000:
                statuses += [word >> 13 & 3] * min(word & 0x1FFF, count - len(statuses))
                if not word & 0x1FFF:
                    raise ValueError("run of no packets in transport feedback")
            elif word < 0xC000:
                statuses += [word >> (13 - place) & 1 for place in range(14)]
            else:
                statuses += [word >> (12 - 2 * place) & 3 for place in range(7)]
        clock = (reference >> 8) * REFERENCE_US
        arrivals: list[int | None] = []
        for status in statuses[:count]:
            if status in (_NOT_RECEIVED, 3):
                arrivals.append(None)
                continue
            if status == _SMALL:
                clock += information[at] * DELTA_US
                at += 1
            else:
                clock += struct.unpack_from("!h", information, at)[0] * DELTA_US
                at += 2
            arrivals.append(clock)
    except (struct.error, IndexError):
        raise ValueError("truncated transport feedback") from None
    return base, arrivals


def count_feedback(information: bytes) -> tuple[int, int]:
    """How many packets a feedback tells of, and how many of them did not arrive; what a sender counts.

    Raises ValueError when the feedback is malformed.
    """
    try:
        _, count, _ = struct.unpack_from("!HHI", information)
        at, seen, lost = 8, 0, 0
        while seen < count:
            (word,) = struct.unpack_from("!H", information, at)
            at += 2
            if word < 0x8000:
                run = min(word & 0x1FFF, count - seen)
                if not run:
                    raise ValueError("run of no packets in transport feedback")
                lost += run if word >> 13 & 3 in (_NOT_RECEIVED, 3) else 0
                seen += run
            else:
                bits, number = (1, 14) if word < 0xC000 else (2, 7)
                number = min(number, count - seen)
                for place in range(number):
                    status = word >> ((13 if bits == 1 else 12) - bits * place) & (1 if bits == 1 else 3)
                    lost += status in (_NOT_RECEIVED, 3)
                seen += number
    except struct.error:
        raise ValueError("truncated transport feedback") from None
    return count, lost
