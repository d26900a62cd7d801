"""Puts an emulated link between a UDP socket and the protocol that reads and writes it: ICE and DTLS pass it too."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.rtc.held import Release
from harness.rtc.inbox import HeldDatagram

if TYPE_CHECKING:
    from harness.rtc.access_link import AccessLink

# Takes media that was read before the socket was taken over, once it has been.
Late = Release


def emulate(protocol: Any, access: AccessLink, late: Callable[[], Late | None]) -> None:
    """protocol: one of aioice's, with its endpoint in `transport`."""
    endpoint = protocol.transport
    protocol.transport = _Endpoint(endpoint, access)
    endpoint.set_protocol(_Incoming(protocol, access, late))


class _Endpoint:
    """An asyncio datagram transport whose packets go out over an emulated link."""

    def __init__(self, endpoint: asyncio.DatagramTransport, access: AccessLink) -> None:
        self._endpoint, self._access = endpoint, access

    def sendto(self, data: bytes, addr: Any = None) -> None:
        self._access.sender(lambda held: self._endpoint.sendto(held, addr))(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoint, name)


class _Incoming(asyncio.DatagramProtocol):
    """The protocol of such a transport: what arrives goes over the emulated link to the one behind it."""

    def __init__(self, protocol: Any, access: AccessLink, late: Callable[[], Late | None]) -> None:
        self._protocol, self._access, self._late = protocol, access, late

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        held = self._access.receiver(lambda packets, times: self._come(packets, times, addr))
        self._access.arrived_alone(held, data)

    def _come(self, packets: list[HeldDatagram], times_us: list[int], addr: tuple[Any, ...]) -> None:
        late = self._late()
        for packet, time_us in zip(packets, times_us, strict=True):
            data = packet[0].bytes
            if late is not None and data and 127 < data[0] < 192:
                late([packet], [time_us])
            else:
                with contextlib.suppress(AssertionError, KeyError, ValueError, struct.error):  # hostile STUN
                    self._protocol.datagram_received(data, addr)

    def error_received(self, exc: Exception) -> None:
        self._protocol.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
