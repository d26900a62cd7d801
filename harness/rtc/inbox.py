"""Receives many datagrams with one system call, each with the kernel's receive time.

Python's own recvmsg makes a tuple, a list, two bytes objects and an address string per packet; recvmmsg by ctypes into
slots made once costs a third of that. Elsewhere than on Linux packets are read one by one.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
import time
from collections.abc import Sequence
from itertools import accumulate, repeat

from pylibsrtp import ffi as _ffi

SLOTS = 32
SLOT_BYTES = 2048
STARTS = tuple(range(0, SLOTS * SLOT_BYTES, SLOT_BYTES))
_CONTROL_BYTES = 32  # one control message header and one struct timespec
_MSG_DONTWAIT = 0x40
_timestamps = struct.Struct("=16xqq")


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr: struct msghdr, then the length received."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_uint32),
        ("received", ctypes.c_uint32),
    )


class Inbox:
    """Slots of one process. After `receive`, packet i lies at `bytes[starts[i]:]`, which is `i * SLOT_BYTES`.

    lengths: bytes of each packet. times: microseconds of CLOCK_REALTIME at which the kernel had it. pointers and
    length are libsrtp's, which decrypts in place.
    """

    def __init__(self) -> None:
        self.bytes = bytearray(SLOTS * SLOT_BYTES)
        self.view = memoryview(self.bytes)
        base = _ffi.from_buffer("unsigned char[]", self.bytes)
        self.pointers = [base + slot * SLOT_BYTES for slot in range(SLOTS)]
        self.length = _ffi.new("int *")
        self.starts: Sequence[int] = STARTS
        self.lengths: list[int] = []
        self.times: list[int] = []
        self._receive = self._prepare() if sys.platform == "linux" else None

    def _prepare(self) -> ctypes._NamedFuncPointer | None:
        size = ctypes.sizeof(_Message)
        self._control = bytearray(SLOTS * _CONTROL_BYTES)
        self._vectors = (_IoVec * SLOTS)()
        self._messages = (_Message * SLOTS)()
        data = ctypes.addressof(ctypes.c_char.from_buffer(self.bytes))
        control = ctypes.addressof(ctypes.c_char.from_buffer(self._control))
        for slot in range(SLOTS):
            self._vectors[slot] = _IoVec(data + slot * SLOT_BYTES, SLOT_BYTES)
            message = self._messages[slot]
            message.vectors, message.vector_count = ctypes.addressof(self._vectors[slot]), 1
            message.control, message.control_length = control + slot * _CONTROL_BYTES, _CONTROL_BYTES
        # The kernel overwrites lengths and flags; one copy of this puts them back.
        self._fresh = bytes(self._messages)
        self._address = ctypes.addressof(self._messages)
        self._numbers = memoryview(self._messages).cast("B").cast("I")
        self._stride, self._received_at = size // 4, _Message.received.offset // 4
        function = ctypes.CDLL(None, use_errno=True).recvmmsg
        function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        return function

    def receive(self, sock: socket.socket) -> int:
        """Read up to SLOTS packets that are there; 0 when there are none."""
        if self._receive is None:
            return self._one_by_one(sock)
        count = self._receive(sock.fileno(), self._address, SLOTS, _MSG_DONTWAIT, None)
        if count <= 0:  # nothing there, or an ICMP error of an earlier send
            return 0
        self.lengths = self._numbers[self._received_at : count * self._stride : self._stride].tolist()
        control = memoryview(self._control)[: count * _CONTROL_BYTES]
        self.times = [seconds * 1_000_000 + rest // 1000 for seconds, rest in _timestamps.iter_unpack(control)]
        ctypes.memmove(self._address, self._fresh, count * self._stride * 4)
        return int(count)

    def _one_by_one(self, sock: socket.socket) -> int:
        self.lengths = []
        for slot in range(SLOTS):
            try:
                start = slot * SLOT_BYTES
                self.lengths.append(sock.recv_into(self.view[start : start + SLOT_BYTES]))
            except OSError:
                break
        self.times = [time.time_ns() // 1000] * len(self.lengths)
        return len(self.lengths)

    def put(self, packets: Sequence[bytes]) -> int:
        """Packets that were read by somebody else, as if they had been received now; at most SLOTS of them."""
        chosen = packets[:SLOTS]
        for slot, packet in enumerate(chosen):
            self.bytes[slot * SLOT_BYTES : slot * SLOT_BYTES + len(packet)] = packet
        self.lengths = [len(packet) for packet in chosen]
        self.times = [time.time_ns() // 1000] * len(chosen)
        return len(chosen)

    def refill(self, packets: list[HeldDatagram], times: list[int]) -> None:
        """Datagrams that were held until now, at most SLOTS of them."""
        buffer = self.bytes
        for start, (source, slot, length) in zip(STARTS, packets, strict=False):
            begin = source.starts[slot]
            buffer[start : start + length] = memoryview(source.bytes)[begin : begin + length]
        self.lengths = [length for _, _, length in packets]
        self.times = times


class HeldBatch:
    """What an inbox held, copied, to be worked on in place later as the inbox would have been.

    datagrams: all of them. starts, lengths, times: as of an Inbox.
    """

    __slots__ = ("bytes", "datagrams", "length", "lengths", "pointers", "starts", "times")

    def __init__(self, inbox: Inbox) -> None:
        view, lengths = inbox.view, inbox.lengths
        filled = zip(STARTS, lengths, strict=False)
        # Close together: copying the slots with the room between them would cost three times as much.
        self.bytes = bytearray().join([view[start : start + length] for start, length in filled])
        self.starts = list(accumulate(lengths, initial=0))
        base = _ffi.from_buffer("unsigned char[]", self.bytes)
        self.pointers = [base + start for start in self.starts]
        self.length = inbox.length
        self.lengths, self.times = lengths, inbox.times
        self.datagrams: list[HeldDatagram] = list(zip(repeat(self), range(len(lengths)), lengths, strict=False))


class HeldAlone:
    """A datagram by itself."""

    __slots__ = ("bytes",)
    starts = (0,)

    def __init__(self, data: bytes) -> None:
        self.bytes = data


# Where a received datagram lies: in what, as which of it, and its length. One copy for all of a batch, which as a rule
# comes out together, costs less than one for each.
HeldDatagram = tuple[HeldBatch | HeldAlone, int, int]


def alone(datagram: HeldDatagram) -> HeldDatagram:
    """The same datagram again, which nobody works on in place."""
    source, slot, length = datagram
    start = source.starts[slot]
    return HeldAlone(bytes(source.bytes[start : start + length])), 0, length
