"""Stamps survive the trip in every codec, and nothing else is ever taken for one."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic_media import (
    STAMP_SIZE,
    Stamp,
    StampDamaged,
    pack_stamp,
    read_opus_stamp,
    read_sei_stamp,
    sei_nal,
    stamp_opus,
    unpack_stamp,
)
from synthetic_media.stamp import STAMP_MAGIC

u32 = st.integers(0, 2**32 - 1)
# Small numbers and powers of 256 are full of zero bytes, which is what emulation prevention is about.
zero_heavy = st.sampled_from([0, 1, 2, 3, 256, 768, 65536, 2**24, 3 << 16]) | u32
stamps = st.tuples(zero_heavy, zero_heavy, zero_heavy, zero_heavy, zero_heavy | st.integers(0, 2**64 - 1))

A_STAMP = pack_stamp(7, 21, 1000, 250, 1_700_000_000_000_000)


def no_stamp(read: Callable[..., object], *arguments: object) -> bool:
    """Whether this holds no stamp. Hypothesis knows our magic and tries it: damage is then the right answer."""
    try:
        return read(*arguments) is None
    except StampDamaged:
        return STAMP_MAGIC in arguments[0].replace(b"\0\0\3", b"\0\0")  # type: ignore[attr-defined]


def opus_frames(packet: bytes) -> list[bytes]:
    """The frames of an Opus packet, read with RFC 6716 section 3.2 in hand and nothing of the code under test."""

    def length(position: int) -> tuple[int, int]:
        first = packet[position]
        return (first, position + 1) if first < 252 else (first + 4 * packet[position + 1], position + 2)

    code, end = packet[0] & 3, len(packet)
    if code == 0:
        return [packet[1:]]
    if code == 1:
        half = (end - 1) // 2
        return [packet[1 : 1 + half], packet[1 + half :]]
    if code == 2:
        size, position = length(1)
        return [packet[position : position + size], packet[position + size :]]
    flags, position = packet[1], 2
    count = flags & 0x3F
    if flags & 0x40:
        while True:
            value, position = packet[position], position + 1
            end -= 254 if value == 255 else value
            if value != 255:
                break
    sizes = []
    if flags & 0x80:
        for _ in range(count - 1):
            size, position = length(position)
            sizes.append(size)
        sizes.append(end - position - sum(sizes))
    else:
        sizes = [(end - position) // count] * count
    frames = []
    for size in sizes:
        frames.append(packet[position : position + size])
        position += size
    assert position == end
    return frames


def opus_length(size: int) -> bytes:
    return bytes((size,)) if size < 252 else bytes((252 + (size & 3), (size - 252 - (size & 3)) // 4))


@st.composite
def opus_packets(draw: st.DrawFn) -> bytes:
    """Well-formed packets of all four codes, code 3 with and without VBR and padding."""
    toc, code = draw(st.integers(0, 63)) << 2, draw(st.integers(0, 3))
    frame = st.binary(max_size=300)
    if code == 0:
        return bytes((toc,)) + draw(frame)
    if code == 1:
        one = draw(frame)
        return bytes((toc | 1,)) + one + bytes(reversed(one))
    if code == 2:
        first = draw(frame)
        return bytes((toc | 2,)) + opus_length(len(first)) + first + draw(frame)
    padding = draw(st.none() | st.integers(0, 700))
    pad_length = b"" if padding is None else b"\xff" * (padding // 254) + bytes((padding % 254,))
    flag, zeros = (0, 0) if padding is None else (0x40, padding)
    if draw(st.booleans()):
        frames = draw(st.lists(frame, min_size=1, max_size=4))
        sizes = b"".join(opus_length(len(data)) for data in frames[:-1])
        return bytes((toc | 3, 0x80 | flag | len(frames))) + pad_length + sizes + b"".join(frames) + bytes(zeros)
    count, one = draw(st.integers(1, 4)), draw(frame)
    return bytes((toc | 3, flag | count)) + pad_length + one * count + bytes(zeros)


@given(stamps, st.binary(max_size=40), st.binary(max_size=40))
def test_a_stamp_reads_back_wherever_it_ends(fields: tuple[int, ...], before: bytes, behind: bytes) -> None:
    stamp = pack_stamp(*fields)
    assert len(stamp) == STAMP_SIZE
    for kind in (bytes, bytearray, memoryview):
        assert unpack_stamp(kind(before + stamp + behind), len(before) + STAMP_SIZE) == fields


def test_the_layout_is_the_documented_one() -> None:
    assert A_STAMP[:28] == STAMP_MAGIC + struct.pack(">IIIIQ", 7, 21, 1000, 250, 1_700_000_000_000_000)
    assert Stamp(7, 21, 1000, 250, 1_700_000_000_000_000).pack() == A_STAMP


@pytest.mark.parametrize("fields", [(2**32, 0, 0, 0, 0), (0, 0, 0, 0, 2**64), (-1, 0, 0, 0, 0)])
def test_a_field_that_does_not_fit_is_refused(fields: tuple[int, ...]) -> None:
    with pytest.raises(struct.error):
        pack_stamp(*fields)


@given(st.binary(max_size=80), st.integers(-5, 90))
def test_random_bytes_hold_no_stamp(data: bytes, end: int) -> None:
    assert no_stamp(unpack_stamp, data, end)


@pytest.mark.parametrize("length", range(STAMP_SIZE))
def test_a_truncated_stamp_is_none(length: int) -> None:
    assert unpack_stamp(A_STAMP[:length], length) is None
    assert unpack_stamp(A_STAMP[:length], STAMP_SIZE) is None


@pytest.mark.parametrize("bit", range(8 * STAMP_SIZE))
def test_one_flipped_bit_is_damage_or_no_stamp_at_all(bit: int) -> None:
    data = bytearray(A_STAMP)
    data[bit // 8] ^= 1 << bit % 8
    if bit < 32:
        assert unpack_stamp(data, STAMP_SIZE) is None
    else:
        with pytest.raises(StampDamaged):
            unpack_stamp(data, STAMP_SIZE)


@given(opus_packets(), stamps)
def test_an_opus_packet_keeps_its_frames_and_shows_its_stamp(packet: bytes, fields: tuple[int, ...]) -> None:
    stamped = stamp_opus(packet, pack_stamp(*fields))
    assert stamped[0] >> 2 == packet[0] >> 2
    assert opus_frames(stamped) == opus_frames(packet)
    assert read_opus_stamp(stamped) == fields
    again = stamp_opus(stamped, A_STAMP)
    assert opus_frames(again) == opus_frames(packet)
    assert read_opus_stamp(again) == unpack_stamp(A_STAMP, STAMP_SIZE)


@pytest.mark.parametrize("packet", [b"", b"\x03", b"\x03\x41", b"\x03\x41\xff\xff", b"\x03\x41\x05abc"])
def test_a_broken_opus_packet_is_not_stamped(packet: bytes) -> None:
    with pytest.raises(ValueError, match="Opus"):
        stamp_opus(packet, A_STAMP)


@given(st.binary(max_size=120))
def test_random_opus_bytes_hold_no_stamp(data: bytes) -> None:
    assert no_stamp(read_opus_stamp, data)
    assert no_stamp(read_opus_stamp, b"\x03\x41" + data)
    assert no_stamp(read_opus_stamp, b"\x03\x41\xff" + data)


def test_a_stamp_outside_the_padding_is_not_read() -> None:
    assert read_opus_stamp(b"\x08" + A_STAMP) is None  # code 0: these bytes are sound
    assert read_opus_stamp(b"\x0b\x41\x05abc" + A_STAMP) is None
    assert read_opus_stamp(b"\x0b\x41\xfe" + A_STAMP) is None  # more padding than bytes


def test_a_damaged_opus_stamp_is_reported() -> None:
    stamped = bytearray(stamp_opus(b"\x08sound", A_STAMP))
    stamped[-1] ^= 1
    with pytest.raises(StampDamaged):
        read_opus_stamp(stamped)


@given(stamps)
def test_an_sei_unit_shows_its_stamp_and_no_start_code(fields: tuple[int, ...]) -> None:
    nal = sei_nal(pack_stamp(*fields))
    assert nal[0] == 6
    assert all(nal[index : index + 3] not in (b"\0\0\0", b"\0\0\1", b"\0\0\2") for index in range(len(nal)))
    assert nal[-1] != 0
    assert read_sei_stamp(nal) == fields
    assert read_sei_stamp(memoryview(nal)) == fields


def test_other_sei_messages_are_skipped() -> None:
    long_one = b"\x05\xff\x2d" + bytes(range(1, 256)) + b"u" * 45
    ours = sei_nal(A_STAMP)[1:]
    assert read_sei_stamp(b"\x06" + b"\x01\x02ab" + long_one + ours) == unpack_stamp(A_STAMP, STAMP_SIZE)
    assert read_sei_stamp(b"\x06" + long_one + b"\x80") is None
    assert read_sei_stamp(b"\x65" + ours) is None


@pytest.mark.parametrize("length", range(51))
def test_a_truncated_sei_unit_holds_no_stamp(length: int) -> None:
    assert read_sei_stamp(sei_nal(A_STAMP)[:length]) is None


@given(st.binary(max_size=120))
def test_random_sei_bytes_hold_no_stamp(data: bytes) -> None:
    assert no_stamp(read_sei_stamp, data)
    assert no_stamp(read_sei_stamp, b"\x06" + data)
    assert no_stamp(read_sei_stamp, sei_nal(A_STAMP)[:19] + data + b"\x80" * 32)


def test_a_damaged_sei_stamp_is_reported() -> None:
    nal = bytearray(sei_nal(A_STAMP))
    nal[-2] ^= 0x40
    with pytest.raises(StampDamaged):
        read_sei_stamp(nal)


def test_an_sei_unit_takes_a_whole_stamp_only() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sei_nal(A_STAMP[1:])
