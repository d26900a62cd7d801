"""The media of one user of the embedded service: a connection per published stream, one for all it plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.call.driver import PlaySink, PublishSource
from harness.call.errors import CallError, ErrorCode
from harness.rtc.access_link import AccessLink
from harness.rtc.inbound import InboundStream
from harness.rtc.media_loop import MediaLoop
from harness.rtc.peer import Peer
from harness.rtc.sections import CODECS, Section

CONNECT_TIMEOUT = 15.0


class PublishLeg:
    """Sends one stream. access: the user's emulated link, if it has one."""

    def __init__(
        self, media: MediaLoop, addresses: Sequence[str], source: PublishSource, access: AccessLink | None = None
    ) -> None:
        self.source = source
        self.peer = Peer(media, offers=True, addresses=addresses, access=access)
        self._sections: dict[str, Section] = {}
        self._closed = False

    async def offer(self, stream_id: str) -> str:
        for kind, codec in self.source.kinds.items():
            self._sections[kind] = self.peer.add_section(kind, CODECS[codec], f"{stream_id} {stream_id}-{kind}")
        return await self.peer.create_offer()

    async def start(self, answer: str) -> None:
        """Connect and send. Raises SdpError, or CallError 1900004 when no connection comes about."""
        await self.peer.accept_answer(answer)
        if not await self.peer.wait_connected(CONNECT_TIMEOUT):
            raise CallError(ErrorCode.MEDIA_FAILED, "the media connection did not come about")
        self.source.start({kind: self.peer.open_outbound(section) for kind, section in self._sections.items()})

    async def close(self, *, farewell: bool = True) -> None:
        """Without a farewell the service is not told, as when the client is killed."""
        if not self._closed:
            self._closed = True
            self.source.stop()
            await self.peer.close(farewell=farewell)


class PlayLeg:
    """Receives all streams a user plays, over one bundled connection that the service offers and renegotiates.

    access: as of PublishLeg.
    """

    def __init__(self, media: MediaLoop, addresses: Sequence[str], access: AccessLink | None = None) -> None:
        self._media, self._addresses, self._access = media, addresses, access
        self.sinks: dict[str, PlaySink] = {}
        self._placed: dict[str, tuple[str, str]] = {}  # mid: stream id and kind
        self._peer: Peer | None = None
        self._reached: dict[str, int] = {}

    async def answer(self, sdp: str, streams: Mapping[str, Any]) -> str:
        """Answer an offer. streams: mid to [stream id, kind]. Raises SdpError."""
        if self._peer is None:
            self._peer = Peer(
                self._media,
                offers=False,
                addresses=self._addresses,
                on_state=self._state,
                new_stream=self._new_stream,
                access=self._access,
            )
        self._placed = {mid: (str(stream), str(kind)) for mid, (stream, kind) in streams.items()}
        description = await self._peer.answer(sdp)
        now = self._media.now_us()
        for stream_id, sink in self.sinks.items():
            if any(placed == stream_id for placed, _ in self._placed.values()):
                sink.phase("signalled", now)
                for name in self._reached:  # the transport is already up: those phases take no time
                    sink.phase(name, now)
        return description

    def _new_stream(self, section: Section, ssrc: int) -> InboundStream | None:
        stream_id, kind = self._placed.get(section.mid, ("", ""))
        sink = self.sinks.get(stream_id)
        if sink is None or self._peer is None:
            return None
        stream: InboundStream | None = sink.open(kind, section.codec.name, ssrc, self._peer.alerts)
        return stream

    def _state(self, state: str) -> None:
        name = {"ice": "ice", "connected": "dtls"}.get(state)
        if name is not None:
            now = self._reached[name] = self._media.now_us()
            for sink in self.sinks.values():
                sink.phase(name, now)

    def stop_all(self) -> list[str]:
        stopped = list(self.sinks)
        self.sinks.clear()
        return stopped

    async def close(self, *, farewell: bool = True) -> None:
        """Close the connection; the next offer begins a new one. See PublishLeg.close."""
        peer, self._peer = self._peer, None
        self._reached.clear()
        if peer is not None:
            await peer.close(farewell=farewell)
