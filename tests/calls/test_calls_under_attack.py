"""A call goes on, without a lost frame, while ten thousand sockets come that never log in and others send rubbish."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from pathlib import Path
from typing import Any

from harness.rtc.media_loop import MediaLoop
from harness.services.embedded import EmbeddedService
from harness.services.reference import ReferenceService

SOCKETS, AT_ONCE = 10_000, 250
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
RUBBISH = b"\x81\xfe\xff\xff" + b"\x00" * 64  # a frame that promises 64 kB and does not keep it


async def knock(port: int, held: list[asyncio.StreamWriter]) -> bytes:
    """Open a WebSocket, send half a frame, never log in. Returns the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    held.append(writer)
    writer.write(HANDSHAKE)
    line = await reader.readline()
    writer.write(RUBBISH)
    return line


def test_no_frame_is_lost_while_ten_thousand_sockets_never_log_in(
    testbed: Any, participants: Any, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    service = EmbeddedService(tmp_path / "service.log")

    async def scene() -> None:
        async with testbed() as bed:  # the users' side only: the service under attack is a process of its own
            bed.service = ReferenceService(service.url, service.secret, bed.media, ["127.0.0.1"])
            assert isinstance(bed.media, MediaLoop)
            alice, bob = [await bed.caller(who).enter() for who in participants(2)]
            subscription = await bob.play(alice)
            await bob.sees(subscription, 10)
            port = int(service.url.rsplit(":", 1)[1])
            held: list[asyncio.StreamWriter] = []
            answers: list[bytes] = []
            for _ in range(SOCKETS // AT_ONCE):
                answers += await asyncio.gather(*(knock(port, held) for _ in range(AT_ONCE)))
                if len(held) > 2000:  # the service has let them go long since, or will not
                    for writer in held[:1000]:
                        writer.close()
                    del held[:1000]
            await bob.sees(subscription, 25)
            for writer in held:
                writer.close()
            with contextlib.suppress(ConnectionError):
                await asyncio.gather(*(writer.wait_closed() for writer in held), return_exceptions=True)
            accepted = sum(b"101" in line for line in answers)
            refused = sum(b"503" in line for line in answers)
            measure = subscription.measure
            print(
                f"{len(answers)} sockets: {accepted} accepted, {refused} refused; {measure.video.received} frames, "
                f"{measure.video.lost} lost, {measure.freezes.freezeCount} freezes"
            )
            assert accepted + refused == SOCKETS
            assert refused > 0, "the number of sockets waiting to log in is bounded"
            assert measure.video.lost == 0
            assert measure.audio.lost == 0
            assert measure.wrong == measure.absent == measure.damaged == 0

    service.start()
    try:
        asyncio.run(scene())
    finally:
        service.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
