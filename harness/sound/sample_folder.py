"""The seconds of sound that a run keeps, in its folder: what was received and what was sent, to be heard and scored."""

from __future__ import annotations

import json
import wave
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.sound.sample import KEPT_RATE, Pcm, SoundSample

MOST = 8  # of a run, whichever process they come from


@dataclass(frozen=True)
class KeptSample:
    """One of them, and the scores it has been given by name. received, sent: WAV files."""

    subscriber: str
    publisher: str
    role: str
    room: str
    codec: str
    concealed: int
    received: str
    sent: str
    scores: dict[str, float]


class SampleFolder:
    """`sound/` in a run's folder: WAV files and `samples.json`, which lists them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._list = path / "samples.json"

    def samples(self) -> list[KeptSample]:
        """Those that are there; none when the folder is not there or cannot be read."""
        try:
            return [KeptSample(**found) for found in json.loads(self._list.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def add(self, sample: SoundSample) -> None:
        """Keep one more, up to MOST."""
        kept = self.samples()
        if len(kept) >= MOST:
            return
        self.path.mkdir(exist_ok=True)
        names = {side: f"{len(kept) + 1:02d}-{side}.wav" for side in ("received", "sent")}
        _write_wav(self.path / names["received"], sample.received)
        _write_wav(self.path / names["sent"], sample.sent())
        source = {name: getattr(sample.source, name) for name in ("subscriber", "publisher", "role", "room", "codec")}
        self.write([*kept, KeptSample(**source, concealed=sample.concealed, **names, scores={})])

    def write(self, samples: list[KeptSample]) -> None:
        """The whole list, as it is from now on."""
        found: list[dict[str, Any]] = [asdict(sample) for sample in samples]
        self._list.write_text(json.dumps(found, indent=1), encoding="utf-8")

    def pair(self, sample: KeptSample) -> tuple[Pcm, Pcm]:
        """(sent, received) at KEPT_RATE. Raises OSError, EOFError or wave.Error."""
        return _read_wav(self.path / sample.sent), _read_wav(self.path / sample.received)


def _write_wav(path: Path, samples: Pcm) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, KEPT_RATE, len(samples), "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def _read_wav(path: Path) -> Pcm:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")
