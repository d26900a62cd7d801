"""The strip: 80 x 2 cells of light and dark luma along the top edge that say which picture this is.

Stamps do not survive whatever re-encodes or renders (browsers, mixers, recordings); cells that are large against a
codec's transform do. The grid is relative to the width, so every simulcast layer carries it alike.

128 bits, most significant first, row by row from the top left cell; the other 32 cells stay dark:

    calibration 8 | version and flags 8 | stream 32 | epoch 32 | frame 24 | CRC-24 of the four fields before it
"""

import numpy as np
from numpy.typing import NDArray

COLUMNS = 80
ROWS = 2
CALIBRATION = 0b10100101  # as many light cells as dark ones: a reader takes its threshold from them
VERSION = 1  # upper half of the version byte; the lower half is for flags
DARK, LIGHT = 40, 210  # inside limited range, with room for overshoot on both sides
FIELD_BITS = (("calibration", 8), ("version", 8), ("stream", 32), ("epoch", 32), ("frame", 24), ("crc", 24))
STRIP_BITS = sum(bits for _, bits in FIELD_BITS)
MIN_WIDTH = 2 * COLUMNS  # cells below two pixels get lost in the codec

_CRC24_POLYNOMIAL = 0x864CFB
_CRC24_START = 0xB704CE


def _crc24_entry(byte: int) -> int:
    register = byte << 16
    for _ in range(8):
        register = (register << 1) ^ (_CRC24_POLYNOMIAL if register & 0x800000 else 0)
    return register & 0xFFFFFF


_CRC24_TABLE = tuple(_crc24_entry(byte) for byte in range(256))


def crc24(data: bytes) -> int:
    """CRC-24 as OpenPGP defines it (RFC 9580 section 6.1.1)."""
    register = _CRC24_START
    for byte in data:
        register = (register << 8 & 0xFFFFFF) ^ _CRC24_TABLE[register >> 16 ^ byte]
    return register


def strip_bits(stream: int, epoch_ms: int, frame: int) -> NDArray[np.uint8]:
    """The 128 bits (0 or 1) of one picture's strip, in drawing order.

    `stream` is a u32 and must fit (ValueError); `epoch_ms`, the capture time of frame 0, is cut to its lower 32 bits
    and `frame` to its lower 24, because both only have to be unambiguous within a run.
    """
    if not 0 <= stream < 1 << 32:
        raise ValueError(f"stream id {stream} does not fit into 32 bits")
    fields = bytes((VERSION << 4,)) + stream.to_bytes(4) + (epoch_ms & 0xFFFFFFFF).to_bytes(4)
    fields += (frame & 0xFFFFFF).to_bytes(3)
    whole = bytes((CALIBRATION,)) + fields + crc24(fields).to_bytes(3)
    return np.unpackbits(np.frombuffer(whole, np.uint8))


def cell_edges(width: int) -> NDArray[np.intp]:
    """The 81 pixel columns where cells begin and end; the first 3 are the pixel rows too (cells are square)."""
    return np.arange(COLUMNS + 1) * width // COLUMNS


def draw_strip(y: NDArray[np.uint8], stream: int, epoch_ms: int, frame: int) -> None:
    """Draw the strip into the luma plane `y` (height x width, uint8), in place.

    Raises ValueError when the plane is narrower than 160 pixels or lower than the strip, or as `strip_bits` does.
    """
    height, width = y.shape
    edges = cell_edges(width)
    bottom = int(edges[ROWS])
    if width < MIN_WIDTH or height < bottom:
        raise ValueError(f"a picture of {width}x{height} is too small for the strip")
    cells = np.full(COLUMNS * ROWS, DARK, np.uint8)
    cells[:STRIP_BITS][strip_bits(stream, epoch_ms, frame) == 1] = LIGHT
    sizes = np.diff(edges)
    y[:bottom] = np.repeat(np.repeat(cells.reshape(ROWS, COLUMNS), sizes[:ROWS], axis=0), sizes, axis=1)
