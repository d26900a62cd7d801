"""What tcpdump saw on the loopback interface: WebSocket messages and RTP packets, each with the kernel's time.

A parser of its own: the instrument's must not vouch for itself. IPv4 over Ethernet framing, no options that loopback
does not have; TCP without loss, as loopback has none.
"""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

Flow = tuple[int, int]  # source port, destination port
_ETHERNET, _IPV4, _TCP, _UDP = 14, 0x0800, 6, 17


@dataclass(frozen=True)
class Packet:
    """unix_us: when the kernel had it."""

    unix_us: float
    protocol: int
    flow: Flow
    sequence: int  # of TCP
    payload: bytes


@dataclass(frozen=True)
class Message:
    """A WebSocket text message: when the packet with its last byte passed."""

    unix_us: float
    flow: Flow
    body: dict[str, Any]


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Capture loopback while the block runs."""
    command = ["tcpdump", "-i", "lo", "-w", str(path), "-s", "0", "-B", "65536", "-U", "ip and (tcp or udp)"]
    with subprocess.Popen([*command], stderr=subprocess.PIPE, text=True) as tcpdump:
        assert tcpdump.stderr is not None
        for line in tcpdump.stderr:
            if "listening on" in line:
                break
        try:
            yield
        finally:
            time.sleep(0.5)  # for what the kernel still holds
            tcpdump.terminate()
            said = tcpdump.stderr.read()
    assert "\n0 packets dropped by kernel" in said, said


def packets(path: Path) -> list[Packet]:
    """A pcap file in the machine's byte order, with times in micro- or nanoseconds."""
    data = path.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack_from("=IHHiIII", data)
    scale = {0xA1B2C3D4: 1.0, 0xA1B23C4D: 0.001}[magic]
    assert link == 1, "Ethernet framing"
    found, at = [], 24
    while at + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from("=IIII", data, at)
        packet = _packet(seconds * 1e6 + fraction * scale, data[at + 16 : at + 16 + length])
        if packet is not None:
            found.append(packet)
        at += 16 + length
    return found


def _packet(unix_us: float, frame: bytes) -> Packet | None:
    if len(frame) < 34 or struct.unpack_from("!H", frame, 12)[0] != _IPV4:
        return None
    protocol, header = frame[23], _ETHERNET + (frame[14] & 15) * 4
    end = _ETHERNET + struct.unpack_from("!H", frame, 16)[0]
    flow = struct.unpack_from("!HH", frame, header)
    if protocol == _UDP:
        return Packet(unix_us, protocol, flow, 0, frame[header + 8 : end])
    if protocol != _TCP:
        return None
    sequence = struct.unpack_from("!I", frame, header + 4)[0]
    return Packet(unix_us, protocol, flow, sequence, frame[header + (frame[header + 12] >> 4) * 4 : end])


def messages(found: list[Packet], port: int) -> list[Message]:
    """JSON messages on WebSockets of a server's port, either way, by time."""
    flows: dict[Flow, list[Packet]] = defaultdict(list)
    for packet in found:
        if packet.protocol == _TCP and packet.payload and port in packet.flow:
            flows[packet.flow].append(packet)
    heard = [message for flow, ones in flows.items() for message in _messages(flow, ones)]
    return sorted(heard, key=lambda message: message.unix_us)


def _messages(flow: Flow, ones: list[Packet]) -> Iterator[Message]:
    data, ends = bytearray(), []  # ends: of each packet in the stream, and its time
    expected = ones[0].sequence
    for packet in ones:
        if packet.sequence == expected:  # else a keep-alive or sent twice
            data += packet.payload
            expected = (expected + len(packet.payload)) & 0xFFFFFFFF
            ends.append((len(data), packet.unix_us))
    at = data.find(b"\r\n\r\n") + 4  # behind the request to upgrade, or its answer
    if b"websocket" not in bytes(data[:at]).lower():
        return
    while at + 2 <= len(data):
        kind, masked, size, at = data[at] & 15, data[at + 1] & 0x80, data[at + 1] & 0x7F, at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        key, at = (bytes(data[at : at + 4]), at + 4) if masked else (bytes(4), at)
        text = bytes(a ^ b for a, b in zip(data[at : at + size], cycle(key), strict=False))
        at += size
        if kind == 1 and at <= len(data):
            yield Message(next(when for end, when in ends if end >= at), flow, json.loads(text))


def rtp(found: list[Packet], ssrc: int) -> list[Packet]:
    """UDP packets of one SSRC, by time: version 2, and no RTCP."""
    return [
        packet
        for packet in found
        if packet.protocol == _UDP
        and len(packet.payload) > 12
        and packet.payload[0] >> 6 == 2
        and not 192 <= packet.payload[1] <= 223
        and int.from_bytes(packet.payload[8:12], "big") == ssrc
    ]
