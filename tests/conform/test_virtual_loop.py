"""Virtual time: it jumps, it is the same every time, it ends in an error when nothing can come any more."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from harness.conform.virtual_loop import BEGIN, Deadlock, NotVirtual, run_virtually


def test_an_hour_of_waiting_takes_no_time_and_the_clock_shows_it() -> None:
    async def wait() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    before = time.monotonic()
    assert run_virtually(wait()) == pytest.approx(BEGIN + 3600)
    assert time.monotonic() - before < 1


def test_timers_fire_in_the_order_of_their_time() -> None:
    async def work() -> list[float]:
        fired: list[float] = []
        for delay in (5.0, 0.25, 3.0, 0.5):
            asyncio.get_running_loop().call_later(delay, fired.append, delay)
        await asyncio.sleep(10)
        return fired

    assert run_virtually(work()) == [0.25, 0.5, 3.0, 5.0]


def test_time_stands_still_while_anything_is_ready() -> None:
    async def work() -> list[float]:
        loop = asyncio.get_running_loop()
        times = []
        for _ in range(1000):
            await asyncio.sleep(0)
            times.append(loop.time())
        return times

    assert set(run_virtually(work())) == {BEGIN}


def test_waiting_for_what_never_comes_is_a_deadlock_and_not_a_hang() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="nothing is ready and no timer is set"):
        run_virtually(wait())


def test_a_timeout_is_no_deadlock() -> None:
    async def wait() -> None:
        async with asyncio.timeout(7):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run_virtually(wait())


async def _thread() -> None:
    await asyncio.to_thread(time.sleep, 0)


async def _connection() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def _datagrams() -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))


async def _bare_socket() -> None:
    with socket.socket() as bare:
        bare.setblocking(False)
        await asyncio.get_running_loop().sock_connect(bare, ("127.0.0.1", 9))


async def _process() -> None:
    await asyncio.create_subprocess_exec("true")


@pytest.mark.parametrize("work", [_thread, _connection, _datagrams, _bare_socket, _process])
def test_what_needs_the_world_outside_is_refused_by_name(work: Any) -> None:
    with pytest.raises(NotVirtual, match=r"^\w+ is not possible on virtual time"):
        run_virtually(work())


def test_tasks_that_are_left_over_are_cancelled_and_see_it() -> None:
    ended: list[str] = []

    async def stay() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("cancelled")

    async def work() -> None:
        task = asyncio.create_task(stay())
        await asyncio.sleep(1)
        assert not task.done()

    run_virtually(work())
    assert ended == ["cancelled"]


def test_an_error_that_nobody_caught_is_raised_at_the_end() -> None:
    async def work() -> None:
        asyncio.get_running_loop().call_later(1, [].pop)
        await asyncio.sleep(2)

    with pytest.raises(IndexError):
        run_virtually(work())
