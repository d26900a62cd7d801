"""A signalling link in memory: text both ways in order, a fixed latency, and the faults a network has.

What is under way when a black hole begins arrives when it ends, as TCP sends it again; a reset loses it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

LATENCY = 0.005  # seconds, each way


class End:
    """One side of a link: what harness.services.signalling and harness.room_service.connection call a socket."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.other: End
        self._arrived: deque[str | None] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._ended = False

    @property
    def closed(self) -> bool:
        return self._ended

    async def receive(self) -> str | None:
        """The next message; None at the end, as often as it is asked for."""
        while not self._arrived:
            if self._ended:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        text = self._arrived.popleft()
        if text is None:
            self._ended = True
        return text

    async def send(self, text: str) -> None:
        """Raises ConnectionError once this side knows that the link is gone."""
        if self._ended:
            raise ConnectionError("the link is closed")
        self._link.carry(self.other, text)

    async def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._link.carry(self.other, None)
            self._wake()

    def take(self, text: str | None) -> None:
        """A message, or the end of the link, has arrived."""
        if not self._ended:
            self._arrived.append(text)
            self._wake()

    def cut(self) -> None:
        """The link is gone this very moment; what has arrived and was not read is lost."""
        self._arrived.clear()
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Link:
    """Two ends. `passing` tells whether messages get through now; `release` lets go what was held."""

    def __init__(self, passing: Callable[[], bool]) -> None:
        self.client, self.server = End(self), End(self)
        self.client.other, self.server.other = self.server, self.client
        self._passing = passing
        self._travelling: deque[tuple[End, str | None]] = deque()
        self._held: list[tuple[End, str | None]] = []

    def carry(self, to: End, text: str | None) -> None:
        self._travelling.append((to, text))
        asyncio.get_running_loop().call_later(LATENCY, self._next)

    def _next(self) -> None:
        """One message's time is over: the one that was sent first, for timers of equal time fire in any order."""
        self._arrive(*self._travelling.popleft())

    def _arrive(self, to: End, text: str | None) -> None:
        if self._passing():
            to.take(text)
        else:
            self._held.append((to, text))

    def release(self) -> None:
        """The black hole has ended: what was held arrives, in order."""
        held, self._held = self._held, []
        for to, text in held:
            self._arrive(to, text)

    def reset(self) -> None:
        """Both sides see the link closed at once; what was under way finds nobody."""
        self.client.cut()
        self.server.cut()


class Network:
    """How one client reaches the service: its links, and what is wrong with them."""

    def __init__(self, accept: Callable[[End], None]) -> None:
        self._accept = accept
        self._links: list[Link] = []
        self._healed: asyncio.Event = asyncio.Event()
        self._healed.set()
        self._gone = False

    def _passing(self) -> bool:
        return self._healed.is_set() and not self._gone

    async def connect(self) -> End:
        """A new link, once the service has answered; hangs in a black hole. Raises ConnectionError when cut off."""
        await asyncio.sleep(2 * LATENCY)
        await self._healed.wait()
        if self._gone:
            raise ConnectionError("this client is gone")
        self._links = [link for link in self._links if not (link.client.closed and link.server.closed)]
        link = Link(self._passing)
        self._links.append(link)
        self._accept(link.server)
        return link.client

    def reset(self) -> None:
        for link in self._links:
            link.reset()
        self._links.clear()

    def black_hole(self) -> None:
        self._healed.clear()

    def heal(self) -> None:
        self._healed.set()
        for link in self._links:
            link.release()

    def drop(self) -> None:
        """The client is gone without a word: the service's side stays open and hears nothing."""
        self._gone = True
        for link in self._links:
            link.client.cut()
