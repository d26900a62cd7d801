"""What is kept of the sound comes back from the folder, is scored where the extra is there, and never reads as 0."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.measure.catalogue import METRICS
from harness.sound import full_reference
from harness.sound.full_reference import METHODS, Method, not_installed, score_samples
from harness.sound.sample import KEPT_RATE, SECONDS, Pcm, SoundSample, Source
from harness.sound.sample_folder import MOST, SampleFolder


def sample(number: int = 1, samples: Pcm | None = None) -> SoundSample:
    source = Source(f"listener {number}", "speaker", "viewer", "r01", "vp8", 4096, 10.0)
    silent = SoundSample(source, 8_000.0, number, bytes(2 * SECONDS * KEPT_RATE))
    received = silent.sent() if samples is None else samples
    return SoundSample(source, 8_000.0, number, received.astype("<i2").tobytes())


def test_a_sample_travels_and_comes_back_from_its_files(tmp_path: Path) -> None:
    folder = SampleFolder(tmp_path / "sound")
    assert folder.samples() == []
    given = sample()
    assert SoundSample.from_dict(given.to_dict()) == given
    folder.add(given)
    (kept,) = folder.samples()
    assert (kept.subscriber, kept.role, kept.room, kept.concealed) == ("listener 1", "viewer", "r01", 1)
    sent, received = folder.pair(kept)
    assert np.array_equal(sent, given.sent())
    assert np.array_equal(received, given.received)


def test_no_more_are_kept_than_were_promised(tmp_path: Path) -> None:
    folder = SampleFolder(tmp_path / "sound")
    for number in range(MOST + 3):
        folder.add(sample(number, np.zeros(SECONDS * KEPT_RATE, np.int16)))
    assert [kept.subscriber for kept in folder.samples()] == [f"listener {n}" for n in range(MOST)]


def test_a_folder_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    folder = SampleFolder(tmp_path / "sound")
    folder.add(sample())
    for text in ("[", "{}", "[1]", '[{"subscriber": 1}]'):
        (folder.path / "samples.json").write_text(text)
        assert folder.samples() == []


def test_without_the_extra_nothing_is_scored_and_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    folder = SampleFolder(tmp_path / "sound")
    assert not_installed(folder) == [], "nothing was kept, so nothing is missing"
    folder.add(sample())
    score_samples(folder)
    assert folder.samples()[0].scores == {}
    assert [method.how_to_get for method in not_installed(folder)] == [
        "pip install 'call-harness[pesq]'",
        "pip install 'call-harness[visqol]'",
    ]


def test_each_sample_is_scored_once_and_what_fails_has_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def score(sent: Pcm, received: Pcm) -> float:
        asked.append(int(received.any()))
        if not received.any():
            raise ValueError("nothing but silence")
        return 4.5

    monkeypatch.setattr(full_reference, "METHODS", (Method("pesq_wb_mos", "pesq", (), score),))
    folder = SampleFolder(tmp_path / "sound")
    folder.add(sample(1))
    folder.add(sample(2, np.zeros(SECONDS * KEPT_RATE, np.int16)))
    told: list[Any] = []
    score_samples(folder, lambda *progress: told.append(progress))
    assert [kept.scores for kept in folder.samples()] == [{"pesq_wb_mos": 4.5}, {}]
    assert told == [("scoring sound", 0, 2), ("scoring sound", 1, 2)]
    score_samples(folder)
    assert asked == [1, 0, 0], "what has a score is not scored again"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.metric)
def test_every_score_is_a_metric_and_its_extra_exists(method: Method) -> None:
    import tomllib

    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert method.metric in METRICS
    assert method.extra in extras
