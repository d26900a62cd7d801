"""One engine in no room, in one, in several, and after its end: which room a call means, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from scripted import Driver, Source, Trace, fails, never, run

from harness.call import CallEngine, CallError, ErrorCode, EventHandler, RoomStateReason, User
from harness.call.callbacks import MediaState, PublisherStateUpdated, RoomStateUpdated

ALICE = User("alice")


class Rooms:
    """An engine, and the drivers that it made, in order."""

    def __init__(self) -> None:
        self.drivers: list[Driver] = []
        self.trace = Trace()
        self.engine = CallEngine(self._new_driver, client="alice#1", trace=self.trace)

    def _new_driver(self) -> Driver:
        self.drivers.append(Driver())
        return self.drivers[-1]

    async def enter(self, *rooms: str) -> None:
        for room in rooms:
            await self.engine.login_room(room, ALICE)
            self.say(room, RoomStateReason.LOGGING_IN, RoomStateReason.IN)

    def say(self, room: str, *reasons: RoomStateReason) -> None:
        driver = next(d for d in reversed(self.drivers) if d.called[-1:] and d.room == room)
        for reason in reasons:
            driver.emit(RoomStateUpdated(room, reason), 0, None)

    def calls(self) -> list[list[str]]:
        """Per driver, the names of what was called but the logins."""
        return [[name for name, _, _ in driver.called if name != "login"] for driver in self.drivers]


NEEDS_A_ROOM: dict[str, Callable[[CallEngine, Any], Any]] = {
    "renew_token": lambda engine, room: engine.renew_token("token", room),
    "kick": lambda engine, room: engine.kick("bob", room),
    "set_room_extra": lambda engine, room: engine.set_room_extra_info("k", "v", room),
    "send": lambda engine, room: engine.send_message("hello", room_id=room),
    "publish": lambda engine, room: engine.start_publishing_stream("s", Source(), room),
    "unpublish": lambda engine, room: engine.stop_publishing_stream("s", room),
    "mute": lambda engine, room: engine.mute_publish_stream_audio("s", True, room),
    "set_stream_extra": lambda engine, room: engine.set_stream_extra_info("s", "x", room),
    "play": lambda engine, room: engine.start_playing_stream("s", None, room),
    "unplay": lambda engine, room: engine.stop_playing_stream("s", room),
}


@pytest.mark.parametrize("name", NEEDS_A_ROOM)
def test_before_any_login_a_call_is_refused_and_reaches_no_driver(name: str) -> None:
    rooms = Rooms()
    error = run_for(fails(NEEDS_A_ROOM[name](rooms.engine, None)))
    assert error.code == ErrorCode.NOT_LOGGED_IN
    assert rooms.trace.returns() == [(name, "fail", 1000002)]
    assert rooms.drivers == []


def run_for(work: Any) -> Any:
    found: list[Any] = []

    async def scene() -> None:
        found.append(await work)

    run(scene())
    return found[0]


@pytest.mark.parametrize("name", NEEDS_A_ROOM)
def test_in_several_rooms_a_call_means_the_one_it_names_and_must_name_one(name: str) -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a", "b")
        assert (await fails(NEEDS_A_ROOM[name](rooms.engine, None))).code == ErrorCode.BAD_REQUEST
        assert (await fails(NEEDS_A_ROOM[name](rooms.engine, "c"))).code == ErrorCode.NOT_LOGGED_IN
        assert rooms.calls() == [[], []]
        await NEEDS_A_ROOM[name](rooms.engine, "b")
        assert [len(called) for called in rooms.calls()] == [0, 1]

    run(scene())
    assert [r["room"] for r in rooms.trace.records if r["name"] == name] == ["", "", "c", "c", "b", "b"]


def test_rooms_have_epochs_of_their_own_and_callbacks_stand_in_their_room() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a", "b")
        rooms.say("a", RoomStateReason.OUT)
        await rooms.enter("a")

    run(scene())
    states = [(r["room"], r["epoch"], r["args"]["state"]) for r in rooms.trace.records if r["name"] == "room.state"]
    assert states == [
        ("a", 1, "LOGGING_IN"),
        ("a", 1, "IN"),
        ("b", 1, "LOGGING_IN"),
        ("b", 1, "IN"),
        ("a", 1, "OUT"),
        ("a", 2, "LOGGING_IN"),
        ("a", 2, "IN"),
    ]
    assert len(rooms.drivers) == 2, "a driver whose room was left serves again"


def test_all_rooms_of_an_engine_are_logged_in_to_as_one_client_and_each_engine_as_another() -> None:
    first, second = Rooms(), Rooms()

    async def scene() -> None:
        await first.enter("a", "b")
        await second.enter("a")

    run(scene())
    clients = [driver.called[0][2]["client"] for driver in (*first.drivers, *second.drivers)]
    assert clients[0] == clients[1] != clients[2]
    assert all(clients)


def test_a_second_login_to_a_room_is_refused_while_the_first_is_under_way_and_while_it_lasts() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a")
        assert (await fails(rooms.engine.login_room("a", ALICE))).code == ErrorCode.ALREADY_LOGGED_IN
        rooms.say("a", RoomStateReason.OUT)
        rooms.drivers[0].does["login"] = never
        pending = asyncio.create_task(fails(rooms.engine.login_room("a", ALICE)))
        await asyncio.sleep(0)
        assert (await fails(rooms.engine.login_room("a", ALICE))).code == ErrorCode.ALREADY_LOGGED_IN
        await pending

    run(scene())
    assert [len(driver.called) for driver in rooms.drivers] == [2]
    assert rooms.trace.names("cb") == ["room.state"] * 3, "a refusal is no state"


@pytest.mark.parametrize("end", [RoomStateReason.KICKED, RoomStateReason.RECONNECT_FAILED, RoomStateReason.OUT])
def test_after_the_end_of_a_session_calls_are_refused_logout_succeeds_and_a_login_is_accepted(
    end: RoomStateReason,
) -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a")
        rooms.say("a", end)
        assert (await fails(rooms.engine.send_message("x"))).code == ErrorCode.NOT_LOGGED_IN
        await rooms.engine.logout_room()
        await rooms.engine.logout_room("a")
        await rooms.enter("a")

    run(scene())
    assert rooms.calls() == [[]]


def test_after_a_login_that_failed_the_next_one_is_accepted() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a")
        rooms.say("a", RoomStateReason.OUT)
        rooms.drivers[0].does["login"] = CallError(ErrorCode.ROOM_FULL, "full")
        await fails(rooms.engine.login_room("a", ALICE))
        rooms.drivers[0].does["login"] = None
        await rooms.enter("a")

    run(scene())
    assert rooms.trace.returns()[-1] == ("login", "ok", 0)


def test_logging_out_of_no_room_succeeds_without_a_word_and_of_another_room_fails_and_changes_nothing() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.engine.logout_room()
        await rooms.engine.logout_room("a")
        await rooms.enter("a", "b")
        assert (await fails(rooms.engine.logout_room("c"))).code == ErrorCode.NOT_IN_THIS_ROOM
        assert (await fails(rooms.engine.logout_room())).code == ErrorCode.BAD_REQUEST
        assert rooms.calls() == [[], []]
        await rooms.engine.logout_room("b")
        assert rooms.calls() == [[], ["logout"]]
        await rooms.engine.send_message("the only room now")
        assert rooms.calls() == [["send_message"], ["logout"]]

    run(scene())
    logouts = [r["room"] for r in rooms.trace.records if (r["kind"], r["name"]) == ("call", "logout")]
    assert logouts == ["", "a", "c", "", "b"]


def test_one_engine_is_one_user() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a")
        assert (await fails(rooms.engine.login_room("b", User("bob")))).code == ErrorCode.BAD_REQUEST
        rooms.say("a", RoomStateReason.OUT)
        await rooms.engine.login_room("b", User("bob"))

    run(scene())
    assert len(rooms.drivers) == 1
    assert [r["user"] for r in rooms.trace.records if r["kind"] == "ret"] == ["alice", "alice", "bob"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda e: e.login_room("\ud800", ALICE), ErrorCode.ROOM_ID_ILLEGAL),
        (lambda e: e.login_room("a", User("\udfff")), ErrorCode.USER_ID_ILLEGAL),
        (lambda e: e.login_room("a", User("alice", "\ud800")), ErrorCode.USER_NAME_ILLEGAL),
    ],
)
def test_half_a_surrogate_pair_in_a_name_is_the_names_error_and_no_state_comes_of_it(call: Any, code: int) -> None:
    rooms = Rooms()
    assert run_for(fails(call(rooms.engine))).code == code
    assert rooms.trace.names("cb") == []
    assert rooms.drivers == []


def test_half_a_surrogate_pair_in_a_stream_or_an_extra_is_refused_before_the_driver() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a")
        engine = rooms.engine
        for call, code in (
            (engine.start_publishing_stream("\ud800", Source()), ErrorCode.STREAM_ID_ILLEGAL),
            (engine.start_playing_stream("\ud800", None), ErrorCode.STREAM_ID_ILLEGAL),  # type: ignore[arg-type]
            (engine.set_room_extra_info("\ud800", "v"), ErrorCode.EXTRA_KEY_ILLEGAL),
            (engine.set_room_extra_info("k", "\ud800"), ErrorCode.BAD_REQUEST),
            (engine.set_stream_extra_info("s", "\ud800"), ErrorCode.BAD_REQUEST),
            (engine.send_message("\ud800"), ErrorCode.BAD_REQUEST),
            (engine.kick("\ud800"), ErrorCode.USER_ID_ILLEGAL),
        ):
            assert (await fails(call)).code == code

    run(scene())
    assert rooms.calls() == [[]]


def test_after_destroy_every_call_fails_and_is_written_down_like_any_other() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a")
        await asyncio.gather(rooms.engine.destroy(), rooms.engine.destroy())
        await rooms.engine.destroy()
        rooms.trace.records.clear()
        for call in (*NEEDS_A_ROOM.values(), lambda e, room: e.logout_room(room)):
            assert (await fails(call(rooms.engine, None))).code == ErrorCode.NO_ENGINE
        assert (await fails(rooms.engine.login_room("b", ALICE))).code == ErrorCode.NO_ENGINE
        for note in (lambda: rooms.engine.start_preview(Source()), rooms.engine.stop_preview):
            with pytest.raises(CallError) as caught:
                note()
            assert caught.value.code == ErrorCode.NO_ENGINE

    run(scene())
    names = [*NEEDS_A_ROOM, "logout", "login", "preview", "stop_preview"]
    assert rooms.trace.returns() == [(name, "fail", 1000001) for name in names]
    assert len(rooms.trace.records) == 2 * len(names)
    assert len({r["op"] for r in rooms.trace.records}) == len(names)
    assert rooms.calls() == [["close"]]


def test_destroy_closes_all_rooms_and_nothing_is_heard_of_any() -> None:
    rooms = Rooms()
    heard: list[Any] = []

    class Handler(EventHandler):
        def on_publisher_state_update(self, update: PublisherStateUpdated) -> None:
            heard.append(update)

    async def scene() -> None:
        rooms.engine.set_event_handler(Handler())
        await rooms.enter("a", "b")
        await rooms.engine.destroy()
        for driver in rooms.drivers:
            driver.emit(PublisherStateUpdated(driver.room, "s", MediaState.IDLE), 0, None)

    run(scene())
    assert rooms.calls() == [["close"], ["close"]]
    assert heard == []
    assert rooms.trace.records[-1]["name"] == "destroy"


def test_a_login_that_was_in_before_its_call_was_cut_short_leaves_the_user_in() -> None:
    rooms = Rooms()

    async def scene() -> None:
        await rooms.enter("a")
        rooms.say("a", RoomStateReason.OUT)

        async def in_and_silent() -> None:
            rooms.say("a", RoomStateReason.LOGGING_IN, RoomStateReason.IN)
            await never()

        rooms.drivers[0].does["login"] = in_and_silent
        await fails(rooms.engine.login_room("a", ALICE))
        await rooms.engine.send_message("in")

    run(scene())
    assert rooms.trace.returns()[-2:] == [("login", "info", 0), ("send", "ok", 0)]
