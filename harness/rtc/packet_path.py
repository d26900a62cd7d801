"""Packets of one peer, in and out: the drain loop, header extensions, encryption, RTCP."""

from __future__ import annotations

import contextlib
import secrets
import struct
from collections.abc import Callable
from typing import cast

from aiortc.rate import RemoteBitrateEstimator

from harness.rtc import rtcp
from harness.rtc.adapter import SecureTransport
from harness.rtc.held import HeldPackets
from harness.rtc.inbound import InboundStream
from harness.rtc.inbox import SLOTS, HeldBatch, HeldDatagram, Inbox
from harness.rtc.media_loop import MediaLoop
from harness.rtc.outbound import HeaderExtensions, OutboundStream, write_packet
from harness.rtc.sections import MID, Section
from harness.rtc.transport_feedback import FeedbackWriter, count_feedback

BATCHES_PER_DRAIN = 16  # one socket must not starve the others
REPORT_INTERVAL_US = 1_000_000
REPORTS_PER_DATAGRAM = 20  # sender reports and report blocks: the compound must fit one datagram
_unpack_header = struct.Struct("!BBHLL").unpack_from

# Called with a section and a remote SSRC; returns the stream that takes its packets, or None to ignore them.
StreamFactory = Callable[[Section, int], InboundStream | None]


class PacketPath:
    """What a connected transport carries. Peer negotiates; this moves packets and answers RTCP."""

    def __init__(self, media: MediaLoop, transport: SecureTransport, new_stream: StreamFactory) -> None:
        self.media = media
        self.transport = transport
        self.sections: list[Section] = []
        self.inbound: dict[int, InboundStream] = {}
        self.outbound: dict[int, OutboundStream] = {}
        self.alerts: list[InboundStream] = []
        self.packets_sent = self.packets_received = self.packets_rejected = self.send_errors = 0
        self.feedback_packets = 0
        self.transport_lost = self.transport_reported = 0
        self.estimated_bitrate = 0  # bits per second the other side says it can take (REMB); 0 unknown
        self._new_stream = new_stream
        self._cname = secrets.token_hex(8)
        self._ssrc = secrets.randbits(32)
        self._by_ssrc: dict[int, Section] = {}
        self._ignored: set[int] = set()
        self._sequence_id = self._send_time_id = 0
        self._transport_sequence = 0
        self._feedback = FeedbackWriter()
        self._estimator: RemoteBitrateEstimator | None = None
        self._next_report_us = 0
        self._protect: Callable[..., int] | None = None
        self._send_context: object = None
        self._held: HeldPackets | None = None
        self._poller = media.poller

    def _open(self) -> None:
        """The transport is connected: take packets from its socket."""
        self._protect, self._send_context = self.transport.srtp_send()
        self._unprotect, self._receive_context = self.transport.srtp_receive()
        assert self.transport.socket is not None
        self._send = self.transport.send
        self.media.peers.add(self)
        drain, access = self.drain, self.transport.access
        if access is not None:  # chosen once: a path without an emulated link pays nothing for those that have one
            self._held, drain = access.receiver(self.take_held), self._hold
            self.transport.late = self.take_held
        self._poller = self.media.poller_for(access)
        self._poller.add(self.transport.socket, drain)
        self._take(self.media.inbox.put(self.transport.early_packets()))

    async def close(self) -> None:
        """Release the transport and all streams."""
        raise NotImplementedError

    def _shut(self) -> None:
        self.media.peers.discard(self)
        if self.transport.socket is not None:
            self._poller.remove(self.transport.socket)

    # -- packets in ----------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Read what the socket holds."""
        inbox = self.media.inbox
        for _ in range(BATCHES_PER_DRAIN):
            sock = self.transport.socket
            count = 0 if sock is None else inbox.receive(sock)
            if not count:
                break
            self._take(count)
            if count < SLOTS:
                break
        if self.alerts:
            self._answer_alerts()

    def _hold(self) -> None:
        """Read what the socket holds, and give it to the emulated link."""
        inbox, access, to_run_clock = self.media.inbox, self.transport.access, self.media.from_unix_us
        for _ in range(BATCHES_PER_DRAIN):
            sock = self.transport.socket
            count = 0 if sock is None else inbox.receive(sock)
            if count and access is not None and self._held is not None:
                times = [time + to_run_clock for time in inbox.times]
                access.arrived(self._held, HeldBatch(inbox).datagrams, inbox.lengths, times)
            if count < SLOTS:
                break

    def take_held(self, packets: list[HeldDatagram], times_us: list[int]) -> None:
        """Packets that have come through the emulated link."""
        media = self.media
        if self not in media.peers:
            return
        inbox, from_run_clock = media.inbox, media.from_unix_us
        unix_us = [time_us - from_run_clock for time_us in times_us]
        for at in range(0, len(packets), SLOTS):
            held, times = packets[at : at + SLOTS], unix_us[at : at + SLOTS]
            (batch, first, _), end = held[0], held[0][1] + len(held)
            if isinstance(batch, HeldBatch) and held == batch.datagrams[first:end]:
                # All in a row, as most of the time: worked on where they lie.
                batch.times[first:end] = times
                media.inbox = cast(Inbox, batch)
                self._take(end, first)
                media.inbox = inbox
            else:
                inbox.refill(held, times)
                self._take(len(held))
        if self.alerts:
            self._answer_alerts()

    def _take(self, end: int, begin: int = 0) -> None:
        """The hot path: everything it needs is a local name, and the common packet takes no call but its stream's."""
        inbound, inbox = self.inbound, self.media.inbox
        buffer, pointers, length_box = inbox.bytes, inbox.pointers, inbox.length
        starts, lengths, times = inbox.starts, inbox.lengths, inbox.times
        unprotect, context = self._unprotect, self._receive_context
        sequence_id, arrivals, estimating = self._sequence_id, self._feedback.arrivals, self._estimator is not None
        to_run_clock = self.media.from_unix_us
        received = 0
        for slot in range(begin, end):
            start, length = starts[slot], lengths[slot]
            first, second, sequence, timestamp, ssrc = _unpack_header(buffer, start)
            if length < 12 or not 127 < first < 192:
                self.transport.hand_back(bytes(buffer[start : start + length]))
                continue
            arrival_us = times[slot] + to_run_clock
            if 191 < second < 224:
                self._on_rtcp(slot, length, arrival_us)
                continue
            stream = inbound.get(ssrc) or self._claim(ssrc, start, length)
            if stream is None:
                continue
            decrypt = stream.decrypt
            if decrypt:
                length_box[0] = length
                if unprotect(context, pointers[slot], length_box):
                    self.packets_rejected += 1
                    continue
                length = length_box[0]
            stop = start + length
            at = start + 12 + 4 * (first & 15)
            if first & 0x10:
                end = at + 4 + 4 * (buffer[at + 2] << 8 | buffer[at + 3])
                if end > stop:
                    self.packets_rejected += 1
                    continue
                if sequence_id and buffer[at + 4] >> 4 == sequence_id and end > at + 4:
                    arrivals.append((buffer[at + 5] << 8 | buffer[at + 6], arrival_us))
                elif sequence_id or estimating:
                    self._read_extensions(at + 4, end, stop, ssrc, arrival_us)
                at = end
            if first & 0x20 and decrypt:
                stop -= min(buffer[stop - 1], stop - at)
            if at > stop:
                self.packets_rejected += 1
                continue
            received += 1
            stream.on_rtp(buffer, stop, second & 0x80, sequence, timestamp, at, arrival_us)
        self.packets_received += received

    def _read_extensions(self, at: int, end: int, stop: int, ssrc: int, arrival_us: int) -> None:
        """RFC 8285 one-byte elements: the transport sequence number, or the send time where REMB is in use."""
        buffer = self.media.inbox.bytes
        wanted = self._sequence_id
        while at < end:
            head = buffer[at]
            if not head:
                at += 1
                continue
            if head >> 4 == wanted:
                if at + 2 < end:
                    self._feedback.arrivals.append((buffer[at + 1] << 8 | buffer[at + 2], arrival_us))
                return
            if self._estimator is not None and head >> 4 == self._send_time_id and at + 3 < end:
                send_time = int.from_bytes(buffer[at + 1 : at + 4], "big")
                estimate = self._estimator.add(arrival_us // 1000, send_time, stop - end, ssrc)
                if estimate is not None:
                    self.send_rtcp(rtcp.remb(self._ssrc, *estimate))
                return
            at += 2 + (head & 15)

    def _claim(self, ssrc: int, start: int, length: int) -> InboundStream | None:
        """A packet of an SSRC the SDP did not name: place it by its MID extension, else by its payload type."""
        if ssrc in self._ignored or len(self._ignored) > 1024:
            return None
        buffer = self.media.inbox.bytes
        payload_type = buffer[start + 1] & 0x7F
        receiving = [section for section in self.sections if section.direction == "recvonly"]
        mid = self._mid_of(start, length)
        if mid is not None:
            matching = [section for section in receiving if section.mid == mid]
        else:
            matching = [s for s in receiving if any(c.payload_type == payload_type for c in s.codecs)]
        stream = self._new_stream(matching[0], ssrc) if len(matching) == 1 else None
        if stream is None:
            self._ignored.add(ssrc)
            return None
        matching[0].remote_ssrcs.append(ssrc)
        self._by_ssrc[ssrc] = matching[0]
        self.inbound[ssrc] = stream
        return stream

    def _mid_of(self, start: int, length: int) -> str | None:
        buffer = self.media.inbox.bytes
        wanted = next((s.extensions[MID] for s in self.sections if MID in s.extensions), 0)
        at, stop = start + 12 + 4 * (buffer[start] & 15), start + length
        if not wanted or not buffer[start] & 0x10 or at + 4 > stop:
            return None
        end = min(stop, at + 4 + 4 * (buffer[at + 2] << 8 | buffer[at + 3]))
        at += 4
        while at < end:
            size = 0 if not buffer[at] else 1 + (buffer[at] & 15)
            if buffer[at] >> 4 == wanted:
                return bytes(buffer[at + 1 : at + 1 + size]).decode("ascii", "replace")
            at += 1 + size
        return None

    # -- packets out ---------------------------------------------------------------------------------------------

    def send_packet(
        self,
        first: int,
        second: int,
        sequence: int,
        timestamp: int,
        ssrc: int,
        extensions: HeaderExtensions,
        payload: bytes | memoryview,
    ) -> None:
        """Encrypt and send one RTP packet; a full socket buffer counts as a send error, as loss would."""
        block = extensions.block
        if extensions.sequence_at:
            at = extensions.sequence_at
            block[at] = self._transport_sequence >> 8 & 0xFF
            block[at + 1] = self._transport_sequence & 0xFF
            self._transport_sequence += 1
        out = self.media.outgoing
        out.length[0] = write_packet(out, first, second, sequence, timestamp, ssrc, block, payload)
        if self._protect(self._send_context, out.pointer, out.length):  # type: ignore[misc]
            self.send_errors += 1
            return
        try:
            self._send(out.view[: out.length[0]])
            self.packets_sent += 1
        except OSError:
            self.send_errors += 1

    def send_rtcp(self, data: bytes) -> None:
        """Encrypt and send RTCP packets as one datagram."""
        if not self.transport.connected:
            return
        out = self.media.outgoing
        out.bytes[: len(data)] = data
        length = self.transport.protect_rtcp(out, len(data))
        if length > 0:
            with contextlib.suppress(OSError):
                self._send(out.view[:length])

    # -- RTCP ----------------------------------------------------------------------------------------------------

    def _on_rtcp(self, slot: int, length: int, arrival_us: int) -> None:
        inbox = self.media.inbox
        length = self.transport.unprotect_rtcp(inbox, slot, length)
        if length < 0:
            self.packets_rejected += 1
            return
        try:
            start = inbox.starts[slot]
            for packet in rtcp.parse(bytes(inbox.bytes[start : start + length])):
                self._on_rtcp_packet(packet, arrival_us)
        except (ValueError, struct.error):
            self.packets_rejected += 1

    def _on_rtcp_packet(self, packet: rtcp.Packet, arrival_us: int) -> None:
        if isinstance(packet, rtcp.Feedback):
            self._on_feedback(packet)
            return
        if isinstance(packet, rtcp.SenderReport):
            stream = self.inbound.get(packet.ssrc)
            if stream is not None:
                stream.on_sender_report(packet, arrival_us)
        if isinstance(packet, rtcp.SenderReport | rtcp.ReceiverReport):
            for block in packet.reports:
                out = self.outbound.get(block.ssrc)
                if out is not None:
                    out.on_report(block, arrival_us - self.media.from_unix_us)

    def _on_feedback(self, packet: rtcp.Feedback) -> None:
        if packet.packet_type == rtcp.TRANSPORT_FEEDBACK:
            if packet.format == rtcp.NACK and packet.media_ssrc in self.outbound:
                self.outbound[packet.media_ssrc].on_nack(rtcp.lost_sequences(packet.information))
            elif packet.format == rtcp.TRANSPORT_WIDE:
                told, lost = count_feedback(packet.information)
                self.feedback_packets += 1
                self.transport_reported += told
                self.transport_lost += lost
        elif packet.format == rtcp.PLI and packet.media_ssrc in self.outbound:
            self.outbound[packet.media_ssrc].on_key_frame_request(fir=False)
        elif packet.format == rtcp.APPLICATION:
            self.estimated_bitrate = rtcp.remb_bitrate(packet.information) or self.estimated_bitrate
        elif packet.format == rtcp.FIR:
            for ssrc in rtcp.fir_ssrcs(packet.information):
                if ssrc in self.outbound:
                    self.outbound[ssrc].on_key_frame_request(fir=True)

    def _answer_alerts(self) -> None:
        now = self.media.now_us()
        alerts, self.alerts[:] = tuple(self.alerts), ()
        for stream in alerts:
            self._request_repair(stream, now)

    def _request_repair(self, stream: InboundStream, now_us: int) -> None:
        lost = stream.sequences_to_request(now_us)
        if lost:
            self.send_rtcp(rtcp.nack(self._ssrc, stream.ssrc, lost[:200]))
        if stream.key_frame_request_due(now_us):
            self.send_rtcp(rtcp.pli(self._ssrc, stream.ssrc))

    def tick(self, now_us: int) -> None:
        """Ten times a second: transport feedback and repair; once a second one compound report for all streams."""
        media_ssrc = next(iter(self.inbound), 0)
        while (information := self._feedback.take(self._ssrc, media_ssrc)) is not None:
            self.send_rtcp(information)
        for stream in self.inbound.values():
            if stream.kind == "video":
                self._request_repair(stream, now_us)
        if now_us >= self._next_report_us:
            self._next_report_us = now_us + REPORT_INTERVAL_US
            self._report(now_us)

    def _report(self, now_us: int) -> None:
        sent = [report for stream in self.outbound.values() if (report := stream.sender_report()) is not None]
        blocks = [stream.report_block(now_us) for stream in self.inbound.values() if stream.packetsReceived]
        description = rtcp.source_description(self._ssrc, self._cname)
        for at in range(0, len(sent), REPORTS_PER_DATAGRAM):
            self.send_rtcp(b"".join(sent[at : at + REPORTS_PER_DATAGRAM]) + description)
        for at in range(0, len(blocks), REPORTS_PER_DATAGRAM):
            self.send_rtcp(rtcp.receiver_report(self._ssrc, blocks[at : at + REPORTS_PER_DATAGRAM]) + description)
