"""IN: mutants of what has to be refused."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.call.callbacks import RoomStateReason
from harness.call.errors import ErrorCode
from harness.conform.argument import Token
from harness.conform.mutants.change import edit, then
from harness.conform.mutants.mutant import Mutant, Tampering
from harness.conform.mutants.service_faults import (
    Method,
    after_login,
    handler,
    logic,
    media_break,
    put,
    say,
    session_of,
    settings,
)
from harness.conform.mutants.trace_faults import arguments, callback, chained, recorded
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage

OK = edit(arguments(result="ok", code=0))
OTHER_CODE = edit(arguments(code=int(ErrorCode.SESSION_EXCEPTION)))


def _result(client: str, name: str, nth: int, change: Any) -> Tampering:
    return recorded(client, f"ret {name}", change, nth=nth)


def _accepted(name: str, defect: str, call: str, nth: int, **more: Any) -> Mutant:
    """A call with an id or a text that cannot be succeeds. nth: of mallory's calls of this name in S14."""
    return Mutant(name, "IN-01", defect, "S14", trace=_result("mallory#1", call, nth, OK), **more)


def _illegal_user(stage: VirtualStage) -> None:
    """Shown for a second."""
    for number, op in enumerate(("ADD", "DEL")):
        event = {"event": "user_update", "op": op, "users": [{"user": "mal lory", "name": "mallory"}], "seq": 99}
        asyncio.get_running_loop().call_later(number, say, stage.server, "bob", event)


def _lets_everybody_in() -> Sabotage:
    """The service takes every token for a good one."""

    def sabotage(stage: VirtualStage) -> None:
        token = stage.token
        put(stage, "token", lambda user, room, wanted: token(user, room, _good(wanted)))

    return sabotage


def _good(token: Token) -> Token:
    return token if token.kind == "admin" else Token()


class _Forgiving(dict[str, Any]):
    """What is not there may be deleted."""

    def __delitem__(self, key: str) -> None:
        self.pop(key, None)


def _ids_need_not_be_unique(user: str) -> Sabotage:
    """A stream id that is taken is given to another user as well."""

    def make(stage: VirtualStage, original: Method) -> Method:
        room_logic = stage.server.logic
        room_logic._streams = _Forgiving(room_logic._streams)

        def publish(wall: float, session: str, stream: str, *arguments: Any) -> Any:
            if room_logic.sessions[session].user_id == user:
                room_logic._streams.pop(stream, None)
            return original(wall, session, stream, *arguments)

        return publish

    return logic("publish", make)


def _later_wins(first: str, refused: bool) -> Sabotage:
    """Who publishes a stream id that is taken ends the first."""

    def make(stage: VirtualStage, original: Method) -> Method:
        async def publish(connection: Any, session: str, request: Any) -> Any:
            stream, owner = request.text("stream"), session_of(stage.server.logic, first)
            if owner is not None and owner.session_id != session:
                if refused:
                    asyncio.get_running_loop().call_soon(media_break(first, stream), stage)
                else:
                    media_break(first, stream)(stage)
            return await original(connection, session, request)

        return publish

    return handler("publish", make)


def _shown(stage: VirtualStage, original: Method) -> Method:
    """Who is refused is announced to the others all the same, for a second."""

    def login(connection: Any, request: Any) -> None:
        user = request.text("user")
        try:
            original(connection, request)
        except Exception:
            for number, op in enumerate(("ADD", "DEL")):
                event = {"event": "user_update", "op": op, "users": [{"user": user, "name": user}], "seq": 99}
                asyncio.get_running_loop().call_later(0.02 + number, say, stage.server, "alice", event)
            raise

    return login


def _on_login(make: Any) -> Sabotage:
    def sabotage(stage: VirtualStage) -> None:
        put(stage.server, "_login", make(stage, stage.server._login))

    return sabotage


def _state(reason: RoomStateReason) -> Any:
    return callback("room.state", {"state": reason.value, "code": 0, "session": ""})


IN: dict[str, Any] = {"consequences": ("RS-04",), "because": "what succeeded has to reach IN"}
TOLD: dict[str, Any] = {"consequences": ("MD-01",), "because": "what succeeded has to reach the others"}
MUTANTS = (
    _accepted("empty-room-id-is-accepted", "An empty room id is accepted.", "login", 1, **IN),
    _accepted("over-long-room-id-is-accepted", "A room id of 129 bytes is accepted.", "login", 2, **IN),
    _accepted("illegal-room-id-is-accepted", "A room id with a space is accepted.", "login", 3, **IN),
    _accepted("empty-user-id-is-accepted", "An empty user id is accepted.", "login", 4, **IN),
    _accepted("over-long-user-id-is-accepted", "A user id of 65 bytes is accepted.", "login", 5, **IN),
    _accepted("illegal-user-id-is-accepted", "A user id with a space is accepted.", "login", 6, **IN),
    _accepted("empty-stream-id-is-accepted", "An empty stream id is accepted.", "publish", 2),
    _accepted("over-long-stream-id-is-accepted", "A stream id of 257 bytes is accepted.", "publish", 3),
    _accepted("illegal-stream-id-is-accepted", "A stream id with a space is accepted.", "publish", 4),
    _accepted("empty-stream-is-played", "An empty stream id is played.", "play", 2),
    _accepted("illegal-stream-is-played", "A stream id with a slash is played.", "play", 3),
    _accepted("empty-key-is-accepted", "Extra info without a key is accepted.", "set_room_extra", 1, **TOLD),
    _accepted("empty-message-is-accepted", "An empty message is accepted.", "send", 2),
    _accepted("over-long-message-is-accepted", "A message of 1025 bytes is accepted.", "send", 3),
    Mutant(
        "over-long-extra-is-accepted", "IN-01", "Extra info of 1500 bytes is accepted.", "over-long-extra",
        trace=_result("alice#1", "set_stream_extra", 1, OK),
        **TOLD,
    ),
    Mutant(
        "bad-id-with-another-code", "IN-01", "An empty room id is refused with the code of something else.", "S14",
        trace=_result("mallory#1", "login", 1, OTHER_CODE),
    ),
    Mutant(
        "bad-stream-id-with-another-code", "IN-01", "An illegal stream id is refused with another code.", "S14",
        trace=_result("mallory#1", "publish", 4, OTHER_CODE),
    ),
    Mutant(
        "illegal-user-is-shown", "IN-01", "A user whose id is illegal is shown to the others.", "S14",
        stage=after_login("bob", 2, _illegal_user),
        consequences=("XC-01",), because="nobody of that name is in the room",
    ),
    Mutant(
        "publish-before-login", "IN-02", "A publish before any login succeeds.", "S14",
        trace=_result("mallory#1", "publish", 1, OK),
    ),
    Mutant(
        "message-before-login", "IN-02", "A message before any login is refused with another code.", "S14",
        trace=_result("mallory#1", "send", 1, OTHER_CODE),
    ),
    Mutant(
        "logout-without-a-room-fails", "IN-02", "A logout without a room is refused.", "S14",
        trace=_result("mallory#1", "logout", 1, edit(arguments(result="fail", code=1000002))),
    ),
    Mutant(
        "logout-of-another-room-succeeds", "IN-02", "The logout of a room that was not joined says nothing.", "S14",
        trace=_result("mallory#1", "logout", 2, OK),
        origin="ZEGO web 3.9.0",
    ),
    Mutant(
        "publish-after-destroy", "IN-02", "A publish with a destroyed engine succeeds.", "S14",
        trace=_result("bob#1", "publish", 1, OK),
    ),
    Mutant(
        "publish-after-destroy-with-another-code", "IN-02",
        "A publish with a destroyed engine is refused as if there were no room.", "S14",
        trace=_result("bob#1", "publish", 1, edit(arguments(code=int(ErrorCode.NOT_LOGGED_IN)))),
    ),
    Mutant(
        "second-login-succeeds", "IN-03", "A second login to the same room succeeds.", "login-twice",
        trace=_result("alice#1", "login", 2, OK),
    ),
    Mutant(
        "second-login-with-another-code", "IN-03", "A second login is refused with another code.", "login-twice",
        trace=_result("alice#1", "login", 2, OTHER_CODE),
    ),
    Mutant(
        "second-login-begins-anew", "IN-03", "A second login is refused, and throws the first one out and in again.",
        "login-twice",
        trace=chained(
            recorded("alice#1", "call login", then(_state(RoomStateReason.LOGGING_IN), 0.0), nth=2),
            recorded(
                "alice#1", "ret login",
                then(lambda record: {
                    **_state(RoomStateReason.IN)(record), "args": {"state": "IN", "code": 0, "session": "f4e8-1"},
                }, 0.01), nth=2,
            ),
        ),
        consequences=("RS-02",), because="the state machine has no edge from IN to LOGGING_IN",
    ),
    Mutant(
        "taken-id-is-given-again", "IN-04", "A stream id that is taken in another room is given to a second user.",
        "stream-taken-elsewhere", stage=_ids_need_not_be_unique("mallory"),
    ),
    Mutant(
        "later-publisher-wins", "IN-04", "Who publishes a stream id that is taken ends the first.", "stream-taken",
        stage=_later_wins("alice", refused=False),
    ),
    Mutant(
        "both-publishers-lose", "IN-04", "Who is refused a stream id that is taken ends the first all the same.",
        "stream-taken", stage=_later_wins("alice", refused=True),
    ),
    Mutant(
        "taken-id-with-another-code", "IN-04", "A stream id that is taken is refused with another code.",
        "stream-taken", trace=_result("mallory#1", "publish", 1, OTHER_CODE),
    ),
    Mutant(
        "busy-channel-with-another-code", "IN-04", "A second publish of one's own stream has the code of another's.",
        "S14", trace=_result("alice#1", "publish", 2, edit(arguments(code=int(ErrorCode.STREAM_ID_TAKEN)))),
    ),
    Mutant(
        "busy-channel-is-accepted", "IN-04", "A second publish of one's own stream succeeds.", "S14",
        trace=_result("alice#1", "publish", 2, OK),
    ),
    Mutant(
        "bad-token-is-let-in", "IN-05", "A token that somebody else signed is taken for a good one.", "bad-token-once",
        stage=_lets_everybody_in(),
    ),
    Mutant(
        "expired-token-is-let-in", "IN-05", "An expired token is taken for a good one.", "expired-token",
        stage=_lets_everybody_in(),
    ),
    Mutant(
        "anothers-token-is-let-in", "IN-05", "A token of another user is taken for a good one.", "anothers-token",
        stage=_lets_everybody_in(),
    ),
    Mutant(
        "bad-token-with-another-code", "IN-05", "A bad token is refused with the code of something else.",
        "bad-token-once", trace=_result("mallory#1", "login", 1, OTHER_CODE),
    ),
    Mutant(
        "bad-token-renews", "IN-05", "A session is renewed with a bad token.", "S14",
        trace=_result("alice#1", "renew_token", 1, OK),
    ),
    Mutant(
        "refused-user-is-shown", "IN-05", "Who is refused for a bad token is announced to the others.",
        "bad-token-once", stage=_on_login(_shown),
    ),
    Mutant(
        "full-room-lets-in", "IN-05", "A full room lets one more in.", "full-room",
        stage=settings(users_per_room=1000),
    ),
)  # fmt: skip
