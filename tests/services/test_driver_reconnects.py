"""The embedded service's driver when its connection goes dead, breaks, comes back, or does not."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest
from staged import SETTINGS, Member, on_stage

from harness.call import CallError, ErrorCode
from harness.conform.virtual_stage import VirtualStage
from harness.services.reference_streams import Playing

BACK = [("room.state", "RECONNECTING", 1002051), ("room.state", "REJOINED")]


async def code_of(call: Any) -> int:
    with pytest.raises(CallError) as caught:
        await call
    return caught.value.code


async def two(stage: VirtualStage) -> tuple[Member, Member]:
    """Alice and Bob, each publishing and playing the other, all of it live."""
    alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
    await alice.publish("a")
    await bob.publish("b")
    await alice.play("b")
    await bob.play("a")
    await asyncio.sleep(1)
    alice.take(), bob.take()
    return alice, bob


@pytest.mark.parametrize(("interval", "timeout"), [(10.0, 30.0), (0.5, 2.0), (30.0, 90.0)])
def test_a_socket_on_which_nothing_passes_is_noticed_within_the_heartbeat_timeout(
    interval: float, timeout: float
) -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = await Member(stage, "alice").enter()
        alice.heard.clear()
        begun = asyncio.get_running_loop().time() - 1000
        alice.under.black_hole()
        await asyncio.sleep(timeout)
        noticed = alice.second_of("room.state", "RECONNECTING", 1002051)
        assert noticed - begun <= interval + max(1.0, interval) + 0.01

    on_stage(scene, replace(SETTINGS, heartbeat_interval=interval, heartbeat_timeout=timeout))


def test_a_socket_that_answers_is_not_given_up() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = await Member(stage, "alice").enter()
        await asyncio.sleep(500)
        assert alice.take() == [("room.state", "LOGGING_IN"), ("room.state", "IN")]

    on_stage(scene)


def test_back_before_the_timeout_the_others_notice_nothing_and_the_view_is_true_again() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = await two(stage)
        carol = await Member(stage, "carol").enter()
        await carol.publish("c")
        await asyncio.sleep(1)
        alice.take()
        alice.under.black_hole()
        await bob.engine.mute_publish_stream_video("b", True)
        await bob.engine.set_stream_extra_info("b", "hd")
        await bob.engine.set_room_extra_info("topic", "tea")
        await carol.engine.logout_room()
        dave = await Member(stage, "dave").enter()
        await dave.publish("d")
        await asyncio.sleep(1)
        bob.take(), dave.take()
        await asyncio.sleep(22)
        alice.under.heal()
        await asyncio.sleep(5)
        told = alice.take()
        assert told[:2] == BACK
        assert sorted(told[2:]) == sorted(
            [
                ("roster.streams", "DEL", "c"),
                ("roster.users", "DEL", "carol"),
                ("roster.users", "ADD", "dave"),
                ("roster.streams", "ADD", "d"),
                ("stream.extra", "SET", "b"),
                ("room.extra", "topic", "tea"),
                ("remote.device", "b", "camera", "mute"),
            ]
        )
        assert bob.take() == dave.take() == []

    on_stage(scene)


def test_back_after_the_timeout_all_streams_and_plays_recover_without_a_call() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = await two(stage)
        await alice.engine.set_stream_extra_info("a", "hd")
        await alice.engine.mute_publish_stream_audio("a", True)
        bob.take()
        alice.under.black_hole()
        await asyncio.sleep(60)
        assert bob.take() == [
            ("roster.streams", "DEL", "a"),
            ("play.state", "a", "REQ", 1004020),
            ("roster.users", "DEL", "alice"),
        ]
        alice.under.heal()
        await asyncio.sleep(5)
        assert alice.take() == [
            *BACK,
            ("pub.state", "a", "REQ", 1003020),
            ("play.state", "b", "REQ", 1004020),
            ("play.state", "b", "LIVE"),
            ("pub.state", "a", "LIVE"),
        ]
        assert bob.take() == [
            ("roster.users", "ADD", "alice"),
            ("roster.streams", "ADD", "a"),
            ("play.state", "a", "LIVE"),
        ], "muted as before, which who plays it knows"
        carol = await Member(stage, "carol").enter()
        await carol.play("a")
        await asyncio.sleep(1)
        assert ("remote.device", "a", "microphone", "mute") in carol.take()
        assert stage.server.logic._streams["a"].extra == "hd"

    on_stage(scene)


def test_a_stream_taken_by_another_while_away_ends_with_that_code() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = await two(stage)
        alice.under.black_hole()
        await asyncio.sleep(60)
        await bob.publish("a")
        alice.under.heal()
        await asyncio.sleep(5)
        assert ("pub.state", "a", "IDLE", ErrorCode.STREAM_ID_TAKEN) in alice.take()
        assert ("roster.streams", "DEL", "a") not in bob.take()[1:]

    on_stage(scene)


def test_when_the_window_is_over_every_stream_ends_and_then_the_session() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, _ = await two(stage)
        alice.under.black_hole()
        await asyncio.sleep(200)
        begun = alice.second_of("room.state", "RECONNECTING", 1002051)
        ended = alice.second_of("room.state", "RECONNECT_FAILED", 1002053)
        assert 0.9 * 120 <= ended - begun <= 121
        assert alice.take() == [
            BACK[0],
            ("pub.state", "a", "IDLE", 1003021),
            ("play.state", "b", "IDLE", 1004020),
            ("room.state", "RECONNECT_FAILED", 1002053),
        ]
        alice.under.heal()
        await asyncio.sleep(300)
        assert alice.take() == [], "it does not try any more"
        await alice.enter()

    on_stage(scene)


def test_a_session_that_another_client_took_over_is_not_taken_up_again() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = await two(stage)
        other = Member(stage, "alice")
        alice.under.black_hole()
        await other.enter()
        await asyncio.sleep(25)
        bob.take(), other.take()
        alice.under.reset()
        alice.under.heal()
        await asyncio.sleep(5)
        told = alice.take()
        assert told[0] == BACK[0]
        assert told[-1] == ("room.state", "RECONNECT_FAILED", ErrorCode.RECONNECT_REFUSED)
        assert {gist[2:] for gist in told[1:-1]} == {("IDLE", 1002086)}
        assert bob.take() == other.take() == []

    on_stage(scene)


def test_while_reconnecting_a_publish_and_a_play_wait_and_other_calls_fail() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        await bob.publish("b")
        await asyncio.sleep(1)
        alice.take()
        alice.under.black_hole()
        await asyncio.sleep(20.5)
        assert alice.take() == BACK[:1]
        calls = asyncio.gather(alice.publish("a"), alice.play("b"))
        await asyncio.sleep(0)
        assert await code_of(alice.engine.send_message("x")) == ErrorCode.NETWORK_INTERRUPTED
        assert alice.take() == [("pub.state", "a", "REQ"), ("play.state", "b", "REQ")]
        alice.under.heal()
        await calls
        await asyncio.sleep(1)
        told = alice.take()
        assert told[0] == ("room.state", "REJOINED")
        assert sorted(told[1:]) == [("play.state", "b", "LIVE"), ("pub.state", "a", "LIVE")]

    on_stage(scene)


def test_what_is_stopped_while_away_is_idle_at_once_and_gone_for_the_others_afterwards() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = await two(stage)
        alice.under.black_hole()
        await asyncio.sleep(20.5)
        alice.take()
        await alice.engine.stop_publishing_stream("a")
        await alice.engine.stop_playing_stream("b")
        assert alice.take() == [("pub.state", "a", "IDLE"), ("play.state", "b", "IDLE")]
        alice.under.heal()
        await asyncio.sleep(5)
        assert alice.take() == [("room.state", "REJOINED")]
        assert bob.take() == [("play.state", "a", "REQ", 1004020), ("roster.streams", "DEL", "a")]
        (session,) = [s for s in stage.server.logic.sessions.values() if s.user_id == "alice"]
        assert session.plays == {}

    on_stage(scene)


def test_a_logout_while_reconnecting_ends_it_at_once() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, _ = await two(stage)
        alice.under.black_hole()
        await asyncio.sleep(20.5)
        alice.take()
        await asyncio.wait_for(alice.engine.logout_room(), 2)
        told = alice.take()
        assert told == [("pub.state", "a", "IDLE"), ("play.state", "b", "IDLE"), ("room.state", "OUT")]
        alice.under.heal()
        await asyncio.sleep(100)
        assert alice.take() == []

    on_stage(scene)


def test_a_logout_into_a_dead_socket_does_not_wait_for_it() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, _ = await two(stage)
        alice.under.black_hole()
        await asyncio.wait_for(alice.engine.logout_room(), 2)
        assert alice.take()[-1] == ("room.state", "OUT")

    on_stage(scene)


@pytest.mark.parametrize("after", [0.0, 0.004, 0.008, 0.012, 0.03, 0.05, 0.06])
def test_a_publish_whose_connection_breaks_on_the_way_is_live_in_the_end(after: float) -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        alice.take(), bob.take()
        publishing = asyncio.create_task(alice.publish("a"))
        playing = asyncio.create_task(alice.play("b"))
        await asyncio.sleep(after)
        alice.under.reset()
        await asyncio.gather(publishing, playing)
        await bob.publish("b")
        await asyncio.sleep(5)
        states = {gist[1:3] for gist in alice.take() if gist[0] in ("pub.state", "play.state")}
        assert {("a", "LIVE"), ("b", "LIVE")} <= states
        assert not any(state == "IDLE" for _, state in states)
        assert [gist for gist in bob.take() if "a" in gist] in (
            [("roster.streams", "ADD", "a")],
            [("roster.streams", "ADD", "a"), ("roster.streams", "DEL", "a"), ("roster.streams", "ADD", "a")],
        )

    on_stage(scene)


def test_a_session_outlives_its_token_through_a_reconnect_where_the_policy_says_so() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = await Member(stage, "alice").enter(lifetime=40)
        await asyncio.sleep(45)
        alice.take()
        alice.under.reset()
        await asyncio.sleep(2)
        assert alice.take() == BACK
        assert await code_of(alice.publish("a")) == ErrorCode.PUBLISH_FORBIDDEN

    on_stage(scene)


def test_two_rooms_of_a_client_reconnect_each_by_itself() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = Member(stage, "alice")
        for room in ("a", "b"):
            await alice.enter(room)
        alice.take()
        alice.under.black_hole()
        await asyncio.sleep(25)
        alice.under.heal()
        await asyncio.sleep(5)
        assert sorted(alice.take()) == sorted(BACK * 2)
        with contextlib.suppress(CallError):
            await alice.engine.send_message("x", room_id="a")
        assert len(stage.server.logic.sessions) == 2

    on_stage(scene)


def test_a_logout_while_the_socket_is_still_opening_leaves_no_socket_behind() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = Member(stage, "alice")
        alice.under.black_hole()
        login = asyncio.create_task(code_of(alice.enter()))
        await asyncio.sleep(1)
        await alice.engine.logout_room()
        alice.under.heal()
        assert await login == ErrorCode.SERVICE_CLOSED
        await asyncio.sleep(1)
        assert alice.take() == [("room.state", "LOGGING_IN"), ("room.state", "OUT")]
        assert not stage.server._open

    on_stage(scene)


def test_a_call_into_a_dead_socket_fails_when_the_socket_is_given_up() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice = await Member(stage, "alice").enter()
        alice.under.black_hole()
        begun = asyncio.get_running_loop().time()
        assert await code_of(alice.engine.send_message("x")) == ErrorCode.SERVICE_CLOSED
        assert asyncio.get_running_loop().time() - begun < 2

    on_stage(scene, replace(SETTINGS, heartbeat_interval=0.5))


def test_an_offer_that_got_lost_is_made_again_to_a_client_that_is_back() -> None:
    async def scene(stage: VirtualStage) -> None:
        alice, bob = [await Member(stage, name).enter() for name in ("alice", "bob")]
        await alice.play("b")
        alice.under.black_hole()
        await bob.publish("b")
        await asyncio.sleep(2)
        alice.take()
        alice.under.heal()
        await asyncio.sleep(2)
        assert ("play.state", "b", "LIVE") in alice.take()

    on_stage(scene, replace(SETTINGS, heartbeat_interval=0.5))


def test_an_offer_from_a_new_connection_of_the_service_ends_the_old_one() -> None:
    done: list[str] = []

    class Leg:
        async def answer(self, sdp: str, streams: Any) -> str:
            done.append(f"answer {sdp}")
            return ""

        async def close(self) -> None:
            done.append("close")

    class Room:
        room_id = "room"

        async def request(self, op: str, fields: Any, on_reply: Any = None) -> Any: ...

    class Means:
        def play_leg(self) -> Any:
            return Leg()

    async def scene() -> None:
        playing = Playing(Room(), Means())  # type: ignore[arg-type]
        for connection, sdp in ((7, "a"), (7, "b"), (8, "c")):
            await playing.answer({"connection": connection, "offer": 1, "sdp": sdp, "streams": {}})

    asyncio.run(scene())
    assert done[-4:] == ["answer a", "answer b", "close", "answer c"]
