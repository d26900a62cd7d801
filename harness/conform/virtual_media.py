"""Media without packets: legs that connect after a while, first packets that are heard, and ends that are noticed.

The two sides of a leg find each other through the air by a number in their descriptions, where real ones exchange
addresses and keys.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from harness.call.driver import PlaySink, PublishSource
from harness.call.errors import CallError, ErrorCode
from harness.conform.link import LATENCY
from harness.conform.virtual_source import VirtualSink
from harness.rtc.sections import SdpError

PUBLISH_CONNECT = 0.045  # seconds from the answer to a connected leg
PLAY_CONNECT = 0.02
FIRST_PACKET = LATENCY  # and from then to the first packet at the other side
OFFER_PATIENCE = 10.0  # the service gives an offer up that is not answered for so long
CONSENT = 30.0  # and a publication from which it has heard nothing for so long


class Air:
    """Where the two sides of virtual legs meet."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.publications: dict[int, VirtualPublication] = {}
        self.players: dict[int, VirtualPlayLeg] = {}


def _described(word: str, number: int, rest: str = "") -> str:
    return f"virtual {word} {number} {rest}".rstrip()


def _number(sdp: str) -> int:
    """Raises SdpError."""
    words = sdp.split()
    if len(words) < 3 or words[0] != "virtual" or not words[2].isdigit():
        raise SdpError("this is not a virtual description")
    return int(words[2])


class VirtualPublishLeg:
    """The client's side of a stream it publishes; see reference_legs.PublishLeg."""

    def __init__(self, air: Air, source: PublishSource) -> None:
        self.source = source
        self._air = air
        self._number = next(air.numbers)
        self._connected: asyncio.Future[bool] | None = None
        self._closed = False

    async def offer(self, stream_id: str) -> str:
        kinds = " ".join(f"{kind}={codec}" for kind, codec in self.source.kinds.items())
        return _described("publish", self._number, kinds)

    async def start(self, answer: str) -> None:
        """Connect and send. Raises SdpError, or CallError 1900004 when no connection comes about."""
        _number(answer)
        loop = asyncio.get_running_loop()
        self._connected = loop.create_future()
        timer = loop.call_later(PUBLISH_CONNECT, self._decide, True)
        try:
            connected = not self._closed and await self._connected
        finally:
            timer.cancel()
        publication = self._air.publications.get(self._number)
        if not connected or publication is None:
            raise CallError(ErrorCode.MEDIA_FAILED, "the media connection did not come about")
        self.source.start(dict.fromkeys(self.source.kinds))
        loop.call_later(FIRST_PACKET, publication.hear)

    def _decide(self, connected: bool) -> None:
        if self._connected is not None and not self._connected.done():
            self._connected.set_result(connected)

    def vanish(self) -> None:
        """The client is gone without a word: the service notices after a while that nothing comes."""
        publication = self._air.publications.get(self._number)
        if not self._closed and publication is not None:
            publication.fall_silent()
            asyncio.get_running_loop().call_later(CONSENT, publication.end)
        self._closed = True

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._decide(False)
            self.source.stop()
            publication = self._air.publications.get(self._number)
            if publication is not None:
                asyncio.get_running_loop().call_later(FIRST_PACKET, publication.end)


class VirtualPlayLeg:
    """The client's side of all it plays; see reference_legs.PlayLeg."""

    def __init__(self, air: Air, now_us: Callable[[], int]) -> None:
        self.sinks: dict[str, PlaySink] = {}
        self._air = air
        self._now_us = now_us
        self._number = 0

    async def answer(self, sdp: str, streams: Mapping[str, Any]) -> str:
        """Raises SdpError."""
        _number(sdp)
        if not self._number:
            self._number = next(self._air.numbers)
            self._air.players[self._number] = self
        return _described("play", self._number)

    def hear(self, stream_id: str, kind: str, codec: str) -> None:
        """The first packet of a played stream."""
        sink = self.sinks.get(stream_id)
        if sink is not None:
            sink.open(kind, codec, 0, [])

    def hear_no_more(self, stream_id: str) -> None:
        """No packet of it comes any more, for now."""
        sink = self.sinks.get(stream_id)
        if isinstance(sink, VirtualSink):
            sink.pause()

    def stop_all(self) -> list[str]:
        stopped = list(self.sinks)
        self.sinks.clear()
        return stopped

    def vanish(self) -> None:
        self._air.players.pop(self._number, None)

    async def close(self) -> None:
        self._air.players.pop(self._number, None)
        self._number = 0


class VirtualPublication:
    """The service's side of a published stream; see forwarder.Publication."""

    def __init__(
        self, air: Air, codecs: dict[str, str], on_live: Callable[[], None], on_end: Callable[[], None]
    ) -> None:
        self.codecs = codecs
        self.sources: dict[str, Any] = {}
        self.closed = False
        self.listeners: list[Callable[[], None]] = []  # who wants to know that nothing comes any more
        self._air = air
        self._number = 0
        self._on_live: Callable[[], None] | None = on_live
        self._on_end = on_end

    async def answer(self, sdp: str) -> str:
        self._number = _number(sdp)
        self._air.publications[self._number] = self
        return _described("answer", self._number)

    def hear(self) -> None:
        """The first packet has come."""
        if self._on_live is not None and not self.closed:
            live, self._on_live = self._on_live, None
            live()

    def fall_silent(self) -> None:
        """No packet comes any more; the service has yet to notice."""
        for listener in self.listeners:
            listener()

    def end(self) -> None:
        """The other side has closed, or is not heard any more."""
        if not self.closed:
            self._on_end()

    async def close(self) -> None:
        self.closed = True
        self._air.publications.pop(self._number, None)


class VirtualSubscriber:
    """The service's side of all that one user plays; see forwarder.Subscriber. One offer at a time."""

    def __init__(
        self,
        air: Air,
        send_offer: Callable[[int, str, dict[str, list[str]]], None],
        on_live: Callable[[str], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self.failed = False
        self._air = air
        self._send_offer, self._on_live, self._on_failed = send_offer, on_live, on_failed
        self._streams: dict[str, VirtualPublication] = {}
        self._opened: set[str] = set()
        self._offered: dict[str, VirtualPublication] | None = None
        self._number = 0
        self._player: VirtualPlayLeg | None = None
        self._changed = self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, stream_id: str, publication: VirtualPublication) -> None:
        if stream_id not in self._streams:
            self._streams[stream_id] = publication
            self._negotiate()

    def detach(self, stream_id: str) -> None:
        if self._streams.pop(stream_id, None) is not None:
            self._quieten(stream_id)
            self._opened.discard(stream_id)
            self._negotiate()

    def _quieten(self, stream_id: str) -> None:
        if stream_id in self._opened and self._player is not None:
            self._player.hear_no_more(stream_id)

    def _negotiate(self) -> None:
        self._changed = True
        if self._offered is None and not self.failed:
            asyncio.get_running_loop().call_soon(self._offer)

    def _offer(self) -> None:
        if not self._changed or self._offered is not None or self._closed:
            return
        self._changed = False
        self._offered = dict(self._streams)
        self._number += 1
        sections = [[stream, kind] for stream, publication in self._offered.items() for kind in publication.codecs]
        mids = {str(mid): placed for mid, placed in enumerate(sections)}
        self._timer = asyncio.get_running_loop().call_later(OFFER_PATIENCE, self._fail)
        self._send_offer(self._number, _described("offer", self._number), mids)

    def answer(self, number: int, sdp: str) -> bool:
        """The client's answer to an offer. False when no such offer is open."""
        if number != self._number or self._offered is None or self._timer is None:
            return False
        self._stop_timer()
        connected = self._player is not None
        self._player = self._air.players.get(_number(sdp))
        asyncio.get_running_loop().call_later(0 if connected else PLAY_CONNECT, self._open)
        return True

    def _open(self) -> None:
        offered, self._offered = self._offered or {}, None
        if self._closed:
            return
        for stream_id, publication in offered.items():
            if self._streams.get(stream_id) is publication and stream_id not in self._opened:
                self._opened.add(stream_id)
                publication.listeners.append(partial(self._quieten, stream_id))
                self._on_live(stream_id)
                for kind in publication.codecs:
                    asyncio.get_running_loop().call_later(FIRST_PACKET, self._first_packet, stream_id, kind)
        self._offer()

    def _first_packet(self, stream_id: str, kind: str) -> None:
        publication = self._streams.get(stream_id)
        if stream_id in self._opened and publication is not None and self._player is not None:
            self._player.hear(stream_id, kind, publication.codecs[kind])

    def _fail(self) -> None:
        self.failed = True
        for stream_id in tuple(self._streams):
            self._on_failed(stream_id)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self) -> None:
        self._closed = True
        self._stop_timer()
        self._streams.clear()


class VirtualMedia:
    """See room_service.media.ServiceMedia."""

    def __init__(self, air: Air) -> None:
        self._air = air

    def start(self) -> None:
        """Nothing listens anywhere."""

    def offered(self, sdp: str) -> dict[str, str]:
        _number(sdp)
        kinds = [word.partition("=") for word in sdp.split()[3:]]
        return {kind: codec for kind, _, codec in kinds}

    def publication(
        self, codecs: dict[str, str], on_live: Callable[[], None], on_end: Callable[[], None]
    ) -> VirtualPublication:
        return VirtualPublication(self._air, codecs, on_live, on_end)

    def subscriber(
        self,
        send_offer: Callable[[int, str, dict[str, list[str]]], None],
        on_live: Callable[[str], None],
        on_failed: Callable[[str], None],
    ) -> VirtualSubscriber:
        return VirtualSubscriber(self._air, send_offer, on_live, on_failed)

    async def close(self) -> None:
        """Nothing is held."""
