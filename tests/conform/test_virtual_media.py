"""Legs without packets: who hears whom, when, and what an end in the wrong moment leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from harness.call import CallError, ErrorCode
from harness.conform.virtual_loop import run_virtually
from harness.conform.virtual_media import (
    CONSENT,
    FIRST_PACKET,
    OFFER_PATIENCE,
    PUBLISH_CONNECT,
    Air,
    VirtualMedia,
    VirtualPlayLeg,
    VirtualPublication,
    VirtualPublishLeg,
)
from harness.conform.virtual_source import VirtualSink, VirtualSource
from harness.rtc.sections import SdpError


def now_us() -> int:
    return round(asyncio.get_running_loop().time() * 1e6)


class Published:
    """Both sides of one published stream."""

    def __init__(self) -> None:
        self.air = Air()
        self.media = VirtualMedia(self.air)
        self.told: list[str] = []
        self.leg = VirtualPublishLeg(self.air, VirtualSource(now_us))
        self.publication: VirtualPublication

    async def negotiate(self) -> str:
        offer = await self.leg.offer("a1")
        kinds = self.media.offered(offer)
        assert kinds == {"video": "vp8", "audio": "opus"}
        told = self.told.append
        self.publication = self.media.publication(kinds, lambda: told("live"), lambda: told("end"))
        return await self.publication.answer(offer)


def play(scene: Callable[[Published], Coroutine[Any, Any, None]]) -> None:
    async def work() -> None:
        await scene(Published())

    run_virtually(work())


def test_a_published_stream_connects_after_a_while_and_is_heard_once() -> None:
    async def scene(published: Published) -> None:
        answer, loop = await published.negotiate(), asyncio.get_running_loop()
        begin = loop.time()
        await published.leg.start(answer)
        assert loop.time() == pytest.approx(begin + PUBLISH_CONNECT)
        assert published.told == []
        await asyncio.sleep(2 * FIRST_PACKET)
        assert published.told == ["live"]

    play(scene)


@pytest.mark.parametrize("moment", [0.0, PUBLISH_CONNECT / 2])
def test_a_leg_that_is_closed_before_it_connects_never_does(moment: float) -> None:
    async def scene(published: Published) -> None:
        answer = await published.negotiate()
        if moment:
            asyncio.get_running_loop().call_later(moment, lambda: asyncio.ensure_future(published.leg.close()))
        else:
            await published.leg.close()
        with pytest.raises(CallError) as error:
            await published.leg.start(answer)
        assert error.value.code == ErrorCode.MEDIA_FAILED
        await asyncio.sleep(1)
        assert published.told == ["end"]

    play(scene)


def test_what_the_service_has_closed_cannot_be_connected_to() -> None:
    async def scene(published: Published) -> None:
        answer = await published.negotiate()
        await published.publication.close()
        with pytest.raises(CallError):
            await published.leg.start(answer)
        assert published.told == []

    play(scene)


def test_the_service_notices_a_vanished_leg_only_after_its_consent_has_run_out() -> None:
    async def scene(published: Published) -> None:
        await published.leg.start(await published.negotiate())
        published.leg.vanish()
        await published.leg.close()
        await asyncio.sleep(CONSENT - 1)
        assert published.told == ["live"]
        await asyncio.sleep(2)
        assert published.told == ["live", "end"]

    play(scene)


def test_a_player_hears_a_stream_once_it_has_answered_and_no_more_when_it_is_detached() -> None:
    async def scene(published: Published) -> None:
        await published.leg.start(await published.negotiate())
        player, sink = VirtualPlayLeg(published.air, now_us), VirtualSink(now_us)
        player.sinks["a1"] = sink
        heard: list[tuple[str, str]] = []
        sink.listen(lambda kind, stage, at_us: heard.append((kind, stage)))
        offers: list[tuple[int, str, dict[str, list[str]]]] = []
        live: list[str] = []
        subscriber = published.media.subscriber(lambda *offer: offers.append(offer), live.append, live.append)
        subscriber.attach("a1", published.publication)
        await asyncio.sleep(1)
        ((number, sdp, sections),) = offers
        assert list(sections.values()) == [["a1", "video"], ["a1", "audio"]]
        assert live == []
        assert not subscriber.answer(number + 1, sdp)
        assert subscriber.answer(number, await player.answer(sdp, sections))
        assert not subscriber.answer(number, sdp), "an offer is answered once"
        await asyncio.sleep(1)
        assert live == ["a1"]
        assert heard == [(kind, stage) for stage in ("received", "rendered") for kind in ("video", "audio")]
        subscriber.detach("a1")
        stopped = sink.quality()
        await asyncio.sleep(10)
        assert sink.quality() == stopped
        assert stopped.frames > 0

    play(scene)


def test_an_offer_that_is_never_answered_fails_what_was_to_be_played() -> None:
    async def scene(published: Published) -> None:
        await published.leg.start(await published.negotiate())
        failed: list[str] = []
        subscriber = published.media.subscriber(lambda *offer: None, lambda stream: None, failed.append)
        subscriber.attach("a1", published.publication)
        await asyncio.sleep(OFFER_PATIENCE - 1)
        assert failed == []
        await asyncio.sleep(2)
        assert failed == ["a1"]
        assert subscriber.failed

    play(scene)


@pytest.mark.parametrize("sdp", ["", "v=0", "virtual publish x", "virtual publish"])
def test_what_is_no_virtual_description_is_refused(sdp: str) -> None:
    with pytest.raises(SdpError):
        VirtualMedia(Air()).offered(sdp)
