"""Encoded frames to RTP payloads and back.

Cutting happens once per clip (`cut_vp8`, `cut_h264`); `frame_payloads` then only adds what differs from one sender to
the next: the picture ID and the stamp. The way back reads what the network brings, which may be anything: those
functions raise ValueError and nothing else, and look at each byte at most once.
"""

from collections.abc import Iterable

from synthetic_media.frame import ClipFrame
from synthetic_media.stamp import STAMP_SIZE, Buffer, sei_nal, stamp_opus

MAX_PAYLOAD = 1160  # bytes of one RTP payload, descriptor and stamp included: fits any tunnel, SRTP tag and extensions
VP8_DESCRIPTOR_SIZE = 4

NAL_NON_IDR, NAL_IDR, NAL_SEI, NAL_SPS, NAL_PPS = 1, 5, 6, 7, 8
_NAL_SLICES = frozenset((1, 2, 3, 4, 5))
_STAP_A, _FU_A = 24, 28
_FU_START, _FU_END = 0x80, 0x40
_START_CODE = b"\x00\x00\x01"

# First two bytes of our VP8 descriptor: X, and S on a frame's first packet; then I.
_VP8_START = b"\x90\x80"
_VP8_CONTINUED = b"\x80\x80"


def frame_payloads(codec: str, frame: ClipFrame, picture_id: int, stamp: bytes) -> list[bytes]:
    """All RTP payloads of one stamped frame, in sending order.

    codec: "vp8" or "h264". picture_id: counts the frames of this sender, modulo 2**15; H.264 has no use for it.
    """
    if codec == "h264":
        payloads = list(frame.fragments)
        payloads.insert(frame.stamp_slot, sei_nal(stamp))
        return payloads
    number = (picture_id & 0x7FFF | 0x8000).to_bytes(2)
    continued = _VP8_CONTINUED + number
    payloads = [continued + fragment for fragment in frame.fragments]
    payloads[0] = _VP8_START + number + frame.fragments[0]
    payloads[frame.stamp_slot] += stamp
    return payloads


def opus_payload(packet: bytes, stamp: bytes) -> bytes:
    """The RTP payload of one stamped Opus packet (RFC 7587 section 4.2: the packet itself)."""
    return stamp_opus(packet, stamp)


def cut_vp8(data: bytes) -> tuple[tuple[bytes, ...], int]:
    """Cut a VP8 frame into (fragments, stamp slot), all about equal, so that each fits with descriptor and stamp.

    Raises ValueError for an empty frame.
    """
    if not data:
        raise ValueError("an empty VP8 frame cannot be sent")
    fragments = _even_slices(data, MAX_PAYLOAD - VP8_DESCRIPTOR_SIZE, STAMP_SIZE)
    return fragments, len(fragments) - 1


def cut_h264(data: bytes) -> tuple[tuple[bytes, ...], int]:
    """Cut an H.264 access unit (Annex B) into (RTP payloads, stamp slot) for packetization mode 1 (RFC 6184 6.3).

    Parameter sets travel together in a STAP-A (5.7.1), what is too long in FU-A (5.8), the rest as single NAL units
    (5.6). The stamp's slot is in front of the first slice. Raises ValueError when there is no slice.
    """
    payloads: list[bytes] = []
    parameter_sets: list[bytes] = []
    slot = -1
    for nal in split_annex_b(data):
        kind = nal[0] & 0x1F
        if kind in (NAL_SPS, NAL_PPS):
            parameter_sets.append(nal)
            continue
        payloads += _aggregate(parameter_sets)
        parameter_sets = []
        if slot < 0 and kind in _NAL_SLICES:
            slot = len(payloads)
        payloads += _fragment(nal)
    payloads += _aggregate(parameter_sets)
    if slot < 0:
        raise ValueError("an H.264 access unit without a slice cannot be sent")
    return tuple(payloads), slot


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units between the start codes of a byte stream (ITU-T H.264 annex B), without the zeros around them."""
    pieces = data.split(_START_CODE)[1:]
    # A NAL unit never ends in a zero byte (7.4.1), so what is there belongs to the next start code.
    return [nal for nal in (piece.rstrip(b"\x00") for piece in pieces) if nal]


def vp8_descriptor(start: bool, picture_id: int) -> bytes:
    """A 4-byte VP8 payload descriptor (RFC 7741 section 4.2): X, I and M set, partition 0, 15-bit picture ID.

    start: whether the payload begins a frame (S). picture_id is taken modulo 2**15.
    """
    return (_VP8_START if start else _VP8_CONTINUED) + (picture_id & 0x7FFF | 0x8000).to_bytes(2)


def vp8_payload(payload: Buffer) -> tuple[int, bool, bool, int | None]:
    """Read a VP8 payload descriptor (RFC 7741 section 4.2) and the frame type bit (RFC 6386 section 9.1).

    Returns (offset of the bitstream, starts a frame, starts a key frame, picture ID or None).
    Raises ValueError when the payload ends inside the descriptor or right behind it.
    """
    try:
        first = payload[0]
        offset = 1
        picture_id = None
        if first & 0x80:
            extension = payload[1]
            offset = 2
            if extension & 0x80:
                picture_id = payload[2]
                offset = 3
                if picture_id & 0x80:
                    picture_id = (picture_id & 0x7F) << 8 | payload[3]
                    offset = 4
            if extension & 0x40:  # L: one byte of TL0PICIDX
                offset += 1
            if extension & 0x30:  # T or K: one byte for both
                offset += 1
        start = first & 0x17 == 0x10  # S, in partition 0
        return offset, start, payload[offset] & 1 == 0 and start, picture_id
    except IndexError:
        raise ValueError("the VP8 payload ends inside or right behind its descriptor") from None


def h264_nals(payload: Buffer) -> list[tuple[int, bool, Buffer]]:
    """The NAL units of one RTP payload (RFC 6184 sections 5.6, 5.7.1, 5.8): (type, begins here, bytes).

    A fragment that begins a unit gets its NAL header back, later ones are the bare bytes to append; so a frame is
    rebuilt by writing a start code in front of each unit that begins. Raises ValueError for a payload that is empty,
    cut short, or of a kind that packetization mode 1 does not have.
    """
    if not payload:
        raise ValueError("the H.264 payload is empty")
    kind = payload[0] & 0x1F
    if 1 <= kind < _STAP_A:
        return [(kind, True, payload)]
    if kind == _STAP_A:
        return _aggregated_nals(payload)
    if kind == _FU_A:
        return [_fragmented_nal(payload)]
    raise ValueError(f"H.264 payload type {kind} is not allowed in packetization mode 1")


def h264_starts_key(payload: Buffer) -> bool:
    """Whether a key frame begins in this payload: an IDR slice or a sequence parameter set. Raises as `h264_nals`."""
    return any(first and kind in (NAL_IDR, NAL_SPS) for kind, first, _ in h264_nals(payload))


def join_vp8(payloads: Iterable[Buffer]) -> bytes:
    """One frame's VP8 bitstream, stamp included, from its payloads in order. Raises ValueError as `vp8_payload`."""
    return b"".join(bytes(payload[vp8_payload(payload)[0] :]) for payload in payloads)


def join_h264(payloads: Iterable[Buffer]) -> bytes:
    """One access unit as a byte stream with 4-byte start codes, from its payloads in order.

    Raises ValueError as `h264_nals`, and when a fragment comes without the one that begins its unit.
    """
    stream = bytearray()
    for payload in payloads:
        for _, first, data in h264_nals(payload):
            if first:
                stream += b"\x00" + _START_CODE
            elif not stream:
                raise ValueError("an H.264 fragment comes without the beginning of its NAL unit")
            stream += data
    return bytes(stream)


def _even_slices(data: bytes, limit: int, reserved: int) -> tuple[bytes, ...]:
    """As few slices as fit `limit` with `reserved` bytes left in the last; equal ones, as bursts of loss like them."""
    total = len(data) + reserved
    count = -(-total // limit)
    cuts = [index * total // count for index in range(count)]
    return tuple(data[start:end] for start, end in zip(cuts, [*cuts[1:], len(data)], strict=True))


def _aggregate(nals: list[bytes]) -> list[bytes]:
    if len(nals) < 2:
        return nals
    importance = max(nal[0] & 0x60 for nal in nals)
    packet = bytes((importance | _STAP_A,)) + b"".join(len(nal).to_bytes(2) + nal for nal in nals)
    return [packet] if len(packet) <= MAX_PAYLOAD else nals


def _fragment(nal: bytes) -> list[bytes]:
    if len(nal) <= MAX_PAYLOAD:
        return [nal]
    indicator, kind = nal[0] & 0xE0 | _FU_A, nal[0] & 0x1F
    parts = _even_slices(nal[1:], MAX_PAYLOAD - 2, 0)
    marks = [_FU_START] + [0] * (len(parts) - 2) + [_FU_END]
    return [bytes((indicator, mark | kind)) + part for mark, part in zip(marks, parts, strict=True)]


def _aggregated_nals(payload: Buffer) -> list[tuple[int, bool, Buffer]]:
    view = memoryview(payload)
    nals: list[tuple[int, bool, Buffer]] = []
    position = 1
    while position < len(view):
        size = int.from_bytes(view[position : position + 2])
        begin, position = position + 2, position + 2 + size
        if not size or position > len(view):
            raise ValueError("the H.264 aggregation packet is cut short")
        kind = view[begin] & 0x1F
        if not 1 <= kind < _STAP_A:
            raise ValueError(f"an H.264 aggregation packet must not hold type {kind}")
        nals.append((kind, True, view[begin:position]))
    if not nals:
        raise ValueError("the H.264 aggregation packet is empty")
    return nals


def _fragmented_nal(payload: Buffer) -> tuple[int, bool, Buffer]:
    if len(payload) < 3:
        raise ValueError("the H.264 fragment is cut short")
    header = payload[1]
    kind = header & 0x1F
    if not 1 <= kind < _STAP_A:
        raise ValueError(f"an H.264 fragment must not be of type {kind}")
    if not header & _FU_START:
        return kind, False, memoryview(payload)[2:]
    if header & _FU_END:
        raise ValueError("an H.264 fragment must not be the first and the last at once")
    return kind, True, bytes((payload[0] & 0xE0 | kind,)) + payload[2:]
