"""The strip: 80 x 2 cells of light and dark luma along the top edge that say which picture this is.

Stamps do not survive whatever re-encodes or renders (browsers, mixers, recordings); cells that are large against a
codec's transform do. The grid is relative to the width, so every simulcast layer carries it alike.

128 bits, most significant first, row by row from the top left cell; the other 32 cells stay dark:

    calibration 8 | version and flags 8 | stream 32 | epoch 32 | frame 24 | CRC-24 of the four fields before it

A reader sees a picture that was encoded, scaled, brightened or blurred since, and takes from it a reading whose
checksum holds or none at all. A reading says whose picture this is and which one, not that it is undamaged.
"""

from dataclasses import dataclass
from functools import lru_cache

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

MIN_READ_WIDTH = COLUMNS  # one pixel a cell is sometimes still read, less never
_CHECKED_BITS = STRIP_BITS - FIELD_BITS[0][1]  # all but the calibration
_INSET = 0.25  # of a cell, on each side: codecs blur its edges
_LEAST_SWING = 8  # luma steps from the threshold to light, below which there is nothing to read
_UNCERTAIN = 4  # cells that may have been read wrongly

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


@dataclass(frozen=True, slots=True)
class StripReading:
    """What a strip says. margin: distance of the least certain cell from the threshold, 1 for a clean one, 0 for one
    on it. corrected: how many of the least certain cells had to be turned over for the checksum to hold."""

    stream: int  # u32
    epoch_ms: int  # lower 32 bits
    frame: int  # lower 24 bits
    margin: float
    corrected: int


def read_strip(y: NDArray[np.uint8]) -> StripReading | None:
    """Read the strip of a luma plane (height x width, uint8) of any size; None when there is none that can be read.

    The threshold comes from the calibration cells, so range, brightness and contrast may have changed on the way. Up
    to four of the least certain cells are turned over until the checksum holds (Chase's second algorithm).
    """
    height, width = y.shape
    if width < MIN_READ_WIDTH or height < -(-ROWS * width // COLUMNS):
        return None
    soft = _soft_cells(y)
    if soft is None:
        return None
    hard = soft > 0
    certainty = np.abs(soft)
    flips = _turned_over(_syndrome(hard), certainty)
    if flips is None:
        return None
    hard[flips] ^= True
    content = np.packbits(hard).tobytes()
    if content[0] >> 4 != VERSION:
        return None
    number = int.from_bytes
    margin = float(min(1.0, certainty.min()))
    return StripReading(number(content[1:5]), number(content[5:9]), number(content[9:12]), margin, len(flips))


def strip_rows(width: int) -> int:
    """Pixel rows that the strip takes at the top of a picture so wide: no part of them is scored for quality."""
    return int(cell_edges(width)[ROWS])


def _soft_cells(y: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """The 120 checked cells, -1 for a clean dark one to 1 for a clean light one; None without calibration cells."""
    across, down = _weights(y.shape[1])
    region = y[: down.shape[1], : across.shape[1]].astype(np.float32)
    cells = ((down @ region) @ across.T).ravel()[:STRIP_BITS]
    calibration = np.unpackbits(np.array([CALIBRATION], np.uint8)) == 1
    light, dark = cells[:8][calibration].mean(), cells[:8][~calibration].mean()
    swing = (light - dark) / 2
    if swing < _LEAST_SWING:
        return None
    soft = (cells - (light + dark) / 2) / swing
    if ((soft[:8] > 0) != calibration).any():
        return None
    return np.asarray(soft[8:], np.float32)


@lru_cache(maxsize=64)
def _weights(width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(80 x columns, 2 x rows): how much each pixel counts for the mean of each cell's inner half."""
    size = width / COLUMNS
    return _inner_weights(COLUMNS, size), _inner_weights(ROWS, size)


def _inner_weights(count: int, size: float) -> NDArray[np.float32]:
    pixels = np.arange(int(np.ceil(count * size)))
    begin = (np.arange(count) + _INSET)[:, None] * size
    end = (np.arange(count) + 1 - _INSET)[:, None] * size
    covered = np.clip(np.minimum(end, pixels + 1) - np.maximum(begin, pixels), 0, None)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=1)
def _checks() -> tuple[NDArray[np.int64], int]:
    """What each checked bit adds to the checksum's error (CRCs are linear), and the error of all zeros."""
    size = (_CHECKED_BITS - 24) // 8
    zeros = crc24(bytes(size))
    units = ((1 << (size * 8 - 1 - bit)).to_bytes(size) for bit in range(size * 8))
    columns = [crc24(unit) ^ zeros for unit in units] + [1 << (23 - bit) for bit in range(24)]
    return np.array(columns, np.int64), zeros


def _syndrome(bits: NDArray[np.bool_]) -> int:
    """0 when the checksum holds."""
    columns, zeros = _checks()
    return int(np.bitwise_xor.reduce(columns[bits], initial=zeros))


def _turned_over(syndrome: int, certainty: NDArray[np.float32]) -> list[int] | None:
    """Which of the least certain cells to turn over, the fewest that do; None when none of them help."""
    if not syndrome:
        return []
    columns, _ = _checks()
    candidates = np.argpartition(certainty, _UNCERTAIN)[:_UNCERTAIN].tolist()
    for choice in sorted(range(1, 1 << _UNCERTAIN), key=int.bit_count):
        chosen = [cell for index, cell in enumerate(candidates) if choice >> index & 1]
        error = syndrome
        for cell in chosen:
            error ^= int(columns[cell])
        if not error:
            return chosen
    return None
