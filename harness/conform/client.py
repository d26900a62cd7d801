"""One incarnation of a user's client: an engine, the part of the stage under it, and what each operation calls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from harness.call import CallEngine, CallError, EventHandler, UpdateType, User
from harness.call.callbacks import RoomStreamsUpdated
from harness.conform.argument import Token
from harness.conform.operation import ALL
from harness.conform.stage import Stage
from harness.conform.token import REFUSED_WITH, expiry, fault
from harness.trace.writer import TraceWriter

log = logging.getLogger(__name__)
Args = Mapping[str, Any]


class ClientTrace:
    """What an engine writes to, until its client is gone."""

    def __init__(self, trace: TraceWriter) -> None:
        self._trace = trace
        self.gone = False
        self._tokens: defaultdict[str, deque[tuple[float, str]]] = defaultdict(deque)

    def now(self) -> float:
        return self._trace.now()

    def bears(self, call: str, expires: float, fault: str) -> None:
        """The next call of this name, in the order in which they are begun, bears a token: the record will say so."""
        self._tokens[call].append((expires, fault))

    def write(self, record: dict[str, Any]) -> None:
        if self.gone:
            return
        if record["kind"] == "call" and self._tokens[record["name"]]:
            expires, fault = self._tokens[record["name"]].popleft()
            record["args"]["token_expires"] = expires
            if fault:
                self._mark_invalid(record, fault)
        self._trace.write(record)

    def _mark_invalid(self, call: dict[str, Any], why: str) -> None:
        """Before the call, so that who judges knows that it must be refused."""
        where = {name: call[name] for name in ("client", "user", "room")}
        args = {"call": call["name"], "codes": list(REFUSED_WITH), "why": why}
        self._trace.write({"kind": "mark", "name": "invalid", "args": args, "t": call["t"], **where})


class Client(EventHandler):
    """user: the id it logs in with. Calls are begun and take their time; how each ends, the engine writes down."""

    def __init__(self, name: str, user: str, stage: Stage, trace: TraceWriter) -> None:
        self.name, self.user = name, user
        self.room = ""  # that it asked to enter last
        self.destroyed = self.holed = False
        self.under = stage.client(name)
        self._stage = stage
        self._trace = ClientTrace(trace)
        self._engine = CallEngine(self.under.driver, client=name, trace=self._trace)
        self._engine.set_event_handler(self)
        self._rooms: dict[str, None] = {}
        self._rosters: dict[str, dict[str, None]] = {}  # stream ids by room, in the order of their arrival
        self._playing: set[tuple[str, str]] = set()
        self._plays_all: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._operations: dict[str, Callable[[Args], None]] = {
            "login": self._login,
            "logout": self._logout,
            "publish": self._publish,
            "unpublish": lambda args: self._call(self._engine.stop_publishing_stream(args["stream"], args["room"])),
            "play": self._play,
            "unplay": lambda args: self._stop_playing(args["stream"], args["room"]),
            "mute": lambda args: self._mute(args, True),
            "unmute": lambda args: self._mute(args, False),
            "stream_extra": self._stream_extra,
            "room_extra": self._room_extra,
            "send": self._send,
            "kick": lambda args: self._call(self._engine.kick(args["target"], args["room"])),
            "renew_token": self._renew_token,
            "destroy": self._destroy,
        }

    def perform(self, do: str, args: Args) -> None:
        self._operations[do](args)

    def _call(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(self._finish(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # a crash in the same tick: it never began

    async def _finish(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            with contextlib.suppress(CallError):  # refused: the trace says so
                await work
        except Exception:
            log.exception("a call of %s failed", self.name)

    # -- operations ----------------------------------------------------------------------------------------------

    def _login(self, args: Args) -> None:
        room, user = args["room"], self.user if args["user"] is None else args["user"]
        self.room = room
        self._rooms[room] = None
        self._rosters.pop(room, None)
        self._plays_all.discard(room)
        self._playing = {(where, stream) for where, stream in self._playing if where != room}
        token = self._token("login", user, room, args["token"])
        self._call(self._engine.login_room(room, User(user, user), token, user_updates=args["user_updates"]))

    def _token(self, call: str, user: str, room: str, wanted: Token) -> str:
        token = self._stage.token(user, room, wanted)
        self._trace.bears(call, expiry(token), fault(wanted, user))
        return token

    def _logout(self, args: Args) -> None:
        self._call(self._engine.logout_room(args["room"]))

    def _publish(self, args: Args) -> None:
        stream = args["stream"]
        self._call(self._engine.start_publishing_stream(stream, self.under.source(stream), args["room"]))

    def _mute(self, args: Args, muted: bool) -> None:
        engine = self._engine
        mute = engine.mute_publish_stream_video if args["device"] == "camera" else engine.mute_publish_stream_audio
        self._call(mute(args["stream"], muted, args["room"]))

    def _stream_extra(self, args: Args) -> None:
        self._call(self._engine.set_stream_extra_info(args["stream"], args["text"], args["room"]))

    def _room_extra(self, args: Args) -> None:
        self._call(self._engine.set_room_extra_info(args["key"], args["value"], args["room"]))

    def _send(self, args: Args) -> None:
        reliable = args["class"] == "reliable"
        self._call(self._engine.send_message(args["text"], reliable=reliable, room_id=args["room"]))

    def _renew_token(self, args: Args) -> None:
        room = args["room"]
        token = self._token("renew_token", self.user, self.room if room is None else room, args["token"])
        self._call(self._engine.renew_token(token, room))

    def _destroy(self, args: Args) -> None:
        self.destroyed = True
        self._call(self._engine.destroy())

    # -- playing -------------------------------------------------------------------------------------------------

    def _play(self, args: Args) -> None:
        if args["stream"] != ALL:
            self._begin_playing(args["stream"], args["room"])
            return
        room = self.room if args["room"] is None else args["room"]
        self._plays_all.add(room)
        for stream in tuple(self._rosters.get(room, ())):
            if (room, stream) not in self._playing:
                self._begin_playing(stream, room)

    def _begin_playing(self, stream: str, room: str | None) -> None:
        self._playing.add((self.room if room is None else room, stream))
        self._call(self._engine.start_playing_stream(stream, self.under.sink(stream), room))

    def _stop_playing(self, stream: str, room: str | None) -> None:
        self._playing.discard((self.room if room is None else room, stream))
        self._call(self._engine.stop_playing_stream(stream, room))

    def on_room_stream_update(self, update: RoomStreamsUpdated) -> None:
        room = update.room_id
        roster = self._rosters.setdefault(room, {})
        for stream in (item.stream_id for item in update.streams):
            if update.update_type is UpdateType.ADD:
                roster[stream] = None
                if room in self._plays_all and (room, stream) not in self._playing:
                    self._begin_playing(stream, room)
            else:
                roster.pop(stream, None)
                if room in self._plays_all and (room, stream) in self._playing:
                    self._stop_playing(stream, room)

    # -- the end -------------------------------------------------------------------------------------------------

    def vanish(self) -> None:
        """It is gone: no further record of it, not even of calls that were about to begin."""
        self._trace.gone = True

    async def abandon(self, *, silent: bool) -> None:
        """Nothing of it is left running."""
        await self.under.crash(silent=silent)
        await self._release()

    async def leave(self) -> None:
        """Log out of every room and destroy the engine."""
        if not self.destroyed:
            self.destroyed = True
            for room in self._rooms:
                await self._finish(self._engine.logout_room(room))
            await self._finish(self._engine.destroy())
        await self._release()

    async def _release(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._finish(self._engine.destroy())
        await self.under.close()
