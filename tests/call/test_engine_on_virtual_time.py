"""The engine's record of calls that hang, fail, are refused or overlap, and of everything around a destroy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from scripted import Driver, Source, Trace, fails, never, run

from harness.call import CallEngine, CallError, ErrorCode, EventHandler, MediaState, RoomStateReason, UpdateType, User
from harness.call.callbacks import (
    Callback,
    MessageReceived,
    NetworkQualityUpdated,
    OnlineUserCountUpdated,
    PlayerFirstFrame,
    PlayerQualityUpdated,
    PlayerStateUpdated,
    PublisherFirstFrame,
    PublisherQualityUpdated,
    PublisherStateUpdated,
    RemoteDeviceUpdated,
    RoomExtraInfoUpdated,
    RoomStateUpdated,
    RoomStreamsUpdated,
    RoomUsersUpdated,
    Stream,
    StreamExtraInfoUpdated,
    TokenWillExpire,
)
from harness.call.engine import CALL_TIMEOUT, LOGIN_TIMEOUT


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def trace() -> Trace:
    return Trace()


@pytest.fixture
def engine(driver: Driver, trace: Trace) -> CallEngine:
    return CallEngine(lambda: driver, client="alice#1", trace=trace)


CALLS: dict[str, Callable[[CallEngine], Coroutine[Any, Any, Any]]] = {
    "login": lambda engine: engine.login_room("room", User("alice")),
    "logout": lambda engine: engine.logout_room(),
    "renew_token": lambda engine: engine.renew_token("token"),
    "set_room_extra": lambda engine: engine.set_room_extra_info("key", "value"),
    "send": lambda engine: engine.send_message("hello"),
    "publish": lambda engine: engine.start_publishing_stream("s", Source()),
    "unpublish": lambda engine: engine.stop_publishing_stream("s"),
    "mute": lambda engine: engine.mute_publish_stream_video("s", True),
    "set_stream_extra": lambda engine: engine.set_stream_extra_info("s", "text"),
    "play": lambda engine: engine.start_playing_stream("s", None),  # type: ignore[arg-type]
    "unplay": lambda engine: engine.stop_playing_stream("s"),
}


def inside(engine: CallEngine, driver: Driver, trace: Trace) -> CallEngine:
    """The engine after a login, of which nothing is remembered."""
    run(CALLS["login"](engine))
    driver.called.clear()
    trace.records.clear()
    return engine


METHODS = {"set_room_extra": "set_room_extra_info", "send": "send_message", "set_stream_extra": "set_stream_extra_info"}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_recorded_with_its_return(name: str, engine: CallEngine, driver: Driver, trace: Trace) -> None:
    driver.does["send_message"] = "m1"
    if name != "login":
        inside(engine, driver, trace)
    run(CALLS[name](engine))
    call, ret = trace.records
    assert (call["kind"], call["name"], ret["kind"], ret["name"]) == ("call", name, "ret", name)
    assert call["op"] == ret["op"] > 0
    assert (call["room"], ret["room"]) == ("room", "room")
    value = {"value": "m1"} if name == "send" else {}
    assert ret["args"] == {"result": "ok", "code": 0, **value}
    assert [called for called, _, _ in driver.called] == [METHODS.get(name, name)]


@pytest.mark.parametrize("name", CALLS)
def test_every_refusal_is_recorded_with_the_services_code(
    name: str, engine: CallEngine, driver: Driver, trace: Trace
) -> None:
    if name != "login":
        inside(engine, driver, trace)
    driver.does[METHODS.get(name, name)] = CallError(ErrorCode.ROOM_FULL, "no room")
    assert run(fails(CALLS[name](engine))) == 0
    assert trace.returns() == [(name, "fail", 1002034)]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_without_an_answer_ends_after_its_limit_with_an_unknown_outcome(
    name: str, engine: CallEngine, driver: Driver, trace: Trace
) -> None:
    if name != "login":
        inside(engine, driver, trace)
    driver.does[METHODS.get(name, name)] = never
    took = run(fails(CALLS[name](engine)))
    assert took == pytest.approx(LOGIN_TIMEOUT if name == "login" else CALL_TIMEOUT)
    assert trace.returns() == [(name, "info", 0)]


def test_a_fault_inside_a_driver_is_an_unknown_outcome_and_not_hidden(
    engine: CallEngine, driver: Driver, trace: Trace
) -> None:
    inside(engine, driver, trace)
    driver.does["unplay"] = KeyError("a driver's own mistake")
    with pytest.raises(KeyError):
        run(engine.stop_playing_stream("s"))
    assert trace.returns() == [("unplay", "info", 0)]
    assert "a driver's own mistake" in trace.records[-1]["args"]["message"]


@pytest.mark.parametrize(
    ("call", "name", "code"),
    [
        (lambda e: e.login_room("", User("alice")), "login", ErrorCode.ROOM_ID_EMPTY),
        (lambda e: e.login_room("room", User("a b")), "login", ErrorCode.USER_ID_ILLEGAL),
        (lambda e: e.login_room("room", User("alice", "n" * 257)), "login", ErrorCode.USER_NAME_TOO_LONG),
        (lambda e: e.start_publishing_stream("s s", Source()), "publish", ErrorCode.STREAM_ID_ILLEGAL),
        (lambda e: e.start_playing_stream("s" * 257, None), "play", ErrorCode.STREAM_ID_TOO_LONG),
        (lambda e: e.set_room_extra_info("", "v"), "set_room_extra", ErrorCode.EXTRA_KEY_ILLEGAL),
        (lambda e: e.set_stream_extra_info("s", "x" * 1024), "set_stream_extra", ErrorCode.STREAM_EXTRA_TOO_LONG),
        (lambda e: e.send_message("x" * 1025), "send", ErrorCode.MESSAGE_TOO_LONG),
    ],
)
def test_what_breaks_a_limit_is_recorded_as_refused_and_never_reaches_the_driver(
    call: Any, name: str, code: int, engine: CallEngine, driver: Driver, trace: Trace
) -> None:
    run(fails(call(engine)))
    assert trace.returns() == [(name, "fail", code)]
    assert driver.called == []


def test_calls_that_overlap_are_told_apart_by_their_operations(
    engine: CallEngine, driver: Driver, trace: Trace
) -> None:
    async def slow() -> None:
        await asyncio.sleep(5)

    async def scene() -> None:
        await CALLS["login"](engine)
        trace.records.clear()
        driver.does["publish"] = slow
        await asyncio.gather(CALLS["publish"](engine), CALLS["unplay"](engine))

    assert run(scene()) == pytest.approx(5)
    operations = {(r["kind"], r["name"]): r["op"] for r in trace.records}
    assert [(r["kind"], r["name"]) for r in trace.records][-2:] == [("ret", "unplay"), ("ret", "publish")]
    assert operations["call", "publish"] == operations["ret", "publish"] != operations["ret", "unplay"]
    assert [r["seq"] for r in trace.records] == [2, 3, 4, 5]


def test_every_login_begins_an_epoch_and_a_reconnect_does_not(engine: CallEngine, driver: Driver, trace: Trace) -> None:
    reasons = ["LOGGING_IN", "IN", "RECONNECTING", "REJOINED", "KICKED", "LOGGING_IN", "LOGIN_FAILED", "LOGGING_IN"]
    inside(engine, driver, trace)

    async def scene() -> None:
        for reason in reasons:
            driver.emit(RoomStateUpdated("room", RoomStateReason(reason)), 0, None)

    run(scene())
    assert [r["epoch"] for r in trace.records] == [1, 1, 1, 1, 1, 2, 2, 3]


STREAM = Stream("s", User("bob", "Bob"), "hd", 4)
CALLBACKS = [
    RoomStateUpdated("room", RoomStateReason.KICKED, 1002050, "x1"),
    RoomUsersUpdated("room", UpdateType.ADD, (User("bob", "Bob"),), 7),
    RoomStreamsUpdated("room", UpdateType.DELETE, (STREAM,), 8),
    PublisherStateUpdated("room", "s", MediaState.LIVE),
    PlayerStateUpdated("room", "s", MediaState.REQUESTING, 1004020),
    RemoteDeviceUpdated("room", "s", "camera", "mute"),
    RoomExtraInfoUpdated("room", "k", "v", "bob", 9),
    StreamExtraInfoUpdated("room", (STREAM,)),
    TokenWillExpire("room", 30),
    MessageReceived("room", "m1", "bob", "hello", False),
    OnlineUserCountUpdated("room", 3),
    PublisherFirstFrame("room", "s", "video", "captured"),
    PlayerFirstFrame("room", "s", "audio", "received"),
    PublisherQualityUpdated("room", "s", 25.0, 480.5, 12.0, 0.01, 0, 4000),
    PlayerQualityUpdated("room", "s", None, 24.0, None, 0.0, 5, 0),
    NetworkQualityUpdated("room", "alice", 1, 5),
]


def test_every_callback_reaches_its_method_and_the_trace_word_for_word(driver: Driver, trace: Trace) -> None:
    heard: list[tuple[str, Callback]] = []

    class Handler(EventHandler):
        def __getattribute__(self, name: str) -> Any:
            return lambda callback: heard.append((name, callback))

    engine = CallEngine(lambda: driver, client="alice#1", trace=trace)
    inside(engine, driver, trace)
    engine.set_event_handler(Handler())

    async def scene() -> None:
        for callback in CALLBACKS:
            driver.emit(callback, 2_500_000, {"raw": 1})

    run(scene())
    assert heard == [(callback.handler, callback) for callback in CALLBACKS]
    assert [r["name"] for r in trace.records] == [callback.event for callback in CALLBACKS]
    assert all((r["t_wire"], r["native"]) == (2.5, {"raw": 1}) for r in trace.records)
    assert [r["args"] for r in trace.records] == [
        {"state": "KICKED", "code": 1002050, "session": "x1"},
        {"op": "ADD", "items": [{"id": "bob", "name": "Bob"}], "src_seq": 7},
        {"op": "DEL", "items": [{"id": "s", "user": "bob", "extra": "hd"}], "src_seq": 8, "reasons": [4]},
        {"stream": "s", "state": "LIVE", "code": 0},
        {"stream": "s", "state": "REQ", "code": 1004020},
        {"stream": "s", "device": "camera", "state": "mute"},
        {"key": "k", "value": "v", "by": "bob", "at": 9},
        {"items": [{"id": "s", "user": "bob", "extra": "hd"}]},
        {"remain": 30},
        {"class": "lossy", "id": "m1", "from": "bob", "body": "hello"},
        {"n": 3},
        {"stream": "s", "media": "video", "stage": "captured"},
        {"stream": "s", "media": "audio", "stage": "received"},
        {"stream": "s", "fps": 25.0, "kbps": 480.5, "rtt": 12.0, "loss": 0.01, "level": 0, "bytes": 4000},
        {"stream": "s", "fps": None, "kbps": 24.0, "rtt": None, "loss": 0.0, "level": 5, "bytes": 0},
        {"user": "alice", "up": 1, "down": 5},
    ]


def test_the_previewed_source_is_what_is_published_and_without_one_nothing_is(
    engine: CallEngine, driver: Driver, trace: Trace
) -> None:
    source = Source()

    async def scene() -> None:
        await CALLS["login"](engine)
        assert (await fails(engine.start_publishing_stream("s"))).code == ErrorCode.BAD_REQUEST
        engine.start_preview(source)
        await engine.start_publishing_stream("s")
        engine.stop_preview()
        assert (await fails(engine.start_publishing_stream("t"))).code == ErrorCode.BAD_REQUEST

    run(scene())
    assert driver.called[1:] == [("publish", ("s", source), {})]
    assert trace.returns()[1:] == [("publish", "fail", 1900001), ("publish", "ok", 0), ("publish", "fail", 1900001)]


def test_a_callback_while_the_driver_closes_is_not_heard_and_pending_calls_still_return(
    engine: CallEngine, driver: Driver, trace: Trace
) -> None:
    async def close() -> None:
        driver.emit(RoomStateUpdated("room", RoomStateReason.OUT), 0, None)

    async def scene() -> None:
        driver.does.update(close=close, play=never)
        await CALLS["login"](engine)
        trace.records.clear()
        pending = asyncio.create_task(fails(CALLS["play"](engine)))
        await asyncio.sleep(0)
        await engine.destroy()
        await pending

    run(scene())
    assert [(r["kind"], r["name"]) for r in trace.records] == [("call", "play"), ("call", "destroy"), ("ret", "play")]


def test_without_a_trace_everything_works_all_the_same(driver: Driver) -> None:
    engine = CallEngine(lambda: driver, client="alice#1")
    run(CALLS["login"](engine))
    assert driver.called[0][0] == "login"


@pytest.mark.parametrize("reason", RoomStateReason)
def test_every_reason_belongs_to_one_of_the_guides_three_states(reason: RoomStateReason) -> None:
    connecting = {"LOGGING_IN", "RECONNECTING"}
    connected = {"IN", "REJOINED", "LOGOUT_FAILED"}
    name = reason.state.value
    assert (name == "connecting") == (reason.value in connecting)
    assert (name == "connected") == (reason.value in connected)
