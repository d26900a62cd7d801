"""Calls that start, end, fail, hang and are cancelled in any order, callbacks between: what the trace must say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.call import CallEngine, CallError, ErrorCode, EventHandler, RoomStateReason, User
from harness.call.callbacks import Callback, RoomStateUpdated

STEPS = ("login", "play", "unplay", "send", "answer", "refuse", "break", "cancel", "state", "tick", "destroy")
schedules = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 30)), max_size=40)


class OpenDriver:
    """A room service whose every answer is a future that the test fulfils."""

    def __init__(self) -> None:
        self.emit: Callable[[Callback, int, Any], None] | None = None
        self.waiting: list[asyncio.Future[Any]] = []
        self.closed = False

    def bind(self, emit: Callable[[Callback, int, Any], None]) -> None:
        self.emit = emit

    async def _answer(self) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return await future

    async def login(self, room_id: str, user: User, token: str, *, user_updates: bool, client: str) -> None:
        assert self.emit is not None
        self.emit(RoomStateUpdated(room_id, RoomStateReason.LOGGING_IN), 0, None)
        await self._answer()

    async def play(self, stream_id: str, sink: Any) -> None:
        await self._answer()

    async def unplay(self, stream_id: str) -> None:
        await self._answer()

    async def send_message(self, text: str, *, reliable: bool) -> str:
        return str(await self._answer())

    async def close(self) -> None:
        self.closed = True


class SteppedTrace:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = 100.0
        self.records: list[dict[str, Any]] = []

    def now(self) -> float:
        return self.time

    def write(self, record: dict[str, Any]) -> None:
        self.records.append(record)


class Scene:
    """One engine through one schedule. `outcomes`: per task, what its caller saw."""

    def __init__(self) -> None:
        self.driver, self.trace = OpenDriver(), SteppedTrace()
        self.engine = CallEngine(lambda: self.driver, client="alice#1", trace=self.trace)  # type: ignore[arg-type]
        self.heard: list[RoomStateUpdated] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.destroyed_at: int | None = None
        scene = self

        class Handler(EventHandler):
            def on_room_state_update(self, update: RoomStateUpdated) -> None:
                assert scene.destroyed_at is None, "a callback after destroy"
                scene.heard.append(update)

        self.engine.set_event_handler(Handler())

    async def play(self, schedule: list[tuple[str, int]]) -> None:
        for name, number in schedule:
            await self._step(name, number)
            await settle()
        for future in self.driver.waiting:
            if not future.done():
                future.set_result("m")
        await settle()
        assert all(task.done() for task in self.tasks)

    async def _step(self, name: str, number: int) -> None:
        engine = self.engine
        calls: dict[str, Callable[[], Any]] = {
            "login": lambda: engine.login_room("room", User("alice")),
            "play": lambda: engine.start_playing_stream("s" if number % 4 else "no such id!", None),  # type: ignore[arg-type]
            "unplay": lambda: engine.stop_playing_stream("s"),
            "send": lambda: engine.send_message("hello" if number % 4 else ""),
        }
        waiting = [future for future in self.driver.waiting if not future.done()]
        if name in calls:
            self.tasks.append(asyncio.create_task(calls[name]()))
        elif name == "state" and self.driver.emit is not None:
            reasons = list(RoomStateReason)
            self.driver.emit(RoomStateUpdated("room", reasons[number % len(reasons)]), 0, None)
        elif name == "tick":
            self.trace.time += number
        elif name == "destroy":
            await engine.destroy()
            self.destroyed_at = self.destroyed_at or len(self.trace.records)
        elif name == "cancel" and self.tasks:
            self.tasks[number % len(self.tasks)].cancel()
        elif waiting and name == "answer":
            waiting[number % len(waiting)].set_result("m")
        elif waiting and name in ("refuse", "break"):
            error = CallError(ErrorCode.ROOM_FULL, "no") if name == "refuse" else RuntimeError("a fault")
            waiting[number % len(waiting)].set_exception(error)

    def outcome(self, task: asyncio.Task[Any]) -> tuple[str, int]:
        if task.cancelled():
            return "info", 0
        error = task.exception()
        if isinstance(error, CallError):
            return "fail", error.code
        return ("ok", 0) if error is None else ("info", 0)


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def run(schedule: list[tuple[str, int]]) -> Scene:
    async def whole() -> Scene:
        scene = Scene()
        await scene.play(schedule)
        return scene

    return asyncio.run(whole())


@settings(deadline=None, max_examples=120)
@given(schedules)
def test_in_any_schedule_the_trace_tells_each_call_once_in_order_and_as_its_caller_saw_it(
    schedule: list[tuple[str, int]],
) -> None:
    scene = run(schedule)
    records = scene.trace.records
    assert [r["seq"] for r in records] == list(range(len(records)))
    times = [r["t"] for r in records]
    assert times == sorted(times)
    assert {r["client"] for r in records} <= {"alice#1"}

    calls = [r for r in records if r["kind"] == "call" and r["name"] != "destroy"]
    returns = {r["op"]: r for r in records if r["kind"] == "ret"}
    assert len({r["op"] for r in calls}) == len(calls) == len(returns) == sum(r["kind"] == "ret" for r in records)
    for call, task in zip(calls, scene.tasks, strict=True):
        ret = returns[call["op"]]
        assert (ret["name"], ret["seq"] > call["seq"]) == (call["name"], True)
        assert (ret["args"]["result"], ret["args"]["code"]) == scene.outcome(task)

    callbacks = [r for r in records if r["kind"] == "cb"]
    assert [r["args"]["state"] for r in callbacks] == [update.reason.value for update in scene.heard]
    if scene.destroyed_at is not None:
        assert all(r["kind"] == "ret" or r["kind"] == "call" for r in records[scene.destroyed_at :])
        assert sum(r["name"] == "destroy" for r in records) == 1
        assert scene.driver.closed == (scene.driver.emit is not None)

    epoch = 0
    for record in records:
        epoch += record["kind"] == "cb" and record["args"]["state"] == "LOGGING_IN"
        assert record["epoch"] == (epoch if record["room"] else 0), "an epoch is a room's"
