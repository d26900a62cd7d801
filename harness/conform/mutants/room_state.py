"""RS: mutants of the room state of one client, and of the walls between rooms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from harness.call.callbacks import RoomStateReason, RoomStateUpdated
from harness.call.errors import CallError, ErrorCode
from harness.conform.mutants.change import before, drop, edit, then, twice
from harness.conform.mutants.client_faults import heard
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import Method, after_login, logic, put, say
from harness.conform.mutants.trace_faults import arguments, callback, recorded
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Effect, Send

STATE = "room.state"


def _code(code: int) -> Any:
    return edit(lambda state: replace(state, error_code=code))


def _named(session: str) -> Any:
    return edit(lambda state: replace(state, session=session))


def _state(reason: RoomStateReason, code: int = 0) -> Any:
    return lambda state: RoomStateUpdated(state.room_id, reason, code)


def _tries_again(state: RoomStateUpdated) -> list[tuple[float, RoomStateUpdated]]:
    """By itself, and in vain."""
    again = RoomStateUpdated(state.room_id, RoomStateReason.LOGGING_IN)
    failed = RoomStateUpdated(state.room_id, RoomStateReason.LOGIN_FAILED, ErrorCode.LOGIN_TIMED_OUT)
    return [(0.0, state), (0.5, again), (0.6, failed)]


def _remembers_failures() -> Sabotage:
    """Who failed to log in is taken for somebody who is in."""

    def sabotage(stage: VirtualStage) -> None:
        server = stage.server
        original, failed = server._login, set[str]()

        def login(connection: Any, request: Any) -> None:
            user = request.text("user")
            if user in failed:
                raise CallError(ErrorCode.ALREADY_LOGGED_IN, "in too many rooms")
            try:
                original(connection, request)
            except CallError:
                failed.add(user)
                raise

        put(server, "_login", login)

    return sabotage


def _to_all_rooms(method: str) -> Sabotage:
    """What one user says is told to everybody, whichever room they are in."""

    def make(stage: VirtualStage, original: Method) -> Method:
        def broken(*arguments: Any) -> Any:
            found = original(*arguments)
            number, effects = found if isinstance(found, tuple) else ("", found)
            events: list[dict[str, Any]] = [effect.event for effect in effects if isinstance(effect, Send)]
            told = {effect.session for effect in effects if isinstance(effect, Send)}
            sender = arguments[0] if isinstance(arguments[0], str) else arguments[1]
            everybody: Iterable[Effect] = [
                Send(session, events[0])
                for session in stage.server.logic.sessions
                if events and session not in told and session != sender
            ]
            return (number, [*effects, *everybody]) if number else [*effects, *everybody]

        return broken

    return logic(method, make)


def _stranger(event: dict[str, Any], room: str) -> Any:
    return lambda stage: say(stage.server, "bob", event, room)


MUTANTS = (
    Mutant(
        "login-begins-without-a-word", "RS-01", "LOGGING_IN never comes: the first state is IN.", "S01",
        stage=heard("alice#1", STATE, drop, state="LOGGING_IN"),
    ),
    Mutant(
        "wrong-initial-state", "RS-01", "A login begins with a state of before: OUT.", "S01",
        stage=heard("alice#1", STATE, before(_state(RoomStateReason.OUT)), state="LOGGING_IN"),
        origin="ZEGO web 3.7.1",
    ),
    Mutant(
        "logging-in-with-a-code", "RS-01", "LOGGING_IN has a code, as if something had failed.", "S01",
        stage=heard("alice#1", STATE, _code(1002051), state="LOGGING_IN"),
        consequences=("RS-03",), because="RS-03 asks for code 0 of this state as well",
    ),
    Mutant(
        "in-said-twice", "RS-02", "IN comes twice.", "S01",
        stage=heard("bob#1", STATE, twice, state="IN"),
    ),
    Mutant(
        "rejoined-out-of-the-blue", "RS-02", "REJOINED comes without RECONNECTING before it.", "S08",
        stage=heard("alice#1", STATE, drop, state="RECONNECTING"),
    ),
    Mutant(
        "reconnecting-at-every-attempt", "RS-02", "RECONNECTING comes again with every attempt.", "S09",
        stage=heard("alice#1", STATE, then(lambda state: state, 3), state="RECONNECTING"),
    ),
    Mutant(
        "kicked-without-a-code", "RS-03", "KICKED has code 0.", "kick",
        stage=heard("alice#1", STATE, _code(0), state="KICKED"),
        consequences=("LV-07",), because="LV-07 asks for the code of a kick as well",
    ),
    Mutant(
        "in-with-a-code", "RS-03", "IN has a code.", "S01",
        stage=heard("bob#1", STATE, _code(1002001), state="IN"),
    ),
    Mutant(
        "reconnecting-without-a-code", "RS-03", "RECONNECTING has code 0.", "S08",
        stage=heard("alice#1", STATE, _code(0), state="RECONNECTING"),
    ),
    Mutant(
        "login-failed-without-a-code", "RS-03", "LOGIN_FAILED has code 0.", "bad-token-once",
        stage=heard("mallory#1", STATE, _code(0), state="LOGIN_FAILED"),
    ),
    Mutant(
        "refused-reconnect-with-the-code-of-a-kick", "RS-03",
        "RECONNECT_FAILED of a user who is in with another device has the code of a kick.", "another-device-meanwhile",
        stage=heard("", STATE, _code(1002050), state="RECONNECT_FAILED"),
        origin="ZEGO web before 3.11.0",
    ),
    Mutant(
        "bad-token-without-a-state", "RS-04", "A refused token ends no attempt: LOGIN_FAILED never comes.",
        "bad-token-once", stage=heard("mallory#1", STATE, drop, state="LOGIN_FAILED"),
        origin="ZEGO web 2.16.0",
    ),
    Mutant(
        "login-fails-and-is-in", "RS-04", "The login's result is a failure, though IN came.", "late-joiner",
        trace=recorded("alice#1", "ret login", edit(arguments(result="fail", code=1002053))),
    ),
    Mutant(
        "login-succeeds-and-is-not-in", "RS-04", "The login's result is success, though LOGIN_FAILED came.",
        "bad-token-once", trace=recorded("mallory#1", "ret login", edit(arguments(result="ok", code=0))),
        consequences=("IN-05",), because="what succeeded is a login with a bad token",
    ),
    Mutant(
        "login-result-twice", "RS-04", "The login's result comes again when the network does.", "one-user",
        trace=recorded("alice#1", "ret login", then(lambda record: record, 4)),
    ),
    Mutant(
        "logs-in-again-after-a-kick", "RS-05", "A client that was kicked logs in again by itself.", "kick",
        stage=heard("alice#1", STATE, _tries_again, state="KICKED"),
    ),
    Mutant(
        "reconnects-after-giving-up", "RS-05", "RECONNECTING comes after RECONNECT_FAILED, without a login.", "S10",
        stage=heard(
            "alice#1", STATE,
            then(_state(RoomStateReason.RECONNECTING, ErrorCode.NETWORK_INTERRUPTED), 0.5), state="RECONNECT_FAILED",
        ),
        consequences=("RS-02",), because="the state machine has no such edge",
    ),
    Mutant(
        "too-many-rooms-after-a-failed-login", "RS-05", "After a failed login the user counts as being in a room.",
        "good-token-after-a-bad-one", stage=_remembers_failures(),
        origin="ZEGO windows 1.12.3",
    ),
    Mutant(
        "in-without-a-session", "RS-06", "IN does not name the room's session.", "S01",
        stage=heard("bob#1", STATE, _named(""), state="IN"),
    ),
    Mutant(
        "session-of-ones-own", "RS-06", "Each client in the room is told another session.", "S01",
        stage=heard("bob#1", STATE, _named("bobs"), state="IN"),
    ),
    Mutant(
        "another-session-after-an-outage", "RS-06", "REJOINED names another session than IN did.", "S08",
        stage=heard("alice#1", STATE, _named("another"), state="REJOINED"),
    ),
    Mutant(
        "old-session-of-an-empty-room", "RS-06", "A room that was empty goes on under its old session.", "S17",
        stage=heard("", STATE, _named("for ever"), state="IN"),
    ),
    Mutant(
        "callback-of-a-strange-room", "RS-07", "A callback names a room in which the client never was.", "one-user",
        trace=recorded(
            "alice#1", "cb room.state", then(callback("room.count", {"n": 3}, room="strange"), 1), state="IN"
        ),
    ),
    Mutant(
        "user-through-the-wall", "RS-07", "A user of another room is announced here.", "two-separate-rooms",
        stage=after_login("zoe", 3, _stranger(
            {"event": "user_update", "op": "ADD", "users": [{"user": "zoe", "name": "zoe"}], "seq": 9}, "red",
        )),
        consequences=("XC-01", "XC-04"), because="in this room she never was, and stays in its view",
    ),
    Mutant(
        "stream-through-the-wall", "RS-07", "A stream of another room is announced here.", "two-separate-rooms",
        stage=after_login("zoe", 3, _stranger(
            {"event": "stream_update", "op": "ADD", "seq": 9,
             "streams": [{"stream": "z1", "user": "zoe", "name": "zoe", "extra": "", "kinds": {}}]}, "red",
        )),
        consequences=("XC-02", "XC-04", "RO-08"),
        because="in this room nobody publishes it, it stays in the view, and its user is not in the roster",
    ),
    Mutant(
        "message-through-the-wall", "RS-07", "A message is delivered in all rooms.", "two-separate-rooms",
        stage=_to_all_rooms("message"),
    ),
    Mutant(
        "room-extra-through-the-wall", "RS-07", "Extra info of a room is told in all rooms.", "two-separate-rooms",
        stage=_to_all_rooms("set_room_extra"),
    ),
    Mutant(
        "stream-extra-through-the-wall", "RS-07", "Extra info of a stream is told in all rooms.",
        "two-separate-rooms", stage=_to_all_rooms("set_stream_extra"),
    ),
)  # fmt: skip
