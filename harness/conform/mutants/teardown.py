"""TD: mutants of the end of a room, and of an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from harness.call.callbacks import OnlineUserCountUpdated
from harness.call.errors import CallError, ErrorCode
from harness.conform.mutants.change import drop, late, then
from harness.conform.mutants.client_faults import drivers, heard
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import Method, handler, logic, put
from harness.conform.mutants.trace_faults import callback, recorded
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Effect
from harness.room_service.roster import KICKED

STATE = "room.state"


def _from_everywhere(stage: VirtualStage, original: Method) -> Method:
    """A kick from one room puts the user out of all."""

    def kick(by: str, user: str) -> list[Effect]:
        effects: list[Effect] = original(by, user)
        room_logic = stage.server.logic
        for session in [s for s in room_logic.sessions.values() if s.user_id == user]:
            effects += room_logic._end(session, KICKED, ErrorCode.KICKED_BY_SERVER)
        return effects

    return kick


def _leaves_together() -> Callable[[Any], None]:
    """A client that is in several rooms leaves all of them when it leaves one."""
    drivers: list[Any] = []

    def break_it(driver: Any) -> None:
        leave = driver.logout
        drivers.append(leave)

        async def logout() -> None:
            while drivers:
                with contextlib.suppress(CallError):
                    await drivers.pop()()

        put(driver, "logout", logout)

    return break_it


def _farewell_is_lost(nth: int) -> Any:
    """The nth logout is answered, and nothing is done about it."""

    def make(stage: VirtualStage, original: Method) -> Method:
        met = 0

        async def logout(connection: Any, session: str, request: Any) -> Any:
            nonlocal met
            met += 1
            return {} if met == nth else await original(connection, session, request)

        return logout

    return handler("logout", make)


MUTANTS = (
    Mutant(
        "logout-never-ends", "TD-01", "Logout succeeds, and OUT never comes.", "logout",
        stage=heard("bob#1", STATE, drop, state="OUT"),
    ),
    Mutant(
        "logout-ends-late", "TD-01", "OUT comes 4 s after logout.", "logout",
        stage=heard("bob#1", STATE, late(4), state="OUT"),
    ),
    Mutant(
        "callback-after-out", "TD-01", "A callback of the room comes after OUT.", "logout",
        stage=heard(
            "bob#1", STATE, then(lambda state: OnlineUserCountUpdated(state.room_id, 2), 0.5), state="OUT", nth=1
        ),
    ),
    Mutant(
        "camera-on-after-logout", "TD-02", "After OUT a stream is still being published.", "logout",
        stage=heard("bob#1", "pub.state", drop, state="IDLE"),
    ),
    Mutant(
        "picture-on-after-logout", "TD-02", "After OUT a stream is still being played.", "logout",
        stage=heard("bob#1", "play.state", drop, state="IDLE"),
    ),
    Mutant(
        "quality-after-logout", "TD-02", "Quality of a stream comes after OUT.", "logout",
        trace=recorded(
            "bob#1", "cb room.state", then(callback("pub.quality", {"stream": "b1", "bytes": 9_000_000}), 3),
            state="OUT", nth=1,
        ),
    ),
    Mutant(
        "kick-from-one-room-is-from-all", "TD-02", "A kick in one room puts the user out of its other rooms too.",
        "one-of-two-rooms", stage=logic("kick", _from_everywhere),
        origin="ZEGO web 2.11.0",
    ),
    Mutant(
        "logout-of-one-room-is-of-all", "TD-02", "A logout from one room ends the user's sessions in its other rooms.",
        "one-of-two-rooms", stage=drivers("alice#1", _leaves_together()),
        consequences=("PB-01",), because="the streams of the other room end with code 0, and nobody asked for it",
    ),
    Mutant(
        "callback-after-destroy", "TD-03", "A callback comes after destroy.", "S18",
        trace=recorded("alice#1", "call destroy", then(callback("room.count", {"n": 2}), 1), nth=1),
    ),
    Mutant(
        "destroy-is-not-told", "TD-03", "The others do not hear that a destroyed client has gone.", "destroy",
        stage=_farewell_is_lost(1),
        consequences=("XC-04",), because="who is gone stays in the view",
    ),
    Mutant(
        "new-engine-hears-nothing", "TD-03", "After destroy and a new engine, some callbacks never come again.", "S18",
        stage=heard("alice#2", "roster.streams", drop),
        consequences=("RO-06", "XC-04"), because="what is there stays unknown to the new engine",
        origin="ZEGO windows 1.9.0",
    ),
)  # fmt: skip
