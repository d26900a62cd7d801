"""What a room service's driver offers the engine, and the media that travels through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from harness.call.callbacks import Callback, User
from harness.call.quality import MediaFigures

# emit(callback, microseconds at which its bytes were read, the native message)
Emit = Callable[[Callback, int, Any], None]
# on_first(medium, stage, microseconds at which its packet was read, or 0 when nothing was); each stage of a medium once
OnFirst = Callable[[str, str, int], None]


class PublishSource(Protocol):
    """What a user sends. The outbound streams are those of harness.rtc."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """Codec by kind: {"video": "vp8", "audio": "opus"}, without what is not sent."""
        ...

    def start(self, streams: Mapping[str, Any]) -> None:
        """The transport is connected: send into these outbound streams, by kind."""
        ...

    def stop(self) -> None: ...

    def mute(self, kind: str, muted: bool) -> None: ...

    def listen(self, on_first: OnFirst) -> None:
        """A publish of this source begins: tell its first frame "captured" and "sent", from now on."""
        ...

    def quality(self) -> MediaFigures:
        """What has been sent so far, over all starts; cheap."""
        ...


class PlaySink(Protocol):
    """Where a played stream goes."""

    def open(self, kind: str, codec: str, ssrc: int, alerts: list[Any]) -> Any:
        """The inbound stream of harness.rtc that takes the packets of this SSRC, or None to ignore them."""
        ...

    def phase(self, name: str, at_us: int) -> None:
        """A step of the start was reached: "signalled", "ice", "dtls". First call of each counts."""
        ...

    def listen(self, on_first: OnFirst) -> None:
        """A play into this sink begins: tell the first packet "received", the first whole frame "rendered"."""
        ...

    def quality(self) -> MediaFigures:
        """What has been received so far; cheap."""
        ...


class Driver(Protocol):
    """One user in one room at a time: translates a service's signalling; never reorders, de-duplicates or invents.

    Every method raises CallError when the service refuses, with the code as the contract numbers it. Between `login`
    and its outcome, and while reconnecting, `publish` and `play` report REQ at once and then wait to be in.
    """

    def bind(self, emit: Emit) -> None: ...

    async def login(self, room_id: str, user: User, token: str, *, user_updates: bool, client: str) -> None:
        """client: names this instance of the client, the same for all rooms that it is in."""
        ...

    async def logout(self) -> None: ...

    async def publish(self, stream_id: str, source: PublishSource) -> None: ...

    async def unpublish(self, stream_id: str) -> None: ...

    async def play(self, stream_id: str, sink: PlaySink) -> None: ...

    async def unplay(self, stream_id: str) -> None: ...

    async def mute(self, stream_id: str, kind: str, muted: bool) -> None: ...

    async def set_stream_extra_info(self, stream_id: str, text: str) -> None: ...

    async def set_room_extra_info(self, key: str, value: str) -> None: ...

    async def send_message(self, text: str, *, reliable: bool) -> str: ...

    async def renew_token(self, token: str) -> None: ...

    async def kick(self, user_id: str) -> None: ...

    async def close(self) -> None: ...
