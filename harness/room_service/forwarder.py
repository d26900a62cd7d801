"""The forwarder: packets of a published stream go, unchanged but for their header, to all who play it.

One connection per publication, one bundled connection per subscriber. Sequence numbers are shifted by a constant per
subscriber and stream, so a NACK is a look-up in the source's ring; PLI and FIR go upstream at most twice a second.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from harness.rtc.inbound import InboundStream
from harness.rtc.inbound_video import KEY_FRAME_RETRY_US
from harness.rtc.media_loop import MediaLoop
from harness.rtc.outbound import HeaderExtensions, OutboundStream
from harness.rtc.packet_path import PacketPath
from harness.rtc.peer import Peer
from harness.rtc.sections import CODECS, SdpError, Section

ANSWER_TIMEOUT = CONNECT_TIMEOUT = 10.0
log = logging.getLogger(__name__)
RING = 1024  # packets kept per source: about 16 s of a 500 kbps stream


class _FirstPacket:
    """Tells the publication that media has come; a forwarder looks at nothing else."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def first_packet(self, at_us: int, kind: str) -> None:
        self._heard()


class ForwardSource(InboundStream):
    """One received SSRC and the sinks its packets go to."""

    __slots__ = ("_asked_key_us", "kind", "ring", "sinks")

    def __init__(self, kind: str, ssrc: int, heard: Callable[[], None], alerts: list[InboundStream]) -> None:
        video = kind == "video"
        super().__init__(ssrc, 90_000 if video else 48_000, _FirstPacket(heard), alerts, nacks=video)  # type: ignore[arg-type]
        self.kind = kind
        self.sinks: list[ForwardSink] = []
        self.ring: list[tuple[int, int, int, bytes] | None] = [None] * RING
        self._asked_key_us = 0

    def on_rtp(
        self, buffer: bytearray, end: int, marker: int, sequence: int, timestamp: int, at: int, arrival_us: int
    ) -> None:
        if (sequence - self._highest) & 0xFFFF == 1 and self._highest >= 0:
            self._highest = sequence
            if not sequence:
                self._cycles += 0x10000
        elif not self._unordered(sequence, arrival_us):
            return
        self.packetsReceived += 1
        self.bytesReceived += end - at
        payload = bytes(buffer[at:end])
        self.ring[sequence % RING] = (sequence, marker, timestamp, payload)
        for sink in self.sinks:
            sink.forward(sequence, marker, timestamp, payload)

    def ask_key_frame(self) -> None:
        if self.kind == "video":
            self.wants_key_frame = True
            self._alert()

    def key_frame_request_due(self, now_us: int) -> bool:
        if not self.wants_key_frame or self._highest < 0 or now_us - self._asked_key_us < KEY_FRAME_RETRY_US:
            return False
        self.wants_key_frame = False
        self._asked_key_us = now_us
        self.pliCount += 1
        return True


class ForwardSink(OutboundStream):
    """One SSRC to one subscriber."""

    __slots__ = ("_shift", "source")

    def __init__(
        self, peer: PacketPath, source: ForwardSource, ssrc: int, payload_type: int, extensions: HeaderExtensions
    ) -> None:
        super().__init__(peer, source.kind, ssrc, payload_type, extensions)
        self.source = source
        self._shift = random.randrange(1 << 16)

    def forward(self, sequence: int, marker: int, timestamp: int, payload: bytes) -> None:
        self.peer.send_packet(
            self._first_byte,
            marker | self.payload_type,
            (sequence + self._shift) & 0xFFFF,
            timestamp,
            self.ssrc,
            self._extensions,
            payload,
        )
        self.packetsSent += 1
        self.bytesSent += len(payload)
        self.note_timestamp(timestamp)

    def _kept(self, sequence: int) -> tuple[int, int, bytes] | None:
        original = (sequence - self._shift) & 0xFFFF
        packet = self.source.ring[original % RING]
        return packet[1:] if packet is not None and packet[0] == original else None

    def on_key_frame_request(self, *, fir: bool) -> None:
        if fir:
            self.firCount += 1
        else:
            self.pliCount += 1
        self.source.ask_key_frame()


class Publication:
    """What one user publishes as one stream: its connection and its sources by kind."""

    def __init__(
        self,
        media: MediaLoop,
        addresses: Sequence[str],
        codecs: dict[str, str],
        on_live: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self.codecs = codecs
        self.sources: dict[str, ForwardSource] = {}
        self.sinks: dict[str, list[ForwardSink]] = {kind: [] for kind in codecs}
        self._on_live: Callable[[], None] | None = on_live
        self._on_end = on_end
        self.peer = Peer(media, offers=False, addresses=addresses, on_state=self._state, new_stream=self._new_stream)

    def _new_stream(self, section: Section, ssrc: int) -> InboundStream | None:
        if section.kind in self.sources or section.kind not in self.codecs:
            return None
        source = ForwardSource(section.kind, ssrc, self._heard, self.peer.alerts)
        source.sinks = self.sinks[section.kind]
        self.sources[section.kind] = source
        return source

    def _heard(self) -> None:
        if self._on_live is not None:
            live, self._on_live = self._on_live, None
            live()

    def _state(self, state: str) -> None:
        if state in ("failed", "closed"):
            self._on_end()

    async def answer(self, sdp: str) -> str:
        """Raises SdpError."""
        return await self.peer.answer(sdp)

    async def close(self) -> None:
        self._on_end = lambda: None
        await self.peer.close()


class Subscriber:
    """One user's bundled connection for all it plays. Offers go out one at a time; changes meanwhile are gathered."""

    def __init__(
        self,
        media: MediaLoop,
        addresses: Sequence[str],
        send_offer: Callable[[int, str, dict[str, list[str]]], None],
        on_live: Callable[[str], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._send_offer = send_offer
        self._on_live = on_live
        self._on_failed = on_failed
        self._streams: dict[str, tuple[Publication, dict[str, Section]]] = {}
        self._sinks: dict[str, list[tuple[Publication, ForwardSink]]] = {}
        self._number = 0
        self._answered: asyncio.Future[str] | None = None
        self._changed = False
        self._negotiating: asyncio.Task[None] | None = None
        self.failed = False
        self.peer = Peer(media, offers=True, addresses=addresses)

    def attach(self, stream_id: str, publication: Publication) -> None:
        if stream_id in self._streams:
            return
        sections = {
            kind: self.peer.add_section(kind, CODECS[codec], f"{stream_id} {stream_id}-{kind}")
            for kind, codec in publication.codecs.items()
        }
        self._streams[stream_id] = (publication, sections)
        self._negotiate()

    def detach(self, stream_id: str) -> None:
        entry = self._streams.pop(stream_id, None)
        if entry is None:
            return
        for publication, sink in self._sinks.pop(stream_id, []):
            publication.sinks[sink.kind].remove(sink)
        for section in entry[1].values():
            self.peer.stop_section(section)
        self._negotiate()

    def answer(self, number: int, sdp: str) -> bool:
        """The client's answer to an offer. False when no such offer is open."""
        if number != self._number or self._answered is None or self._answered.done():
            return False
        self._answered.set_result(sdp)
        return True

    def _negotiate(self) -> None:
        self._changed = True
        if self._negotiating is None or self._negotiating.done():
            self._negotiating = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._changed:
            await self.peer.transport.gather()
            self._changed = False
            offered = dict(self._streams)
            mids = {s.mid: [stream, kind] for stream, (_, both) in offered.items() for kind, s in both.items()}
            sdp = await self.peer.create_offer()  # everything is gathered: nothing else runs meanwhile
            self._number += 1
            self._answered = asyncio.get_running_loop().create_future()
            self._send_offer(self._number, sdp, mids)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self.peer.accept_answer(await self._answered)
            except (SdpError, TimeoutError) as error:
                self._fail(str(error) or "no answer to an offer")
                return
            if not await self.peer.wait_connected(CONNECT_TIMEOUT):
                self._fail(self.peer.failure or "the media connection did not come about")
                return
            self._open(offered)

    def _fail(self, reason: str) -> None:
        """The connection is of no use: what was to be played over it has failed, a later play begins a new one."""
        log.warning("a subscriber's connection failed: %s", reason)
        self.failed = True
        for stream_id in tuple(self._streams):
            self._on_failed(stream_id)

    def _open(self, offered: dict[str, tuple[Publication, dict[str, Section]]]) -> None:
        for stream_id, (publication, sections) in offered.items():
            if self._streams.get(stream_id, (None,))[0] is not publication or stream_id in self._sinks:
                continue
            self._sinks[stream_id] = []
            for kind, section in sections.items():
                source = publication.sources.get(kind)
                if source is None or section.ssrc is None:
                    continue
                extensions = self.peer.header_extensions(section)
                sink = ForwardSink(self.peer, source, section.ssrc, section.codec.payload_type, extensions)
                self.peer.outbound[section.ssrc] = sink
                publication.sinks[kind].append(sink)
                self._sinks[stream_id].append((publication, sink))
                source.ask_key_frame()
            self._on_live(stream_id)

    async def close(self) -> None:
        if self._negotiating is not None:
            self._negotiating.cancel()
        for stream_id in tuple(self._streams):
            for publication, sink in self._sinks.pop(stream_id, []):
                publication.sinks[sink.kind].remove(sink)
        self._streams.clear()
        await self.peer.close()
