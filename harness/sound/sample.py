"""Eight seconds of received sound, kept to be compared with what was sent once the run is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy  # its submodules load when they are first used
from numpy.typing import NDArray

from harness.sound.decoder import Samples
from harness.sound.judge import Second
from harness.sound.voice import RATE
from synthetic_media.microphone import SAMPLE_RATE, speech

SECONDS = 8
KEPT_RATE = 16_000  # Hz: what PESQ (wide-band) and ViSQOL (speech) take
_LOUDEST = 32_767

Pcm = NDArray[np.int16]


class Source(NamedTuple):
    """Whose sound it is and who heard it. seed, seconds: of the speech clip."""

    subscriber: str
    publisher: str
    role: str
    room: str
    codec: str
    seed: int
    seconds: float


@dataclass(frozen=True)
class SoundSample:
    """SECONDS at KEPT_RATE, 16 bits little-endian. position: in samples at RATE from the start of the clip, where the
    first second was found. concealed: of the 400 frames in it.
    """

    source: Source
    position: float
    concealed: int
    samples: bytes

    def to_dict(self) -> dict[str, Any]:
        """As it travels from process to process."""
        return {
            "source": list(self.source),
            **{name: getattr(self, name) for name in ("position", "concealed", "samples")},
        }

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> SoundSample:
        return cls(Source(*found["source"]), found["position"], found["concealed"], found["samples"])

    @property
    def received(self) -> Pcm:
        return np.frombuffer(self.samples, "<i2")

    def sent(self) -> Pcm:
        """What the publisher said meanwhile, before it was encoded: as long, in line with what was received."""
        clip = speech(self.source.seed, self.source.seconds)
        start = round(self.position * SAMPLE_RATE / RATE)
        return _pcm(np.take(clip, np.arange(start, start + SECONDS * SAMPLE_RATE), mode="wrap"))


class SampleKeeper:
    """Of one stream: keeps those eight seconds in a row in which most had to be concealed, the first of equals."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._parts: list[Pcm] = []
        self._position = 0.0
        self._concealed = 0
        self._worst: SoundSample | None = None

    def sample(self) -> SoundSample | None:
        """None when the stream never played for so long without a break."""
        return self._worst

    def interrupt(self) -> None:
        """What follows does not continue what was before."""
        self._parts.clear()

    def second(self, samples: Samples, found: Second) -> None:
        """A second of 48 kHz sound and what was said of it. The first of a row has to be in its place in the clip."""
        if not self._parts:
            if found.position is None:
                return
            self._position, self._concealed = found.position, 0
        self._parts.append(np.asarray(np.clip(samples, -1, 1) * _LOUDEST, np.int16))
        self._concealed += found.concealed
        if len(self._parts) == SECONDS:
            if self._worst is None or self._concealed > self._worst.concealed:
                whole = np.concatenate(self._parts).astype(np.float32) / _LOUDEST
                kept = _pcm(whole).astype("<i2").tobytes()
                self._worst = SoundSample(self._source, self._position, self._concealed, kept)
            self._parts.clear()


def _pcm(samples: NDArray[np.floating]) -> Pcm:
    """48 kHz to KEPT_RATE and 16 bits."""
    narrow = scipy.signal.resample_poly(samples, 1, SAMPLE_RATE // KEPT_RATE)
    return np.asarray(np.clip(np.round(narrow * _LOUDEST), -_LOUDEST, _LOUDEST), np.int16)
