"""Frames go from publisher to subscriber through the real forwarder, each known by its stamp."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from harness.measure.subscription import SubscriptionMeasure
from harness.rtc.peer import Peer


def right(measure: SubscriptionMeasure) -> bool:
    return not (measure.wrong or measure.absent or measure.damaged or measure.video.lost or measure.video.doubled)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_every_frame_and_sound_arrives_with_the_stamp_of_its_publisher(
    testbed: Any, participants: Any, codec: str
) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            alice, bob, carol = [await bed.caller(who).enter() for who in participants(3, codec)]
            subscriptions = [await a.play(b) for a in (alice, bob, carol) for b in (alice, bob, carol) if a is not b]
            await alice.sees(subscriptions[0], 50)
            for subscription in subscriptions:
                measure = subscription.measure
                assert right(measure)
                assert measure.video.received >= 30
                assert measure.audio.received >= 60
                assert measure.audio.lost == 0

    asyncio.run(scene())


def test_a_stream_published_again_is_received_on_the_reused_media_sections(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            alice, bob, carol = [await bed.caller(who).enter() for who in participants(3)]
            steady = await bob.play(carol)
            for round_ in range(3):
                subscription = await bob.play(alice)
                await bob.sees(subscription, 10)
                assert right(subscription.measure), f"round {round_}"
                await alice.engine.stop_publishing_stream(alice.stream_id)
                await bob.hears("roster.streams", op="DEL")
                await bob.engine.stop_playing_stream(alice.stream_id)
                bob.heard.clear()
                await alice.publish()
                await bob.hears("roster.streams", op="ADD")
            subscriber = next(iter(bed.server.subscribers.values()))
            assert len(subscriber.peer.sections) == 4, "two streams of two sections each, however often one came anew"
            assert right(steady.measure)

    asyncio.run(scene())


def test_streams_attached_while_an_answer_is_under_way_wait_for_the_next_offer(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            first, *others = [await bed.caller(who).enter() for who in participants(5)]
            # All four plays in one go: the later ones reach the forwarder while its first offer is being answered.
            subscriptions = await asyncio.gather(*(first.play(other) for other in others))
            for subscription in subscriptions:
                await first.sees(subscription, 5)
                assert right(subscription.measure)

    asyncio.run(scene())


def dropping(peer: Peer, share: float, seed: int) -> Callable[[], int]:
    """Make a peer's packets vanish at random, as a bad network would; returns how many have."""
    send, chance, dropped = peer._send, random.Random(seed), [0]

    def lossy(data: memoryview) -> int:
        if chance.random() < share and 127 < data[0] < 192 and not 191 < data[1] < 224:
            dropped[0] += 1
            return len(data)
        return send(data)

    peer._send = lossy  # type: ignore[method-assign]
    return lambda: dropped[0]


def test_lost_packets_are_asked_for_again_and_no_frame_is_lost(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            subscription = await bob.play(alice)
            downstream = dropping(next(iter(bed.server.subscribers.values())).peer, 0.05, 1)
            upstream = dropping(next(iter(alice.publication.streams.values())).peer, 0.05, 2)
            await bob.sees(subscription, 100)
            measure = subscription.measure
            assert downstream() > 5 < upstream()
            assert measure.video.lost <= 1, "the newest frame may still be on its way"
            assert measure.wrong == measure.damaged == 0
            video = next(stream for stream in measure.streams if stream.kind == "video")
            assert video.nackCount > 0
            assert video.retransmittedPacketsReceived > 0

    asyncio.run(scene())


def test_after_an_outage_a_key_frame_is_asked_for_and_the_picture_comes_back(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            subscription = await bob.play(alice)
            await bob.sees(subscription, 10)  # the freeze rule wants an average first
            peer = next(iter(alice.publication.streams.values())).peer
            send = peer._send
            dropping(peer, 1.0, 1)
            before = subscription.measure.video.received
            # Long enough that retransmission has been given up: 1.5 s of frames, by the publisher's own clock.
            source = alice.publication._sources["video"]
            number = source.frame_number
            await alice.until(lambda: source.frame_number >= number + 38)
            peer._send = send  # type: ignore[method-assign]
            rendered = subscription.measure.rendered_frames
            await bob.until(lambda: subscription.measure.rendered_frames > rendered + 10, "pictures after the outage")
            measure = subscription.measure
            assert measure.freezes.freezeCount == 1
            assert 1.4 < measure.freezes.freeze_us / 1e6 < 3.5
            assert measure.video.captured - before >= 38
            assert alice.publication.streams["video"].pliCount >= 1

    asyncio.run(scene())


def test_depth_packets_dates_the_first_picture_and_then_decrypts_no_more(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            subscription = await bob.play(alice, depth="packets")
            video = next(stream for stream in subscription.measure.streams if stream.kind == "video")
            frames = video.framesReceived
            await bob.until(lambda: video.framesReceived > frames + 25)
            assert not video.decrypt
            assert video.packetsLost == 0
            assert subscription.measure.first_frame_us is not None

    asyncio.run(scene())


def test_a_muted_camera_is_no_freeze(testbed: Any, participants: Any) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            subscription = await bob.play(alice)
            await bob.sees(subscription, 10)
            await alice.engine.mute_publish_stream_video(alice.stream_id, True)
            await bob.hears("remote.device", device="camera", state="mute")
            subscription.measure.interrupt("video")
            source = alice.publication._sources["video"]
            number = source.frame_number
            await alice.until(lambda: source.frame_number >= number + 25)
            await alice.engine.mute_publish_stream_video(alice.stream_id, False)
            await bob.hears("remote.device", device="camera", state="open")
            await bob.sees(subscription, 10)
            assert subscription.measure.freezes.freezeCount == 0
            assert subscription.measure.video.lost == 0

    asyncio.run(scene())


def test_first_frames_and_quality_of_a_real_call_come_in_order_and_say_what_flowed(
    testbed: Any, participants: Any
) -> None:
    async def scene() -> None:
        async with testbed() as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            await alice.play(bob)
            for event, caller in (("pub.quality", bob), ("play.quality", alice), ("net.quality", alice)):
                await caller.hears(event)
            firsts = [(c.event, c.media, c.stage) for c in (*bob.heard, *alice.heard) if c.event.endswith("first")]
            of_bob = [f for f in firsts if f[0] == "pub.first"]
            assert sorted(of_bob[:4]) == [
                ("pub.first", medium, stage) for medium in ("audio", "video") for stage in ("captured", "sent")
            ]
            for medium in ("audio", "video"):
                assert firsts.index(("pub.first", medium, "captured")) < firsts.index(("pub.first", medium, "sent"))
                assert firsts.index(("play.first", medium, "received")) < firsts.index(
                    ("play.first", medium, "rendered")
                )
            played = (await alice.hears("play.quality")).fields()
            sent = (await bob.hears("pub.quality")).fields()
            assert played["fps"] == pytest.approx(25, abs=4)
            assert sent["fps"] == pytest.approx(25, abs=4)
            assert 100 < played["kbps"] < 400
            assert 0 <= played["loss"] < 0.1
            assert sent["rtt"] is not None

    asyncio.run(scene())
