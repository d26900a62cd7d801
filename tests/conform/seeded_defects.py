"""Eleven ways in which a service gets the order of things wrong, whoever calls: for the explorer to find.

Each is seeded into the room logic or the server of a virtual stage, and named by the rule that it breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from harness.call.errors import ErrorCode
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Effect, Send
from harness.room_service.roster import (
    DISCONNECTED,
    REPEATED_LOGIN,
    announce_stream,
    announce_user,
    withdraw_streams,
    withdraw_user,
)
from harness.room_service.state import Session

AT_ONCE = 0.02  # seconds
WITH_THE_LOGIN = 0.2
WHILE_IT_BEGINS = 1.0
OVERTAKEN = 0.05


@dataclass(frozen=True)
class Defect:
    """rules: each of them says what is wrong; which is the first depends on what happens next.

    faults: it shows only when a network fails or a client crashes.
    """

    name: str
    rules: tuple[str, ...]
    sabotage: Sabotage
    faults: bool


def _is(effect: Effect, event: str, op: str = "") -> bool:
    return isinstance(effect, Send) and effect.event["event"] == event and op in ("", effect.event.get("op"))


def _without(effects: Iterable[Effect], event: str, op: str = "") -> list[Effect]:
    return [effect for effect in effects if not _is(effect, event, op)]


def roster_before_the_reply(stage: VirtualStage) -> None:
    """The first roster is on the wire before the login is answered."""
    original = stage.server._login

    def login(connection: Any, request: Any) -> None:
        held: list[tuple[Any, ...]] = []
        reply, connection.reply = connection.reply, lambda *answer: held.append(answer)
        try:
            original(connection, request)
        finally:
            connection.reply = reply
        for answer in held:
            reply(*answer)

    stage.server._login = login  # type: ignore[method-assign]


def of_two_newcomers_one_is_told(stage: VirtualStage) -> None:
    """Two log in at once: the first never hears of the second."""
    logic, original, last = stage.server.logic, stage.server.logic.login, dict[str, float]()

    def login(now: float, wall: float, claims: Any, **more: Any) -> tuple[Session, list[Effect]]:
        session, effects = original(now, wall, claims, **more)
        coincides = now - last.get(session.room_id, 0.0) < AT_ONCE
        last[session.room_id] = now
        if coincides:
            effects = [e for e in effects if not (_is(e, "user_update", "ADD") and e.session != session.session_id)]  # type: ignore[union-attr]
        return session, effects

    logic.login = login  # type: ignore[method-assign]


def stream_of_who_has_just_come(stage: VirtualStage) -> None:
    """A stream that is live right after the login of its user is announced to nobody."""
    logic, live, enter, came = stage.server.logic, stage.server.logic.stream_live, stage.server.logic.login, {}

    def login(now: float, wall: float, claims: Any, **more: Any) -> tuple[Session, list[Effect]]:
        session, effects = enter(now, wall, claims, **more)
        came[session.session_id] = now
        return session, effects

    def stream_live(session: str, stream: str) -> list[Effect]:
        effects = live(session, stream)
        early = asyncio.get_running_loop().time() - came.get(session, 0.0) < WITH_THE_LOGIN
        return _without(effects, "stream_update") if early else effects

    logic.login, logic.stream_live = login, stream_live  # type: ignore[method-assign]


def end_while_a_play_begins(stage: VirtualStage) -> None:
    """A stream stops soon after somebody began to play it: that one is not told of the end."""
    logic, play, unpublish, began = stage.server.logic, stage.server.logic.play, stage.server.logic.unpublish, {}

    def playing(session: str, stream: str) -> list[Effect]:
        began[session, stream] = asyncio.get_running_loop().time()
        return play(session, stream)

    def stopping(session: str, stream: str) -> list[Effect]:
        soon = asyncio.get_running_loop().time() - WHILE_IT_BEGINS
        return [
            effect
            for effect in unpublish(session, stream)
            if not (_is(effect, "stream_update") and began.get((effect.session, stream), 0.0) > soon)
        ]

    logic.play, logic.unpublish = playing, stopping  # type: ignore[method-assign]


def roster_again_after_a_break(stage: VirtualStage) -> None:
    """Who is back is told the whole roster, whatever it knows."""
    logic, original = stage.server.logic, stage.server.logic.resume

    def resume(now: float, session: str, user: str, knows: Any = None) -> tuple[Session, list[Effect]]:
        return original(now, session, user, replace(knows, users={}, streams={}))

    logic.resume = resume  # type: ignore[method-assign]


def short_break_is_seen(stage: VirtualStage) -> None:
    """Who loses its socket is taken for gone at once, and is announced anew when it is back."""
    server, logic, original = stage.server, stage.server.logic, stage.server.logic.disconnected

    def disconnected(session_id: str) -> None:
        original(session_id)
        session = logic.sessions.get(session_id)
        if session is not None:
            room = logic.rooms[session.room_id]
            own = [stream for stream in room.streams.values() if stream.session == session_id and stream.live]
            server.carry_out([*withdraw_streams(room, own, DISCONNECTED), *withdraw_user(room, session)])

    resume = logic.resume

    def resumed(*arguments: Any) -> tuple[Session, list[Effect]]:
        session, effects = resume(*arguments)
        room = logic.rooms[session.room_id]
        own = [stream for stream in room.streams.values() if stream.session == session.session_id and stream.live]
        again = [effect for stream in own for effect in announce_stream(room, stream)]
        return session, [*announce_user(room, session), *again, *effects]

    logic.disconnected, logic.resume = disconnected, resumed  # type: ignore[method-assign]


def departures_during_a_break(stage: VirtualStage) -> None:
    """Who is back is not told who left meanwhile."""
    logic, original = stage.server.logic, stage.server.logic.resume

    def resume(*arguments: Any) -> tuple[Session, list[Effect]]:
        session, effects = original(*arguments)
        return session, _without(effects, "user_update", "DEL")

    logic.resume = resume  # type: ignore[method-assign]


def closed_before_it_is_told(stage: VirtualStage) -> None:
    """The socket of who is put out closes before the reason is sent."""
    logic, original = stage.server.logic, stage.server.logic._end

    def end(session: Session, reason: int, kicked: int | None) -> list[Effect]:
        effects = original(session, reason, kicked)
        return [*_without(effects, "kicked"), *(effect for effect in effects if _is(effect, "kicked"))]

    logic._end = end  # type: ignore[method-assign]


def newcomer_is_thrown_out(stage: VirtualStage) -> None:
    """Of two logins of one user the later one goes."""
    logic, original = stage.server.logic, stage.server.logic.login

    def login(now: float, wall: float, claims: Any, **more: Any) -> tuple[Session, list[Effect]]:
        before = logic._users.get(claims.user_id, {})
        if claims.room_id not in before:
            return original(now, wall, claims, **more)
        logic._users[claims.user_id] = {}
        session, effects = original(now, wall, claims, **more)
        effects += logic._end(session, REPEATED_LOGIN, ErrorCode.KICKED_SAME_USER)
        own = {*before.values(), session.session_id}
        effects = [e for e in effects if not (_is(e, "user_update") and e.session in own)]  # type: ignore[union-attr]
        logic._users[claims.user_id] = before
        return session, effects

    logic.login = login  # type: ignore[method-assign]


def stop_overtakes_start(stage: VirtualStage) -> None:
    """News of a stream takes a slower way than news of its end."""
    server, original = stage.server, stage.server.carry_out

    def carry_out(effects: Iterable[Effect]) -> None:
        for effect in effects:
            if _is(effect, "stream_update", "ADD"):
                asyncio.get_running_loop().call_later(OVERTAKEN, original, [effect])
            else:
                original([effect])

    server.carry_out = carry_out  # type: ignore[method-assign]


def late_joiner_is_told_what_was(stage: VirtualStage) -> None:
    """A change of a stream's extra info reaches who is there, and not the roster that newcomers get."""
    logic, original = stage.server.logic, stage.server.logic.set_stream_extra

    def set_stream_extra(session: str, stream: str, text: str) -> list[Effect]:
        effects = original(session, stream, text)
        logic.rooms[logic.sessions[session].room_id].streams[stream].extra = ""
        return effects

    logic.set_stream_extra = set_stream_extra  # type: ignore[method-assign]


def _defect(sabotage: Sabotage, *rules: str, faults: bool = False) -> Defect:
    return Defect(sabotage.__name__.replace("_", "-"), rules, sabotage, faults)


DEFECTS = (
    _defect(roster_before_the_reply, "RO-01"),
    _defect(of_two_newcomers_one_is_told, "LV-02"),
    _defect(stream_of_who_has_just_come, "LV-03"),
    _defect(end_while_a_play_begins, "LV-04", "RO-03"),
    _defect(stop_overtakes_start, "RO-04"),
    _defect(closed_before_it_is_told, "LV-07"),
    _defect(newcomer_is_thrown_out, "XC-06"),
    _defect(late_joiner_is_told_what_was, "MD-01"),
    _defect(roster_again_after_a_break, "RO-03", faults=True),
    _defect(short_break_is_seen, "RC-01", "LV-05", faults=True),
    _defect(departures_during_a_break, "RC-04", "XC-04", faults=True),
)
