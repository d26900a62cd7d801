"""One peer connection: offers and answers over a bundled transport, and the media sections they agree on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from aiortc.rate import RemoteBitrateEstimator

from harness.rtc.access_link import AccessLink
from harness.rtc.adapter import SecureTransport
from harness.rtc.media_loop import MediaLoop
from harness.rtc.outbound import HeaderExtensions, OutboundStream
from harness.rtc.packet_path import PacketPath, StreamFactory
from harness.rtc.sections import (
    AUDIO_LEVEL,
    MID,
    SEND_TIME,
    Codec,
    SdpError,
    Section,
    Transport,
    answering_section,
    read_description,
    sending_section,
    write_description,
)
from harness.rtc.transport_feedback import URI as TRANSPORT_SEQUENCE


class Peer(PacketPath):
    """Either side of a call leg.

    addresses: local addresses to gather on. on_state hears "ice", "connected", "failed", "closed".
    new_stream makes the inbound stream for an SSRC. access: the emulated link that all packets pass, where there is
    one. Everything runs on the media loop's thread.
    """

    def __init__(
        self,
        media: MediaLoop,
        *,
        offers: bool,
        addresses: Sequence[str],
        on_state: Callable[[str], None] = lambda state: None,
        new_stream: StreamFactory = lambda section, ssrc: None,
        dtls_answer_role: str = "client",
        access: AccessLink | None = None,
    ) -> None:
        transport = SecureTransport(controlling=offers, addresses=addresses, on_state=self._state, access=access)
        super().__init__(media, transport, new_stream)
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        self.failure = ""
        self._on_state = on_state
        self._dtls_answer_role = dtls_answer_role
        self._version = 0
        self._next_mid = 0
        self._offered: list[Section] = []
        self._starting: asyncio.Task[None] | None = None

    # -- sections ------------------------------------------------------------------------------------------------

    def add_section(self, kind: str, codec: Codec, msid: str) -> Section:
        """A section to send on; an inactive one of the same kind and codec is used again, with a new SSRC."""
        fresh = sending_section(str(self._next_mid), kind, codec, msid)
        for index, section in enumerate(self.sections):
            if section.direction == "inactive" and section.kind == kind and section.codec.name == codec.name:
                fresh.mid = section.mid
                self.sections[index] = fresh
                return fresh
        self._next_mid += 1
        self.sections.append(fresh)
        return fresh

    def stop_section(self, section: Section) -> None:
        section.direction = "inactive"
        if section.ssrc is not None:
            self.outbound.pop(section.ssrc, None)

    @staticmethod
    def header_extensions(section: Section) -> HeaderExtensions:
        """The extension block of packets sent on a negotiated section."""
        ids = section.extensions
        return HeaderExtensions(
            mid=(ids[MID], section.mid) if MID in ids else None,
            level=ids.get(AUDIO_LEVEL) if section.kind == "audio" else None,
            send_time=ids.get(SEND_TIME),
            sequence=ids.get(TRANSPORT_SEQUENCE),
        )

    def open_outbound(self, section: Section) -> OutboundStream:
        """The stream that sends on a negotiated section."""
        assert section.ssrc is not None
        extensions = self.header_extensions(section)
        stream = OutboundStream(self, section.kind, section.ssrc, section.codec.payload_type, extensions)
        self.outbound[section.ssrc] = stream
        return stream

    # -- negotiation ---------------------------------------------------------------------------------------------

    async def create_offer(self) -> str:
        """An offer of the sections as they are when it is written; later ones wait for the next offer."""
        await self.transport.gather()
        self._offered = list(self.sections)
        return await self._describe("auto")

    async def accept_answer(self, sdp: str) -> None:
        """Apply an answer; the first one starts ICE and DTLS. Raises SdpError."""
        answers, transport = read_description(sdp)
        by_mid = {section.mid: section for section in answers}
        for section in self._offered:
            answer = by_mid.get(section.mid)
            if answer is None:
                raise SdpError(f"the answer lacks media section {section.mid}")
            if section.direction == "inactive":
                continue
            if answer.direction not in ("recvonly", "sendrecv"):
                raise SdpError(f"the answer does not accept media section {section.mid}")
            chosen = [codec for codec in answer.codecs if codec.name == section.codec.name]
            if not chosen:
                raise SdpError(f"the answer does not take {section.codec.name} in media section {section.mid}")
            section.codecs = [chosen[0]]
            section.extensions = {u: n for u, n in section.extensions.items() if answer.extensions.get(u) == n}
        self._start(transport, "server" if transport.dtls.role == "client" else "client")

    async def answer(self, sdp: str) -> str:
        """Answer an offer, first or again: sections may come, go and be reused with other SSRCs. Raises SdpError."""
        offered, transport = read_description(sdp)
        if len(offered) < len(self.sections):
            raise SdpError("the offer has fewer media sections than the one before")
        self.sections = [answering_section(section) for section in offered]
        self._bind()
        role = {"client": "server", "server": "client"}.get(transport.dtls.role, self._dtls_answer_role)
        description = await self._describe(role)
        self._start(transport, role)
        return description

    async def _describe(self, dtls_role: str) -> str:
        candidates = await self.transport.gather()
        self._version += 1
        return write_description(
            self.sections,
            candidates=candidates,
            ice=self.transport.ice_parameters,
            fingerprints=self.transport.fingerprints,
            dtls_role=dtls_role,
            cname=self._cname,
            version=self._version,
        )

    def _bind(self) -> None:
        """Follow the SDP: SSRCs that left lose their stream, new ones get one when their first packet comes."""
        current: dict[int, Section] = {}
        for section in self.sections:
            for ssrc in section.remote_ssrcs:
                current[ssrc] = section
            self._sequence_id = section.extensions.get(TRANSPORT_SEQUENCE, self._sequence_id)
            self._send_time_id = section.extensions.get(SEND_TIME, self._send_time_id)
        for ssrc in [ssrc for ssrc in self._by_ssrc if ssrc not in current]:
            self.inbound.pop(ssrc, None)
        self._by_ssrc = current
        self._ignored.clear()
        for ssrc, section in current.items():
            if ssrc not in self.inbound:
                stream = self._new_stream(section, ssrc)
                if stream is not None:
                    self.inbound[ssrc] = stream
        remb = any(("goog-remb", None) in section.feedback for section in self.sections)
        if remb and not self._sequence_id and self._send_time_id and self._estimator is None:
            self._estimator = RemoteBitrateEstimator()

    def _start(self, transport: Transport, dtls_role: str) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self._connect(transport, dtls_role))

    async def _connect(self, transport: Transport, dtls_role: str) -> None:
        try:
            await self.transport.add_candidates(transport.candidates)
            await self.transport.start(transport.ice, transport.dtls, dtls_role=dtls_role)
        except ConnectionError as error:
            self.failure = str(error)

    async def wait_connected(self, timeout: float) -> bool:
        """Whether the transport connected within `timeout` seconds; False at once when it fails before."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self.connected, self.ended)]
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self.connected.is_set() and not self.ended.is_set()

    def _state(self, state: str) -> None:
        if state == "connected":
            self._open()
            self.connected.set()
        elif state in ("failed", "closed"):
            self._detach()
        self._on_state(state)

    def _detach(self) -> None:
        self._shut()
        self.ended.set()

    async def close(self, *, farewell: bool = True) -> None:
        """Close the transport and forget all streams. Safe to call twice; see SecureTransport.close."""
        self._detach()
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._starting
        await self.transport.close(farewell=farewell)
        self.inbound.clear()
        self.outbound.clear()
