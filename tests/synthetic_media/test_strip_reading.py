"""A strip is read back through codecs, scaling and changes of the picture, or not at all; never as another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import av
import numpy as np
import pytest

from synthetic_media import Camera, VideoSpec, draw_strip, read_strip, strip, strip_bits, strip_rows
from synthetic_media.encoder import _h264_encoder, _video_frame, _vp8_encoder
from synthetic_media.strip import COLUMNS, DARK, LIGHT, cell_edges

SEED, EPOCH, FRAMES = 0xC0FFEE11, 123_456_789, 25
Decode = Callable[[str, Iterable[bytes]], list[np.ndarray]]


def marked(width: int = 640, height: int = 360, frame: int = 7) -> np.ndarray:
    y = Camera(3, width, height, 25, FRAMES).picture(frame)[0]
    draw_strip(y, SEED, EPOCH, frame)
    return y


def is_marked(y: np.ndarray, frame: int = 7) -> bool:
    found = read_strip(y)
    return found is not None and (found.stream, found.epoch_ms, found.frame) == (SEED, EPOCH, frame)


@pytest.mark.parametrize("width", [160, 180, 320, 352, 640, 854, 1280])
def test_what_was_drawn_is_read_with_full_margin(width: int) -> None:
    found = read_strip(marked(width, width * 9 // 16 & ~1))
    assert found is not None
    assert (found.stream, found.epoch_ms, found.frame, found.corrected) == (SEED, EPOCH, 7, 0)
    assert found.margin > (0.5 if width % COLUMNS else 0.99)


def through(codec: str, layers: list[np.ndarray], bitrate: int, decode: Decode) -> list[np.ndarray]:
    """Luma planes, encoded at a rate and decoded again."""
    height, width = layers[0].shape
    spec = VideoSpec(width, height, 25, bitrate, codec, seconds=1.0)
    encoder = (_vp8_encoder if codec == "vp8" else _h264_encoder)(spec, bitrate)
    packets = []
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    for n, layer in enumerate(layers):
        frame = _video_frame((layer, grey, grey))
        frame.pts = n
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [picture[:height] for picture in decode(codec, [bytes(packet) for packet in packets])]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize(
    ("size", "bitrate"), [((160, 90), 50_000), ((320, 180), 100_000), ((640, 360), 100_000), ((640, 360), 500_000)]
)
def test_every_picture_at_a_low_rate_is_read(codec: str, size: tuple[int, int], bitrate: int, decode: Decode) -> None:
    shown = through(codec, [marked(*size, n) for n in range(FRAMES)], bitrate, decode)
    assert len(shown) == FRAMES
    assert all(is_marked(picture, n) for n, picture in enumerate(shown))
    assert min(found.margin for picture in shown if (found := read_strip(picture))) > 0.1


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize(("width", "bitrate"), [(480, 200_000), (320, 100_000), (160, 40_000)])
def test_a_layer_scaled_down_before_it_is_encoded_is_read(codec: str, width: int, bitrate: int, decode: Decode) -> None:
    layers = [scaled(marked(frame=n), width, width * 9 // 16 & ~1) for n in range(FRAMES)]
    shown = through(codec, layers, bitrate, decode)
    assert len(shown) == FRAMES
    assert all(is_marked(picture, n) for n, picture in enumerate(shown))


def scaled(y: np.ndarray, width: int, height: int) -> np.ndarray:
    return av.VideoFrame.from_ndarray(y, format="gray").reformat(width=width, height=height).to_ndarray()


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "full range": lambda y: (y.astype(float) - 16) * 255 / 219,
    "brighter": lambda y: y + 40.0,
    "darker and flat": lambda y: y * 0.4 + 10,
    "gamma": lambda y: 255 * (y / 255) ** 1.6,
    "blurred": lambda y: (
        sum(np.roll(y.astype(float), (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)) / 9
    ),
    "shifted": lambda y: np.roll(y, (1, 1), (0, 1)),
    "scaled up": lambda y: scaled(y, 1280, 720),
    "scaled to an odd size": lambda y: scaled(y, 1067, 600),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_read(change: str) -> None:
    assert is_marked(np.clip(CHANGES[change](marked()), 0, 255).round().astype(np.uint8))


def with_cells(y: np.ndarray, cells: Iterable[int], towards: float) -> np.ndarray:
    """Cells of the strip drawn past the threshold by a part of the way to their opposite."""
    edges, middle, bits = cell_edges(y.shape[1]), (DARK + LIGHT) / 2, strip_bits(SEED, EPOCH, 7)
    for cell in cells:
        row, column = divmod(cell, COLUMNS)
        swing = (LIGHT - DARK) / 2 * towards
        value = middle - swing if bits[cell] else middle + swing
        y[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = round(value)
    return y


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_few_uncertain_cells_are_turned_over(count: int) -> None:
    found = read_strip(with_cells(marked(), (20, 50, 90, 121)[:count], 0.1))
    assert found is not None
    assert (found.stream, found.epoch_ms, found.frame, found.corrected) == (SEED, EPOCH, 7, count)
    assert found.margin == pytest.approx(0.1, abs=0.02)


def test_more_damage_than_that_is_no_reading() -> None:
    assert read_strip(with_cells(marked(), (20, 50, 90, 121, 70), 0.1)) is None
    assert read_strip(with_cells(marked(), (30,), 0.9)) is not None, (
        "a certain error among certain cells is one of four"
    )
    assert read_strip(with_cells(marked(), range(8), 0.9)) is None, "the calibration is turned around"


def test_a_strip_of_another_layout_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strip, "VERSION", 2)
    y = marked()
    monkeypatch.undo()
    assert read_strip(y) is None


def test_pictures_without_a_strip_give_no_reading() -> None:
    camera = Camera(4, 320, 180, 25, 200)
    assert all(read_strip(camera.picture(n)[0]) is None for n in range(0, 200, 4))
    random = np.random.Generator(np.random.PCG64(1))
    edges = cell_edges(160)
    calibration = strip_bits(1, 2, 3)[:8]
    for _ in range(
        2000
    ):  # random cells behind a good calibration: the checksum alone stands between them and a reading
        cells = np.where(random.integers(0, 2, 160), LIGHT, DARK).astype(np.uint8)
        cells[:8] = np.where(calibration, LIGHT, DARK)
        y = np.repeat(np.repeat(cells.reshape(2, 80), 2, axis=0), 2, axis=1)
        assert y.shape == (4, edges[-1])
        assert read_strip(y) is None


@pytest.mark.parametrize("shape", [(0, 0), (1, 640), (15, 640), (360, 79), (2, 80)])
def test_a_picture_too_small_or_flat_gives_no_reading(shape: tuple[int, int]) -> None:
    assert read_strip(np.full(shape, 100, np.uint8)) is None


def test_the_rows_to_leave_out_are_those_that_are_drawn() -> None:
    for width in (160, 320, 640, 854, 1280):
        y = np.full((100, width), 77, np.uint8)
        draw_strip(y, 1, 2, 3)
        assert (y[: strip_rows(width)] != 77).all() and (y[strip_rows(width) :] == 77).all()
