"""Datagrams in batches: each whole, in order, with the kernel's time; many sockets for one wake-up."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rtc.inbox import SLOT_BYTES, SLOTS, HeldBatch, Inbox, alone
from harness.rtc.poller import Poller

SO_TIMESTAMPNS = 35


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        yield sock


@pytest.fixture
def sender(receiver: socket.socket) -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(receiver.getsockname())
        yield sock


def taken(inbox: Inbox, count: int) -> list[bytes]:
    assert not count or count == len(inbox.lengths) == len(inbox.times)
    starts = [slot * SLOT_BYTES for slot in range(count)]
    return [
        bytes(inbox.bytes[start : start + length]) for start, length in zip(starts, inbox.lengths[:count], strict=True)
    ]


def one_by_one() -> Inbox:
    inbox = Inbox()
    inbox._receive = None
    return inbox


@pytest.fixture(params=[Inbox, one_by_one], ids=["recvmmsg", "one by one"])
def inbox(request: pytest.FixtureRequest) -> Inbox:
    made: Inbox = request.param()
    return made


def test_no_call_takes_more_than_its_slots_and_none_is_lost_between_calls(
    inbox: Inbox, receiver: socket.socket, sender: socket.socket
) -> None:
    packets = [os.urandom(12 + 61 * n % 1400) for n in range(2 * SLOTS + 7)]
    for packet in packets:
        sender.send(packet)
    batches = [taken(inbox, inbox.receive(receiver)) for _ in range(4)]
    assert [len(batch) for batch in batches] == [SLOTS, SLOTS, 7, 0]
    assert sum(batches, []) == packets  # noqa: RUF017


def test_a_short_packet_behind_a_long_one_in_the_same_slot_is_not_mixed_with_it(
    inbox: Inbox, receiver: socket.socket, sender: socket.socket
) -> None:
    for packet in (b"\xaa" * 1400, b"\xbb" * 12, b"", b"\xcc" * SLOT_BYTES):
        sender.send(packet)
        assert taken(inbox, inbox.receive(receiver)) == [packet]


def test_a_datagram_larger_than_a_slot_does_not_spill_into_the_next(
    inbox: Inbox, receiver: socket.socket, sender: socket.socket
) -> None:
    packets = [b"\xaa" * 5000, b"\xbb" * 100, b"\xcc" * SLOT_BYTES]
    for packet in packets:
        sender.send(packet)
    assert taken(inbox, inbox.receive(receiver)) == [packet[:SLOT_BYTES] for packet in packets]


def test_times_are_those_at_which_the_kernel_had_each_packet(receiver: socket.socket, sender: socket.socket) -> None:
    inbox, windows = Inbox(), []
    for number in range(20):
        before = time.time_ns() // 1000
        sender.send(bytes([number]))
        windows.append((before, time.time_ns() // 1000))
    assert inbox.receive(receiver) == 20
    for (before, after), at in zip(windows, inbox.times, strict=True):
        assert before - 1 <= at <= after + 2000, "not the time of reading, which is the same for all"
    assert inbox.times == sorted(inbox.times)
    assert inbox.times[0] < inbox.times[-1]


def test_a_socket_without_times_does_not_take_them_from_the_next(
    receiver: socket.socket, sender: socket.socket
) -> None:
    inbox = Inbox()
    with socket.socket(type=socket.SOCK_DGRAM) as plain:
        plain.bind(("127.0.0.1", 0))
        sender_of_plain = socket.socket(type=socket.SOCK_DGRAM)
        sender_of_plain.sendto(b"no time", plain.getsockname())
        sender_of_plain.close()
        assert taken(inbox, inbox.receive(plain)) == [b"no time"]
    before = time.time_ns() // 1000
    sender.send(b"with a time")
    assert taken(inbox, inbox.receive(receiver)) == [b"with a time"]
    assert before - 1 <= inbox.times[0] <= time.time_ns() // 1000


def test_an_error_that_the_network_reported_is_no_packet(inbox: Inbox) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as gone, socket.socket(type=socket.SOCK_DGRAM) as sock:
        gone.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        sock.connect(gone.getsockname())
        gone.close()
        sock.send(b"to nobody")  # the answer is "port unreachable"
        assert inbox.receive(sock) == 0
        assert inbox.receive(sock) == 0


def test_packets_put_in_by_hand_lie_where_received_ones_do(inbox: Inbox) -> None:
    packets = [os.urandom(20 + n) for n in range(SLOTS + 3)]
    assert taken(inbox, inbox.put(packets)) == packets[:SLOTS]
    assert inbox.put([]) == 0


class Station:
    """A poller and sockets it drains; what each wake-up drained is kept together."""

    def __init__(self, poller: Poller, count: int) -> None:
        self.poller = poller
        self.inbox = Inbox()
        self.sockets = []
        self.drained: list[tuple[int, list[bytes]]] = []
        self.offsets: set[int] = set()
        for number in range(count):
            sock = socket.socket(type=socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
            self.sockets.append(sock)
            poller.add(sock, lambda number=number: self.drain(number))  # type: ignore[misc]

    def drain(self, number: int) -> None:
        self.drained.append((number, taken(self.inbox, self.inbox.receive(self.sockets[number]))))
        self.offsets.add(self.poller.realtime_offset_us)  # new at each wake-up, in all likelihood

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.drained) < count:
                await asyncio.sleep(0)

    def close(self) -> None:
        self.poller.close()
        for sock in self.sockets:
            sock.close()


def test_one_wake_up_drains_all_sockets_that_hold_something_and_no_other() -> None:
    async def run() -> None:
        station = Station(Poller(rest=0), 50)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for number in range(0, 50, 2):
                for packet in (b"a", b"b", b"c"):
                    sender.sendto(packet, station.sockets[number].getsockname())
            await station.wait_for(1)
        assert sorted(station.drained) == [(number, [b"a", b"b", b"c"]) for number in range(0, 50, 2)]
        assert len(station.offsets) == 1
        monotonic_us = time.time_ns() // 1000 + station.poller.realtime_offset_us
        assert abs(monotonic_us - time.monotonic_ns() // 1000) < 100_000
        station.close()

    asyncio.run(run())


@pytest.mark.parametrize("rest", [0, 0.001])
def test_what_comes_later_is_drained_by_a_later_wake_up(rest: float) -> None:
    async def run() -> None:
        station = Station(Poller(rest), 2)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for count in range(1, 6):
                sender.sendto(bytes([count]), station.sockets[count % 2].getsockname())
                await station.wait_for(count)
        assert station.drained == [(count % 2, [bytes([count])]) for count in range(1, 6)]
        station.close()

    asyncio.run(run())


def test_a_removed_socket_is_left_alone_and_may_be_removed_twice_or_closed_before() -> None:
    async def run() -> None:
        station = Station(Poller(rest=0), 3)
        first, second, third = station.sockets
        station.poller.remove(first)
        station.poller.remove(first)
        second.close()
        station.poller.remove(second)
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", first.getsockname())
            sender.sendto(b"y", third.getsockname())
            await station.wait_for(1)
        assert station.drained == [(2, [b"y"])]
        station.close()

    asyncio.run(run())


@pytest.mark.parametrize("while_resting", [False, True])
def test_a_closed_poller_drains_nothing_more(while_resting: bool) -> None:
    async def run() -> None:
        station = Station(Poller(rest=0.001), 1)
        (sock,) = station.sockets
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            if while_resting:
                sender.sendto(b"x", sock.getsockname())
                await station.wait_for(1)
            seen = len(station.drained)
            station.poller.close()
            station.poller.close()
            sender.sendto(b"x", sock.getsockname())
            for _ in range(50):
                await asyncio.sleep(0)
        assert len(station.drained) == seen
        station.close()

    asyncio.run(run())


def test_a_poller_made_after_another_was_closed_works_like_the_first() -> None:
    async def run() -> None:
        for _ in range(3):  # the system gives the new one the descriptor of the old
            station = Station(Poller(rest=0), 1)
            with socket.socket(type=socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", station.sockets[0].getsockname())
                await station.wait_for(1)
            assert station.drained == [(0, [b"x"])]
            station.close()

    asyncio.run(run())


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=SLOTS), st.data())
def test_held_datagrams_come_back_in_any_order_and_as_often_as_they_are_given(
    datagrams: list[bytes], draw: st.DataObject
) -> None:
    inbox, batches = Inbox(), []
    for batch in (datagrams, datagrams[::-1]):
        inbox.put(batch)
        batches.append((HeldBatch(inbox), batch))
    chosen = draw.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, len(datagrams) - 1)), max_size=SLOTS))
    held = [batches[which][0].datagrams[slot] for which, slot in chosen]
    if held and draw.draw(st.booleans()):
        held[0] = alone(held[0])
    inbox.refill(held, list(range(len(held))))
    found = [bytes(inbox.bytes[at * SLOT_BYTES :][: inbox.lengths[at]]) for at in range(len(held))]
    assert found == [batches[which][1][slot] for which, slot in chosen]
    assert inbox.times == list(range(len(held)))
