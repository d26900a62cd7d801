"""One ICE + DTLS-SRTP transport on loopback: what its private names of aiortc, aioice and pylibsrtp must do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aioice import stun

from harness.rtc.adapter import Datagram, SecureTransport, local_addresses
from harness.rtc.inbox import SLOT_BYTES, Inbox
from harness.rtc.media_loop import MediaLoop
from harness.rtc.peer import Peer
from harness.rtc.sections import VP8

Work = Callable[["Pair"], Awaitable[None]]


class Pair:
    """Two transports, without any peer around them."""

    def __init__(self) -> None:
        self.states: tuple[list[str], list[str]] = ([], [])
        self.first, self.second = (
            SecureTransport(controlling=not side, addresses=["127.0.0.1"], on_state=self.states[side].append)
            for side in (0, 1)
        )

    async def connect(self) -> None:
        ends = (self.first, self.second)
        candidates = [await end.gather() for end in ends]
        for end, theirs in zip(ends, reversed(candidates), strict=True):
            await end.add_candidates(theirs)
        jobs = []
        for end, other, role in ((self.first, self.second, "server"), (self.second, self.first, "client")):
            jobs.append(end.start(other.ice_parameters, other._dtls.getLocalParameters(), dtls_role=role))
        await asyncio.gather(*jobs)

    async def close(self) -> None:
        await asyncio.gather(self.first.close(), self.second.close())


def connected(work: Work) -> None:
    async def run() -> None:
        pair = Pair()
        try:
            async with asyncio.timeout(10):
                await pair.connect()
                await work(pair)
        finally:
            await pair.close()

    asyncio.run(run())


async def received(inbox: Inbox, transport: SecureTransport) -> list[bytes]:
    """The datagrams of one batch, once there is one."""
    assert transport.socket is not None
    while not (count := inbox.receive(transport.socket)):
        await asyncio.sleep(0)
    return [bytes(inbox.bytes[s * SLOT_BYTES : s * SLOT_BYTES + inbox.lengths[s]]) for s in range(count)]


def binding_request(of: SecureTransport, password: str | None = None) -> stun.Message:
    """A consent check (RFC 7675) as the other side of `of` sends it."""
    connection = of._connection
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username}"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 1
    request.add_message_integrity((password or connection.local_password).encode())
    return request


def test_two_transports_connect_and_tell_their_states_in_order() -> None:
    async def work(pair: Pair) -> None:
        assert pair.states == (["ice", "connected"], ["ice", "connected"])
        assert pair.first.connected
        assert pair.second.connected
        assert pair.first.fingerprints == pair.second.fingerprints, "one certificate for all of a process"

    connected(work)


def test_packets_travel_encrypted_both_ways_and_carry_the_kernels_time() -> None:
    async def work(pair: Pair) -> None:
        inbox, out = Inbox(), Datagram()
        payload = b"what nobody else may read" * 8
        for number, (source, target) in enumerate(((pair.first, pair.second), (pair.second, pair.first)) * 3):
            plain = struct.pack("!BBHLL", 0x80, 96, number, 3000, 77) + payload
            out.bytes[: len(plain)] = plain
            out.length[0] = len(plain)
            protect, context = source.srtp_send()
            assert protect(context, out.pointer, out.length) == 0
            before = time.time_ns() // 1000
            source.send(out.view[: out.length[0]])
            after = time.time_ns() // 1000
            (seen,) = await received(inbox, target)
            assert len(seen) > len(plain)
            assert payload[:25] not in seen
            assert before - 1000 <= inbox.times[0] <= after + 2000
            unprotect, context = target.srtp_receive()
            inbox.length[0] = len(seen)
            assert unprotect(context, inbox.pointers[0], inbox.length) == 0
            assert bytes(inbox.bytes[: inbox.length[0]]) == plain

    connected(work)


def test_rtcp_travels_encrypted_and_an_altered_or_repeated_one_is_refused() -> None:
    async def work(pair: Pair) -> None:
        inbox, out = Inbox(), Datagram()
        plain = struct.pack("!BBHL", 0x80, 201, 1, 7)

        async def deliver(harm: int) -> int:
            out.bytes[: len(plain)] = plain
            length = pair.first.protect_rtcp(out, len(plain))
            assert length > len(plain)
            out.bytes[length - 1] ^= harm
            pair.first.send(out.view[:length])
            (seen,) = await received(inbox, pair.second)
            return pair.second.unprotect_rtcp(inbox, 0, len(seen))

        assert await deliver(harm=0) == len(plain)
        assert bytes(inbox.bytes[: len(plain)]) == plain
        assert await deliver(harm=1) == -1
        assert await deliver(harm=0) == len(plain)
        pair.second.unprotect_rtcp(inbox, 0, 3)

    connected(work)


def test_consent_checks_are_answered_after_the_take_over_and_only_with_the_right_password() -> None:
    async def work(pair: Pair) -> None:
        inbox = Inbox()
        wrong, right = binding_request(pair.second, "wrong" * 5), binding_request(pair.second)
        for request in (wrong, right):
            pair.second.hand_back(bytes(request))
        answers: dict[bytes, stun.Class] = {}
        while right.transaction_id not in answers:
            for datagram in await received(inbox, pair.first):
                with contextlib.suppress(ValueError):
                    message = stun.parse_message(datagram)
                    answers[message.transaction_id] = message.message_class
        assert answers[right.transaction_id] == stun.Class.RESPONSE
        assert answers.get(wrong.transaction_id) != stun.Class.RESPONSE

    connected(work)


def test_no_datagram_handed_back_raises_or_ends_the_connection() -> None:
    async def work(pair: Pair) -> None:
        chance = random.Random(5)
        whole = bytes(binding_request(pair.second))
        for size in (0, 1, 19, 20, 21, 40, 1400):
            pair.second.hand_back(os.urandom(size))
        for kind in range(0x40):  # one attribute cut short, of each kind there is and of those there are not
            for size in (0, 1, 2, 3, 5, 9):
                attribute = struct.pack("!HH", kind, size) + b"\xff" * (size + -size % 4)
                for message_type in (0x0001, 0x0101, 0x0111):
                    head = struct.pack("!HHI", message_type, len(attribute), 0x2112A442) + os.urandom(12)
                    pair.second.hand_back(head + attribute)
        for kind in (0x8022, 0x8028, 0x8029, 0x802A):
            head = struct.pack("!HHI", 1, 8, 0x2112A442) + os.urandom(12)
            pair.second.hand_back(head + struct.pack("!HHI", kind, 2, 0))
        for _ in range(500):
            harmed = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                harmed[chance.randrange(len(harmed))] = chance.choice((0, 1, 4, 255, chance.randrange(256)))
            del harmed[chance.choice((len(harmed), chance.randrange(len(harmed)))) :]
            harmed[2:4] = struct.pack("!H", max(0, len(harmed) - 20))
            pair.second.hand_back(bytes(harmed))
        await asyncio.sleep(0)
        assert pair.states[1] == ["ice", "connected"]
        assert pair.second.connected
        assert pair.second.early_packets() == []

    connected(work)


def test_packets_that_came_before_the_take_over_are_found_and_others_left_to_dtls() -> None:
    async def work(pair: Pair) -> None:
        queue: Any = pair.second._connection._queue
        items = [b"\x80\x60 media", b"", b"\x16\xfe\xfd a DTLS record", b"\x80\xc8 report", b"\xc0 nothing known"]
        for item in items:
            queue.put_nowait((item, 1))
        assert pair.second.early_packets() == [items[0], items[3]]
        left = [queue.get_nowait()[0] for _ in range(queue.qsize())]
        assert left == [items[1], items[2], items[4]]

    connected(work)


def test_closing_releases_the_sockets_tells_the_other_side_and_may_be_done_twice() -> None:
    async def work(pair: Pair) -> None:
        assert pair.first.socket is not None
        assert pair.second.socket is not None
        sockets = [pair.first.socket, pair.second.socket]
        inbox = Inbox()
        await pair.first.close()
        while pair.second.connected:
            for datagram in await received(inbox, pair.second):
                pair.second.hand_back(datagram)
                await asyncio.sleep(0)
        assert pair.states[1] == ["ice", "connected", "closed"]
        await pair.first.close()
        await pair.second.close()
        for _ in range(3):
            await asyncio.sleep(0)
        assert [sock.fileno() for sock in sockets] == [-1, -1]
        pair.first.hand_back(b"late")
        assert pair.first.socket_drops() == 0

    connected(work)


def test_a_transport_that_was_never_started_or_only_gathered_closes_and_frees_its_port() -> None:
    async def run() -> None:
        first, second = Pair(), Pair()
        await first.close()
        candidates = await second.first.gather()
        again = await second.first.gather()
        assert [c.port for c in again] == [c.port for c in candidates], "gathering twice binds once"
        await second.close()
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", candidates[0].port))

    asyncio.run(run())


def test_datagrams_the_kernel_dropped_are_counted() -> None:
    async def work(pair: Pair) -> None:
        assert pair.second.socket is not None
        assert pair.second.socket_drops() == 0
        pair.second.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(50):
            pair.first.send(memoryview(b"\x80" * 1000))
        assert 30 <= pair.second.socket_drops() <= 50

    connected(work)


def test_a_given_address_is_the_only_one_and_loopback_is_among_all() -> None:
    assert local_addresses("192.0.2.1") == ["192.0.2.1"]
    assert "127.0.0.1" in local_addresses()


def test_one_tick_tells_of_all_arrivals_however_disordered() -> None:
    async def run() -> None:
        media = MediaLoop(rest=0)
        try:
            first, second = (Peer(media, offers=offers, addresses=["127.0.0.1"]) for offers in (True, False))
            first.add_section("video", VP8, "s s-video")
            await first.accept_answer(await second.answer(await first.create_offer()))
            assert await first.wait_connected(10)
            assert await second.wait_connected(10)
            order = [*range(0, 3000, 2), *range(1, 3000, 2)]
            second._feedback.arrivals += [(number, 33 * place) for place, number in enumerate(order)]
            second.tick(0)
            assert not second._feedback.arrivals
            async with asyncio.timeout(5):
                while first.transport_reported < 3000:
                    await asyncio.sleep(0.001)
            assert (first.transport_reported, first.transport_lost) == (3000, 0)
        finally:
            await media.close()

    asyncio.run(run())
