"""The private names of aiortc, aioice and pylibsrtp that we use: that they are there and do what we need of them."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from packaging.requirements import Requirement

from harness.rtc.inbox import SLOT_BYTES, SLOTS, Inbox
from harness.rtc.media_loop import MediaLoop
from harness.rtc.peer import Peer
from harness.rtc.poller import Poller
from harness.rtc.sections import MID, SEND_TIME, VP8, Section

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["aiortc", "aioice", "pylibsrtp"])
def test_the_installed_version_lies_in_the_range_that_is_tested(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirement = next(r for r in map(Requirement, project["dependencies"]) if r.name == name)
    assert version(name) in requirement.specifier
    assert {s.operator for s in requirement.specifier} == {">=", "<"}, "private names want a range with an end"


async def pair(media: MediaLoop) -> tuple[Peer, Peer, Section, dict[str, list[str]]]:
    """Two connected peers, the first offering video."""
    states: dict[str, list[str]] = {"offers": [], "answers": []}
    first = Peer(media, offers=True, addresses=["127.0.0.1"], on_state=states["offers"].append)
    second = Peer(media, offers=False, addresses=["127.0.0.1"], on_state=states["answers"].append)
    section = first.add_section("video", VP8, "s s-video")
    answer = await second.answer(await first.create_offer())
    await first.accept_answer(answer)
    assert await first.wait_connected(10)
    assert await second.wait_connected(10)
    return first, second, section, states


def scene(work: Any) -> None:
    async def run() -> None:
        media = MediaLoop(rest=0.002)
        try:
            await work(media)
        finally:
            await media.close()

    asyncio.run(run())


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_states_come_in_order_and_closing_one_side_tells_the_other() -> None:
    async def work(media: MediaLoop) -> None:
        first, second, _, states = await pair(media)
        assert states == {"offers": ["ice", "connected"], "answers": ["ice", "connected"]}
        await first.close()
        await asyncio.wait_for(second.ended.wait(), 10)
        assert states["answers"][-1] == "closed"
        await second.close()
        assert not media.peers

    scene(work)


def test_a_transport_without_a_partner_fails_and_says_why() -> None:
    async def work(media: MediaLoop) -> None:
        first, second = (Peer(media, offers=o, addresses=["127.0.0.1"]) for o in (True, False))
        first.add_section("video", VP8, "s s-video")
        answer = await second.answer(await first.create_offer())
        await second.close()
        # Nobody answers its checks: the candidates lead to a closed port.
        await first.accept_answer(answer.replace("a=ice-pwd:", "a=ice-pwd:x"))
        assert not await first.wait_connected(0.3)
        await first.close()

    scene(work)


def test_after_the_take_over_connectivity_checks_are_still_answered() -> None:
    async def work(media: MediaLoop) -> None:
        first, second, _, _ = await pair(media)
        connection = second.transport._connection
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username}"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 1
        request.add_message_integrity(connection.local_password.encode())
        answers: list[bytes] = []
        first.transport.hand_back = answers.append  # type: ignore[method-assign]
        assert first.transport.socket is not None
        first.transport.socket.send(bytes(request))
        await until(lambda: answers)
        assert stun.parse_message(answers[0]).message_class == stun.Class.RESPONSE

    scene(work)


def test_datagrams_of_any_content_do_not_stop_the_drain() -> None:
    async def work(media: MediaLoop) -> None:
        first, second, section, _ = await pair(media)
        assert first.transport.socket is not None
        for size in (0, 1, 5, 11, 12, 40, 1400):
            for head in (0, 22, 128, 0x90, 200):
                first.transport.socket.send((bytes([head]) + os.urandom(size))[:size])
        first.transport.socket.send(bytes([0x80, 200]) + os.urandom(60))  # RTCP that nobody encrypted
        out = first.open_outbound(section)
        out.send([b"\x90\x80\x80\x01" + b"x" * 50], 0, marker=True)
        await until(lambda: out.packetsSent == 1 and second.packets_rejected > 0)
        assert first.connected.is_set()
        assert not second.ended.is_set()

    scene(work)


def test_where_only_remb_is_negotiated_the_sender_gets_an_estimate() -> None:
    async def work(media: MediaLoop) -> None:
        heard: list[int] = []

        class Counting:
            ssrc, kind, decrypt = 0, "video", True
            packetsReceived = 0  # noqa: N815 - W3C's name

            def on_rtp(self, *packet: Any) -> None:
                heard.append(packet[3])

            def sequences_to_request(self, now_us: int) -> list[int]:
                return []

            def key_frame_request_due(self, now_us: int) -> bool:
                return False

        first = Peer(media, offers=True, addresses=["127.0.0.1"])
        second = Peer(media, offers=False, addresses=["127.0.0.1"], new_stream=lambda section, ssrc: Counting())  # type: ignore[arg-type, return-value]
        section = first.add_section("video", VP8, "s s-video")
        section.extensions = {SEND_TIME: 2, MID: 4}
        section.feedback.discard(("transport-cc", None))
        await first.accept_answer(await second.answer(await first.create_offer()))
        assert await first.wait_connected(10)
        assert await second.wait_connected(10)
        out = first.open_outbound(section)
        async with asyncio.timeout(15):
            while not first.estimated_bitrate:
                out.send([b"\x90\x80\x80\x01" + b"x" * 1000], len(heard) * 900, marker=True)
                await asyncio.sleep(0.002)
        assert first.estimated_bitrate > 10_000

    scene(work)


def test_an_inbox_gives_each_datagram_whole_in_order_with_its_time() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        receiver.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        packets = [os.urandom(12 + 37 * n % 1400) for n in range(SLOTS + 5)]
        inbox = Inbox()
        for read in (inbox.receive, inbox._one_by_one):
            before = time.time_ns() // 1000
            for packet in packets:
                sender.sendto(packet, receiver.getsockname())
            found: list[bytes] = []
            while count := read(receiver):
                assert count <= SLOTS
                for slot in range(count):
                    start = slot * SLOT_BYTES
                    found.append(bytes(inbox.bytes[start : start + inbox.lengths[slot]]))
                    assert before - 1000 <= inbox.times[slot] <= time.time_ns() // 1000
            assert found == packets


def test_one_wake_up_drains_every_socket_that_has_something_and_none_after_closing() -> None:
    async def run() -> None:
        poller, drained = Poller(rest=0.001), []
        sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(20)]
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for number, sock in enumerate(sockets):
                sock.bind(("127.0.0.1", 0))
                sock.setblocking(False)

                def drain(sock: socket.socket = sock, number: int = number) -> None:
                    sock.recv(100)
                    drained.append(number)

                poller.add(sock, drain)
                sender.sendto(b"x", sock.getsockname())
            async with asyncio.timeout(5):
                while len(drained) < 20:
                    await asyncio.sleep(0)
            assert sorted(drained) == list(range(20))
            poller.close()
            poller.close()
            sender.sendto(b"x", sockets[0].getsockname())
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(drained) == 20
        for sock in sockets:
            sock.close()

    asyncio.run(run())
