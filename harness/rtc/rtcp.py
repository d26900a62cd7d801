"""RTCP, as far as a media path needs it: RFC 3550, RFC 4585 feedback, FIR (RFC 5104), REMB, transport-wide feedback.

Parsing is for hostile input: anything malformed raises ValueError, never anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 205, 206
NACK, TRANSPORT_WIDE = 1, 15  # formats of transport-layer feedback
PLI, FIR, APPLICATION = 1, 4, 15  # formats of payload-specific feedback

NTP_EPOCH_OFFSET = 2_208_988_800  # seconds from 1900 to 1970
_ntp_fraction = (1 << 32) / 1_000_000


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """RFC 3550 section 6.4.1. jitter in RTP clock units; delay_since_last_sr in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    reports: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback packet, its control information still in bytes."""

    packet_type: int
    format: int
    media_ssrc: int
    information: bytes


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


Packet = SenderReport | ReceiverReport | Feedback | Bye


def ntp_from_us(unix_us: int) -> int:
    """64-bit NTP time of a Unix time in microseconds."""
    seconds, rest = divmod(unix_us, 1_000_000)
    return (seconds + NTP_EPOCH_OFFSET) << 32 | int(rest * _ntp_fraction)


def _header(count: int, packet_type: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body


def _pack_block(block: ReportBlock) -> bytes:
    lost = max(-0x800000, min(0x7FFFFF, block.packets_lost)) & 0xFFFFFF
    return struct.pack(
        "!IIIIII",
        block.ssrc,
        block.fraction_lost << 24 | lost,
        block.highest_sequence & 0xFFFFFFFF,
        block.jitter & 0xFFFFFFFF,
        block.last_sr,
        block.delay_since_last_sr & 0xFFFFFFFF,
    )


def sender_report(ssrc: int, ntp: int, rtp_timestamp: int, packets: int, octets: int) -> bytes:
    body = struct.pack("!IQIII", ssrc, ntp, rtp_timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return _header(0, SENDER_REPORT, body)


def receiver_report(ssrc: int, blocks: Sequence[ReportBlock]) -> bytes:
    """One or more RR packets: a packet holds at most 31 blocks."""
    out = b""
    for start in range(0, max(1, len(blocks)), 31):
        part = blocks[start : start + 31]
        out += _header(len(part), RECEIVER_REPORT, struct.pack("!I", ssrc) + b"".join(map(_pack_block, part)))
    return out


def source_description(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, 1, len(name)) + name + b"\0"
    return _header(1, SOURCE_DESCRIPTION, chunk + b"\0" * (-len(chunk) % 4))


def feedback(packet_type: int, fmt: int, sender_ssrc: int, media_ssrc: int, information: bytes = b"") -> bytes:
    return _header(fmt, packet_type, struct.pack("!II", sender_ssrc, media_ssrc) + information)


def pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    return feedback(PAYLOAD_FEEDBACK, PLI, sender_ssrc, media_ssrc)


def nack(sender_ssrc: int, media_ssrc: int, lost: Iterable[int]) -> bytes:
    """Generic NACK (RFC 4585 section 6.2.1) for 16-bit sequence numbers given in sending order."""
    pairs: list[list[int]] = []
    for sequence in lost:
        distance = (sequence - pairs[-1][0]) & 0xFFFF if pairs else 0
        if pairs and 1 <= distance <= 16:
            pairs[-1][1] |= 1 << (distance - 1)
        else:
            pairs.append([sequence, 0])
    information = b"".join(struct.pack("!HH", pid, mask) for pid, mask in pairs)
    return feedback(TRANSPORT_FEEDBACK, NACK, sender_ssrc, media_ssrc, information)


def remb(sender_ssrc: int, bitrate: int, ssrcs: Sequence[int]) -> bytes:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb), bits per second, for 255 SSRCs at most."""
    ssrcs = ssrcs[:255]
    exponent = max(0, int(bitrate).bit_length() - 18)
    word = len(ssrcs) << 24 | exponent << 18 | int(bitrate) >> exponent
    information = b"REMB" + struct.pack("!I", word) + struct.pack(f"!{len(ssrcs)}I", *ssrcs)
    return feedback(PAYLOAD_FEEDBACK, APPLICATION, sender_ssrc, 0, information)


def remb_bitrate(information: bytes) -> int | None:
    """Bits per second of a REMB message; None when the application feedback is something else."""
    if information[:4] != b"REMB" or len(information) < 8:
        return None
    (word,) = struct.unpack_from("!I", information, 4)
    return int((word & 0x3FFFF) << (word >> 18 & 63))


def lost_sequences(information: bytes) -> list[int]:
    """The 16-bit sequence numbers a generic NACK asks for. Raises ValueError when it is malformed."""
    if len(information) % 4:
        raise ValueError("truncated NACK")
    lost = []
    for pid, mask in struct.iter_unpack("!HH", information):
        lost.append(pid)
        lost.extend((pid + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return lost


def fir_ssrcs(information: bytes) -> list[int]:
    """The SSRCs a full intra request names. Raises ValueError when it is malformed."""
    if len(information) % 8:
        raise ValueError("truncated full intra request")
    return [ssrc for ssrc, _ in struct.iter_unpack("!II", information)]


def _blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for at in range(offset, offset + 24 * count, 24):
        ssrc, loss, highest, jitter, last_sr, delay = struct.unpack_from("!IIIIII", body, at)
        lost = loss & 0xFFFFFF
        blocks.append(ReportBlock(ssrc, loss >> 24, lost - (lost >> 23 << 24), highest, jitter, last_sr, delay))
    return tuple(blocks)


def parse(data: bytes) -> Iterator[Packet]:
    """The packets of one compound RTCP datagram that we act on; unknown types are skipped.

    Raises ValueError when the datagram is malformed.
    """
    at = 0
    try:
        while at < len(data):
            first, packet_type, words = struct.unpack_from("!BBH", data, at)
            body = data[at + 4 : at + 4 + 4 * words]
            if first >> 6 != 2 or len(body) != 4 * words:
                raise ValueError("RTCP packet with a wrong version or length")
            if first & 0x20 and body:
                if body[-1] > len(body):
                    raise ValueError("RTCP padding longer than its packet")
                body = body[: len(body) - body[-1]]
            at += 4 + 4 * words
            packet = _packet(first & 0x1F, packet_type, body)
            if packet is not None:
                yield packet
    except struct.error as error:
        raise ValueError(f"truncated RTCP packet: {error}") from None


def _packet(count: int, packet_type: int, body: bytes) -> Packet | None:
    if packet_type == SENDER_REPORT:
        ssrc, ntp, rtp, packets, octets = struct.unpack_from("!IQIII", body)
        return SenderReport(ssrc, ntp, rtp, packets, octets, _blocks(body, 24, count))
    if packet_type == RECEIVER_REPORT:
        return ReceiverReport(struct.unpack_from("!I", body)[0], _blocks(body, 4, count))
    if packet_type in (TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK):
        _, media_ssrc = struct.unpack_from("!II", body)
        return Feedback(packet_type, count, media_ssrc, body[8:])
    if packet_type == BYE:
        return Bye(struct.unpack_from(f"!{count}I", body))
    return None
