"""What a driver of the embedded service works with: its signalling channel and its media, real or made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import aiohttp

from harness.call.driver import PlaySink, PublishSource
from harness.rtc.access_link import AccessLink
from harness.rtc.media_loop import MediaLoop
from harness.services.reference_legs import PlayLeg, PublishLeg
from harness.services.signalling import ClientWebSocket, Signalling

OnMessage = Callable[[dict[str, Any], int], None]


class Channel(Protocol):
    """See services.signalling.Signalling."""

    async def open(self) -> None: ...

    async def request(
        self, op: str, fields: dict[str, Any], *, on_reply: OnMessage | None = None
    ) -> dict[str, Any]: ...

    async def close(self) -> None: ...


class SendingLeg(Protocol):
    """See reference_legs.PublishLeg."""

    source: PublishSource

    async def offer(self, stream_id: str) -> str: ...

    async def start(self, answer: str) -> None: ...

    async def close(self) -> None: ...


class ReceivingLeg(Protocol):
    """See reference_legs.PlayLeg."""

    sinks: dict[str, PlaySink]

    async def answer(self, sdp: str, streams: Mapping[str, Any]) -> str: ...

    def stop_all(self) -> list[str]: ...

    async def close(self) -> None: ...


class Means(Protocol):
    """Makes one driver's channels and legs. now_us: the run clock, for the time at which bytes were read."""

    def now_us(self) -> int: ...

    def signalling(self, on_message: OnMessage, on_closed: Callable[[], None]) -> Channel: ...

    def publish_leg(self, source: PublishSource) -> SendingLeg: ...

    def play_leg(self) -> ReceivingLeg: ...


class RealMeans:
    """A WebSocket to `url`, and media over UDP from `addresses`, through the user's emulated link if it has one."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        media: MediaLoop,
        addresses: Sequence[str],
        access: AccessLink | None = None,
    ) -> None:
        self._http, self._url, self._media, self._addresses, self._access = http, url, media, addresses, access

    def now_us(self) -> int:
        return self._media.now_us()

    def signalling(self, on_message: OnMessage, on_closed: Callable[[], None]) -> Signalling:
        return Signalling(self.connect, self._media.now_us, on_message, on_closed)

    async def connect(self) -> ClientWebSocket:
        return await ClientWebSocket.connect(self._http, self._url)

    def publish_leg(self, source: PublishSource) -> PublishLeg:
        return PublishLeg(self._media, self._addresses, source, self._access)

    def play_leg(self) -> PlayLeg:
        return PlayLeg(self._media, self._addresses, self._access)
