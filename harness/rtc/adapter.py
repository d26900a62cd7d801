"""The only module that touches private names of aiortc, aioice and pylibsrtp.

It owns one ICE + DTLS-SRTP transport and, once connected, takes its UDP socket over, so that packets are drained
in batches, carry kernel receive timestamps and are decrypted in place. STUN and DTLS datagrams are handed back to
aioice and aiortc. The version ranges in pyproject.toml are those that tests/rtc/test_adapter.py covers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceCandidate, RTCIceGatherer, RTCIceTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceParameters
from pylibsrtp import ffi as _ffi
from pylibsrtp import lib as _srtp

from harness.rtc.emulated_socket import Late, emulate
from harness.rtc.inbox import Inbox

if TYPE_CHECKING:
    from harness.rtc.access_link import AccessLink

RECEIVE_BUFFER_BYTES = 4 << 20
MAX_DATAGRAM = 2048
# Linux socket options that Python's socket module does not name.
_SO_TIMESTAMPNS = 35
_SO_MEMINFO, _MEMINFO_DROPS, _MEMINFO_SIZE = 55, 8, 36
_LINUX = sys.platform == "linux"

_certificate: RTCCertificate | None = None


class TransportFailed(ConnectionError):
    """ICE found no path or DTLS did not complete; the message says which."""


class Datagram:
    """One reusable send buffer that libsrtp works on in place (so nothing is copied per packet)."""

    def __init__(self) -> None:
        self.bytes = bytearray(MAX_DATAGRAM)
        self.view = memoryview(self.bytes)
        self.pointer = _ffi.from_buffer("unsigned char[]", self.bytes)
        self.length = _ffi.new("int *")


def shared_certificate() -> RTCCertificate:
    """One DTLS certificate per process: nothing measured depends on its identity, and making one costs CPU."""
    global _certificate  # noqa: PLW0603
    if _certificate is None:
        _certificate = RTCCertificate.generateCertificate()
    return _certificate


def local_addresses(address: str | None = None) -> list[str]:
    """IPv4 addresses to gather candidates on: the given one, or loopback and every address this machine owns."""
    if address:
        return [address]
    import ifaddr  # aioice's own dependency

    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return sorted(set(found), key=lambda ip: (ip.startswith("127."), ip))


class SecureTransport:
    """One ICE + DTLS-SRTP transport over one UDP socket.

    `on_state` is called with "ice", "connected", "failed" or "closed"; times are read by the caller. access: the
    emulated link that every datagram passes, where there is one. late: who takes media that it held back until the
    socket had been taken over.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        addresses: Sequence[str],
        on_state: Callable[[str], None],
        access: AccessLink | None = None,
    ) -> None:
        self.access = access
        self.late: Late | None = None
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._ice = RTCIceTransport(self._gatherer)
        self._connection = self._ice._connection
        self._connection.ice_controlling = controlling
        self._dtls = RTCDtlsTransport(self._ice, [shared_certificate()])
        self._addresses = list(addresses)
        self._on_state = on_state
        self._protocol = None
        self.socket: socket.socket | None = None
        self.send: Callable[[memoryview], object] = lambda data: 0
        self.connected = False
        self._remote_address = ("", 0)
        self._closed = False
        self._receive_context = None
        self._send_context = None

    # -- negotiation ---------------------------------------------------------------------------------------------

    async def gather(self) -> list[RTCIceCandidate]:
        """Bind one socket per address and return the host candidates."""
        connection = self._connection
        if not connection._local_candidates_start:
            connection._local_candidates_start = True
            connection._local_candidates += await connection.get_component_candidates(1, self._addresses)
            connection._local_candidates_end = True
            for protocol in connection._protocols:
                _enlarge(protocol.transport.get_extra_info("socket"))
                _wait_longer_for_consent(protocol)
                if self.access is not None:
                    emulate(protocol, self.access, lambda: self.late)
        return self._gatherer.getLocalCandidates()

    @property
    def ice_parameters(self) -> RTCIceParameters:
        return self._gatherer.getLocalParameters()

    @property
    def fingerprints(self) -> list[RTCDtlsFingerprint]:
        return self._dtls.getLocalParameters().fingerprints

    async def add_candidates(self, candidates: Sequence[RTCIceCandidate], *, complete: bool = True) -> None:
        """Give the remote candidates. Names ending in .local are skipped: resolving mDNS costs a second, and the
        peer-reflexive candidate serves as well."""
        for candidate in candidates:
            if candidate.protocol.lower() == "udp" and not candidate.ip.endswith(".local"):
                await self._ice.addRemoteCandidate(candidate)
        if complete:
            await self._ice.addRemoteCandidate(None)

    async def start(self, ice: RTCIceParameters, dtls: RTCDtlsParameters, *, dtls_role: str) -> None:
        """Run ICE, then DTLS as "client" or "server", then take the socket over.

        Raises TransportFailed when either does not complete.
        """
        if ice.iceLite:
            self._connection.ice_controlling = True
        await self._ice.start(ice)
        if self._ice.state != "completed":
            self._fail("ICE found no working candidate pair")
        self._on_state("ice")
        self._dtls._set_role(dtls_role)
        await self._dtls.start(dtls)
        if self._dtls.state != "connected":
            self._fail("the DTLS handshake did not complete")
        self._take_over()
        self._dtls.on("statechange", self._check_alive)
        self._ice.on("statechange", self._check_alive)
        self._on_state("connected")

    def _fail(self, reason: str) -> None:
        if not self._closed:
            self._on_state("failed")
        raise TransportFailed(reason)

    def _check_alive(self) -> None:
        if self.connected and (self._dtls.state in ("closed", "failed") or self._ice.state == "failed"):
            self.connected = False
            self._on_state("closed")

    # -- the socket ----------------------------------------------------------------------------------------------

    def _take_over(self) -> None:
        pair = self._connection._nominated[1]
        self._protocol = pair.protocol
        endpoint = pair.protocol.transport
        self.socket = endpoint.get_extra_info("socket")._sock
        asyncio.get_running_loop()._remove_reader(self.socket.fileno())  # type: ignore[attr-defined]
        self._remote_address = pair.remote_addr
        if _LINUX:
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            # A connected socket spares the kernel a route look-up and Python an address to parse, per packet.
            self.socket.connect(pair.remote_addr)
            self.send = self.socket.send
        else:
            sendto, address = self.socket.sendto, pair.remote_addr
            self.send = lambda data: sendto(data, address)
        if self.access is not None:
            self.send = self.access.sender(self.send)
        self._receive_context = self._dtls._rx_srtp._srtp[0]
        self._send_context = self._dtls._tx_srtp._srtp[0]
        self.connected = True

    def early_packets(self) -> list[bytes]:
        """Encrypted RTP and RTCP that arrived between the end of DTLS and the take-over."""
        queue = self._connection._queue
        kept: list[tuple[bytes, int] | None] = []
        early: list[tuple[bytes, int]] = []
        while not queue.empty():
            item = queue.get_nowait()
            if item and item[0] and 127 < item[0][0] < 192:
                early.append(item)
            else:
                kept.append(item)
        for item in kept:
            queue.put_nowait(item)
        return [item[0] for item in early]

    def hand_back(self, datagram: bytes) -> None:
        """Give a STUN or DTLS datagram to aioice, which answers it or queues it for aiortc."""
        if datagram and self._protocol is not None and not self._closed:
            with contextlib.suppress(AssertionError, KeyError, ValueError, struct.error):  # hostile STUN: drain on
                self._protocol.datagram_received(datagram, self._remote_address)

    def socket_drops(self) -> int:
        """Datagrams the kernel dropped because this socket's buffer was full (0 where the system cannot tell)."""
        if self.socket is None or not _LINUX or self.socket.fileno() < 0:
            return 0
        try:
            info = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_SIZE)
        except OSError:
            return 0
        return int(struct.unpack_from("I", info, 4 * _MEMINFO_DROPS)[0])

    # -- SRTP, in place ------------------------------------------------------------------------------------------

    def unprotect_rtcp(self, inbox: Inbox, slot: int, length: int) -> int:
        """Decrypt RTCP in place. Returns the new length, or -1."""
        inbox.length[0] = length
        if _srtp.srtp_unprotect_rtcp(self._receive_context, inbox.pointers[slot], inbox.length):
            return -1
        return int(inbox.length[0])

    def protect_rtcp(self, datagram: Datagram, length: int) -> int:
        """Encrypt RTCP in place. Returns the new length, or -1."""
        datagram.length[0] = length
        if _srtp.srtp_protect_rtcp(self._send_context, datagram.pointer, datagram.length):
            return -1
        return int(datagram.length[0])

    def srtp_receive(self) -> tuple[Callable[..., int], object]:
        """libsrtp's unprotect function and this transport's context, for the drain loop's inner call."""
        return _srtp.srtp_unprotect, self._receive_context

    def srtp_send(self) -> tuple[Callable[..., int], object]:
        """libsrtp's protect function and this transport's context, for the sender's inner call."""
        return _srtp.srtp_protect, self._send_context

    async def close(self, *, farewell: bool = True) -> None:
        """Send DTLS close_notify, stop ICE and close the socket. Safe to call twice and in any state.

        Without a farewell the other side is not told, as when a process is killed.
        """
        if self._closed:
            return
        self._closed = True
        self.connected = False
        if farewell:
            with contextlib.suppress(ConnectionError, OSError):
                await self._dtls.stop()
            if self.access is not None:
                await self.access.linger()
        await self._ice.stop()
        self.socket = None
        self._protocol = None


def _enlarge(sock: object) -> None:
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # type: ignore[attr-defined]


def _wait_longer_for_consent(protocol: Any) -> None:
    """aioice waits 0.5 s for the answer to a consent check, sent once; a satellite's round trip takes longer."""
    request = protocol.request

    def patient(*arguments: Any, retransmissions: int | None = None, **more: Any) -> Any:
        return request(*arguments, retransmissions=1 if retransmissions == 0 else retransmissions, **more)

    protocol.request = patient
