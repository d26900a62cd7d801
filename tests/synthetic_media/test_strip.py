"""The strip carries its numbers in its cells, also through an encoder."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from synthetic_media import VideoClip, draw_strip, strip_bits
from synthetic_media.packetize import join_h264
from synthetic_media.strip import FIELD_BITS, STRIP_BITS, cell_edges, crc24

SEED = 11


def cells(y: np.ndarray) -> np.ndarray:
    """The 128 cells of a luma plane as bits: the middle of each against the half way between dark and light."""
    edges = cell_edges(y.shape[1])
    centres = (edges[:-1] + edges[1:]) // 2
    return np.array(y[centres[:2]][:, centres].ravel()[:STRIP_BITS] > 125, np.uint8)


def fields(bits: np.ndarray) -> dict[str, int]:
    found, position = {}, 0
    for name, size in FIELD_BITS:
        found[name] = int("".join(map(str, bits[position : position + size])), 2)
        position += size
    return found


def test_the_fields_are_where_the_layout_says() -> None:
    found = fields(strip_bits(0xDEADBEEF, 0x1_2345_6789, 0x1_000_007))
    crc = found.pop("crc")
    assert found == {"calibration": 0xA5, "version": 0x10, "stream": 0xDEADBEEF, "epoch": 0x23456789, "frame": 7}
    assert crc == crc24(bytes.fromhex("10 deadbeef 23456789 000007"))


def test_the_checksum_is_openpgps() -> None:
    assert crc24(b"123456789") == 0x21CF02  # the check value of CRC-24/OPENPGP


@pytest.mark.parametrize("width", [160, 320, 352, 640, 1280])
def test_every_cell_is_drawn_at_every_width(width: int) -> None:
    y = np.full((96, width), 77, np.uint8)
    draw_strip(y, 123456, 99, 4321)
    assert np.array_equal(cells(y), strip_bits(123456, 99, 4321))
    height = 2 * width // 80
    assert (y[height:] == 77).all() and not (y[:height] == 77).any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for the strip"):
        draw_strip(np.zeros((90, 158), np.uint8), 1, 0, 0)
    with pytest.raises(ValueError, match="32 bits"):
        strip_bits(1 << 32, 0, 0)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_every_decoded_picture_shows_its_clip_frame(
    codec: str, request: pytest.FixtureRequest, decode: Callable[[str, Iterable[bytes]], list[np.ndarray]]
) -> None:
    clip: VideoClip = request.getfixturevalue(f"{codec}_clip")
    join = b"".join if codec == "vp8" else join_h264
    pictures = decode(codec, [join(frame.fragments) for frame in clip.frames])
    for index, picture in enumerate(pictures):
        assert np.array_equal(cells(picture[: clip.spec.height]), strip_bits(SEED, 0, index))
