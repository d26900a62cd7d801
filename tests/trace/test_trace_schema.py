"""The published schema of a trace line: what our runs write is valid, and what no rule could read is not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest

from harness.call import CallEngine, CallError, User
from harness.call.callbacks import (
    MediaState,
    MessageReceived,
    PlayerStateUpdated,
    PublisherStateUpdated,
    RemoteDeviceUpdated,
    RoomExtraInfoUpdated,
    RoomStateReason,
    RoomStateUpdated,
    RoomStreamsUpdated,
    RoomUsersUpdated,
    Stream,
    StreamExtraInfoUpdated,
    TokenWillExpire,
    UpdateType,
)
from harness.trace.clock import RunClock
from harness.trace.record import CALLBACKS, CALLS, MARKS, parse_record
from harness.trace.schema import trace_schema, trace_schema_text
from harness.trace.writer import LOST, TraceWriter, header

PUBLISHED = Path(__file__).parents[2] / "docs" / "trace.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(trace_schema())
HERE, THERE = User("alice", "Alice"), User("bob", "Bob")
STREAM = Stream("s_bob", THERE, "{}", 1)


def valid(line: Any) -> bool:
    return bool(VALIDATOR.is_valid(line))


def callback(name: str, **args: Any) -> dict[str, Any]:
    return {"kind": "cb", "name": name, "t": 1, "client": "a#1", "seq": 0, "args": args}


class Service:
    """Answers every call at once with all that a service may say; `refuses` is refused."""

    def __init__(self, refuses: str = "") -> None:
        self._refuses = refuses

    def bind(self, emit: Any) -> None:
        self._emit = emit

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **_: Any) -> Any:
            if name == self._refuses:
                raise CallError(1002033, "bad token")
            if name == "login":
                self._say_everything(args[0])
            return "m1" if name == "send_message" else None

        return call

    def _say_everything(self, room: str) -> None:
        for said in (
            RoomStateUpdated(room, RoomStateReason.LOGGING_IN),
            RoomStateUpdated(room, RoomStateReason.IN, session="r1"),
            RoomUsersUpdated(room, UpdateType.ADD, (THERE,), 1),
            RoomStreamsUpdated(room, UpdateType.ADD, (STREAM,), None),
            RoomStreamsUpdated(room, UpdateType.DELETE, (STREAM,), 2),
            PublisherStateUpdated(room, "s_alice", MediaState.REQUESTING),
            PlayerStateUpdated(room, "s_bob", MediaState.LIVE, 0),
            RemoteDeviceUpdated(room, "s_bob", "camera", "mute"),
            RoomExtraInfoUpdated(room, "k", "v", "bob", 1_700_000_000_000),
            StreamExtraInfoUpdated(room, (STREAM,)),
            TokenWillExpire(room, 30),
            MessageReceived(room, "m1", "bob", "hello"),
        ):
            self._emit(said, 1_000_000, {"native": True})


class Source:
    kinds: ClassVar = {"video": "vp8", "audio": "opus"}


async def whole_call(trace: TraceWriter, refuses: str) -> None:
    engine = CallEngine(lambda: Service(refuses), client="alice#1", trace=trace)  # type: ignore[arg-type]
    source: Any = Source()
    engine.start_preview(source)
    for call in (
        lambda: engine.login_room("r", HERE, "token"),
        lambda: engine.start_publishing_stream("s_alice"),
        lambda: engine.mute_publish_stream_video("s_alice", True),
        lambda: engine.set_stream_extra_info("s_alice", "{}"),
        lambda: engine.set_room_extra_info("k", "v"),
        lambda: engine.send_message("hello", reliable=False),
        lambda: engine.start_playing_stream("s_bob", None),  # type: ignore[arg-type]
        lambda: engine.stop_playing_stream("s_bob"),
        lambda: engine.renew_token("other"),
        lambda: engine.stop_publishing_stream("s_alice"),
        engine.logout_room,
    ):
        try:
            await call()
        except CallError:
            continue
    engine.stop_preview()
    await engine.destroy()


@pytest.mark.parametrize("refuses", ["", "login", "publish", "play"])
def test_every_line_that_the_engine_and_the_run_write_is_valid(refuses: str) -> None:
    lines: list[bytes] = []
    clock = RunClock(0, 40)
    writer = TraceWriter(clock, lines.append)
    writer.write(header(scenario="s", seed=1, service="x", started_unix=0.0, clock=clock, started=clock.now()))
    asyncio.run(whole_call(writer, refuses))
    writer.probe("first_frame", {"stream": "s", "first_frame_ms": 3.5}, client="alice#1", user="alice")
    writer.write({"kind": "fault", "name": "crash", "client": "alice#1", "t": clock.now(), "args": {}})
    writer.write({"kind": "mark", "name": LOST, "t": clock.now(), "args": {"records": 3}})
    for number, line in enumerate(lines, 1):
        VALIDATOR.validate(json.loads(line))
        if number > 1:
            parse_record(line, number)
    assert {json.loads(line).get("name") for line in lines} >= {"login", "publish", "play", "destroy"}


def test_the_schema_is_one_and_the_published_file_holds_it() -> None:
    jsonschema.Draft202012Validator.check_schema(trace_schema())
    assert PUBLISHED.read_text(encoding="utf-8") == trace_schema_text(), (
        "write it again: harness trace schema > docs/trace.schema.json"
    )


SHORTEST: dict[str, dict[str, Any]] = {
    "room.state": {"state": "IN"},
    "roster.users": {"op": "ADD", "items": [{"id": "bob"}]},
    "roster.streams": {"op": "DEL", "items": [{"id": "s"}], "reasons": [1]},
    "roster.ready": {},
    "room.count": {"n": 2},
    "room.extra": {"key": "k", "value": "v"},
    "stream.extra": {"items": [{"id": "s", "extra": "x"}]},
    "room.token_expiring": {"remain": 30},
    "pub.state": {"stream": "s", "state": "REQ"},
    "play.state": {"stream": "s", "state": "LIVE", "code": 0},
    "pub.first": {"media": "video", "stage": "sent"},
    "play.first": {"media": "audio", "stage": "rendered", "stream": "s"},
    "pub.quality": {"stream": "s", "loss": 0.5},
    "play.quality": {"stream": "s", "bytes": 3, "rtt": None},
    "net.quality": {"user": "bob", "up": 1},
    "play.stall": {"stream": "s", "on": True},
    "remote.device": {"stream": "s", "device": "camera", "state": "mute"},
    "msg": {"id": "m", "class": "lossy"},
    "error": {"code": 5},
}


def test_there_is_an_example_of_every_callback() -> None:
    assert SHORTEST.keys() == CALLBACKS.keys()


@pytest.mark.parametrize("name", SHORTEST)
def test_the_arguments_of_every_callback_are_checked_by_its_name(name: str) -> None:
    args = SHORTEST[name]
    assert valid(callback(name, **args))
    assert parse_record(json.dumps(callback(name, **args)).encode(), 2).args is not None
    for key in args:
        assert not valid(callback(name, **{**args, key: [{"no": "such"}]})), key
    for key in [key for key in args if key in _required(name)]:
        assert not valid(callback(name, **{k: v for k, v in args.items() if k != key})), key


def _required(name: str) -> list[str]:
    found: list[str] = trace_schema()["$defs"][CALLBACKS[name].__name__]["required"]
    return found


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "cb", "name": "x"},
        {"kind": "cb", "t": 1},
        {"kind": "shout", "name": "x", "t": 1},
        {"kind": "mark", "name": "x", "t": -1},
        {"kind": "mark", "name": "x", "t": 1_700_000_000_000},
        {"kind": "mark", "name": "x", "t": "1"},
        {"kind": "mark", "name": "x", "t": 1, "args": []},
        {"kind": "mark", "name": "x", "t": 1, "seq": 1.5},
        {"kind": "ret", "name": "login", "t": 1},
        {"kind": "ret", "name": "login", "t": 1, "args": {"result": "perhaps"}},
        {"kind": "fault", "name": "crash", "t": 1, "args": {"phase": "middle"}},
        {"kind": "call", "name": "publish", "t": 1, "args": {}},
        callback("room.state", state="JOINED"),
        callback("play.state", stream="s", state="PLAYING"),
        callback("roster.users", op="ADD", items=[{"name": "without id"}]),
        {"format": "call-trace"},
        {"format": "call-trace", "version": 2},
        {"format": "call-trace", "version": 1, "epsilon_us": -1},
        [],
        7,
    ],
)
def test_what_is_no_line_of_a_trace_is_invalid(line: Any) -> None:
    assert not valid(line)


def test_names_and_fields_of_ones_own_are_valid() -> None:
    assert valid({"kind": "cb", "name": "vendor.thing", "t": 1, "args": {"x": 1}, "thread": "main"})
    assert valid({"kind": "call", "name": "logout", "t": 1})
    assert valid({"format": "call-trace", "version": 1, "mine": {}})


def test_every_call_and_mark_is_described() -> None:
    text = trace_schema_text()
    assert all(f'"const": "{name}"' in text for name in (*CALLS, *MARKS))
