"""Ways to break the embedded service: what becomes of its events, and what its room logic does instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from harness.conform.mutants.change import Change, Pick, listed
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Effect, Send
from harness.room_service.room import RoomLogic
from harness.room_service.server import RoomServer
from harness.room_service.state import Session

Method = Callable[..., Any]
Carry = Callable[[Iterable[Effect]], None]


def put(target: object, name: str, value: Any) -> None:
    """Replace an attribute of one object."""
    setattr(target, name, value)


def both(*sabotages: Sabotage) -> Sabotage:
    def sabotage(stage: VirtualStage) -> None:
        for each in sabotages:
            each(stage)

    return sabotage


def settings(**changed: Any) -> Sabotage:
    """The service runs with other windows and limits than it says."""

    def sabotage(stage: VirtualStage) -> None:
        server = stage.server
        server.settings = server.logic.settings = replace(server.settings, **changed)

    return sabotage


def logic(name: str, make: Callable[[VirtualStage, Method], Method]) -> Sabotage:
    """A method of the room logic is replaced by what is made of it."""

    def sabotage(stage: VirtualStage) -> None:
        put(stage.server.logic, name, make(stage, getattr(stage.server.logic, name)))

    return sabotage


def handler(name: str, make: Callable[[VirtualStage, Method], Method]) -> Sabotage:
    """A request of the service is handled otherwise."""

    def sabotage(stage: VirtualStage) -> None:
        handlers = stage.server._handlers
        handlers[name] = make(stage, handlers[name])

    return sabotage


def session_of(room_logic: RoomLogic, user: str, room: str = "") -> Session | None:
    """The session of a user who is in; in this room, if one is named."""
    found = (s for s in room_logic.sessions.values() if s.user_id == user and room in ("", s.room_id))
    return next(found, None)


def say(server: RoomServer, to: str, event: dict[str, Any], room: str = "") -> None:
    """An event out of the blue."""
    session = session_of(server.logic, to, room)
    if session is not None:
        server.carry_out([Send(session.session_id, event)])


def media_break(user: str, stream: str) -> Callable[[VirtualStage], None]:
    """The media connection of a publication is lost, with nothing else wrong."""

    def action(stage: VirtualStage) -> None:
        session = session_of(stage.server.logic, user)
        publication: Any = stage.server.publications.get((session.session_id if session else "", stream))
        if publication is not None:
            publication.end()

    return action


# -- events ------------------------------------------------------------------------------------------------------------


class Addressees:
    """Whose a session is, also after its end."""

    def __init__(self, server: RoomServer) -> None:
        self._server = server
        self._known: dict[str, tuple[str, str]] = {}  # session: user and room

    def of(self, session: str) -> tuple[str, str]:
        for known in self._server.logic.sessions.values():
            self._known[known.session_id] = (known.user_id, known.room_id)
        return self._known.get(session, ("", ""))


def told(
    to: str, event: str, change: Change, *, has: str = "", nth: int = 0, room: str = "", **fields: Any
) -> Sabotage:
    """Events to a user, or to everybody for "", are changed on their way out; the service believes it said them."""
    return _on_the_way(to, event, change, has, nth, room, fields, remembered=True)


def unsaid(to: str, event: str, *, has: str = "", nth: int = 0, room: str = "", **fields: Any) -> Sabotage:
    """Events that the service never sends, and knows that it did not."""
    return _on_the_way(to, event, lambda message: [], has, nth, room, fields, remembered=False)


def _on_the_way(
    to: str, event: str, change: Change, has: str, nth: int, room: str, fields: dict[str, Any], *, remembered: bool
) -> Sabotage:
    def sabotage(stage: VirtualStage) -> None:
        server, loop = stage.server, asyncio.get_running_loop()
        carry: Carry = server.carry_out
        pick, addressees = Pick(event, to, has, nth, fields), Addressees(server)

        def fate(effect: Effect) -> Iterable[Effect]:
            if not isinstance(effect, Send):
                return [effect]
            user, where = addressees.of(effect.session)
            if room not in ("", where) or not pick(effect.event["event"], user, effect.event):
                return [effect]
            if not remembered:
                _forget(server.logic.sessions.get(effect.session), effect.event)
            now = []
            for seconds, changed in change(effect.event):
                if seconds > 0:
                    loop.call_later(seconds, carry, [Send(effect.session, changed)])
                else:
                    now.append(Send(effect.session, changed))
            return now

        def carry_out(effects: Iterable[Effect]) -> None:
            for effect in effects:
                carry(fate(effect))

        put(server, "carry_out", carry_out)

    return sabotage


def _forget(session: Session | None, event: dict[str, Any]) -> None:
    if session is not None and event.get("op") == "ADD":
        known = session.told_users if event["event"] == "user_update" else session.told_streams
        for name in listed(event):
            known.pop(name, None)


def held(to: str, first: str, until: str, **fields: Any) -> Sabotage:
    """Two events to a user change places: `first`, with these fields, waits for the next `until`."""

    def sabotage(stage: VirtualStage) -> None:
        server = stage.server
        carry: Carry = server.carry_out
        addressees = Addressees(server)
        first_pick, until_pick = Pick(first, to, "", 0, fields), Pick(until, to, "", 0, {})
        waiting: list[Effect] = []

        def carry_out(effects: Iterable[Effect]) -> None:
            for effect in effects:
                user, event = addressees.of(effect.session)[0], effect.event if isinstance(effect, Send) else {}
                if first_pick(event.get("event", ""), user, event):
                    waiting.append(effect)
                    continue
                carry([effect])
                if waiting and until_pick(event.get("event", ""), user, event):
                    carry(waiting)
                    waiting.clear()

        put(server, "carry_out", carry_out)

    return sabotage


def after_login(user: str, seconds: float, action: Callable[[VirtualStage], None], nth: int = 1) -> Sabotage:
    """Something happens in the service so long after a user's login, the nth of it."""

    def make(stage: VirtualStage, login: Method) -> Method:
        met = 0

        def broken(now: float, wall: float, claims: Any, **options: Any) -> Any:
            nonlocal met
            found = login(now, wall, claims, **options)
            if claims.user_id == user:
                met += 1
                if met == nth:
                    asyncio.get_running_loop().call_later(seconds, action, stage)
            return found

        return broken

    return logic("login", make)
