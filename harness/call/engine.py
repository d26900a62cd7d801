"""CallEngine: the guide's calls over a driver per room, every call, return and callback written to the trace."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from harness.call import identifiers
from harness.call.callbacks import Callback, User
from harness.call.driver import Driver, PlaySink, PublishSource
from harness.call.errors import CallError, ErrorCode
from harness.call.handler import EventHandler
from harness.call.journal import Journal, Place, Trace
from harness.call.membership import Membership
from harness.call.periodic import PeriodicWork
from harness.call.quality import Periods

T = TypeVar("T")
LOGIN_TIMEOUT, CALL_TIMEOUT = 30.0, 20.0  # seconds: services that never answer must not hang a user for ever


class CallEngine:
    """One user, in one room or in several.

    client: the incarnation's name in the trace, unique in a run ("alice#1"). Create, set the event handler, log in,
    publish, play what on_room_stream_update adds, stop what it deletes, log out, destroy.

    Calls that concern a room take its `room_id`; without one they mean the only room the user is in. Every call raises
    CallError: 1000001 after destroy, 1000002 before a login, 1900001 when the room has to be named.
    """

    def __init__(
        self,
        new_driver: Callable[[], Driver],
        *,
        client: str,
        trace: Trace | None = None,
        periods: Periods | None = None,
    ) -> None:
        self._new_driver = new_driver
        self._journal = Journal(client, trace)
        self._periods = periods or Periods()
        self._work = PeriodicWork()
        self._handler = EventHandler()
        self._instance = secrets.token_hex(8)  # by which the service knows the logins of one engine for its own
        self._user = ""
        self._memberships: list[Membership] = []
        self._epochs: dict[str, int] = {}
        self._previewing: PublishSource | None = None
        self._destroyed = False

    def set_event_handler(self, handler: EventHandler) -> None:
        self._handler = handler

    # -- room ----------------------------------------------------------------------------------------------------

    async def login_room(self, room_id: str, user: User, token: str = "", *, user_updates: bool = True) -> None:
        """Log in. Raises CallError with the contract's code; a retry is the caller's, never silent."""
        if not self._open():
            self._user = user.user_id
        args = {"room": room_id, "user": user.user_id, "user_updates": user_updates}
        await self._call(
            "login", args, lambda: self._login(room_id, user, token, user_updates), room_id, limit=LOGIN_TIMEOUT
        )

    async def _login(self, room_id: str, user: User, token: str, user_updates: bool) -> None:
        identifiers.check_room_id(room_id)
        identifiers.check_user_id(user.user_id)
        identifiers.check_user_name(user.user_name or user.user_id)
        if any(membership.room == room_id for membership in self._open()):
            raise CallError(ErrorCode.ALREADY_LOGGED_IN, "already logged in to this room")
        if user.user_id != self._user:
            raise CallError(ErrorCode.BAD_REQUEST, "one engine is one user in all its rooms")
        membership = self._free()
        attempt = membership.begin(room_id, user.user_id, self._epochs.get(room_id, 0))
        try:
            await membership.driver.login(room_id, user, token, user_updates=user_updates, client=self._instance)
        except BaseException:
            # It may have been in before the call could return, or left and be on its way to another room.
            if not membership.inside and membership.attempt == attempt:
                membership.end()
            raise

    def _free(self) -> Membership:
        """A membership whose room was left, or a new one."""
        for membership in self._memberships:
            if not membership.open:
                return membership
        membership = Membership(self._new_driver(), self._dispatch, self._work, self._periods)
        self._memberships.append(membership)
        return membership

    async def logout_room(self, room_id: str | None = None) -> None:
        """Leave a room. Succeeds when the user is in none; raises CallError 1002002 for one it is not in."""
        await self._call("logout", {}, lambda: self._logout(room_id), room_id)

    async def _logout(self, room_id: str | None) -> None:
        rooms = self._open()
        if not rooms:
            return
        if room_id is not None and all(membership.room != room_id for membership in rooms):
            raise CallError(ErrorCode.NOT_IN_THIS_ROOM, "not logged in to this room")
        membership = self._in(room_id)
        attempt = membership.attempt
        await membership.driver.logout()
        if membership.attempt == attempt:  # else it is on its way to another room
            membership.end()

    async def renew_token(self, token: str, room_id: str | None = None) -> None:
        await self._call("renew_token", {}, lambda: self._in(room_id).driver.renew_token(token), room_id)

    async def kick(self, user_id: str, room_id: str | None = None) -> None:
        """Put another user out of the room; the service asks for a token that allows it."""
        await self._call("kick", {"user": user_id}, lambda: self._kick(user_id, room_id), room_id)

    async def _kick(self, user_id: str, room_id: str | None) -> None:
        identifiers.check_user_id(user_id)
        await self._in(room_id).driver.kick(user_id)

    async def set_room_extra_info(self, key: str, value: str, room_id: str | None = None) -> None:
        args = {"key": key, "value": value}
        await self._call("set_room_extra", args, lambda: self._set_room_extra(key, value, room_id), room_id)

    async def _set_room_extra(self, key: str, value: str, room_id: str | None) -> None:
        identifiers.check_room_extra(key, value)
        await self._in(room_id).driver.set_room_extra_info(key, value)

    async def send_message(self, text: str, *, reliable: bool = True, room_id: str | None = None) -> str:
        """Send to everybody else in the room; returns the service's message id."""
        args = {"body": text, "class": "reliable" if reliable else "lossy"}
        return await self._call("send", args, lambda: self._send_message(text, reliable, room_id), room_id)

    async def _send_message(self, text: str, reliable: bool, room_id: str | None) -> str:
        identifiers.check_message(text)
        return await self._in(room_id).driver.send_message(text, reliable=reliable)

    # -- publishing ----------------------------------------------------------------------------------------------

    def start_preview(self, source: PublishSource) -> None:
        """Keep the source that startPublishingStream will send; a simulated camera has no picture to show."""
        self._note("preview", {"kinds": dict(source.kinds)})
        self._previewing = source

    def stop_preview(self) -> None:
        self._note("stop_preview", {})
        self._previewing = None

    async def start_publishing_stream(
        self, stream_id: str, source: PublishSource | None = None, room_id: str | None = None
    ) -> None:
        """Publish the given source, or the previewed one. Raises CallError."""
        chosen = source or self._previewing
        args = {"stream": stream_id, "kinds": dict(chosen.kinds) if chosen is not None else {}}
        await self._call("publish", args, lambda: self._publish(stream_id, chosen, room_id), room_id)

    async def _publish(self, stream_id: str, source: PublishSource | None, room_id: str | None) -> None:
        identifiers.check_stream_id(stream_id)
        membership = self._in(room_id)
        if source is None:
            raise CallError(ErrorCode.BAD_REQUEST, "nothing to publish: start a preview or give a source")
        await membership.publish(stream_id, source)

    async def stop_publishing_stream(self, stream_id: str, room_id: str | None = None) -> None:
        args = {"stream": stream_id}
        await self._call("unpublish", args, lambda: self._in(room_id).driver.unpublish(stream_id), room_id)

    async def mute_publish_stream_video(self, stream_id: str, muted: bool, room_id: str | None = None) -> None:
        await self._mute(stream_id, "video", muted, room_id)

    async def mute_publish_stream_audio(self, stream_id: str, muted: bool, room_id: str | None = None) -> None:
        await self._mute(stream_id, "audio", muted, room_id)

    async def _mute(self, stream_id: str, kind: str, muted: bool, room_id: str | None) -> None:
        device = "camera" if kind == "video" else "microphone"
        args = {"stream": stream_id, "device": device, "muted": muted}
        await self._call("mute", args, lambda: self._in(room_id).driver.mute(stream_id, kind, muted), room_id)

    async def set_stream_extra_info(self, stream_id: str, text: str, room_id: str | None = None) -> None:
        args = {"stream": stream_id, "extra": text}
        await self._call("set_stream_extra", args, lambda: self._set_stream_extra(stream_id, text, room_id), room_id)

    async def _set_stream_extra(self, stream_id: str, text: str, room_id: str | None) -> None:
        identifiers.check_stream_extra(text)
        await self._in(room_id).driver.set_stream_extra_info(stream_id, text)

    # -- playing -------------------------------------------------------------------------------------------------

    async def start_playing_stream(self, stream_id: str, sink: PlaySink, room_id: str | None = None) -> None:
        """Play a stream, now or as soon as it is published. A second play of the same changes nothing."""
        await self._call("play", {"stream": stream_id}, lambda: self._play(stream_id, sink, room_id), room_id)

    async def _play(self, stream_id: str, sink: PlaySink, room_id: str | None) -> None:
        identifiers.check_stream_id(stream_id)
        await self._in(room_id).play(stream_id, sink)

    async def stop_playing_stream(self, stream_id: str, room_id: str | None = None) -> None:
        args = {"stream": stream_id}
        await self._call("unplay", args, lambda: self._in(room_id).driver.unplay(stream_id), room_id)

    async def destroy(self) -> None:
        """Release everything; no callback comes afterwards. Safe to call twice."""
        if not self._destroyed:
            self._journal.write("call", "destroy", {}, self._place(None))
            self._destroyed = True
            self._work.close()
            await asyncio.gather(*(membership.driver.close() for membership in self._memberships))

    # -- rooms, trace and dispatch -------------------------------------------------------------------------------

    def _open(self) -> list[Membership]:
        return [membership for membership in self._memberships if membership.open]

    def _in(self, room_id: str | None) -> Membership:
        """The room that a call means. Raises CallError 1000002 or 1900001."""
        found = [m for m in self._open() if room_id is None or m.room == room_id]
        if not found:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        if len(found) > 1:
            raise CallError(ErrorCode.BAD_REQUEST, "logged in to several rooms: the call must name one")
        return found[0]

    def _place(self, room_id: str | None) -> Place:
        """Where a call belongs: in the room it names, or in the only one."""
        rooms = self._open()
        room = room_id if room_id is not None else rooms[0].room if len(rooms) == 1 else ""
        return Place(self._user, room, self._epochs.get(room, 0))

    async def _call(
        self,
        name: str,
        args: dict[str, Any],
        work: Callable[[], Awaitable[T]],
        room_id: str | None,
        *,
        limit: float = CALL_TIMEOUT,
    ) -> T:
        if self._destroyed:
            self._refuse(name, args, room_id)
        room = self._place(room_id).room  # a room that the call itself leaves is still the call's
        return await self._journal.call(name, args, work, lambda: self._place(room), limit)

    def _refuse(self, name: str, args: dict[str, Any], room_id: str | None) -> NoReturn:
        error = CallError(ErrorCode.NO_ENGINE, "the engine was destroyed")
        self._journal.refused(name, args, self._place(room_id), error)
        raise error

    def _note(self, name: str, args: dict[str, Any]) -> None:
        """Write down a call that concerns no room and is over at once."""
        if self._destroyed:
            self._refuse(name, args, None)
        self._journal.write("call", name, args, self._place(None))

    def _dispatch(self, membership: Membership, callback: Callback, wire_us: int, native: Any) -> None:
        if self._destroyed:
            return
        self._epochs[membership.room] = membership.epoch
        place = Place(membership.user, membership.room, membership.epoch)
        self._journal.write("cb", callback.event, callback.fields(), place, wire_us=wire_us, native=native)
        membership.follow(callback)
        getattr(self._handler, callback.handler)(callback)
