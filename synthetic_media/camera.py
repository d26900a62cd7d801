"""The camera: a talking head before a textured wall, with posters, drifting balls and sensor noise.

All arithmetic is on integers, and randomness comes from the raw PCG64 stream alone, which numpy keeps stable across
versions and machines (its distributions may change). The scene repeats after `frames` pictures without a jump.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Picture = tuple[Plane, Plane, Plane]

SCENE_VERSION = 1  # part of the clip cache's key: raise it whenever a pixel changes

_NOISE_FIELDS = 8
_NOISE = 2  # largest step of each of the two values that are added up
_GLYPH_HEIGHT, _GLYPH_WIDTH = 7, 5
_LINE_HEIGHT, _LETTER_WIDTH = _GLYPH_HEIGHT + 2, _GLYPH_WIDTH + 1
_MOUTH_HZ = 8  # openings per second


def raw_bytes(seed: int, part: int, count: int) -> Plane:
    """`count` random bytes of the independent stream number `part` of `seed` (ValueError when either is negative)."""
    words = np.random.PCG64((seed, part)).random_raw((count + 7) // 8)
    return np.asarray(words).astype("<u8").view(np.uint8)[:count]


def _axis_weights(cells: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each of `length` samples lies between `cells` lattice points: lower index, and distance in 1/256."""
    position = np.arange(length, dtype=np.int64) * ((cells - 1) * 256) // max(length - 1, 1)
    lower = np.minimum(position // 256, cells - 2)
    return lower, position - lower * 256


def _upsample(lattice: NDArray[np.int32], height: int, width: int) -> NDArray[np.int32]:
    row, down = _axis_weights(lattice.shape[0], height)
    column, right = _axis_weights(lattice.shape[1], width)
    wide = lattice[:, column] * (256 - right) + lattice[:, column + 1] * right
    tall = wide[row] * (256 - down)[:, None] + wide[row + 1] * down[:, None]
    return (tall // 65536).astype(np.int32)


def texture(seed: int, part: int, shape: tuple[int, int], span: tuple[int, int], octaves: tuple[int, ...]) -> Plane:
    """Value noise of several octaves (lattice points per width), each weaker by 5/8, stretched to the span's ends."""
    low, high = span
    height, width = shape
    total = np.zeros(shape, np.int32)
    amplitude = 64
    for index, octave in enumerate(octaves):
        rows, columns = max(2, min(height, octave * height // width + 2)), min(width, octave + 2)
        lattice = raw_bytes(seed, 16 * part + index, rows * columns).astype(np.int32).reshape(rows, columns) - 128
        total += _upsample(lattice, height, width) * amplitude // 64
        amplitude = amplitude * 5 // 8
    bottom, top = int(total.min()), int(total.max())
    return ((total - bottom) * (high - low) // max(top - bottom, 1) + low).astype(np.uint8)


def text_block(seed: int, part: int, lines: int, letters: int, scale: int) -> NDArray[np.bool_]:
    """Letter-like ink: 5x7 random glyphs, blanks between words, every pixel `scale` pixels wide."""
    shape = (lines, letters, _GLYPH_HEIGHT, _GLYPH_WIDTH)
    ink = raw_bytes(seed, 16 * part, lines * letters * _GLYPH_HEIGHT * _GLYPH_WIDTH).reshape(shape) < 128
    ink &= raw_bytes(seed, 16 * part + 1, lines * letters).reshape(lines, letters, 1, 1) >= 40
    page = np.zeros((lines, letters, _LINE_HEIGHT, _LETTER_WIDTH), np.bool_)
    page[:, :, 1:-1, :_GLYPH_WIDTH] = ink
    flat = page.transpose(0, 2, 1, 3).reshape(lines * _LINE_HEIGHT, letters * _LETTER_WIDTH)
    return flat.repeat(scale, axis=0).repeat(scale, axis=1)


def _ellipse(height: int, width: int) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[0:height, 0:width]
    across, down = 2 * columns - width + 1, 2 * rows - height + 1
    return np.asarray((across * height) ** 2 + (down * width) ** 2 < (width * height) ** 2)


@dataclass(frozen=True, slots=True)
class _Sprite:
    """A textured ellipse of one colour, of even height and width."""

    y: Plane
    u: int
    v: int
    mask: NDArray[np.bool_]

    def paste(self, picture: Picture, top: int, left: int) -> None:
        """Draw at an even position (chroma has half the resolution), which must lie inside the picture."""
        height, width = self.y.shape
        y, u, v = picture
        np.copyto(y[top : top + height, left : left + width], self.y, where=self.mask)
        half = (slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2))
        np.copyto(u[half], np.uint8(self.u), where=self.mask[::2, ::2])
        np.copyto(v[half], np.uint8(self.v), where=self.mask[::2, ::2])


class Camera:
    """A deterministic camera; two cameras of the same arguments show the same pictures.

    width, height: pixels, even, at least 160 x 90. fps: pictures per second. frames: the scene's period in pictures.
    Raises ValueError when one of them is out of range or the seed is negative.
    """

    def __init__(self, seed: int, width: int, height: int, fps: int, frames: int) -> None:
        if width < 160 or height < 90 or width % 2 or height % 2:
            raise ValueError(f"a picture must be even and at least 160x90, not {width}x{height}")
        if fps < 1 or frames < 1:
            raise ValueError("a camera needs at least one picture, and one a second")
        self.width, self.height, self.fps, self.frames = width, height, fps, frames
        self._seed = seed
        self._margin = max(8, width // 20) & ~1
        self._phases = [int(byte) * 16 for byte in raw_bytes(seed, 0, 16)]
        self._wall = self._build_wall()
        self._balls = [self._build_ball(index) for index in range(2)]
        head_height, head_width = height * 5 // 8 & ~1, width * 3 // 8 & ~1
        face = texture(seed, 4, (head_height, head_width), (120, 210), (4, 8, 16, 64, 128))
        self._head = _Sprite(face, 110, 150, _ellipse(head_height, head_width))
        self._noise = [self._build_noise(index) for index in range(_NOISE_FIELDS)]
        self._mouth: list[int] = raw_bytes(seed, 1, max(1, frames * _MOUTH_HZ // fps)).astype(int).tolist()

    def picture(self, n: int) -> Picture:
        """Picture number `n` as fresh planes: y (height x width), u and v (half of each), all uint8, limited range."""
        n %= self.frames
        picture = self._view_of_wall(n)
        for index, ball in enumerate(self._balls):
            self._paste_at_swing(picture, ball, n, 4 + 4 * index)
        self._draw_head(picture, n)
        # Modulo 256 is safe: no layer goes below 20 or above 215, and noise stays within 4.
        picture[0][...] += self._noise[n % _NOISE_FIELDS]
        return picture

    def _build_wall(self) -> Picture:
        seed, margin = self._seed, self._margin
        height, width = self.height + 2 * margin, self.width + 2 * margin
        chroma = (height // 2, width // 2)
        y = texture(seed, 2, (height, width), (40, 190), (6, 12, 24, 48, 96, 192))
        u = texture(seed, 3, chroma, (112, 140), (6, 12, 24))
        v = texture(seed, 5, chroma, (116, 144), (6, 12, 24))
        scale = max(1, self.width // 320)
        letters, lines = self.width // 5 // (_LETTER_WIDTH * scale), self.height // 3 // (_LINE_HEIGHT * scale)
        for part, left in ((6, margin + self.width // 24), (7, margin + self.width * 3 // 4)):
            ink = text_block(seed, part, lines, letters, scale)
            top = margin + self.height // 6
            paper = y[top : top + ink.shape[0], left : left + ink.shape[1]]
            paper[...] = paper // 4 + 150  # light paper that still shows the wall's texture
            paper[ink] = 45
        return y, u, v

    def _build_ball(self, index: int) -> _Sprite:
        size = self.height // 6 & ~1
        colour = raw_bytes(self._seed, 8 + index, 2)
        y = texture(self._seed, 8 + index, (size, size), (50, 200), (3, 6, 12))
        return _Sprite(y, 80 + int(colour[0]) * 3 // 8, 80 + int(colour[1]) * 3 // 8, _ellipse(size, size))

    def _build_noise(self, index: int) -> Plane:
        """Two uniform values of -2..2 added up, as uint8 modulo 256."""
        values = raw_bytes(self._seed, 256 + index, 2 * self.height * self.width).astype(np.uint16)
        steps = (values * (2 * _NOISE + 1) // 256).reshape(2, self.height, self.width)
        return np.asarray((steps[0] + steps[1]).astype(np.uint8) - np.uint8(2 * _NOISE))

    def _swing(self, n: int, millihertz: int, amplitude: int, phase: int) -> int:
        """A smooth oscillation between -amplitude and amplitude, a whole number of cycles per period.

        Two parabolas instead of a sine: integers only, and close enough for a head.
        """
        cycles = max(1, self.frames * millihertz // (self.fps * 1000))
        position = (n * cycles * 4096 // self.frames + self._phases[phase]) % 4096
        half = position % 2048
        distance = amplitude * 4 * half * (2048 - half) >> 22
        return distance if position < 2048 else -distance

    def _view_of_wall(self, n: int) -> Picture:
        margin = self._margin
        top = margin + self._swing(n, 200, margin // 2, 1)
        left = margin + self._swing(n, 100, margin - 2, 0)
        y, u, v = self._wall
        half = (slice(top // 2, top // 2 + self.height // 2), slice(left // 2, left // 2 + self.width // 2))
        return y[top : top + self.height, left : left + self.width].copy(), u[half].copy(), v[half].copy()

    def _paste_at_swing(self, picture: Picture, sprite: _Sprite, n: int, phase: int) -> None:
        height, width = sprite.y.shape
        free_rows, free_columns = self.height - height, self.width - width
        top = free_rows // 2 + self._swing(n, 300, free_rows * 2 // 5, phase)
        left = free_columns // 2 + self._swing(n, 200, free_columns * 2 // 5, phase + 1)
        sprite.paste(picture, top & ~1, left & ~1)

    def _draw_head(self, picture: Picture, n: int) -> None:
        height, width = self._head.y.shape
        left = (self.width - width) // 2 + self._swing(n, 300, self.width // 14, 2)
        top = self.height - height - self.height // 24 + self._swing(n, 500, self.height // 40, 3)
        top, left = top & ~1, left & ~1
        self._head.paste(picture, top, left)
        y, middle = picture[0], left + width // 2
        opening, lips = 2 + self._mouth_opening(n) * height // 1800, top + height * 3 // 4
        y[lips - opening // 2 : lips + (opening + 1) // 2, middle - width // 6 : middle + width // 6] = 45
        if n % (3 * self.fps) >= self.fps // 8:  # eyes shut for an eighth of a second every three
            eye_height, eye_width, brow = max(1, height // 30), width // 14, top + height * 2 // 5
            for eye in (middle - width // 5, middle + width // 5):
                y[brow - eye_height : brow + eye_height, eye - eye_width : eye + eye_width] = 60

    def _mouth_opening(self, n: int) -> int:
        """0..255, moving in straight lines through the random openings, the last of which leads to the first."""
        step, rest = divmod(n * len(self._mouth) * 256 // self.frames, 256)
        here, there = self._mouth[step], self._mouth[(step + 1) % len(self._mouth)]
        return here + (there - here) * rest // 256
