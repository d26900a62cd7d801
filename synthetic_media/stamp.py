"""The stamp: 32 bytes inside an encoded frame that say whose it is, which one, and when it was captured.

Decoders ignore it, forwarding units do not touch it, and a receiver reads it without decoding anything.
Where it sits depends on the codec:

* VP8: behind the last partition (the bool decoder never looks there);
* H.264: in an SEI message "user data unregistered" of its own (ITU-T H.264 D.1.7);
* Opus: in the padding of a code 3 packet (RFC 6716 section 3.2.5).
"""

import re
from dataclasses import dataclass
from struct import Struct
from uuid import UUID
from zlib import crc32

Buffer = bytes | bytearray | memoryview
StampFields = tuple[int, int, int, int, int]

STAMP_MAGIC = b"\xc7MS\x01"
STAMP_SIZE = 32

_FIELDS = Struct(">4s4IQ")
_WHOLE = Struct(">4s4IQI")
_CRC = Struct(">I")

_SEI_NAL_TYPE = 6
_SEI_USER_DATA = 5
_SEI_UUID = UUID("b3a5d1c4-7f0e-4c62-9d38-51e6a0c97f14").bytes
_SEI_BODY = len(_SEI_UUID) + STAMP_SIZE
_SEI_START = bytes((_SEI_NAL_TYPE, _SEI_USER_DATA, _SEI_BODY)) + _SEI_UUID
_SEI_STOP = b"\x80"
_LOOKS_LIKE_START_CODE = re.compile(rb"\x00\x00(?=[\x00-\x03])")

_OPUS_PADDED = 0x40
_OPUS_VBR = 0x80


class StampDamaged(ValueError):
    """A stamp is there, but its checksum does not match its content."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a stamp says. The functions below deal in plain tuples of the same order, because they run per frame."""

    publisher: int  # u32: who sent it, an index into the run's roster
    stream: int  # u32: which of the run's streams
    frame: int  # u32: counts the frames this publisher sent on this stream; never jumps
    clip_frame: int  # u32: which frame of the clip this is; jumps with key frame requests
    capture_us: int  # u64: capture time in microseconds on the publisher's clock

    def pack(self) -> bytes:
        return pack_stamp(self.publisher, self.stream, self.frame, self.clip_frame, self.capture_us)


def pack_stamp(publisher: int, stream: int, frame: int, clip_frame: int, capture_us: int) -> bytes:
    """The 32 bytes of a stamp: magic, four u32, one u64, CRC-32 of all before it; everything big-endian.

    Raises `struct.error` when a field is negative or too large.
    """
    fields = _FIELDS.pack(STAMP_MAGIC, publisher, stream, frame, clip_frame, capture_us)
    return fields + _CRC.pack(crc32(fields))


def unpack_stamp(buffer: Buffer, end: int) -> StampFields | None:
    """Read the stamp whose last byte is just before offset `end`: (publisher, stream, frame, clip_frame, capture_us).

    None when fewer than 32 bytes lie before `end`, when `end` is beyond the buffer, or when the magic is not there.
    Raises `StampDamaged` when the magic is there and the checksum is wrong.
    """
    start = end - STAMP_SIZE
    if start < 0 or end > len(buffer):
        return None
    magic, publisher, stream, frame, clip_frame, capture_us, checksum = _WHOLE.unpack_from(buffer, start)
    if magic != STAMP_MAGIC:
        return None
    if crc32(buffer[start : end - 4]) != checksum:
        raise StampDamaged("the stamp's checksum does not match its content")
    return publisher, stream, frame, clip_frame, capture_us


def stamp_opus(packet: bytes, stamp: bytes) -> bytes:
    """The same Opus packet with `stamp` as the last bytes of its padding (RFC 6716 section 3.2.5).

    Only code 3 packets can be padded. Codes 0, 1 and 2 are rewritten as code 3 with one, two equal, or two unequal
    frames; what follows their first byte is laid out the same in both forms, so no frame byte changes. Padding that is
    already there stays in front of the stamp. Raises ValueError for a packet that is empty or whose padding is broken.
    """
    if not packet:
        raise ValueError("an empty Opus packet cannot be stamped")
    code = packet[0] & 3
    if code == 3:
        return _stamp_code_3(packet, stamp)
    count = (1, 2, 2 | _OPUS_VBR)[code] | _OPUS_PADDED
    return bytes((packet[0] | 3, count)) + _padding_length(len(stamp)) + packet[1:] + stamp


def read_opus_stamp(packet: Buffer) -> StampFields | None:
    """The stamp at the end of an Opus packet's padding, as `unpack_stamp` gives it; None when there is none.

    Bytes that are no Opus packet give None. Raises `StampDamaged` as `unpack_stamp` does.
    """
    if len(packet) < STAMP_SIZE + 3 or packet[0] & 3 != 3 or not packet[1] & _OPUS_PADDED:
        return None
    try:
        offset, padding = _read_padding(packet)
    except ValueError:
        return None
    if padding < STAMP_SIZE or offset + padding > len(packet):
        return None
    return unpack_stamp(packet, len(packet))


def sei_nal(stamp: bytes) -> bytes:
    """An H.264 SEI NAL unit (no start code) that carries `stamp` as unregistered user data under our own UUID.

    Emulation prevention (ITU-T H.264 7.4.1) is applied, so its length varies: 52 bytes and a few more at times.
    Raises ValueError when `stamp` is not 32 bytes long.
    """
    if len(stamp) != STAMP_SIZE:
        raise ValueError(f"a stamp has {STAMP_SIZE} bytes, not {len(stamp)}")
    nal = _SEI_START + stamp + _SEI_STOP
    return _LOOKS_LIKE_START_CODE.sub(b"\x00\x00\x03", nal) if b"\x00\x00" in nal else nal


def read_sei_stamp(nal: Buffer) -> StampFields | None:
    """The stamp in an SEI NAL unit (no start code), as `unpack_stamp` gives it; None for any other NAL unit.

    Messages of other kinds in the same unit are skipped. Raises `StampDamaged` as `unpack_stamp` does.
    """
    if len(nal) < len(_SEI_START) + STAMP_SIZE or nal[0] & 0x1F != _SEI_NAL_TYPE:
        return None
    data = bytes(nal).replace(b"\x00\x00\x03", b"\x00\x00")
    position = 1
    while position + 2 < len(data):  # the stop byte alone is no message
        kind, position = _sei_number(data, position)
        size, position = _sei_number(data, position)
        end = position + size
        if kind == _SEI_USER_DATA and size == _SEI_BODY and data.startswith(_SEI_UUID, position) and end <= len(data):
            return unpack_stamp(data, end)
        position = end
    return None


def _sei_number(data: bytes, position: int) -> tuple[int, int]:
    """A payload type or size (ITU-T H.264 7.3.2.3.1) and the offset behind it; past the end it counts as 0."""
    value = 0
    while position < len(data):
        value += data[position]
        position += 1
        if data[position - 1] != 0xFF:
            break
    return value, position


def _stamp_code_3(packet: bytes, stamp: bytes) -> bytes:
    if len(packet) < 2:
        raise ValueError("a code 3 Opus packet ends before its frame count")
    offset, padding = _read_padding(packet) if packet[1] & _OPUS_PADDED else (2, 0)
    if offset + padding > len(packet):
        raise ValueError("an Opus packet announces more padding than it has bytes")
    head = bytes((packet[0], packet[1] | _OPUS_PADDED))
    return head + _padding_length(padding + len(stamp)) + packet[offset:] + stamp


def _padding_length(size: int) -> bytes:
    """255 stands for 254 bytes of padding and another length byte; the last byte is at most 254."""
    full, rest = divmod(size, 254)
    return b"\xff" * full + bytes((rest,))


def _read_padding(packet: Buffer) -> tuple[int, int]:
    """(offset behind the length bytes, bytes of padding) of a code 3 packet whose padding flag is set."""
    size = 0
    for offset in range(2, len(packet)):
        if packet[offset] != 0xFF:
            return offset + 1, size + packet[offset]
        size += 254
    raise ValueError("an Opus packet ends inside its padding length")
