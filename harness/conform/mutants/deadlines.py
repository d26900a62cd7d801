"""LV: mutants of what has to come, and by when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.call.errors import ErrorCode
from harness.conform.mutants.change import Edit, drop, edit, late, twice
from harness.conform.mutants.client_faults import heard
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import (
    Method,
    after_login,
    both,
    logic,
    put,
    session_of,
    settings,
    told,
    unsaid,
)
from harness.conform.mutants.trace_faults import recorded
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Attach, Effect
from harness.room_service.roster import KICKED
from harness.room_service.tokens import Claims

USERS, STREAMS = "user_update", "stream_update"


def _no_answer_to(user: str, seconds: float | None) -> Sabotage:
    """A login is answered so much later, or never."""

    def sabotage(stage: VirtualStage) -> None:
        original = stage.server._login

        def login(connection: Any, request: Any) -> None:
            if request.text("user") != user:
                original(connection, request)
            elif seconds is not None:
                asyncio.get_running_loop().call_later(seconds, original, connection, request)

        put(stage.server, "_login", login)

    return sabotage


def _nothing(stage: VirtualStage, original: Method) -> Method:
    return lambda *arguments: []


def _never_attached(stage: VirtualStage, original: Method) -> Method:
    def play(session: str, stream: str) -> list[Effect]:
        return [effect for effect in original(session, stream) if not isinstance(effect, Attach)]

    return play


def _code(code: int) -> Edit:
    return lambda event: {**event, "code": code}


def _as_if_valid(stage: VirtualStage, original: Method) -> Method:
    """A publish is accepted whatever has become of the token."""

    def publish(wall: float, *arguments: Any) -> Any:
        return original(0.0, *arguments)

    return publish


def _expires(user: str, code: int) -> Callable[[VirtualStage], None]:
    """The session ends as if its token had expired."""

    def action(stage: VirtualStage) -> None:
        session = session_of(stage.server.logic, user)
        if session is not None:
            stage.server.carry_out(stage.server.logic._end(session, KICKED, code))

    return action


def _believes_in(stage: VirtualStage, original: Method) -> Method:
    """The token's expiry overflows: it seems to come at once."""

    def check(wall: float, session: Any) -> list[Effect]:
        claims: Claims = session.claims
        session.claims = replace(claims, expires_at=wall + 1)
        try:
            effects: list[Effect] = original(wall, session)
            return effects
        finally:
            session.claims = claims

    return check


EXPIRED = int(ErrorCode.KICKED_TOKEN_EXPIRED)
MUTANTS = (
    Mutant(
        "login-is-never-answered", "LV-01", "A login gets no answer at all.", "nobody-answers",
        stage=_no_answer_to("bob", None),
    ),
    Mutant(
        "login-is-answered-late", "LV-01", "A login is answered after 12 s.", "nobody-answers",
        stage=both(settings(login_deadline=60.0), _no_answer_to("bob", 11)),
    ),
    Mutant(
        "peer-misses-one-of-several-newcomers", "LV-02", "Of several who come at once, one is not announced.", "S03",
        stage=both(unsaid("erin", USERS, has="dave", op="ADD"), unsaid("erin", USERS, has="dave", op="DEL")),
        consequences=("XC-04", "RO-08"), because="she stays unknown, also when her stream comes",
        origin="LiveKit issue 162",
    ),
    Mutant(
        "peer-misses-who-is-back", "LV-02", "Who leaves and is back at once is only seen to leave.", "quick-return",
        stage=unsaid("alice", USERS, op="ADD", has="bob", nth=2),
        consequences=("XC-04",), because="who is back stays unknown",
        origin="ZEGO web 1.17.1",
    ),
    Mutant(
        "newcomer-is-announced-late", "LV-02", "A newcomer is announced after 6 s.", "newcomer-in-a-busy-room",
        stage=told("bob", USERS, late(6), op="ADD", has="carol"),
        consequences=("RO-08",), because="her stream comes before her",
    ),
    Mutant(
        "peer-misses-new-stream", "LV-03", "A stream that is published with the login is not announced.", "S04",
        stage=unsaid("bob", STREAMS, op="ADD", has="a1"),
        consequences=("XC-04",), because="the stream stays unknown",
        origin="ZEGO windows 2.16.3",
    ),
    Mutant(
        "stream-is-announced-late", "LV-03", "A stream is announced after 6 s.", "newcomer-in-a-busy-room",
        stage=told("bob", STREAMS, late(6), op="ADD", has="c1"),
    ),
    Mutant(
        "one-delete-of-many-is-lost", "LV-04", "Now and then the end of a stream is not told.", "S01",
        stage=told("alice", STREAMS, drop, op="DEL", nth=1),
        consequences=("RO-09",), because="the stream outlives its user in the view",
        origin="ZEGO web 2.18.0",
    ),
    Mutant(
        "weak-network-swallows-a-delete", "LV-04", "The end of a stream is told to one of two.", "S02",
        stage=told("dave", STREAMS, drop, op="DEL", has="c1"),
        consequences=("XC-04",), because="the stream stays in the view",
        origin="ZEGO web 1.16.0",
    ),
    Mutant(
        "stop-in-one-room-is-not-told", "LV-04", "Of who is in two rooms, the end of a stream is not told.",
        "one-of-two-rooms", stage=told("bob", STREAMS, drop, op="DEL", has="a2"),
        consequences=("RO-09", "XC-04"), because="the stream stays in the view, and outlives its user there",
        origin="ZEGO windows 3.0.2",
    ),
    Mutant(
        "peer-misses-a-quick-return", "LV-04", "Who leaves and is back at once was never away for the others.",
        "quick-return",
        stage=both(
            told("alice", USERS, drop, op="DEL", has="bob", nth=1),
            told("alice", USERS, drop, op="ADD", has="bob", nth=2),
        ),
        origin="ZEGO web 1.17.1",
    ),
    Mutant(
        "client-swallows-a-leave", "LV-04", "The client's parser loses the notice that a user left.", "login-again",
        stage=heard("alice#1", "roster.users", drop, op="DEL", nth=1),
        consequences=("RO-03",), because="the user stays in the view, and is added again when it is back",
        origin="janode issue 49",
    ),
    Mutant(
        "gone-too-early", "LV-05", "Who falls silent is taken for gone after 40 s.", "crash",
        stage=settings(heartbeat_timeout=40.0),
    ),
    Mutant(
        "ghost-for-ever", "LV-05", "Who has fallen silent is never taken for gone.", "crash",
        stage=settings(heartbeat_timeout=100_000.0),
        consequences=("QM-03", "XC-04"), because="the ghost stays in the view and in the count",
        origin="twilio-video.js issue 1361",
    ),
    Mutant(
        "ghost-of-a-stream", "LV-05", "The user who fell silent is deleted, and its stream is not.", "crash",
        stage=told("bob", STREAMS, drop, op="DEL"),
        consequences=("RO-09", "XC-04"), because="a stream without its user stays in the view",
    ),
    Mutant(
        "publish-never-comes-about", "LV-06", "A publish stays REQ for ever.", "one-user",
        stage=logic("stream_live", _nothing),
    ),
    Mutant(
        "play-never-comes-about", "LV-06", "The play of a live stream stays REQ for ever.", "publish-play-stop",
        stage=logic("play", _never_attached),
    ),
    Mutant(
        "no-sound", "LV-06", "Of a played stream no audio comes.", "publish-play-stop",
        trace=recorded("bob#1", "cb play.first", drop, media="audio"),
    ),
    Mutant(
        "kicked-without-being-told", "LV-07", "Who was kicked is not told.", "kick",
        stage=told("alice", "kicked", drop),
    ),
    Mutant(
        "kick-with-the-code-of-another-device", "LV-07", "A kick has the code of another device's login.", "kick",
        stage=told("alice", "kicked", edit(_code(ErrorCode.KICKED_SAME_USER))),
    ),
    Mutant(
        "another-device-with-the-code-of-a-kick", "LV-07", "Another device's login has the code of a kick.",
        "another-device", stage=told("alice", "kicked", edit(_code(ErrorCode.KICKED_BY_SERVER))),
    ),
    Mutant(
        "kick-is-not-told-to-the-others", "LV-07", "Who was kicked stays in the others' rosters.", "kick",
        stage=told("bob", USERS, drop, op="DEL", nth=1),
        consequences=("XC-04",), because="who was kicked stays in the view",
    ),
    Mutant(
        "no-warning", "LV-08", "No warning comes before a token expires.", "S15a",
        stage=told("alice", "token_expiring", drop),
    ),
    Mutant(
        "warned-twice", "LV-08", "The warning comes twice.", "S15a",
        stage=told("alice", "token_expiring", twice),
    ),
    Mutant(
        "warned-at-once", "LV-08", "The warning comes with the login.", "S15a",
        stage=logic("_check_token", _believes_in),
        origin="ZEGO web 2.16.0",
    ),
    Mutant(
        "warned-by-a-wrong-clock", "LV-08", "The warning comes 10 s early, by a clock that is fast.", "S15a",
        stage=settings(token_warning=40.0),
        origin="ZEGO web 2.25.1",
    ),
    Mutant(
        "expired-and-kept", "LV-08", "A session goes on whose token has expired, where it should end.", "S15b",
        stage=settings(kick_on_token_expiry=False),
    ),
    Mutant(
        "expired-and-kicked", "LV-08", "A session ends whose token has expired, where it should go on.", "S15a",
        stage=settings(kick_on_token_expiry=True),
    ),
    Mutant(
        "kicked-before-expiry", "LV-08", "A session ends 10 s before its token expires.", "S15b",
        stage=after_login("alice", 35, _expires("alice", EXPIRED)),
    ),
    Mutant(
        "publish-with-an-expired-token", "LV-08", "A new publish is accepted though the token has expired.", "S15a",
        stage=logic("publish", _as_if_valid),
    ),
)  # fmt: skip
