"""XC: mutants of what clients are told of each other."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.call.callbacks import PlayerFirstFrame
from harness.call.errors import ErrorCode
from harness.conform.mutants.change import Edit, drop, edit, late
from harness.conform.mutants.client_faults import heard
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import (
    Method,
    after_login,
    both,
    handler,
    logic,
    media_break,
    put,
    say,
    session_of,
    told,
)
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import CloseSession, Effect, Send
from harness.room_service.state import Session

USERS, STREAMS = "user_update", "stream_update"
ALICE = {"user": "alice", "name": "alice"}


def _users(op: str, *names: str) -> dict[str, Any]:
    return {"event": USERS, "op": op, "users": [{"user": name, "name": name} for name in names], "seq": 99}


def _streams(op: str, stream: str, user: str) -> dict[str, Any]:
    item = {"stream": stream, "user": user, "name": user, "extra": "", "kinds": {}, "reason": 1}
    return {"event": STREAMS, "op": op, "streams": [item], "seq": 99}


def _rumour(to: str, *events: dict[str, Any]) -> Any:
    """Events that nothing caused, a second apart."""

    def action(stage: VirtualStage) -> None:
        for number, event in enumerate(events):
            asyncio.get_running_loop().call_later(number, say, stage.server, to, event)

    return action


def _recorder_joins(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "users": [*event["users"], {"user": "recorder", "name": "recorder"}]}


def _of(user: str) -> Edit:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "streams": [{**item, "user": user, "name": user} for item in event["streams"]]}

    return change


def _announced_when_asked_for(to: str, breaks_after: float) -> Sabotage:
    """A stream is announced before its media has come, which then never does."""

    def make(stage: VirtualStage, original: Method) -> Method:
        async def publish(connection: Any, session: str, request: Any) -> Any:
            reply = await original(connection, session, request)
            stream, user = request.text("stream"), stage.server.logic.sessions[session].user_id
            say(stage.server, to, _streams("ADD", stream, user))
            loop = asyncio.get_running_loop()
            loop.call_later(breaks_after, media_break(user, stream), stage)
            loop.call_later(breaks_after, say, stage.server, to, _streams("DEL", stream, user))
            return reply

        return publish

    return both(logic("stream_live", lambda stage, original: lambda session, stream: []), handler("publish", make))


def _announced_early(to: str, seconds: float) -> Sabotage:
    """A stream is announced when it is asked for, and live only much later."""

    def make(stage: VirtualStage, original: Method) -> Method:
        def stream_live(session: str, stream: str) -> list[Effect]:
            def live() -> None:
                stage.server.carry_out(original(session, stream))

            say(stage.server, to, _streams("ADD", stream, stage.server.logic.sessions[session].user_id))
            asyncio.get_running_loop().call_later(seconds, live)
            return []

        return stream_live

    return both(logic("stream_live", make), told(to, STREAMS, drop, op="ADD", nth=2))


def _one_client_for_all(stage: VirtualStage, original: Method) -> Method:
    """All devices of a user pass for one client, which may be in several rooms."""

    def login(now: float, wall: float, claims: Any, **options: Any) -> Any:
        return original(now, wall, claims, **{**options, "client": claims.user_id})

    return login


def _newer_goes(stage: VirtualStage, original: Method) -> Method:
    """Of two clients of one user the newer is put out."""

    def login(now: float, wall: float, claims: Any, **options: Any) -> tuple[Session, list[Effect]]:
        room_logic = stage.server.logic
        if session_of(room_logic, claims.user_id, claims.room_id) is None:
            found: tuple[Session, list[Effect]] = original(now, wall, claims, **options)
            return found
        stillborn = Session("stillborn", claims.user_id, claims.user_id, claims.room_id, claims, True, now)
        kicked = {"event": "kicked", "code": int(ErrorCode.KICKED_SAME_USER)}
        return stillborn, [Send("stillborn", kicked), CloseSession("stillborn")]

    return login


def _sockets_stay(stage: VirtualStage) -> None:
    """The socket of a session that has ended stays open."""
    put(stage.server, "_close_session", lambda session: None)


def _silent_relogin(to: str, user: str) -> Sabotage:
    """The others are told nothing of a user's move to another device."""
    return both(told(to, USERS, drop, op="DEL", has=user, nth=1), told(to, USERS, drop, op="ADD", has=user, nth=2))


def _reversed(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "streams": event["streams"][::-1]}


def _first_packet(state: Any) -> list[tuple[float, Any]]:
    return [(0.0, state), (0.0, PlayerFirstFrame(state.room_id, state.stream, "video", "received"))]


MUTANTS = (
    Mutant(
        "recorder-appears-as-a-user", "XC-01", "The recording of the room appears as one of its users.", "late-joiner",
        stage=told("carol", USERS, edit(_recorder_joins), op="ADD", nth=1),
        consequences=("XC-04",), because="it is in the view for good, and nobody of that name is there",
        origin="ZEGO web 2.25.2",
    ),
    Mutant(
        "user-flickers", "XC-01", "A user who did nothing is deleted, and added again.", "nobody-answers",
        stage=after_login("bob", 2, _rumour("bob", _users("DEL", "alice"), _users("ADD", "alice"))),
    ),
    Mutant(
        "stream-under-another-name", "XC-02", "One client is told a stream under another user's name.", "late-joiner",
        stage=told("carol", STREAMS, edit(_of("bob")), op="ADD", nth=1),
    ),
    Mutant(
        "stream-flickers", "XC-02", "A stream that is live is deleted, and added again.", "publish-play-stop",
        stage=after_login("bob", 2, _rumour("bob", _streams("DEL", "a1", "alice"), _streams("ADD", "a1", "alice"))),
    ),
    Mutant(
        "phantom-stream", "XC-02", "A stream that nobody ever published is announced, and deleted.", "two-streams",
        stage=after_login("bob", 2, _rumour("bob", _streams("ADD", "x9", "alice"), _streams("DEL", "x9", "alice"))),
    ),
    Mutant(
        "failed-publish-is-announced", "XC-03", "A publish is announced at once, and then fails.", "one-publisher",
        stage=_announced_when_asked_for("bob", 1),
    ),
    Mutant(
        "announced-long-before-live", "XC-03", "A stream is announced 8 s before it is live.", "one-publisher",
        stage=_announced_early("bob", 8),
    ),
    Mutant(
        "broken-stream-stays", "XC-04", "A stream whose media broke is not deleted at everybody.", "one-publisher",
        stage=both(after_login("alice", 3, media_break("alice", "a1")), told("bob", STREAMS, drop, op="DEL", nth=1)),
        consequences=("RO-09",), because="in the end its user is deleted, and it is still there",
    ),
    Mutant(
        "stop-while-away-is-not-told", "XC-04", "A stream that was stopped during an outage is not deleted.",
        "stop-while-away", stage=told("bob", STREAMS, drop, op="DEL", nth=1),
        origin="ZEGO web 1.17.1",
        consequences=("RO-09",), because="in the end its user is deleted, and it is still there",
    ),
    Mutant(
        "stop-in-one-of-two-rooms-is-not-told", "XC-04", "Of who is in two rooms, a broken stream is not deleted.",
        "one-of-two-rooms",
        stage=both(after_login("alice", 3, media_break("alice", "a1")), told("bob", STREAMS, drop, op="DEL", nth=1)),
        origin="ZEGO windows 3.0.2",
        consequences=("RO-09",), because="in the end its user is deleted, and it is still there",
    ),
    Mutant(
        "media-of-nobody", "XC-05", "Packets of a stream are received that nobody publishes.", "S16",
        stage=heard("bob#1", "play.state", _first_packet, stream="never", state="REQ"),
    ),
    Mutant(
        "media-after-the-end", "XC-05", "Packets of a stream are received long after its end.", "play-after-the-end",
        stage=heard("bob#1", "play.state", _first_packet, state="REQ"),
    ),
    Mutant(
        "two-devices-in-two-rooms", "XC-06", "Another device of a user ends the first only in the same room.",
        "another-device-elsewhere", stage=logic("login", _one_client_for_all),
        consequences=("XC-04",), because="the first device ought to have left, and stays in the others' view",
    ),
    Mutant(
        "older-device-stays", "XC-06", "Of two devices of a user the older is not put out.", "another-device",
        stage=both(told("alice", "kicked", drop), _sockets_stay),
        consequences=("LV-07", "MD-02"), because="the older is not told that it is out, and hears nothing any more",
        origin="twilio video-quickstart-ios issue 255",
    ),
    Mutant(
        "newer-device-is-kicked", "XC-06", "Of two devices of a user the newer is put out.", "another-device",
        stage=logic("login", _newer_goes),
        consequences=("LV-07", "XC-04"), because="the older is not told that it is out, and the others show it",
    ),
    Mutant(
        "third-parties-hear-of-another-device", "XC-06",
        "Where moving to another device is to be silent, the others are told.", "another-device-without-streams",
        promises={"duplicate_login": "kick_old_silent"}, ground=_silent_relogin("bob", "alice"),
        stage=lambda stage: None,
        origin="ZEGO web 1.15.0",
    ),
    Mutant(
        "list-in-the-wrong-order", "XC-07", "The first list of streams is in reverse.", "S02",
        stage=told("dave", STREAMS, edit(_reversed), op="ADD", nth=1),
    ),
    Mutant(
        "second-stream-overtakes-the-first", "XC-07", "A publisher's second stream is announced before its first.",
        "two-streams", stage=told("bob", STREAMS, late(1), op="ADD", nth=1),
    ),
)  # fmt: skip
