"""MD: mutants of extra info and messages."""

from __future__ import annotations

from typing import Any

from harness.conform.mutants.change import drop, edit, late, twice
from harness.conform.mutants.client_faults import heard
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import Method, logic, told
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Effect, Send

STREAMS = "stream_update"


def _to_the_sender_too(method: str, session_at: int) -> Sabotage:
    """Whoever says something hears it like everybody else."""

    def make(stage: VirtualStage, original: Method) -> Method:
        def broken(*arguments: Any) -> Any:
            found = original(*arguments)
            effects: list[Effect] = found[1] if isinstance(found, tuple) else found
            events = [effect.event for effect in effects if isinstance(effect, Send)]
            told_all = [*effects, *(Send(arguments[session_at], event) for event in events[:1])]
            return (found[0], told_all) if isinstance(found, tuple) else told_all

        return broken

    return logic(method, make)


def _first_value(stage: VirtualStage, original: Method) -> Method:
    """What is set later is told, and not kept."""

    def set_stream_extra(session: str, stream: str, text: str) -> list[Effect]:
        known = stage.server.logic.rooms[stage.server.logic.sessions[session].room_id].streams[stream]
        before = known.extra
        effects: list[Effect] = original(session, stream, text)
        known.extra = before or text
        return effects

    return set_stream_extra


def _clock_back(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "at": event["at"] - 60_000}


def _without_extra(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "streams": [{**item, "extra": ""} for item in event["streams"]]}


MUTANTS = (
    Mutant(
        "setter-hears-its-own-room-extra", "MD-01", "Who sets extra info of the room is told of it.", "S13",
        stage=_to_the_sender_too("set_room_extra", 1),
        origin="ZEGO web 2.14.0",
    ),
    Mutant(
        "setter-hears-its-own-stream-extra", "MD-01", "Who sets extra info of a stream is told of it.", "S13",
        stage=_to_the_sender_too("set_stream_extra", 0),
    ),
    Mutant(
        "room-extra-is-lost", "MD-01", "Extra info of the room does not reach one of the others.", "S13",
        stage=told("dave", "room_extra", drop, value="second again"),
    ),
    Mutant(
        "stream-extra-is-lost", "MD-01", "Extra info of a stream does not reach one of the others.", "S13",
        stage=told("bob", "stream_extra", drop, nth=3),
    ),
    Mutant(
        "first-write-wins", "MD-01", "Of two values set one after the other, one client ends with the first.", "S13",
        stage=told("bob", "stream_extra", late(1), nth=2),
    ),
    Mutant(
        "clock-goes-back", "MD-01", "The time of extra info goes back.", "S13",
        stage=told("dave", "room_extra", edit(_clock_back), nth=2),
    ),
    Mutant(
        "late-joiner-hears-an-old-value", "MD-01", "A newcomer is told a stream's first extra info.", "extra-twice",
        stage=logic("set_stream_extra", _first_value),
    ),
    Mutant(
        "late-joiner-hears-no-value", "MD-01", "A newcomer is told a stream without its extra info.", "S13",
        stage=told("dave", STREAMS, edit(_without_extra), op="ADD", nth=1),
    ),
    Mutant(
        "message-is-lost", "MD-02", "A reliable message does not reach one of the others.", "S13",
        stage=told("carol", "message", drop, nth=2),
    ),
    Mutant(
        "client-loses-a-message", "MD-02", "The client drops a reliable message.", "S13",
        stage=heard("carol#1", "msg", drop, nth=1),
    ),
    Mutant(
        "message-comes-twice", "MD-02", "A reliable message comes twice.", "S13",
        stage=told("bob", "message", twice, nth=1),
    ),
    Mutant(
        "lossy-message-comes-twice", "MD-02", "A lossy message comes twice.", "S13",
        stage=told("bob", "message", twice, reliable=False),
    ),
    Mutant(
        "message-comes-back", "MD-02", "A message comes back to its sender.", "S13",
        stage=_to_the_sender_too("message", 0),
    ),
)  # fmt: skip
