"""The engine writes down every call, return and callback; identifiers are held to the contract's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from harness.call import CallEngine, CallError, ErrorCode, EventHandler, RoomStateReason, User
from harness.call.callbacks import RoomStateUpdated
from harness.call.identifiers import (
    check_message,
    check_room_extra,
    check_room_id,
    check_stream_extra,
    check_stream_id,
    check_user_id,
    check_user_name,
)

LIMITS: list[tuple[Callable[[str], None], str, int]] = [
    (check_room_id, "", ErrorCode.ROOM_ID_EMPTY),
    (check_room_id, "r" * 129, ErrorCode.ROOM_ID_TOO_LONG),
    (check_room_id, "a room", ErrorCode.ROOM_ID_ILLEGAL),
    (check_room_id, "50%", ErrorCode.ROOM_ID_ILLEGAL),
    (check_user_id, "", ErrorCode.USER_ID_EMPTY),
    (check_user_id, "u" * 65, ErrorCode.USER_ID_TOO_LONG),
    (check_user_id, "é", ErrorCode.USER_ID_ILLEGAL),
    (check_user_name, "", ErrorCode.USER_NAME_EMPTY),
    (check_user_name, "é" * 129, ErrorCode.USER_NAME_TOO_LONG),
    (check_stream_id, "", ErrorCode.STREAM_ID_EMPTY),
    (check_stream_id, "s" * 257, ErrorCode.STREAM_ID_TOO_LONG),
    (check_stream_id, "s.s", ErrorCode.STREAM_ID_ILLEGAL),
    (check_stream_extra, "x" * 1024, ErrorCode.STREAM_EXTRA_TOO_LONG),
    (lambda key: check_room_extra(key, "v"), "k" * 128, ErrorCode.EXTRA_KEY_ILLEGAL),
    (lambda value: check_room_extra("k", value), "v" * 129, ErrorCode.EXTRA_VALUE_TOO_LONG),
    (check_message, "m" * 1025, ErrorCode.MESSAGE_TOO_LONG),
]


@pytest.mark.parametrize(("check", "value", "code"), LIMITS)
def test_past_a_limit_is_the_contract_code(check: Callable[[str], None], value: str, code: int) -> None:
    with pytest.raises(CallError) as caught:
        check(value)
    assert caught.value.code == code


def test_at_the_limit_is_allowed() -> None:
    check_room_id("r" * 128)
    check_user_id("~!@#$^&*()_+=-`;',.<>\\aZ9")
    check_user_id("u" * 64)
    check_user_name("é" * 128)
    check_stream_id("s" * 256)
    check_stream_extra("x" * 1023)
    check_room_extra("k" * 127, "v" * 128)
    check_message("m" * 1024)


class Recording:
    """A trace in memory with a clock of its own."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def now(self) -> float:
        return float(len(self.records))

    def write(self, record: dict[str, Any]) -> None:
        self.records.append(record)


class ScriptedDriver:
    """A room service in a few lines: logs everybody in, refuses a publish, never answers a play."""

    def __init__(self) -> None:
        self.emit: Any = None
        self.closed = False

    def bind(self, emit: Any) -> None:
        self.emit = emit

    async def login(self, room_id: str, user: User, token: str, *, user_updates: bool, client: str) -> None:
        self.emit(RoomStateUpdated(room_id, RoomStateReason.LOGGING_IN), 0, None)
        self.emit(RoomStateUpdated(room_id, RoomStateReason.IN), 1_500_000, {"native": True})

    async def logout(self) -> None:
        self.emit(RoomStateUpdated("room", RoomStateReason.OUT), 0, None)

    async def publish(self, stream_id: str, source: Any) -> None:
        raise CallError(ErrorCode.STREAM_ID_TAKEN, "taken")

    async def play(self, stream_id: str, sink: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self.closed = True


class Source:
    kinds = {"video": "vp8"}  # noqa: RUF012


def make() -> tuple[CallEngine, ScriptedDriver, Recording, list[RoomStateReason]]:
    trace, driver, heard = Recording(), ScriptedDriver(), []
    states: list[RoomStateReason] = heard

    class Handler(EventHandler):
        def on_room_state_update(self, update: RoomStateUpdated) -> None:
            states.append(update.reason)

    engine = CallEngine(lambda: driver, client="alice#1", trace=trace)  # type: ignore[arg-type]
    engine.set_event_handler(Handler())
    return engine, driver, trace, states


def test_calls_returns_and_callbacks_stand_in_the_trace_in_the_order_they_happened() -> None:
    engine, _, trace, heard = make()

    async def scene() -> None:
        await engine.login_room("room", User("alice"))
        with pytest.raises(CallError):
            await engine.start_publishing_stream("s", Source())  # type: ignore[arg-type]
        await engine.logout_room()
        await engine.login_room("room", User("alice"))

    asyncio.run(scene())
    assert [(r["kind"], r["name"]) for r in trace.records][:8] == [
        ("call", "login"),
        ("cb", "room.state"),
        ("cb", "room.state"),
        ("ret", "login"),
        ("call", "publish"),
        ("ret", "publish"),
        ("call", "logout"),
        ("cb", "room.state"),
    ]
    assert [r["seq"] for r in trace.records] == list(range(len(trace.records)))
    failed = next(r for r in trace.records if r["kind"] == "ret" and r["name"] == "publish")
    assert (failed["args"]["result"], failed["args"]["code"]) == ("fail", 1003028)
    assert failed["op"] == next(r["op"] for r in trace.records if r["name"] == "publish")
    inside = trace.records[2]
    assert (inside["t_wire"], inside["native"], inside["epoch"]) == (1.5, {"native": True}, 1)
    assert trace.records[-1]["epoch"] == 2, "a new login begins a new epoch"
    assert heard[:2] == [RoomStateReason.LOGGING_IN, RoomStateReason.IN]


def test_a_call_that_is_never_answered_or_is_cancelled_is_of_unknown_outcome() -> None:
    engine, _, trace, _ = make()

    async def scene() -> None:
        await engine.login_room("room", User("alice"))
        task = asyncio.create_task(engine.start_playing_stream("s", None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert trace.records[-1]["args"]["result"] == "info"


def test_an_illegal_id_is_refused_before_the_service_hears_of_it() -> None:
    engine, _, trace, heard = make()
    with pytest.raises(CallError) as caught:
        asyncio.run(engine.login_room("", User("alice")))
    assert caught.value.code == ErrorCode.ROOM_ID_EMPTY
    assert heard == []
    assert trace.records[-1]["args"]["code"] == ErrorCode.ROOM_ID_EMPTY


def test_after_destroy_no_callback_comes() -> None:
    engine, driver, trace, heard = make()

    async def scene() -> None:
        await engine.login_room("room", User("alice"))
        heard.clear()
        await engine.destroy()
        await engine.destroy()
        driver.emit(RoomStateUpdated("room", RoomStateReason.KICKED, 1), 0, None)

    asyncio.run(scene())
    assert driver.closed
    assert heard == []
    assert [r["name"] for r in trace.records if r["kind"] == "call"] == ["login", "destroy"]
    assert trace.records[-1]["name"] == "destroy"
