"""The embedded service's driver: calls that overlap with a login, a logout or with each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from staged import SETTINGS, Member, on_stage

from harness.call import CallError, ErrorCode, EventHandler, RoomStateReason
from harness.call.callbacks import RoomStateUpdated
from harness.conform.virtual_source import VirtualSource
from harness.conform.virtual_stage import VirtualStage

IN = [("room.state", "LOGGING_IN"), ("room.state", "IN")]


async def code_of(call: object) -> int:
    with pytest.raises(CallError) as caught:
        await call  # type: ignore[misc]
    return caught.value.code


def test_a_publish_and_a_play_in_the_tick_of_the_login_are_requested_at_once_and_wait_for_it() -> None:
    async def scene(stage: VirtualStage) -> None:
        bob = await Member(stage, "bob").enter()
        await bob.publish("b")
        alice = Member(stage, "alice")
        await asyncio.gather(alice.enter(), alice.publish("a"), alice.play("b"))
        await asyncio.sleep(1)
        assert alice.take()[:5] == [
            ("room.state", "LOGGING_IN"),
            ("pub.state", "a", "REQ"),
            ("play.state", "b", "REQ"),
            ("room.state", "IN"),
            ("roster.users", "ADD", "bob"),
        ]
        assert ("roster.streams", "ADD", "a") in bob.take()
        assert alice.engine._memberships[0].driver._publishing.states() == {"a": "LIVE"}  # type: ignore[attr-defined]

    on_stage(scene)


def test_what_waited_for_a_login_that_fails_ends_with_it() -> None:
    async def scene(stage: VirtualStage) -> None:
        await Member(stage, "bob").enter()
        alice = Member(stage, "alice")
        login = asyncio.create_task(code_of(alice.enter()))
        await asyncio.sleep(0)
        codes = await asyncio.gather(login, code_of(alice.publish("a")), code_of(alice.play("b")))
        assert codes == [ErrorCode.ROOM_FULL, ErrorCode.NOT_LOGGED_IN, ErrorCode.NOT_LOGGED_IN]
        assert alice.take() == [
            ("room.state", "LOGGING_IN"),
            ("pub.state", "a", "REQ"),
            ("play.state", "b", "REQ"),
            ("pub.state", "a", "IDLE", ErrorCode.NOT_LOGGED_IN),
            ("play.state", "b", "IDLE", ErrorCode.NOT_LOGGED_IN),
            ("room.state", "LOGIN_FAILED", ErrorCode.ROOM_FULL),
        ]

    on_stage(scene, replace(SETTINGS, users_per_room=1))


def test_a_logout_during_a_login_leaves_nobody_in_the_room() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = Member(stage, "alice")
        login = asyncio.create_task(alice.enter())
        await asyncio.sleep(0.0125)  # its request is on the way
        await alice.engine.logout_room()
        await asyncio.gather(login, return_exceptions=True)
        await asyncio.sleep(1)
        assert alice.take()[-1] == ("room.state", "OUT")
        assert stage.server.logic.sessions == {}
        await alice.enter()
        assert alice.take() == IN

    on_stage(scene)


def test_a_stream_that_is_published_already_is_refused_without_a_state_and_goes_on() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        await alice.publish("s")
        await asyncio.sleep(1)
        alice.take(), bob.take()
        assert await code_of(alice.publish("s")) == ErrorCode.CHANNEL_ALREADY_PUBLISHING
        assert await code_of(bob.publish("s")) == ErrorCode.STREAM_ID_TAKEN
        await asyncio.sleep(1)
        assert alice.take() == []
        assert bob.take() == [("pub.state", "s", "REQ"), ("pub.state", "s", "IDLE", ErrorCode.STREAM_ID_TAKEN)]

    on_stage(scene)


def test_a_second_play_of_a_stream_changes_nothing() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        await alice.publish("s")
        await bob.play("s")
        await asyncio.sleep(1)
        bob.take()
        await bob.play("s")
        await asyncio.sleep(1)
        assert bob.take() == []

    on_stage(scene)


def test_stopped_and_started_again_at_once_each_state_comes_in_its_turn() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        await alice.publish("s")
        await bob.play("s")
        await asyncio.sleep(1)
        alice.take(), bob.take()
        await asyncio.gather(alice.engine.stop_publishing_stream("s"), alice.publish("s"))
        await asyncio.sleep(1)
        assert alice.take() == [("pub.state", "s", "IDLE"), ("pub.state", "s", "REQ"), ("pub.state", "s", "LIVE")]
        bob.take()
        await asyncio.gather(bob.engine.stop_playing_stream("s"), bob.play("s"))
        await asyncio.sleep(1)
        assert bob.take() == [("play.state", "s", "IDLE"), ("play.state", "s", "REQ"), ("play.state", "s", "LIVE")]

    on_stage(scene)


@pytest.mark.parametrize("after", [0.0, 0.006, 0.02, 0.04, 0.2])
def test_a_publish_that_is_stopped_on_its_way_leaves_no_stream_behind(after: float) -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        alice.take(), bob.take()
        publishing = asyncio.create_task(alice.publish("s"))
        await asyncio.sleep(after)
        await alice.engine.stop_publishing_stream("s")
        await asyncio.gather(publishing, return_exceptions=True)
        await asyncio.sleep(5)
        states = [state for _, _, *state in alice.take()]
        assert states[0] == ["REQ"]
        assert states[-1] == ["IDLE"]
        assert stage.server.logic._streams == stage.server.publications == {}
        assert [gist for gist in bob.take() if gist[1] == "ADD"] in ([], [("roster.streams", "ADD", "s")])

    on_stage(scene)


def test_at_a_logout_all_streams_end_before_the_room_and_nothing_comes_after() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        await bob.publish("b")
        await alice.publish("a")
        await alice.play("b")
        await asyncio.sleep(1)
        alice.take()
        leaving = asyncio.create_task(alice.engine.logout_room())
        await bob.engine.send_message("hello")
        await leaving
        await bob.engine.stop_publishing_stream("b")
        await asyncio.sleep(5)
        told = alice.take()
        assert told[-3:] == [("pub.state", "a", "IDLE"), ("play.state", "b", "IDLE"), ("room.state", "OUT")]

    on_stage(scene)


def test_a_kick_ends_the_streams_with_its_code_and_then_the_room() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = await Member(stage, "alice").enter()
        admin = await Member(stage, "admin").enter(admin=True)
        await alice.publish("a")
        await alice.play("nothing_yet")
        await asyncio.sleep(1)
        alice.take(), admin.take()
        await admin.engine.kick("alice")
        await asyncio.sleep(1)
        assert alice.take() == [
            ("pub.state", "a", "IDLE", 1002055),
            ("play.state", "nothing_yet", "IDLE", 1002055),
            ("room.state", "KICKED", 1002055),
        ]
        assert admin.take() == [("roster.streams", "DEL", "a"), ("roster.users", "DEL", "alice")]
        assert await code_of(alice.engine.kick("admin")) == ErrorCode.NOT_LOGGED_IN
        await alice.enter()

    on_stage(scene)


def test_a_kick_without_the_right_or_of_nobody_is_refused() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = await Member(stage, "alice").enter()
        admin = await Member(stage, "admin").enter(admin=True)
        assert await code_of(alice.engine.kick("admin")) == ErrorCode.PUBLISH_FORBIDDEN
        assert await code_of(admin.engine.kick("nobody")) == ErrorCode.NOT_IN_THIS_ROOM

    on_stage(scene)


def test_a_destroyed_engine_is_out_of_its_rooms_for_the_others() -> None:
    async def scene(stage: VirtualStage) -> None:
        bob = await Member(stage, "bob").enter("a")
        alice = Member(stage, "alice")
        for room in ("a", "b"):
            await alice.enter(room)
        await alice.engine.start_publishing_stream("s", VirtualSource(stage.clock.now_us), "a")
        await asyncio.sleep(1)
        alice.take(), bob.take()
        await alice.engine.destroy()
        await asyncio.sleep(1)
        assert alice.take() == []
        assert bob.take() == [("roster.streams", "DEL", "s"), ("roster.users", "DEL", "alice")]
        assert len(stage.server.logic.sessions) == 1

    on_stage(scene)


def test_the_same_user_from_another_client_ends_every_room_of_the_first() -> None:
    async def scene(stage: VirtualStage) -> None:
        first, second = Member(stage, "alice"), Member(stage, "alice")
        for room in ("a", "b"):
            await first.enter(room)
        first.take()
        await second.enter("c")
        await asyncio.sleep(1)
        assert first.take() == [("room.state", "KICKED", 1002050)] * 2
        assert second.take() == IN

    on_stage(scene)


def test_more_rooms_than_allowed_fail_with_the_vendors_number() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = Member(stage, "alice")
        for number in range(5):
            await alice.enter(f"r{number}")
        alice.take()
        assert await code_of(alice.enter("r5")) == ErrorCode.ALREADY_LOGGED_IN
        assert alice.take() == [("room.state", "LOGGING_IN"), ("room.state", "LOGIN_FAILED", 1002001)]

    on_stage(scene)


def test_a_login_from_within_the_word_that_the_user_is_out_is_a_login_like_any_other() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = await Member(stage, "alice").enter()
        logins: list[asyncio.Task[Member]] = []

        class Returning(EventHandler):
            def on_room_state_update(self, update: RoomStateUpdated) -> None:
                if update.reason is RoomStateReason.OUT and not logins:
                    logins.append(asyncio.create_task(alice.enter("other")))

        alice.engine.set_event_handler(Returning())
        await alice.engine.logout_room()
        await logins[0]
        await asyncio.sleep(1)
        await alice.engine.send_message("hello", room_id="other")
        assert [session.room_id for session in stage.server.logic.sessions.values()] == ["other"]

    on_stage(scene)
