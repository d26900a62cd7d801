"""The streams that one user publishes or plays in a room of the embedded service, through losses of the connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from harness.call.callbacks import Callback, MediaState, PlayerStateUpdated, PublisherStateUpdated
from harness.call.driver import PlaySink, PublishSource
from harness.call.errors import CallError, ErrorCode
from harness.rtc.sections import SdpError
from harness.services.reference_means import Means, OnMessage, SendingLeg

LOST = (ErrorCode.SERVICE_CLOSED, ErrorCode.NETWORK_INTERRUPTED)


class RoomSide(Protocol):
    """What streams need of the driver that they belong to."""

    room_id: str

    @property
    def visit(self) -> int:
        """The number of the login that the user is in by, or on the way in; 0 when it is out."""
        ...

    async def ready(self) -> None:
        """Wait until the user is in. Raises CallError 1000002 when it will not be."""
        ...

    async def request(
        self, op: str, fields: dict[str, Any], *, on_reply: OnMessage | None = None
    ) -> dict[str, Any]: ...

    def tell(self, callback: Callback, read_us: int = 0, native: Any = None) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that ends with the driver."""
        ...

    def spawn_closing(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that the driver's end waits for."""
        ...


class Wanted:
    """A stream from the call that asks for it to IDLE."""

    def __init__(self) -> None:
        self.state = MediaState.IDLE
        self.asking = False  # a request for it is under way, or waits for the connection
        self.stopping = False
        self.over = asyncio.Event()


W = TypeVar("W", bound=Wanted)


class Streams(Generic[W]):
    """What publishing and playing have in common: at most one of an id, asked for until the service has answered."""

    callback: type[PublisherStateUpdated] | type[PlayerStateUpdated]
    stop_request = ""
    interrupted: ErrorCode  # of a stream that was live and has to be asked for again

    def __init__(self, room: RoomSide) -> None:
        self._room = room
        self.wanted: dict[str, W] = {}
        self._untold: set[str] = set()  # stopped while nobody could be told

    async def _ask(self, stream_id: str, wanted: W) -> None:
        """Ask the service for the stream. Raises CallError."""
        raise NotImplementedError

    def _release(self, stream_id: str, wanted: W) -> None:
        """The stream is IDLE: let go of its media."""
        raise NotImplementedError

    # -- calls ---------------------------------------------------------------------------------------------------

    async def _stopped(self, stream_id: str) -> W | None:
        """The stream of this id, after one that is just being stopped. Raises CallError 1000002 if the user left."""
        visit = self._room.visit
        while (wanted := self.wanted.get(stream_id)) is not None and wanted.stopping:
            await wanted.over.wait()
            if self._room.visit != visit:
                raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in any more")
        return wanted

    async def _start(self, stream_id: str, wanted: W) -> None:
        """REQ at once; returns when the service has accepted. Raises CallError, after IDLE with its code."""
        self.wanted[stream_id] = wanted
        self._move(stream_id, wanted, MediaState.REQUESTING)
        try:
            await self._obtain(stream_id, wanted)
        except CallError as error:
            self._end(stream_id, wanted, error.code or ErrorCode.MEDIA_FAILED)
            raise
        except BaseException:
            self._end(stream_id, wanted, self.interrupted)
            raise

    async def _obtain(self, stream_id: str, wanted: W) -> None:
        """Ask until there is an answer: when the connection is lost on the way, once more after it is back."""
        wanted.asking = True
        try:
            while True:
                await self._room.ready()
                if self.wanted.get(stream_id) is not wanted or wanted.stopping:
                    raise CallError(ErrorCode.STREAM_NOT_FOUND, "stopped before it began")
                try:
                    await self._ask(stream_id, wanted)
                    return
                except CallError as error:
                    if error.code not in LOST:
                        raise
                await asyncio.sleep(0)  # never again and again without letting others notice what was lost
        finally:
            wanted.asking = False

    async def stop(self, stream_id: str) -> None:
        """IDLE when the service has answered. Raises CallError when there is no such stream."""
        wanted = self.wanted.get(stream_id)
        if wanted is None or wanted.stopping:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "there is no such stream")
        wanted.stopping = True

        def stopped(reply: dict[str, Any], read_us: int) -> None:
            self._end(stream_id, wanted, ErrorCode.OK, read_us)

        try:
            await self._room.request(self.stop_request, {"stream": stream_id}, on_reply=stopped)
        except CallError as error:
            # Refused: the service has no such stream any more. Lost: it is told when the connection is back.
            if error.code in LOST:
                self._untold.add(stream_id)
        finally:
            self._end(stream_id, wanted, ErrorCode.OK)

    # -- what the service says -----------------------------------------------------------------------------------

    def heard(self, event: dict[str, Any], read_us: int) -> None:
        """A state of one of the streams, told as the service says it."""
        stream_id, state = event["stream"], MediaState(event["state"])
        wanted = self.wanted.get(stream_id)
        if wanted is not None and state is MediaState.IDLE:
            self._forget(stream_id, wanted)
        elif wanted is not None:
            wanted.state = state
        self._room.tell(self.callback(self._room.room_id, stream_id, state, event["code"]), read_us, event)

    def restore(self, known: Collection[str]) -> None:
        """The connection is back and the service has these streams: ask for what it forgot, stop what is left over."""
        for stream_id, wanted in tuple(self.wanted.items()):
            if stream_id not in known and not wanted.asking and not wanted.stopping:
                if wanted.state is MediaState.LIVE:
                    self._move(stream_id, wanted, MediaState.REQUESTING, self.interrupted)
                self._room.spawn(self._recover(stream_id, wanted))
        untold, self._untold = self._untold, set()
        for stream_id in dict.fromkeys((*known, *sorted(untold))):
            if stream_id not in self.wanted:
                self._room.spawn(self._take_back(stream_id))

    async def _recover(self, stream_id: str, wanted: W) -> None:
        try:
            await self._obtain(stream_id, wanted)
        except CallError as error:
            if self.wanted.get(stream_id) is wanted:
                self._room.spawn(self._take_back(stream_id))
            self._end(stream_id, wanted, error.code or self.interrupted)

    async def _take_back(self, stream_id: str) -> None:
        with contextlib.suppress(CallError):
            await self._room.request(self.stop_request, {"stream": stream_id})

    def end_all(self, code: int) -> None:
        """The session is over, and with it every stream."""
        self._untold.clear()
        for stream_id, wanted in tuple(self.wanted.items()):
            self._end(stream_id, wanted, code)

    def states(self) -> dict[str, str]:
        return {stream_id: wanted.state.value for stream_id, wanted in self.wanted.items()}

    # -- states --------------------------------------------------------------------------------------------------

    def _move(self, stream_id: str, wanted: W, state: MediaState, code: int = 0, read_us: int = 0) -> None:
        wanted.state = state
        self._room.tell(self.callback(self._room.room_id, stream_id, state, int(code)), read_us)

    def _end(self, stream_id: str, wanted: W, code: int, read_us: int = 0) -> None:
        if self.wanted.get(stream_id) is wanted:
            self._forget(stream_id, wanted)
            self._move(stream_id, wanted, MediaState.IDLE, code, read_us)

    def _forget(self, stream_id: str, wanted: W) -> None:
        del self.wanted[stream_id]
        wanted.over.set()
        self._release(stream_id, wanted)


class OwnStream(Wanted):
    """A stream that the user publishes. extra, muted: what the service was told of it, to be told again."""

    def __init__(self, source: PublishSource) -> None:
        super().__init__()
        self.source = source
        self.leg: SendingLeg | None = None
        self.extra = ""
        self.muted: set[str] = set()
        self.unsure = False  # whether the service got a request whose answer was lost


class Publishing(Streams[OwnStream]):
    """The streams of this user; each goes over a connection of its own."""

    callback = PublisherStateUpdated
    stop_request = "unpublish"
    interrupted = ErrorCode.PUBLISH_INTERRUPTED

    def __init__(self, room: RoomSide, means: Means) -> None:
        super().__init__(room)
        self._means = means

    async def start(self, stream_id: str, source: PublishSource) -> None:
        """Raises CallError 1003023 when this stream is already being published, or what the service refuses with."""
        if await self._stopped(stream_id) is not None:
            raise CallError(ErrorCode.CHANNEL_ALREADY_PUBLISHING, "this stream is already being published")
        await self._start(stream_id, OwnStream(source))

    async def _ask(self, stream_id: str, wanted: OwnStream) -> None:
        if wanted.unsure:
            await self._take_back(stream_id)
            wanted.unsure = False
        await self._close_leg(wanted)
        leg = wanted.leg = self._means.publish_leg(wanted.source)
        fields = {"stream": stream_id, "extra": wanted.extra, "muted": sorted(wanted.muted)}
        try:
            fields["sdp"] = await leg.offer(stream_id)
            if self.wanted.get(stream_id) is not wanted or wanted.stopping:
                raise CallError(ErrorCode.STREAM_NOT_FOUND, "stopped before it began")
            wanted.unsure = True
            reply = await self._room.request("publish", fields)
            await leg.start(reply["sdp"])
            wanted.unsure = False
        except BaseException as error:
            await self._failed(stream_id, wanted, error)
            raise

    async def _failed(self, stream_id: str, wanted: OwnStream, error: BaseException) -> None:
        """Close the leg; what the service may have accepted is taken back, unless the question is put again."""
        await self._close_leg(wanted)
        code = error.code if isinstance(error, CallError) else ErrorCode.MEDIA_FAILED
        if wanted.unsure and code not in LOST:
            wanted.unsure = False
            if code == ErrorCode.MEDIA_FAILED and self.wanted.get(stream_id) is wanted:
                self._room.spawn(self._take_back(stream_id))
        if isinstance(error, SdpError):
            raise CallError(ErrorCode.BAD_DESCRIPTION, str(error)) from None

    async def _close_leg(self, wanted: OwnStream) -> None:
        leg, wanted.leg = wanted.leg, None
        if leg is not None:
            await leg.close()

    def _release(self, stream_id: str, wanted: OwnStream) -> None:
        if wanted.leg is not None:
            self._room.spawn_closing(self._close_leg(wanted))

    async def mute(self, stream_id: str, kind: str, muted: bool) -> None:
        own = self._own(stream_id)
        await self._room.request("mute", {"stream": stream_id, "kind": kind, "muted": muted})
        (own.muted.add if muted else own.muted.discard)(kind)
        own.source.mute(kind, muted)

    async def set_extra(self, stream_id: str, text: str) -> None:
        own = self._own(stream_id)
        await self._room.request("stream_extra", {"stream": stream_id, "extra": text})
        own.extra = text

    def _own(self, stream_id: str) -> OwnStream:
        own = self.wanted.get(stream_id)
        if own is None:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this stream is not being published")
        return own


class Played(Wanted):
    """A stream that the user plays."""

    def __init__(self, sink: PlaySink) -> None:
        super().__init__()
        self.sink = sink


class Playing(Streams[Played]):
    """The streams of others; all go over one connection, which the service offers and offers anew."""

    callback = PlayerStateUpdated
    stop_request = "unplay"
    interrupted = ErrorCode.PLAY_INTERRUPTED

    def __init__(self, room: RoomSide, means: Means) -> None:
        super().__init__(room)
        self._leg = means.play_leg()
        self._connection = 0
        self._answering = asyncio.Lock()

    async def start(self, stream_id: str, sink: PlaySink) -> None:
        """A second play of a stream changes nothing. Raises CallError."""
        if await self._stopped(stream_id) is None:
            self._leg.sinks[stream_id] = sink
            await self._start(stream_id, Played(sink))

    async def _ask(self, stream_id: str, wanted: Played) -> None:
        await self._room.request("play", {"stream": stream_id})

    def _release(self, stream_id: str, wanted: Played) -> None:
        if self._leg.sinks.get(stream_id) is wanted.sink:
            del self._leg.sinks[stream_id]

    async def answer(self, event: dict[str, Any]) -> None:
        """Answer an offer; one from a new connection of the service's ends the old one here as well."""
        async with self._answering:
            if event["connection"] != self._connection:
                await self._leg.close()
                self._connection = event["connection"]
            with contextlib.suppress(CallError, SdpError):
                sdp = await self._leg.answer(event["sdp"], event["streams"])
                await self._room.request("answer", {"offer": event["offer"], "sdp": sdp})

    def end_all(self, code: int) -> None:
        super().end_all(code)
        self._connection = 0
        self._room.spawn_closing(self._leg.close())

    async def close(self) -> None:
        await self._leg.close()
