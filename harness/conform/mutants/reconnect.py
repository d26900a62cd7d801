"""RC: mutants of losing the service and coming back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.call.errors import CallError, ErrorCode
from harness.conform.mutants.change import drop, edit, late, twice
from harness.conform.mutants.client_faults import heard, swapped
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import Method, handler, logic, settings, told, unsaid
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage

USERS, STREAMS, STATE = "user_update", "stream_update", "room.state"


def _gone_with_its_socket(stage: VirtualStage, original: Method) -> Method:
    """Whose socket breaks is taken for gone at once."""

    def disconnected(session_id: str) -> None:
        original(session_id)
        room_logic = stage.server.logic
        session = room_logic.sessions.get(session_id)
        if session is not None:
            stage.server.carry_out(room_logic._fall_silent(session))

    return disconnected


def _says_window(seconds: float) -> Sabotage:
    """The client is told another retry window than the service keeps."""

    def sabotage(stage: VirtualStage) -> None:
        stage.server.settings = replace(stage.server.settings, retry_window=seconds)

    return sabotage


def _refused_again(request: str, user: str) -> Sabotage:
    """What a client asks for again after an outage is refused."""

    def make(stage: VirtualStage, original: Method) -> Method:
        met = 0

        async def broken(connection: Any, session: str, fields: Any) -> Any:
            nonlocal met
            if stage.server.logic.sessions[session].user_id == user:
                met += 1
                if met > 1:
                    raise CallError(ErrorCode.PUBLISH_FORBIDDEN, "not again")
            return await original(connection, session, fields)

        return broken

    return handler(request, make)


MUTANTS = (
    Mutant(
        "broken-socket-is-seen-by-all", "RC-01", "Whose socket breaks is deleted at once.", "short-outage",
        stage=logic("disconnected", _gone_with_its_socket),
    ),
    Mutant(
        "short-outage-is-seen-by-all", "RC-01", "After 20 s of silence a user is deleted.", "short-silence",
        stage=settings(heartbeat_timeout=20.0),
    ),
    Mutant(
        "return-is-not-told", "RC-02", "Who is back after a long outage is not added again.", "long-outage",
        stage=unsaid("bob", USERS, op="ADD", has="alice", nth=2),
        consequences=("XC-04", "RO-08"), because="who is back stays unknown, also when its stream comes",
    ),
    Mutant(
        "return-is-told-twice", "RC-02", "Who is back after a long outage is added twice.", "long-outage",
        stage=told("bob", USERS, twice, op="ADD", has="alice", nth=2),
        consequences=("RO-03",), because="it was there already",
    ),
    Mutant(
        "long-outage-is-not-told", "RC-02", "Nobody is told of an outage longer than the heartbeat.", "long-outage",
        stage=settings(heartbeat_timeout=100_000.0),
        consequences=("LV-05",), because="while it lasts, nobody is told that it has gone silent",
    ),
    Mutant(
        "stream-does-not-return", "RC-02", "The stream of who is back is not added again.", "long-outage",
        stage=unsaid("bob", STREAMS, op="ADD", nth=2),
        consequences=("LV-03", "XC-04"), because="a live stream stays unknown",
    ),
    Mutant(
        "rejoined-never-comes", "RC-03", "RECONNECTING never ends: REJOINED is not told.", "short-window",
        stage=heard("alice#1", STATE, drop, state="REJOINED"),
        origin="client-sdk-js issue 1163",
    ),
    Mutant(
        "gives-up-early", "RC-03", "The client gives up after a quarter of its window.", "S10",
        stage=_says_window(300.0),
    ),
    Mutant(
        "never-gives-up", "RC-03", "The client goes on trying past its window.", "S10",
        stage=_says_window(100_000.0),
    ),
    Mutant(
        "who-left-meanwhile-is-still-shown", "RC-04", "Who left during an outage is still shown after it.",
        "changes-while-away", stage=told("alice", USERS, drop, op="DEL", has="carol"),
        consequences=("XC-04",), because="who left stays in the view",
        origin="client-sdk-js issue 561",
    ),
    Mutant(
        "who-came-meanwhile-is-missing", "RC-04", "Who came during an outage is missing after it.",
        "changes-while-away", stage=unsaid("alice", USERS, op="ADD", has="dave"),
        consequences=("XC-04",), because="who came stays unknown",
    ),
    Mutant(
        "stream-of-meanwhile-is-never-seen", "RC-04", "A stream added during an outage is missing after it.",
        "changes-while-away", stage=unsaid("alice", STREAMS, op="ADD", has="b2"),
        consequences=("XC-04",), because="the stream stays unknown",
        origin="licode issue 1391",
    ),
    Mutant(
        "stream-that-ended-meanwhile-stays", "RC-04", "A stream that ended during an outage is still shown after it.",
        "changes-while-away", stage=told("alice", STREAMS, drop, op="DEL", has="b1"),
        consequences=("XC-04",), because="the stream stays in the view",
    ),
    Mutant(
        "roster-while-reconnecting", "RC-04", "What changed is told before REJOINED.", "changes-while-away",
        stage=swapped("alice#1", STATE, "roster.streams", state="REJOINED"),
    ),
    Mutant(
        "streams-are-not-restored", "RC-05", "What was published before an outage is refused after it.", "long-outage",
        stage=_refused_again("publish", "alice"),
        origin="ZEGO web 1.16.5",
    ),
    Mutant(
        "plays-are-not-restored", "RC-05", "What was played before an outage is refused after it.", "S09",
        stage=_refused_again("play", "alice"),
    ),
    Mutant(
        "no-end-after-the-last-retry", "RC-05", "When the window is over, streams have no end.", "S10",
        stage=heard("alice#1", "pub.state", drop, state="IDLE"),
        origin="ZEGO web 1.10.0",
    ),
    Mutant(
        "end-after-the-last-retry-without-a-code", "RC-05", "When the window is over, streams end with code 0.", "S10",
        stage=heard("alice#1", "pub.state", edit(lambda state: replace(state, code=0)), state="IDLE", nth=1),
    ),
    Mutant(
        "old-stream-outlives-the-new", "RC-06", "The crashed client's stream is deleted after the new one is added.",
        "crash-and-another-stream", stage=told("bob", STREAMS, late(1), op="DEL", nth=1),
        consequences=("RO-09",), because="the old stream outlives the old client as well",
    ),
    Mutant(
        "old-stream-is-never-deleted", "RC-06", "The crashed client's stream is added anew without being deleted.",
        "crash-and-the-same-stream", stage=told("bob", STREAMS, drop, op="DEL", nth=1),
        consequences=("RO-03", "RO-09"), because="it is added while it is there, and outlived its user",
        origin="ZEGO web 1.17.1",
    ),
)  # fmt: skip
