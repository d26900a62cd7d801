"""The embedded room service: what harness.room_service speaks (docs/protocol.md), translated to the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp

from harness.call.driver import Driver
from harness.room_service.tokens import make_token
from harness.rtc.access_link import AccessLink
from harness.rtc.media_loop import MediaLoop
from harness.services.reference_driver import ReferenceDriver
from harness.services.reference_means import RealMeans
from harness.services.service import ServiceUnreachable

REACH_TIMEOUT = 5.0


class ReferenceService:
    """url: http://host:port of the service. secret: signs the users' tokens."""

    name = "reference"

    def __init__(self, url: str, secret: str, media: MediaLoop, addresses: Sequence[str]) -> None:
        self.url = url.rstrip("/")
        self._secret = secret
        self._media = media
        self._addresses = addresses
        # One pool for all users of the process; a limit would queue logins inside the generator.
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    def driver(self, access: AccessLink | None = None) -> Driver:
        return ReferenceDriver(self.means(access=access))

    def means(self, via: str | None = None, access: AccessLink | None = None) -> RealMeans:
        """What a driver works with; `via` is another address (http://host:port) that leads to the service."""
        return RealMeans(self._http, f"{via or self.url}/ws", self._media, self._addresses, access)

    def token(self, user_id: str, room_id: str) -> str:
        return make_token(self._secret, user_id, room_id)

    async def check(self) -> None:
        """Ask for the health page. Raises ServiceUnreachable."""
        try:
            async with self._http.get(f"{self.url}/healthz", timeout=aiohttp.ClientTimeout(REACH_TIMEOUT)) as answer:
                if answer.status != 200:
                    raise ServiceUnreachable(f"{self.url} answers {answer.status}; is it a room service?")
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise ServiceUnreachable(f"{self.url} does not answer: {error or type(error).__name__}") from None

    async def close(self) -> None:
        await self._http.close()
