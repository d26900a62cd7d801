"""PB: mutants of publishing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.conform.mutants.change import drop, edit, late, then, twice
from harness.conform.mutants.client_faults import heard
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import after_login, both, media_break, told
from harness.conform.mutants.trace_faults import callback, chained, recorded

STATE, FIRST, ROOM = "cb pub.state", "cb pub.first", "cb room.state"


def _code(code: int) -> Any:
    return edit(lambda state: replace(state, code=code))


def _state(stream: str, state: str, code: int = 0) -> Any:
    return callback("pub.state", {"stream": stream, "state": state, "code": code})


MUTANTS = (
    Mutant(
        "live-without-being-requested", "PB-01", "LIVE comes without REQ before it.", "one-user",
        trace=recorded("alice#1", STATE, drop, state="REQ"),
    ),
    Mutant(
        "live-said-twice", "PB-01", "LIVE comes twice.", "one-user",
        stage=heard("alice#1", "pub.state", twice, state="LIVE"),
    ),
    Mutant(
        "retry-without-a-code", "PB-01", "LIVE becomes REQ with code 0, as if nothing were wrong.", "long-outage",
        stage=heard("alice#1", "pub.state", _code(0), state="REQ", nth=2),
    ),
    Mutant(
        "end-without-a-code", "PB-01", "A stream whose media broke ends with code 0.", "one-user",
        stage=both(
            after_login("alice", 3, media_break("alice", "a1")),
            told("alice", "publisher_state", edit(lambda event: {**event, "code": 0}), state="IDLE"),
        ),
    ),
    Mutant(
        "unpublish-ends-with-a-code", "PB-01", "After unpublish, IDLE has the code of a lost connection.", "one-user",
        stage=heard("alice#1", "pub.state", _code(1003020), state="IDLE"),
    ),
    Mutant(
        "publishes-again-by-itself", "PB-01", "After unpublish, the stream is requested again without a call.",
        "one-user",
        trace=chained(
            recorded("alice#1", STATE, then(_state("a1", "REQ"), 0.5), state="IDLE"),
            recorded("alice#1", STATE, then(_state("a1", "IDLE", 1003020), 0.5), state="REQ", nth=2),
        ),
    ),
    Mutant(
        "live-before-in", "PB-02", "A stream that was published with the login is LIVE before IN.", "S04",
        trace=recorded("alice#1", STATE, late(-0.07), state="LIVE"),
    ),
    Mutant(
        "live-while-reconnecting", "PB-02", "A stream is LIVE again while the room is still RECONNECTING.", "S08",
        trace=chained(
            recorded("alice#1", ROOM, then(_state("a1", "REQ", 1003020), 0.001), state="RECONNECTING", nth=1),
            recorded("alice#1", ROOM, then(_state("a1", "LIVE"), 0.002), state="RECONNECTING", nth=1),
        ),
    ),
    Mutant(
        "unpublish-ends-late", "PB-03", "Unpublish ends in IDLE after 4 s.", "publish-play-stop",
        stage=heard("alice#1", "pub.state", late(4), state="IDLE"),
    ),
    Mutant(
        "unpublish-never-ends", "PB-03", "Unpublish never ends in IDLE.", "one-user",
        stage=heard("alice#1", "pub.state", drop, state="IDLE"),
    ),
    Mutant(
        "camera-on-after-unpublish", "PB-03", "Quality of a stream goes on after its unpublish.", "one-user",
        trace=recorded(
            "alice#1", STATE, then(callback("pub.quality", {"stream": "a1", "bytes": 9_000_000}), 3), state="IDLE"
        ),
    ),
    Mutant(
        "sent-before-captured", "PB-04", "The first video frame is sent before it is captured.", "one-user",
        trace=recorded("alice#1", FIRST, late(0.001), media="video", stage="captured"),
    ),
    Mutant(
        "never-captured", "PB-04", "Audio is sent that was never captured.", "one-user",
        trace=recorded("alice#1", FIRST, drop, media="audio", stage="captured"),
    ),
    Mutant(
        "sent-for-the-first-time-twice", "PB-04", "The first video frame is sent twice.", "one-user",
        trace=recorded("alice#1", FIRST, then(lambda record: record, 0.5), media="video", stage="sent"),
    ),
)  # fmt: skip
