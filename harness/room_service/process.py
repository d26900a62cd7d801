"""The embedded service as a process: starting it, running it until a signal, and stopping with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable

from aiohttp import web

from harness.room_service.media import ForwarderMedia
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.adapter import local_addresses

SECRET_VARIABLE = "HARNESS_SECRET"
READY = "room service listening on "


async def serve(
    host: str, port: int, secret: str, settings: Settings, *, media_address: str | None, ready: Callable[[str], None]
) -> None:
    """Serve until SIGINT, SIGTERM or cancellation. `ready` gets the service's URL. Raises OSError if it cannot bind."""
    addresses = local_addresses(media_address or (host if host != "0.0.0.0" else None))
    runner = web.AppRunner(RoomServer(settings, secret, ForwarderMedia(addresses)).application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        actual = runner.addresses[0][1]
        ready(f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{actual}")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()


def end_with_parent() -> None:
    """Terminate this process when its standard input closes: a killed parent leaves no stray service behind."""

    def watch() -> None:
        # Not sys.stdin: its lock, held by this daemon thread, would break the interpreter's exit.
        with contextlib.suppress(OSError):
            while os.read(0, 1):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
