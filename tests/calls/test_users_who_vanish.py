"""Clients that go without a word are found by their heartbeat; those that come back in time are not missed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from harness.call import CallError, RoomStateReason

BLOCKS_PER_PACKET = 5  # a tuple, its payload and three numbers
SHORT = {"heartbeat_interval": 0.2, "heartbeat_timeout": 0.8, "retry_window": 30.0}


def cut(caller: Any) -> None:
    """The user's signalling socket breaks, as a network does it: no close, no goodbye."""
    socket = caller.driver._signalling._socket._socket
    socket._response.connection.transport.abort()


def vanish(caller: Any) -> None:
    """The whole client is gone: no signalling, no media, no reconnecting."""
    driver = caller.driver
    driver._lost = lambda channel: None
    driver._signalling._on_closed = lambda: None
    if driver._heartbeat is not None:
        driver._heartbeat.cancel()
    cut(caller)
    caller.publication.stop()


def test_a_vanished_user_and_its_stream_are_deleted_for_the_others_after_the_heartbeat_timeout(
    testbed: Any, participants: Any
) -> None:
    async def scene() -> None:
        async with testbed(**SHORT) as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            await bob.play(alice)
            started = asyncio.get_running_loop().time()
            vanish(alice)
            gone = await bob.hears("roster.streams", op="DEL", reasons=[2])
            elapsed = asyncio.get_running_loop().time() - started
            assert [item["id"] for item in gone.fields()["items"]] == [alice.stream_id]
            await bob.hears("roster.users", op="DEL")
            assert 0.5 <= elapsed < 3.0
            assert not bed.server.publications.keys() & {(alice, alice.stream_id)}
            assert bob.roster("roster.users") == set()
            await bob.until(lambda: len(bed.server.publications) == 1, "the publication to be closed")

    asyncio.run(scene())


def test_a_short_loss_of_signalling_is_repaired_unnoticed_by_the_others(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed(**SHORT) as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            subscription = await bob.play(alice)
            heard = len(bob.heard)
            cut(alice)
            await alice.hears("room.state", state="REJOINED")
            assert alice.reasons()[-2:] == [RoomStateReason.RECONNECTING, RoomStateReason.REJOINED]
            await bob.sees(subscription, 30)
            assert [c.event for c in bob.heard[heard:]] == []
            assert subscription.measure.video.lost == 0, "media does not depend on signalling"

    asyncio.run(scene())


def test_a_user_back_after_the_heartbeat_timeout_is_announced_again_and_publishes_by_itself(
    testbed: Any, participants: Any
) -> None:
    async def scene() -> None:
        async with testbed(**SHORT) as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            await bob.play(alice)
            played = await alice.play(bob)
            means = alice.driver._means
            url, means._url = means._url, "http://127.0.0.1:9/ws"  # nobody there: reconnecting fails for now
            cut(alice)
            await bob.hears("roster.users", op="DEL")
            await bob.hears("roster.streams", op="DEL")
            bob.heard.clear()
            means._url = url
            await alice.hears("room.state", state="REJOINED")
            await bob.hears("roster.users", op="ADD")
            await bob.hears("roster.streams", op="ADD")
            assert bob.roster("roster.streams") == {alice.stream_id}
            await bob.engine.stop_playing_stream(alice.stream_id)
            again = await bob.play(alice)
            await bob.sees(again, 10)
            assert alice.roster("roster.users") == {bob.user_id}
            await alice.sees(played, 25)
            assert played.measure.wrong == 0, "what it played before, it plays again"

    asyncio.run(scene())


def test_a_user_who_was_silent_too_long_on_an_open_socket_is_taken_up_again_when_it_speaks(
    testbed: Any, participants: Any
) -> None:
    async def scene() -> None:
        async with testbed(**SHORT) as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            alice.driver._heartbeat.cancel()  # as a stopped process: nothing is closed, nothing is said
            await bob.hears("roster.users", op="DEL")
            bob.heard.clear()
            with contextlib.suppress(CallError):
                await alice.engine.send_message("still here")
            await alice.hears("room.state", state="REJOINED")
            await bob.hears("roster.users", op="ADD")
            await bob.hears("roster.streams", op="ADD")
            await bob.engine.send_message("welcome back")
            await alice.hears("msg", body="welcome back")
            assert alice.roster("roster.streams") == {bob.stream_id}

    asyncio.run(scene())


def test_after_two_hundred_joins_sockets_and_sessions_have_come_back(testbed: Any, participants: Any) -> None:
    """Each join publishes and plays; then descriptors, server objects and media sockets are counted."""
    import gc
    import os
    import sys

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked

    def held_for_retransmission(bed: Any) -> int:
        """Memory blocks in the rings of the one publisher that stays: they fill up during the test, as they should."""
        sources = [source for p in bed.server.publications.values() for source in p.sources.values()]
        sent = list(bed.callers[0].publication.streams.values())
        rings = [source.ring for source in sources] + [stream._ring for stream in sent if stream._ring]
        return sum(BLOCKS_PER_PACKET for ring in rings for packet in ring if packet is not None)

    async def scene() -> None:
        async with testbed() as bed:
            steady, *guests = participants(11)
            host = await bed.caller(steady).enter()

            async def visit(who: Any) -> None:
                guest = bed.caller(who)
                await guest.enter()
                await guest.play(host)
                await guest.engine.logout_room()
                await guest.engine.destroy()
                bed.callers.remove(guest)

            async def visits(rounds: int) -> None:
                for _ in range(rounds):
                    await asyncio.gather(*(visit(who) for who in guests))

            async def settled() -> tuple[int, int]:
                await host.until(lambda: len(bed.server.publications) == 1 and not bed.server.subscribers)
                await host.until(lambda: not bed.server._closing, "closing to end")
                await host.until(lambda: len(bed.media.peers) == 1, "the guests' peers to be gone")
                host.heard.clear()
                gc.collect()
                return descriptors(), sys.getallocatedblocks() - held_for_retransmission(bed)

            await visits(2)  # what is made once has been made
            before = await settled()
            await visits(18)
            after = await settled()
            print(f"200 joins: descriptors {before[0]} -> {after[0]}, memory blocks {before[1]} -> {after[1]}")
            assert after[0] <= before[0] + 2
            assert after[1] - before[1] < 180 * 10, "a join leaves nothing behind that lasts"
            assert len(bed.server.logic.sessions) == 1
            assert list(bed.server.logic.rooms) == [steady.room_id]

    asyncio.run(scene())
