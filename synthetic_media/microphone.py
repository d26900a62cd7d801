"""The microphone: a voice that says nothing, in syllables, phrases and pauses, over a little room noise.

Pulses of the vocal cords go through four formants that glide from one vowel to the next; some syllables begin with a
burst of noise. Pitch and tract length belong to the seed, so each has a voice of its own. The waveform never repeats
within a clip, which makes it its own timing mark.
"""

import math
from collections.abc import Iterator

import numpy as np
import scipy  # its submodules load when they are first used: whoever only reads cached clips does not wait for them
from numpy.typing import NDArray

Samples = NDArray[np.float64]

SAMPLE_RATE = 48_000
SPEECH_LEVEL_DBOV = -26.0
VOICE_VERSION = 1  # part of the clip cache's key: raise it whenever a sample changes
MIN_SECONDS = 1.0

# First four resonances of an adult's vowels in Hz, textbook averages rounded to 10 Hz.
_VOWELS = (
    (730, 1090, 2440, 3400),
    (270, 2290, 3010, 3500),
    (300, 870, 2240, 3300),
    (530, 1840, 2480, 3500),
    (570, 840, 2410, 3300),
    (660, 1720, 2410, 3500),
    (440, 1020, 2240, 3300),
    (490, 1350, 1690, 3300),
)
_BANDWIDTHS = (80.0, 100.0, 140.0, 200.0)
_GLIDE_STEP = SAMPLE_RATE // 100  # formants move every 10 ms
_QUIET = 0.06  # seconds without a voice at both ends, so that the loop has no click
_ROOM_NOISE = 0.0015  # leaves pauses near -65 dBov


class _Chance:
    """Numbers of 0..1 from the raw PCG64 stream, which is stable across numpy versions."""

    def __init__(self, seed: int) -> None:
        self._numbers = self._stream(np.random.PCG64((seed, 0)))

    @staticmethod
    def _stream(bits: np.random.PCG64) -> Iterator[float]:
        while True:
            for word in np.asarray(bits.random_raw(256)).tolist():
                yield (word >> 11) / 2.0**53

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._numbers)


def speech(seed: int, seconds: float) -> NDArray[np.float32]:
    """Mono speech at 48 kHz: float32 of -1..1, `seconds` long, RMS -26 dB below a full-scale square wave (dBov).

    The same arguments give the same samples; the first and last 60 ms hold room noise only.
    Raises ValueError when `seconds` is below 1 or the seed is negative.
    """
    if seconds < MIN_SECONDS:
        raise ValueError(f"speech must last at least {MIN_SECONDS:g} s, not {seconds:g}")
    length = round(seconds * SAMPLE_RATE)
    chance = _Chance(seed)
    noise = _white_noise(seed, length + SAMPLE_RATE)
    voice = _Voice(chance, noise)
    sound = np.zeros(length)
    position, end = round(_QUIET * SAMPLE_RATE), length - round(_QUIET * SAMPLE_RATE)
    left_in_phrase = int(chance.between(4, 9))
    while True:
        syllable = voice.syllable(position)
        if position + len(syllable) > end:
            break
        sound[position : position + len(syllable)] = syllable
        position += len(syllable)
        left_in_phrase -= 1
        if not left_in_phrase:
            position += round(chance.between(0.25, 0.7) * SAMPLE_RATE)
            left_in_phrase = int(chance.between(4, 10))
            if position >= end:
                break
    sound += _ROOM_NOISE * noise[:length]
    return (sound * (10 ** (SPEECH_LEVEL_DBOV / 20) / _rms(sound))).astype(np.float32)


class _Voice:
    """One speaker. A syllable glides from the last vowel to a new one."""

    def __init__(self, chance: _Chance, noise: Samples) -> None:
        self._chance = chance
        self._noise = noise
        self._pitch = chance.between(95, 225)  # Hz
        self._tract = chance.between(0.9, 1.15)  # a shorter tract moves all formants up
        self._vowel = self._next_vowel()

    def syllable(self, position: int) -> Samples:
        """The syllable that would begin at `position`, which only picks the noise it is made of."""
        chance = self._chance
        onset = np.zeros(0)
        if chance.between(0, 1) < 0.6:
            onset = self._onset(position)
        vowel = self._sung_vowel(position + len(onset))
        overlap = len(onset) // 5
        whole = np.zeros(len(onset) + len(vowel) - overlap)
        whole[: len(onset)] += onset
        whole[len(onset) - overlap :] += vowel
        return whole

    def _next_vowel(self) -> Samples:
        return np.array(_VOWELS[int(self._chance.between(0, len(_VOWELS)))]) * self._tract

    def _onset(self, position: int) -> Samples:
        """A fricative or plosive: a short burst of noise around one frequency."""
        length = round(self._chance.between(0.03, 0.09) * SAMPLE_RATE)
        burst = scipy.signal.sosfilt(
            [_resonator(self._chance.between(2500, 7000), 1500)], self._noise_at(position, length)
        )
        burst *= np.hanning(length)
        return burst * (0.04 / _rms(burst))

    def _sung_vowel(self, position: int) -> Samples:
        chance = self._chance
        length = round(chance.between(0.13, 0.29) * SAMPLE_RATE)
        target = self._next_vowel()
        source = self._glottis(length) + 0.004 * self._noise_at(position, length)
        voiced = _glide(source, self._vowel, target)
        self._vowel = target
        voiced *= _fade(length)
        return voiced * (chance.between(0.06, 0.12) / _rms(voiced))

    def _glottis(self, length: int) -> Samples:
        """Pulses at a pitch that rises or falls through the syllable, with a slight tremble."""
        first = self._pitch * self._chance.between(0.85, 1.2)
        last = first * self._chance.between(0.85, 1.1)
        tremble = 1 + 0.01 * np.sin(2 * math.pi * 5.5 * np.arange(length) / SAMPLE_RATE)
        cycles = np.cumsum(np.linspace(first, last, length) * tremble / SAMPLE_RATE)
        pulses = np.diff(np.floor(cycles), prepend=0.0)
        return np.asarray(scipy.signal.lfilter([1.0, -0.97], [1.0, -1.9, 0.9025], pulses))

    def _noise_at(self, position: int, length: int) -> Samples:
        start = position % (len(self._noise) - length)
        return self._noise[start : start + length]


def _white_noise(seed: int, length: int) -> Samples:
    words = np.asarray(np.random.PCG64((seed, 1)).random_raw(length))
    return (words >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def _resonator(frequency: float, bandwidth: float) -> list[float]:
    """One two-pole resonance as a second-order section."""
    radius = math.exp(-math.pi * bandwidth / SAMPLE_RATE)
    angle = 2 * math.pi * frequency / SAMPLE_RATE
    return [1 - radius, 0.0, 0.0, 1.0, -2 * radius * math.cos(angle), radius * radius]


def _glide(source: Samples, first: Samples, last: Samples) -> Samples:
    """Filter through formants that move from `first` to `last` (Hz) in steps of 10 ms."""
    state = np.zeros((len(_BANDWIDTHS), 2))
    shaped = np.empty_like(source)
    for start in range(0, len(source), _GLIDE_STEP):
        part = slice(start, start + _GLIDE_STEP)
        formants = first + (last - first) * min(1.0, 1.5 * start / len(source))
        sections = [_resonator(*pair) for pair in zip(formants.tolist(), _BANDWIDTHS, strict=True)]
        shaped[part], state = scipy.signal.sosfilt(sections, source[part], zi=state)
    return shaped


def _fade(length: int) -> Samples:
    """Rise within 35 ms, fall within 50 ms, both along a quarter of a sine, to zero at the very ends."""
    index = np.arange(length)
    rise = np.minimum(1, index / (0.035 * SAMPLE_RATE))
    fall = np.minimum(1, (length - 1 - index) / (0.05 * SAMPLE_RATE))
    return np.asarray(np.sin(math.pi / 2 * rise) * np.sin(math.pi / 2 * fall))


def _rms(samples: Samples) -> float:
    return math.sqrt(float(np.mean(samples * samples))) + 1e-12
