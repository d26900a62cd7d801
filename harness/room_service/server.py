"""The shell around the room logic: WebSocket requests in, effects out to sockets and to the forwarder."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from harness.call.errors import CallError, ErrorCode
from harness.room_service.clock import ServiceClock
from harness.room_service.connection import Connection, Request
from harness.room_service.effects import Attach, ClosePublication, CloseSession, Detach, Effect, Send
from harness.room_service.figures import Figures
from harness.room_service.knowledge import read_knowledge
from harness.room_service.media import PublicationLeg, ServiceMedia, SubscriberLeg
from harness.room_service.room import RoomLogic
from harness.room_service.settings import Settings
from harness.room_service.socket import Socket, WebSocket
from harness.room_service.tokens import read_token
from harness.rtc.sections import CODECS, SdpError

log = logging.getLogger(__name__)
Handler = Callable[[Connection, str, Request], Awaitable[dict[str, object] | None]]


class RoomServer:
    """One embedded service. Its sockets, media and clock are given to it: the real ones, or those of a virtual stage.

    `application` is its face for HTTP; `serve_socket` serves one socket of any kind, between `start` and `stop`.
    """

    def __init__(self, settings: Settings, secret: str, media: ServiceMedia, clock: ServiceClock | None = None) -> None:
        self.settings = settings
        self._media = media
        self._clock = clock or ServiceClock()
        self.logic = RoomLogic(settings, f"{int(self._clock.wall()) & 0xFFFF:x}-")
        self.publications: dict[tuple[str, str], PublicationLeg] = {}
        self.subscribers: dict[str, SubscriberLeg] = {}
        self.figures = Figures(self)
        self.waiting = 0
        self._secret = secret
        self._connections: dict[str, Connection] = {}
        self._offers: dict[str, dict[str, object]] = {}  # session: the offer that waits for its answer
        self._numbers = itertools.count(1)
        self._open: set[Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._handlers: dict[str, Handler] = {
            "logout": self._logout,
            "publish": self._publish,
            "unpublish": self._unpublish,
            "play": self._play,
            "unplay": self._unplay,
            "answer": self._answer,
            "mute": self._mute,
            "stream_extra": self._stream_extra,
            "room_extra": self._room_extra,
            "message": self._message,
            "renew_token": self._renew_token,
            "kick": self._kick,
            "heartbeat": self._heartbeat,
        }

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ws", self._websocket)
        app.router.add_get("/metrics", self.figures.metrics)
        app.router.add_get("/healthz", self.figures.health)
        app.on_startup.append(self._start_application)
        app.on_cleanup.append(self._stop_application)
        return app

    async def _start_application(self, app: web.Application) -> None:
        self.start()

    async def _stop_application(self, app: web.Application) -> None:
        await self.stop()

    def start(self) -> None:
        """Begin, inside the running loop."""
        self._media.start()

    async def stop(self) -> None:
        """Close every socket and all media."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in tuple(self._open):
            await connection.close()
        legs: list[PublicationLeg | SubscriberLeg] = [*self.publications.values(), *self.subscribers.values()]
        await asyncio.gather(*(leg.close() for leg in legs), *self._closing, return_exceptions=True)
        await self._media.close()

    # -- sockets -------------------------------------------------------------------------------------------------

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self.waiting >= self.settings.waiting_sockets:
            raise web.HTTPServiceUnavailable(text="too many connections that have not logged in\n")
        response = web.WebSocketResponse(max_msg_size=self.settings.message_bytes, compress=False)
        # Counted from here: a socket whose handshake is under way waits as well.
        self.waiting += 1
        try:
            await response.prepare(request)
        except ConnectionError:  # gone again before the handshake was answered
            return web.Response()
        finally:
            self.waiting -= 1
        await self.serve_socket(WebSocket(response))
        return response

    async def serve_socket(self, socket: Socket) -> None:
        """Serve one client until its socket closes."""
        connection = Connection(self.settings, socket, self._clock)
        self.waiting += 1
        self._open.add(connection)
        deadline = asyncio.get_running_loop().call_later(self.settings.login_deadline, self._too_late, connection)
        try:
            with contextlib.suppress(ConnectionError):
                await self._serve(connection)
        finally:
            deadline.cancel()
            self._open.discard(connection)
            if connection.session is None:
                self.waiting -= 1
            elif self._connections.get(connection.session) is connection:
                self._connections.pop(connection.session, None)
                self.logic.disconnected(connection.session)
            await connection.close()

    @staticmethod
    def _too_late(connection: Connection) -> None:
        if connection.session is None:
            connection.send({"event": "closing", "reason": "no login in time"})
            connection.end()

    async def _serve(self, connection: Connection) -> None:
        while True:
            number: int | None = None
            try:
                request = await connection.receive()
                if request is None:
                    return
                number = request.id
                await self._handle(connection, request)
            except CallError as error:
                connection.refuse(number, error)
                if error.code == ErrorCode.TOO_MANY_REQUESTS:
                    return

    async def _handle(self, connection: Connection, request: Request) -> None:
        name = request.text("op")
        if connection.session is None:
            if name != "login":
                known = name in self._handlers
                code = ErrorCode.NOT_LOGGED_IN if known else ErrorCode.BAD_REQUEST
                raise CallError(code, "not logged in" if known else f"unknown op {name[:40]!r}")
            self._login(connection, request)
            return
        if not self.logic.heard(self._clock.monotonic(), connection.session):
            # Silent for so long that it was taken for gone, its socket open all the time: now it has to resume.
            self._connections.pop(connection.session, None)
            self._let_go(connection)
            return
        if name == "login":
            raise CallError(ErrorCode.ALREADY_LOGGED_IN, "this connection is already logged in")
        handler = self._handlers.get(name)
        if handler is None:
            raise CallError(ErrorCode.BAD_REQUEST, f"unknown op {name[:40]!r}")
        fields = await handler(connection, connection.session, request)
        if fields is not None:
            connection.reply(request.id, fields)

    # -- requests ------------------------------------------------------------------------------------------------

    def _login(self, connection: Connection, request: Request) -> None:
        user, room = request.text("user"), request.text("room")
        resume, knows = request.text("resume", ""), request.mapping("knows")
        now = self._clock.monotonic()
        self.figures.login_attempts += 1
        try:
            # A session outlives its token, unless the room logic ends it.
            claims = read_token(self._secret, request.text("token"), None if resume else self._clock.wall)
            if (claims.user_id, claims.room_id) != (user, room):
                raise CallError(ErrorCode.TOKEN_INVALID, "the token is for another user or room")
            if resume:
                known = self.logic.sessions.get(resume)
                absent = known is not None and not known.present
                knowledge = read_knowledge(knows, self.settings) if knows is not None else None
                session, effects = self.logic.resume(now, resume, user, knowledge)
                if absent:
                    self._close_subscriber(resume)  # its plays ended with its silence; it begins with a new connection
            else:
                name, updates = request.text("name", user), request.flag("user_updates", True)
                client = request.text("client", "")
                session, effects = self.logic.login(
                    now, self._clock.wall(), claims, user_name=name, user_updates=updates, client=client
                )
        except CallError:
            self.figures.login_failures += 1
            raise
        earlier = self._connections.pop(session.session_id, None)
        if earlier is not None:
            self._let_go(earlier)
        connection.session = session.session_id
        self.waiting -= 1
        self._connections[session.session_id] = connection
        own = [stream for owner, stream in self.publications if owner == session.session_id]
        connection.reply(
            request.id,
            {
                "session": session.session_id,
                "room_session": self.logic.rooms[session.room_id].session,
                "heartbeat_interval": self.settings.heartbeat_interval,
                "retry_window": self.settings.retry_window,
                "streams": own,
                "plays": list(session.plays),
            },
        )
        self.carry_out(effects)
        offer = self._offers.get(session.session_id)
        if offer is not None:
            connection.send(offer)  # it may have got lost; an answer on its way to nowhere is given again
        self._arm()

    def _let_go(self, connection: Connection) -> None:
        """Close a socket whose session goes on without it."""
        connection.session = None
        self.waiting += 1
        connection.end()

    async def _logout(self, connection: Connection, session: str, request: Request) -> dict[str, object] | None:
        connection.reply(request.id, {})
        self.carry_out(self.logic.logout(session))
        return None  # the session's socket closes with it, so the reply went first

    async def _publish(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        stream, sdp, extra = request.text("stream"), request.text("sdp"), request.text("extra", "")
        try:
            kinds = self._media.offered(sdp)
        except SdpError as error:
            raise CallError(ErrorCode.BAD_DESCRIPTION, str(error)) from None
        if not kinds or any(codec not in CODECS for codec in kinds.values()):
            raise CallError(ErrorCode.BAD_DESCRIPTION, f"nothing to publish in codecs {', '.join(CODECS)}")
        effects = self.logic.publish(self._clock.wall(), session, stream, kinds, extra, request.texts("muted"))
        self.carry_out(effects)
        publication = self._media.publication(
            kinds,
            on_live=lambda: self.carry_out(self.logic.stream_live(session, stream)),
            on_end=lambda: self.carry_out(self.logic.publication_failed(self._clock.monotonic(), session, stream)),
        )
        self.publications[session, stream] = publication
        try:
            return {"sdp": await publication.answer(sdp)}
        except SdpError as error:
            self.carry_out(self.logic.unpublish(session, stream))
            raise CallError(ErrorCode.BAD_DESCRIPTION, str(error)) from None

    async def _unpublish(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        self.carry_out(self.logic.unpublish(session, request.text("stream")))
        return {}

    async def _play(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        self.carry_out(self.logic.play(session, request.text("stream")))
        return {}

    async def _unplay(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        self.carry_out(self.logic.unplay(session, request.text("stream")))
        return {}

    async def _answer(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        subscriber = self.subscribers.get(session)
        if subscriber is None or not subscriber.answer(request.number("offer"), request.text("sdp")):
            raise CallError(ErrorCode.BAD_REQUEST, "there is no such offer to answer")
        self._offers.pop(session, None)
        return {}

    async def _mute(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        kind, muted = request.text("kind"), request.flag("muted")
        self.carry_out(self.logic.mute(session, request.text("stream"), kind, muted))
        return {}

    async def _stream_extra(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        self.carry_out(self.logic.set_stream_extra(session, request.text("stream"), request.text("extra")))
        return {}

    async def _room_extra(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        key, value = request.text("key"), request.text("value")
        self.carry_out(self.logic.set_room_extra(self._clock.wall(), session, key, value))
        return {}

    async def _message(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        number, effects = self.logic.message(session, request.text("body"), request.flag("reliable", True))
        self.carry_out(effects)
        return {"message": number}

    async def _renew_token(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        self.logic.renew_token(session, read_token(self._secret, request.text("token"), self._clock.wall))
        self._arm()
        return {}

    async def _kick(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        self.carry_out(self.logic.kick(session, request.text("user")))
        return {}

    async def _heartbeat(self, connection: Connection, session: str, request: Request) -> dict[str, object]:
        self.carry_out(self.logic.media_missed(session))
        return {}

    # -- effects -------------------------------------------------------------------------------------------------

    def carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                connection = self._connections.get(effect.session)
                if connection is not None:
                    connection.send(effect.event)
            elif isinstance(effect, Attach):
                self._attach(effect)
            elif isinstance(effect, Detach):
                subscriber = self.subscribers.get(effect.session)
                if subscriber is not None:
                    subscriber.detach(effect.stream)
            elif isinstance(effect, ClosePublication):
                publication = self.publications.pop((effect.session, effect.stream), None)
                if publication is not None:
                    self._close(publication.close())
            elif isinstance(effect, CloseSession):
                self._close_session(effect.session)

    def _attach(self, effect: Attach) -> None:
        session = self.logic.sessions.get(effect.session)
        if session is None:
            return
        stream = self.logic.rooms[session.room_id].streams.get(effect.stream)
        publication = stream and self.publications.get((stream.session, effect.stream))
        if not publication:
            return
        subscriber = self.subscribers.get(effect.session)
        if subscriber is None or subscriber.failed:
            self._close_subscriber(effect.session)
            subscriber = self.subscribers[effect.session] = self._subscriber(effect.session)
        subscriber.attach(effect.stream, publication)

    def _subscriber(self, session: str) -> SubscriberLeg:
        connection = next(self._numbers)

        def send_offer(number: int, sdp: str, streams: dict[str, list[str]]) -> None:
            offer = {"event": "offer", "connection": connection, "offer": number, "sdp": sdp, "streams": streams}
            self._offers[session] = offer
            self.carry_out([Send(session, offer)])

        def on_live(stream: str) -> None:
            self.carry_out(self.logic.play_live(session, stream))

        def on_failed(stream: str) -> None:
            self._offers.pop(session, None)
            self.carry_out(self.logic.play_failed(session, stream))

        return self._media.subscriber(send_offer, on_live, on_failed)

    def _close_subscriber(self, session: str) -> None:
        subscriber = self.subscribers.pop(session, None)
        self._offers.pop(session, None)
        if subscriber is not None:
            self._close(subscriber.close())

    def _close_session(self, session: str) -> None:
        self._close_subscriber(session)
        connection = self._connections.pop(session, None)
        if connection is not None:
            connection.end()

    def _close(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _arm(self) -> None:
        """Wake when the logic next has something to do."""
        if self._timer is not None:
            self._timer.cancel()
        due = self.logic.next_deadline(self._clock.monotonic(), self._clock.wall())
        if due is not None:
            wait = max(0.02, due - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.carry_out(self.logic.on_time(self._clock.monotonic(), self._clock.wall()))
        self._arm()
