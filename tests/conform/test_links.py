"""Signalling links in memory: order, latency, and what a reset, a black hole and a vanished client do to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from harness.conform.link import LATENCY, End, Network
from harness.conform.virtual_loop import BEGIN, run_virtually


class Service:
    """Keeps the service's ends, and what arrived at the first of them."""

    def __init__(self) -> None:
        self.ends: list[End] = []
        self.heard: list[tuple[float, str | None]] = []

    def accept(self, end: End) -> None:
        self.ends.append(end)
        asyncio.get_running_loop().create_task(self._listen(end))

    async def _listen(self, end: End) -> None:
        while True:
            text = await end.receive()
            self.heard.append((round(asyncio.get_running_loop().time() - BEGIN, 6), text))
            if text is None:
                return


Scene = Callable[[Network, Service, End], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    async def work() -> None:
        service = Service()
        network = Network(service.accept)
        await scene(network, service, await network.connect())

    run_virtually(work())


def test_messages_take_the_latency_and_keep_their_order() -> None:
    async def scene(network: Network, service: Service, end: End) -> None:
        begin = asyncio.get_running_loop().time() - BEGIN
        for number in range(50):
            await end.send(str(number))
        await asyncio.sleep(1)
        assert [text for _, text in service.heard] == [str(number) for number in range(50)]
        assert {at for at, _ in service.heard} == {round(begin + LATENCY, 6)}

    play(scene)


def test_a_close_arrives_after_what_was_sent_before_it_and_ends_sending() -> None:
    async def scene(network: Network, service: Service, end: End) -> None:
        await end.send("last words")
        await end.close()
        await asyncio.sleep(1)
        assert [text for _, text in service.heard] == ["last words", None]
        assert await end.receive() is None
        with pytest.raises(ConnectionError):
            await end.send("afterwards")

    play(scene)


def test_a_reset_ends_both_sides_at_once_and_loses_what_was_under_way() -> None:
    async def scene(network: Network, service: Service, end: End) -> None:
        await end.send("lost")
        network.reset()
        await asyncio.sleep(1)
        assert [text for _, text in service.heard] == [None]
        assert end.closed
        assert await end.receive() is None
        again = await network.connect()
        await again.send("a new link")
        await asyncio.sleep(1)
        assert len(service.ends) == 2

    play(scene)


def test_nothing_passes_a_black_hole_nobody_is_told_and_it_arrives_in_order_afterwards() -> None:
    async def scene(network: Network, service: Service, end: End) -> None:
        await end.send("under way")
        network.black_hole()
        await end.send("into the hole")
        await service.ends[0].send("answer")
        await asyncio.sleep(100)
        assert service.heard == []
        assert not end.closed
        network.heal()
        await end.send("after it")
        await asyncio.sleep(1)
        assert [text for _, text in service.heard] == ["under way", "into the hole", "after it"]
        assert await end.receive() == "answer"

    play(scene)


def test_a_new_connection_hangs_in_a_black_hole_until_it_is_healed() -> None:
    async def scene(network: Network, service: Service, end: End) -> None:
        network.black_hole()
        connecting = asyncio.create_task(network.connect())
        await asyncio.sleep(100)
        assert not connecting.done()
        assert len(service.ends) == 1
        network.heal()
        await asyncio.sleep(1)
        assert connecting.done()
        assert len(service.ends) == 2

    play(scene)


def test_of_a_client_that_vanished_the_service_hears_nothing_not_even_the_end() -> None:
    async def scene(network: Network, service: Service, end: End) -> None:
        await end.send("under way")
        network.drop()
        await asyncio.sleep(1000)
        assert service.heard == []
        assert not service.ends[0].closed
        assert end.closed
        with pytest.raises(ConnectionError):
            await network.connect()

    play(scene)
