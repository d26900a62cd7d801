"""The camera shows a picture that moves, has detail, repeats without a jump and is the same each time."""

import zlib

import numpy as np
import pytest

from synthetic_media import Camera

SCENE_1_CRC = 0xF4884632


def luma(camera: Camera, n: int) -> np.ndarray:
    return camera.picture(n)[0].astype(int)


def test_planes_have_the_shape_and_range_of_limited_420() -> None:
    for width, height in ((160, 90), (320, 180), (640, 360), (352, 288)):
        y, u, v = Camera(1, width, height, 25, 50).picture(3)
        assert (y.shape, u.shape, v.shape) == ((height, width), (height // 2, width // 2), (height // 2, width // 2))
        assert y.dtype == u.dtype == v.dtype == np.uint8
        assert all(plane.min() >= 16 and plane.max() <= 235 for plane in (y, u, v))


def test_the_same_seed_shows_the_same_and_another_seed_something_else() -> None:
    first, second, other = (Camera(seed, 320, 180, 25, 50) for seed in (1, 1, 2))
    for n in (0, 17):
        assert all(np.array_equal(a, b) for a, b in zip(first.picture(n), second.picture(n), strict=True))
        assert np.abs(luma(first, n) - luma(other, n)).mean() > 10


def test_the_pixels_are_those_of_this_scene_version() -> None:
    """Whoever changes a pixel raises SCENE_VERSION, or caches would mix two scenes."""
    crc = 0
    camera = Camera(1, 320, 180, 25, 50)
    for n in (0, 1, 25, 49):
        for plane in camera.picture(n):
            crc = zlib.crc32(plane.tobytes(), crc)
    assert crc == SCENE_1_CRC


def test_consecutive_pictures_differ_by_motion_and_not_by_noise_alone() -> None:
    camera = Camera(1, 320, 180, 25, 250)
    for n in range(0, 250, 10):
        assert (camera.picture(n)[0] != camera.picture(n + 1)[0]).mean() > 0.5
    # Pictures 8 apart carry the same noise field: what differs is motion.
    assert all(np.abs(luma(camera, n) - luma(camera, n + 8)).mean() > 2 for n in range(0, 240, 24))


def test_the_picture_is_not_flat() -> None:
    y = luma(Camera(1, 320, 180, 25, 250), 5)
    blocks = y[:176].reshape(11, 16, 20, 16).std(axis=(1, 3))
    assert blocks.min() > 1  # noise and texture everywhere
    assert np.median(blocks) > 4
    assert len(np.unique(y)) > 100
    edges = np.abs(np.diff(y, axis=1))
    assert (edges > 60).mean() > 0.01  # letters


def test_the_scene_repeats_without_a_jump() -> None:
    camera = Camera(4, 320, 180, 25, 50)
    assert all(np.array_equal(a, b) for a, b in zip(camera.picture(3), camera.picture(53), strict=True))
    steps = [np.abs(luma(camera, n) - luma(camera, n + 1)).mean() for n in range(50)]
    assert steps[49] <= 1.5 * max(steps[5:45])


def test_a_picture_belongs_to_the_caller() -> None:
    camera = Camera(1, 320, 180, 25, 50)
    first = [plane.copy() for plane in camera.picture(0)]
    for plane in camera.picture(0):
        plane[...] = 0
    assert all(np.array_equal(a, b) for a, b in zip(first, camera.picture(0), strict=True))


@pytest.mark.parametrize(
    ("seed", "width", "fps", "sentence"),
    [
        (1, 321, 25, "even and at least"),
        (1, 100, 25, "even and at least"),
        (1, 320, 0, "one"),
        (-1, 320, 25, "negative"),
    ],
)
def test_what_cannot_be_shown_is_refused(seed: int, width: int, fps: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Camera(seed, width, 180, fps, 50)
