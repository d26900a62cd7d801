"""Frames are cut so that they fit and join again; hostile payloads raise ValueError and nothing else."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic_media import (
    MAX_PAYLOAD,
    STAMP_SIZE,
    ClipFrame,
    VideoClip,
    frame_payloads,
    h264_nals,
    h264_starts_key,
    pack_stamp,
    read_sei_stamp,
    sei_nal,
    unpack_stamp,
    vp8_descriptor,
    vp8_payload,
)
from synthetic_media.encoder import encode_video
from synthetic_media.packetize import cut_h264, cut_vp8, join_h264, join_vp8, split_annex_b

FIELDS = (1, 2, 3, 4, 5)
STAMP = pack_stamp(*FIELDS)
SPS, PPS = b"\x67sps", b"\x68pps"


def vp8_frame(data: bytes) -> ClipFrame:
    return ClipFrame(data[0] & 1 == 0, len(data), *cut_vp8(data))


def h264_frame(*nals: bytes) -> ClipFrame:
    data = b"".join(b"\0\0\0\1" + nal for nal in nals)
    return ClipFrame(True, len(data), *cut_h264(data))


def test_the_vp8_descriptor_has_the_documented_bits() -> None:
    assert vp8_descriptor(True, 0x1234) == b"\x90\x80\x92\x34"
    assert vp8_descriptor(False, 5) == b"\x80\x80\x80\x05"
    assert vp8_descriptor(True, 0x8001) == vp8_descriptor(True, 1)


@given(st.booleans(), st.integers(0, 0x7FFF), st.binary(min_size=1, max_size=3))
def test_the_vp8_descriptor_reads_back(start: bool, picture_id: int, data: bytes) -> None:
    expected = (4, start, start and not data[0] & 1, picture_id)
    assert vp8_payload(vp8_descriptor(start, picture_id) + data) == expected
    assert vp8_payload(memoryview(vp8_descriptor(start, picture_id) + data)) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x10\x00", (1, True, True, None)),  # no extension
        (b"\x10\x01", (1, True, False, None)),
        (b"\x00\x00", (1, False, False, None)),
        (b"\x11\x00", (1, False, False, None)),  # begins partition 1, not the frame
        (b"\x30\x00", (1, True, True, None)),  # N: non-reference
        (b"\x90\x00\x00", (2, True, True, None)),  # extension byte with nothing in it
        (b"\x90\x80\x07\x00", (3, True, True, 7)),  # 7-bit picture ID
        (b"\x90\x80\x80\x07\x00", (4, True, True, 7)),
        (b"\x90\x40\x09\x00", (3, True, True, None)),  # L
        (b"\x90\x20\x09\x00", (3, True, True, None)),  # T
        (b"\x90\x10\x09\x00", (3, True, True, None)),  # K
        (b"\x90\xf0\xff\xff\x09\x09\x00", (6, True, True, 0x7FFF)),  # everything
    ],
)
def test_every_vp8_descriptor_form_is_read(payload: bytes, expected: tuple[int, bool, bool, int | None]) -> None:
    assert vp8_payload(payload) == expected
    for length in range(len(payload)):
        with pytest.raises(ValueError, match="VP8"):
            vp8_payload(payload[:length])


@given(st.integers(1, 12_000))
def test_vp8_fragments_fit_and_join(size: int) -> None:
    data = bytes(index * 7 % 251 for index in range(size))
    payloads = frame_payloads("vp8", vp8_frame(data), 300, STAMP)
    assert max(map(len, payloads)) <= MAX_PAYLOAD
    assert len(payloads) == -(-(size + STAMP_SIZE) // (MAX_PAYLOAD - 4))
    assert join_vp8(payloads) == data + STAMP
    assert [vp8_payload(payload)[1] for payload in payloads] == [True] + [False] * (len(payloads) - 1)
    assert {vp8_payload(payload)[3] for payload in payloads} == {300}
    assert unpack_stamp(payloads[-1], len(payloads[-1])) == FIELDS


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=4))
def test_h264_payloads_fit_and_join(sizes: list[int]) -> None:
    slices = [b"\x65" + b"s" * size for size in sizes]
    frame = h264_frame(SPS, PPS, *slices)
    payloads = frame_payloads("h264", frame, 0, STAMP)
    assert max(map(len, payloads)) <= MAX_PAYLOAD
    assert split_annex_b(join_h264(payloads)) == [SPS, PPS, sei_nal(STAMP), *slices]
    assert split_annex_b(join_h264(frame.fragments)) == [SPS, PPS, *slices]


def test_h264_parameter_sets_share_a_packet_and_the_stamp_goes_before_the_first_slice() -> None:
    payloads = frame_payloads("h264", h264_frame(SPS, PPS, b"\x06other", b"\x65a", b"\x65b"), 0, STAMP)
    assert payloads[0] == b"\x78\x00\x04" + SPS + b"\x00\x04" + PPS
    assert payloads[1:] == [b"\x06other", sei_nal(STAMP), b"\x65a", b"\x65b"]


def test_an_h264_fragment_keeps_type_and_importance() -> None:
    first, last = h264_frame(b"\x65" + b"s" * 1500).fragments
    assert (first[:2], last[:2]) == (b"\x7c\x85", b"\x7c\x45")


@pytest.mark.parametrize("cut", [cut_vp8, cut_h264])
def test_a_frame_without_content_is_refused(cut: type) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        cut(b"")


@pytest.mark.parametrize(
    ("payload", "starts_key"),
    [
        (b"\x65idr", True),
        (b"\x67sps", True),
        (b"\x41slice", False),
        (b"\x06sei", False),
        (b"\x78\x00\x02\x67s\x00\x02\x68p", True),
        (b"\x78\x00\x02\x68p\x00\x02\x41s", False),
        (b"\x7c\x85data", True),
        (b"\x7c\x05data", False),  # the middle of an IDR slice
        (b"\x7c\x81data", False),
    ],
)
def test_the_start_of_an_h264_key_frame_is_seen(payload: bytes, starts_key: bool) -> None:
    assert h264_starts_key(payload) is starts_key


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",  # type 0
        b"\x79\x00\x00\x00\x01\x65",  # STAP-B
        b"\x7d\x85ab",  # FU-B
        b"\x7f",
        b"\x78",  # empty STAP-A
        b"\x78\x00",  # cut inside a size
        b"\x78\x00\x05\x65ab",  # cut inside a unit
        b"\x78\x00\x00",  # unit of no bytes
        b"\x78\x00\x02\x7cx",  # a fragment inside an aggregate
        b"\x7c",
        b"\x7c\x85",
        b"\x7c\xc5ab",  # first and last at once
        b"\x7c\x98ab",  # an aggregate in fragments
    ],
)
def test_a_malformed_h264_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"H\.264"):
        h264_nals(payload)


def test_a_fragment_without_its_beginning_is_not_joined() -> None:
    with pytest.raises(ValueError, match="without the beginning"):
        join_h264([b"\x7c\x05data"])


@given(st.binary(max_size=60), st.sampled_from([b"", b"\x78", b"\x7c", b"\x90", b"\x90\xf0", b"\x78\x00\x03\x67ab"]))
def test_hostile_payloads_raise_value_error_only(data: bytes, head: bytes) -> None:
    for read in (vp8_payload, h264_nals, h264_starts_key):
        for kind in (bytes, bytearray, memoryview):
            with suppress(ValueError):
                read(kind(head + data))
    for join in (join_vp8, join_h264):
        with suppress(ValueError):
            join([head + data, data])


@given(st.binary(min_size=1, max_size=60))
def test_a_vp8_offset_is_always_inside_the_payload(data: bytes) -> None:
    with suppress(ValueError):
        assert 1 <= vp8_payload(data)[0] < len(data)


def test_vp8_clip_fragments_are_the_encoders_frames(vp8_clip: VideoClip) -> None:
    encoded = encode_video(vp8_clip.spec, vp8_clip.seed)
    assert len(encoded) == len(vp8_clip.frames) == 50
    for frame, (data, key) in zip(vp8_clip.frames, encoded, strict=True):
        assert (b"".join(frame.fragments), frame.size, frame.key) == (data, len(data), key)
        payloads = frame_payloads("vp8", frame, 1, STAMP)
        assert max(map(len, payloads)) <= MAX_PAYLOAD
        assert join_vp8(payloads) == data + STAMP
        assert vp8_payload(payloads[0])[2] is key


def test_h264_clip_payloads_are_the_encoders_frames(h264_clip: VideoClip) -> None:
    encoded = encode_video(h264_clip.spec, h264_clip.seed)
    assert len(encoded) == len(h264_clip.frames) == 50
    assert max(len(frame.fragments) for frame in h264_clip.frames) > 2  # or fragmentation was not tried
    for frame, (data, key) in zip(h264_clip.frames, encoded, strict=True):
        assert split_annex_b(join_h264(frame.fragments)) == split_annex_b(data)
        assert (frame.size, frame.key) == (len(data), key)
        payloads = frame_payloads("h264", frame, 1, STAMP)
        assert max(map(len, payloads)) <= MAX_PAYLOAD
        assert [read_sei_stamp(payload) for payload in payloads].index(FIELDS) == frame.stamp_slot
        assert any(h264_starts_key(payload) for payload in payloads) is key
        following = h264_nals(payloads[frame.stamp_slot + 1])[0]
        assert following[0] in (1, 5) and following[1]


def test_h264_clips_are_constrained_baseline_level_3_1(h264_clip: VideoClip) -> None:
    """What profile-level-id 42e01f and 42c01f offer (RFC 6184 section 8.1), in every key frame."""
    for position in h264_clip.key_positions:
        nals = split_annex_b(join_h264(h264_clip.frames[position].fragments))
        (sps,) = [nal for nal in nals if nal[0] & 0x1F == 7]
        assert (sps[1], sps[2] & 0x40, sps[3]) == (66, 0x40, 31)
        assert [nal[0] & 0x1F for nal in nals if nal[0] & 0x1F != 6] == [7, 8, 5]
