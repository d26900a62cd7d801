"""What a room service's driver offers the engine, and the media that travels through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from harness.call.callbacks import Callback, User

# emit(callback, microseconds at which its bytes were read, the native message)
Emit = Callable[[Callback, int, Any], None]


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


class PlaySink(Protocol):
    """Where a played stream goes."""

    def open(self, kind: str, codec: str, ssrc: int, alerts: list[Any]) -> Any:
        """The inbound stream of harness.rtc that takes the packets of this SSRC, or None to ignore them."""
        ...

    def phase(self, name: str, at_us: int) -> None:
        """A step of the start was reached: "signalled", "ice", "dtls". First call of each counts."""
        ...


class Driver(Protocol):
    """Translates one service's signalling; never reorders, de-duplicates, invents or waits.

    Every method raises CallError when the service refuses, with the code as the contract numbers it.
    """

    def bind(self, emit: Emit) -> None: ...

    async def login(self, room_id: str, user: User, token: str, *, user_updates: bool) -> None: ...

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

    async def close(self) -> None: ...
