"""Real calls whose pictures are decoded: intact however the packets come, and what is not intact is what was broken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_media_through_the_service import dropping

from harness.measure.recorder import Tags
from harness.picture.pool import DecoderPool
from harness.swarm.decoding import picture_judge

SECONDS = 10.0


async def play_decoded(pool: DecoderPool, subscriber: Any, publisher: Any) -> Any:
    """Play with every picture decoded."""
    camera = publisher.who.camera
    judge = picture_judge(publisher.who, 1)
    stream = pool.stream(Tags(), subscriber.user_id, publisher.stream_id, camera.fps, judge, camera.codec)
    return await subscriber.play(publisher, "decode", pictures=stream)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_every_picture_of_a_call_is_intact_also_where_packets_had_to_be_sent_again(
    testbed: Any, participants: Any, codec: str
) -> None:
    async def scene() -> dict[str, Any]:
        pool = DecoderPool(1)
        async with testbed() as bed:
            alice, bob = [await bed.caller(who).enter() for who in participants(2, codec)]
            subscription = await play_decoded(pool, bob, alice)
            lost = dropping(next(iter(bed.server.subscribers.values())).peer, 0.03, 1)
            await bob.sees(subscription, 100)
            assert lost() > 3
        pool.drain(SECONDS)
        (row,), _ = pool.collect(bob.recorder)
        pool.close()
        return row

    row = asyncio.run(scene())
    assert row["framesDecoded"] >= 90
    assert row["picturesIntact"] == row["framesDecoded"]
    assert row["framesUndecodable"] == row["framesUndecoded"] == 0
