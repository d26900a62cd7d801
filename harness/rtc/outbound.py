"""Outgoing RTP streams: headers, retransmission ring, counters. Counter names are W3C's outbound-rtp."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.rtc import rtcp
from harness.rtc.adapter import Datagram

if TYPE_CHECKING:
    from harness.rtc.packet_path import PacketPath

RING = 256  # video packets kept for retransmission: 4 s of a 500 kbps stream, 0.6 s of a 3 Mbps one
_pack_header = struct.Struct("!BBHLL").pack_into
ONE_BYTE_PROFILE = 0xBEDE


class HeaderExtensions:
    """The one-byte header extension block (RFC 8285) of one outgoing stream, patched per packet."""

    def __init__(self, *, mid: tuple[int, str] | None, level: int | None, send_time: int | None, sequence: int | None):
        """Each argument is the negotiated extension id, or None when it is not in use."""
        body = bytearray()
        self.level_at = self.send_time_at = self.sequence_at = 0
        if sequence is not None:  # first, where our own drain loop looks first
            self.sequence_at = 4 + len(body) + 1
            body += bytes([sequence << 4 | 1, 0, 0])
        if level is not None:
            self.level_at = 4 + len(body) + 1
            body += bytes([level << 4, 0])
        if send_time is not None:
            self.send_time_at = 4 + len(body) + 1
            body += bytes([send_time << 4 | 2, 0, 0, 0])
        if mid is not None:
            value = mid[1].encode()
            body += bytes([mid[0] << 4 | len(value) - 1]) + value
        body += b"\0" * (-len(body) % 4)
        self.block = bytearray(struct.pack("!HH", ONE_BYTE_PROFILE, len(body) // 4) + body) if body else bytearray()


class OutboundStream:
    """One SSRC we send. `send` takes whole frames; the ring answers NACKs with the very packets that were sent."""

    __slots__ = (
        "_extensions",
        "_first_byte",
        "_ring",
        "_timestamp",
        "_timestamp_at_us",
        "bytesSent",
        "clock_rate",
        "firCount",
        "framesSent",
        "keyFramesSent",
        "kind",
        "nackCount",
        "packetsSent",
        "payload_type",
        "peer",
        "pliCount",
        "remote_fraction_lost",
        "remote_packets_lost",
        "retransmittedPacketsSent",
        "round_trip_ms",
        "sequence",
        "ssrc",
        "wants_key_frame",
    )

    def __init__(self, peer: PacketPath, kind: str, ssrc: int, payload_type: int, extensions: HeaderExtensions) -> None:
        self.peer = peer
        self.kind = kind
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.clock_rate = 90_000 if kind == "video" else 48_000
        self._extensions = extensions
        self._first_byte = 0x90 if extensions.block else 0x80
        self.sequence = random.randrange(1 << 15)
        # Sound is not asked for again: no NACK is negotiated for it.
        self._ring: list[tuple[int, int, int, bytes] | None] = [None] * (RING if kind == "video" else 0)
        self._timestamp = self._timestamp_at_us = 0
        self.packetsSent = self.bytesSent = self.framesSent = self.keyFramesSent = 0
        self.nackCount = self.pliCount = self.firCount = self.retransmittedPacketsSent = 0
        self.remote_packets_lost = 0
        self.remote_fraction_lost = 0.0
        self.round_trip_ms: float | None = None
        self.wants_key_frame = False

    def send(
        self, payloads: Sequence[bytes], timestamp: int, *, marker: bool, level: int = 0, key: bool = False
    ) -> None:
        """Send the RTP payloads of one frame. The marker bit goes on the last one when `marker` is set."""
        peer = self.peer
        if not peer.transport.connected:
            return
        extensions = self._extensions
        block = extensions.block
        if extensions.send_time_at:
            at = extensions.send_time_at
            block[at : at + 3] = (time.time_ns() * 262_144 // 1_000_000_000 & 0xFFFFFF).to_bytes(3, "big")
        if extensions.level_at:
            block[extensions.level_at] = level
        last, ring, sequence = len(payloads) - 1, self._ring, self.sequence
        timestamp &= 0xFFFFFFFF
        size = 0
        for index, payload in enumerate(payloads):
            bit = 0x80 if marker and index == last else 0
            peer.send_packet(
                self._first_byte, bit | self.payload_type, sequence, timestamp, self.ssrc, extensions, payload
            )
            if ring:
                ring[sequence % RING] = (sequence, bit, timestamp, payload)
            sequence = (sequence + 1) & 0xFFFF
            size += len(payload)
        self.sequence = sequence
        self.packetsSent += last + 1
        self.bytesSent += size
        self.framesSent += 1
        self.keyFramesSent += key
        self.note_timestamp(timestamp)

    def note_timestamp(self, timestamp: int) -> None:
        """What RTP time it is now, for the next sender report."""
        self._timestamp, self._timestamp_at_us = timestamp, time.monotonic_ns() // 1000

    def on_nack(self, lost: Sequence[int]) -> None:
        """Send again, from what was kept, the packets that the other side misses."""
        self.nackCount += 1
        for sequence in lost:
            kept = self._kept(sequence)
            if kept is not None:
                marker, timestamp, payload = kept
                second = marker | self.payload_type
                self.peer.send_packet(
                    self._first_byte, second, sequence, timestamp, self.ssrc, self._extensions, payload
                )
                self.retransmittedPacketsSent += 1

    def _kept(self, sequence: int) -> tuple[int, int, bytes] | None:
        """Marker bit, timestamp and payload of a packet sent before, if it is still there."""
        packet = self._ring[sequence % RING] if self._ring else None
        return packet[1:] if packet is not None and packet[0] == sequence else None

    def on_key_frame_request(self, *, fir: bool) -> None:
        if fir:
            self.firCount += 1
        else:
            self.pliCount += 1
        self.wants_key_frame = True

    def on_report(self, block: rtcp.ReportBlock, now_unix_us: int) -> None:
        """remote-inbound-rtp: what the other side says of this stream. Round trip by RFC 3550 section 6.4.1."""
        self.remote_packets_lost = block.packets_lost
        self.remote_fraction_lost = block.fraction_lost / 256
        if block.last_sr:
            now = rtcp.ntp_from_us(now_unix_us) >> 16 & 0xFFFFFFFF
            trip = (now - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
            if trip < 1 << 22:  # a minute; anything above is a clock or a sender that lies
                self.round_trip_ms = trip * 1000 / 65536

    def sender_report(self) -> bytes | None:
        if not self.packetsSent:
            return None
        elapsed = time.monotonic_ns() // 1000 - self._timestamp_at_us
        timestamp = self._timestamp + elapsed * self.clock_rate // 1_000_000
        ntp = rtcp.ntp_from_us(time.time_ns() // 1000)
        return rtcp.sender_report(self.ssrc, ntp, timestamp, self.packetsSent, self.bytesSent)


def write_packet(
    out: Datagram,
    first_byte: int,
    second_byte: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    block: bytearray,
    payload: bytes | memoryview,
) -> int:
    """Write one RTP packet into `out`; returns its length before encryption."""
    view = out.view
    _pack_header(view, 0, first_byte, second_byte, sequence, timestamp, ssrc)
    at = 12 + len(block)
    view[12:at] = block
    end = at + len(payload)
    view[at:end] = payload
    return end
