"""What the service's shell asks of its media: a leg per published stream, a leg per user who plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from harness.room_service.forwarder import Publication, Subscriber
from harness.rtc.media_loop import MediaLoop
from harness.rtc.sections import read_description

FORWARDER_REST = 0.002


class PublicationLeg(Protocol):
    """One stream on its way in."""

    @property
    def sources(self) -> Mapping[str, Any]:
        """What is received, by kind."""
        ...

    async def answer(self, sdp: str) -> str:
        """Raises SdpError."""
        ...

    async def close(self) -> None: ...


class SubscriberLeg(Protocol):
    """All that one user plays."""

    failed: bool

    def attach(self, stream_id: str, publication: Any) -> None: ...

    def detach(self, stream_id: str) -> None: ...

    def answer(self, number: int, sdp: str) -> bool: ...

    async def close(self) -> None: ...


class ServiceMedia(Protocol):
    """Makes the legs. `start` is called once, inside the running loop."""

    def start(self) -> None: ...

    def offered(self, sdp: str) -> dict[str, str]:
        """Codec by kind of what an SDP offers to send. Raises SdpError."""
        ...

    def publication(
        self, codecs: dict[str, str], on_live: Callable[[], None], on_end: Callable[[], None]
    ) -> PublicationLeg: ...

    def subscriber(
        self,
        send_offer: Callable[[int, str, dict[str, list[str]]], None],
        on_live: Callable[[str], None],
        on_failed: Callable[[str], None],
    ) -> SubscriberLeg: ...

    async def close(self) -> None: ...


class ForwarderMedia:
    """The real one: packets over UDP. addresses: where it listens."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._loop: MediaLoop

    def start(self) -> None:
        self._loop = MediaLoop(rest=FORWARDER_REST)

    def offered(self, sdp: str) -> dict[str, str]:
        sections, _ = read_description(sdp)
        return {section.kind: section.codec.name for section in sections if section.codecs}

    def publication(
        self, codecs: dict[str, str], on_live: Callable[[], None], on_end: Callable[[], None]
    ) -> Publication:
        return Publication(self._loop, self._addresses, codecs, on_live, on_end)

    def subscriber(
        self,
        send_offer: Callable[[int, str, dict[str, list[str]]], None],
        on_live: Callable[[str], None],
        on_failed: Callable[[str], None],
    ) -> Subscriber:
        return Subscriber(self._loop, self._addresses, send_offer, on_live, on_failed)

    async def close(self) -> None:
        await self._loop.close()
