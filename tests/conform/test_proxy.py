"""The proxy between a client and a service: what passes, what a fault does to it, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from harness.conform.proxy import Proxy

PATIENCE = 5.0
BRIEF = 0.2  # seconds in which bytes on loopback would have come

Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A service that says everything back, and notes when a connection ends."""

    def __init__(self) -> None:
        self.connections = self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        self.ended += 1
        writer.close()


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[tuple[Proxy, Echo, Callable[[], Awaitable[Way]]]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[:2])
    ways: list[Way] = []

    async def connect() -> Way:
        host, port = proxy.address.split(":")
        ways.append(await asyncio.open_connection(host, int(port)))
        return ways[-1]

    try:
        yield proxy, echo, connect
    finally:
        for _, writer in ways:
            writer.close()
        await proxy.close()
        server.close()
        await server.wait_closed()


def scene(play: Callable[[Proxy, Echo, Any], Awaitable[None]]) -> None:
    async def work() -> None:
        async with opened() as (proxy, echo, connect):
            await asyncio.wait_for(play(proxy, echo, connect), PATIENCE)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())
    gc.collect()  # an unclosed socket would warn, and warnings are errors here


pytestmark = pytest.mark.filterwarnings("error")


async def says(way: Way, text: bytes) -> None:
    way[1].write(text)
    assert await way[0].readexactly(len(text)) == text


async def silent(way: Way) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(way[0].read(1), BRIEF)


def test_bytes_pass_both_ways_on_every_connection() -> None:
    async def play(proxy: Proxy, echo: Echo, connect: Any) -> None:
        first, second = await connect(), await connect()
        await says(first, b"one" * 50_000)
        await says(second, b"two")
        assert echo.connections == 2

    scene(play)


def test_an_end_passes_too() -> None:
    async def play(proxy: Proxy, echo: Echo, connect: Any) -> None:
        way = await connect()
        await says(way, b"x")
        way[1].close()
        while not echo.ended:
            await asyncio.sleep(0.01)

    scene(play)


def test_a_reset_is_seen_by_both_sides_and_a_new_connection_works() -> None:
    async def play(proxy: Proxy, echo: Echo, connect: Any) -> None:
        way = await connect()
        await says(way, b"x")
        proxy.reset()
        with contextlib.suppress(ConnectionError):
            assert await way[0].read(1) == b""
        while not echo.ended:
            await asyncio.sleep(0.01)
        await says(await connect(), b"again")

    scene(play)


def test_a_black_hole_holds_what_is_sent_and_tells_nobody() -> None:
    async def play(proxy: Proxy, echo: Echo, connect: Any) -> None:
        way = await connect()
        await says(way, b"before")
        proxy.black_hole()
        way[1].write(b"within")
        await silent(way)
        assert echo.ended == 0
        assert not way[0].at_eof()
        proxy.heal()
        assert await way[0].readexactly(6) == b"within"

    scene(play)


def test_a_connection_made_in_a_black_hole_is_taken_and_leads_nowhere_until_it_ends() -> None:
    async def play(proxy: Proxy, echo: Echo, connect: Any) -> None:
        proxy.black_hole()
        way = await connect()
        way[1].write(b"hello")
        await silent(way)
        assert echo.connections == 0
        proxy.heal()
        assert await way[0].readexactly(5) == b"hello"

    scene(play)


def test_an_end_within_a_black_hole_is_not_told_either() -> None:
    async def play(proxy: Proxy, echo: Echo, connect: Any) -> None:
        way = await connect()
        await says(way, b"x")
        proxy.black_hole()
        way[1].close()
        await asyncio.sleep(BRIEF)
        assert echo.ended == 0
        proxy.heal()
        while not echo.ended:
            await asyncio.sleep(0.01)

    scene(play)


def test_after_a_refusal_a_new_connection_is_broken_at_once() -> None:
    async def play(proxy: Proxy, echo: Echo, connect: Any) -> None:
        proxy.refuse()
        with contextlib.suppress(ConnectionError):
            way = await connect()
            assert await way[0].read(1) == b""
        assert echo.connections == 0

    scene(play)


def test_a_service_that_is_not_there_is_a_connection_that_ends() -> None:
    async def work() -> None:
        proxy = Proxy(("127.0.0.1", 9))
        host, port = proxy.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await asyncio.wait_for(reader.read(1), PATIENCE) == b""
        writer.close()
        await proxy.close()

    asyncio.run(work())


def test_a_closed_proxy_leaves_no_port_behind() -> None:
    async def work() -> None:
        proxy = Proxy(("127.0.0.1", 9))
        host, port = proxy.address.split(":")
        await proxy.close()
        await proxy.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))

    asyncio.run(work())
