"""What the swarm asks of a room service: drivers for its users, and tokens for them."""

from __future__ import annotations

from typing import Protocol

from harness.call.driver import Driver
from harness.rtc.access_link import AccessLink


class Service(Protocol):
    """One reachable service, shared by all users of a process."""

    name: str

    def driver(self, access: AccessLink | None = None) -> Driver:
        """A user's driver; all its media passes `access`, the user's emulated link, if there is one."""
        ...

    def token(self, user_id: str, room_id: str) -> str: ...

    async def check(self) -> None:
        """Raises ServiceUnreachable, one sentence, when the service does not answer."""
        ...

    async def close(self) -> None: ...


class ServiceUnreachable(ConnectionError):
    """The service does not answer or cannot be started; the message says which address and why."""
