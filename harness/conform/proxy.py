"""One client's way to a service over TCP, with the faults a network has: made in the process, so no rights are needed.

In a black hole bytes wait where they are: what TCP already took arrives when it ends, and a new connection is
accepted but leads nowhere until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

CHUNK = 64 << 10
BACKLOG = 64


class Proxy:
    """Create inside the running loop; it listens at once, on a port of the loopback. target: host and port."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._socket.setblocking(False)
        self._passing = asyncio.Event()
        self._passing.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._accepting = asyncio.create_task(self._accept())

    @property
    def address(self) -> str:
        """host:port to connect to instead of the target."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(self._socket)
            if self._refusing:
                _abort(accepted)
                continue
            task = asyncio.create_task(self._serve(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        ends: list[asyncio.StreamWriter] = []
        try:
            near_reader, near = await asyncio.open_connection(sock=accepted, limit=CHUNK)
            ends.append(near)
            self._ends.add(near)
            await self._passing.wait()
            far_reader, far = await asyncio.open_connection(*self._target, limit=CHUNK)
            ends.append(far)
            self._ends.add(far)
            # Either direction's end is the end: a WebSocket has no use for half a connection.
            pumps = [asyncio.create_task(self._pump(*way)) for way in ((near_reader, far), (far_reader, near))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the service is not there, or a side has gone: the other sees its connection end
        finally:
            for end in ends:
                self._ends.discard(end)
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
            await self._passing.wait()  # an end is news, too

    def reset(self) -> None:
        """Break every connection; both sides see it at once."""
        for end in tuple(self._ends):
            end.transport.abort()

    def black_hole(self) -> None:
        """Nothing passes any more, either way, and nobody is told."""
        self._passing.clear()

    def heal(self) -> None:
        self._passing.set()

    def refuse(self) -> None:
        """From now on, new connections are broken at once."""
        self._refusing = True

    async def close(self) -> None:
        """Break every connection and let go of the port. Safe to call twice."""
        self._accepting.cancel()
        self.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(self._accepting, *self._tasks, return_exceptions=True)
        self._socket.close()


def _abort(accepted: socket.socket) -> None:
    """Close with a reset instead of a goodbye."""
    with contextlib.suppress(OSError):
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    accepted.close()
