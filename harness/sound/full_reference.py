"""Scores of received sound beside what was sent: PESQ and ViSQOL, each where its extra is installed.

Both compare eight seconds that are in line already: PESQ takes a pure delay for a loss of quality. They were made for
speech of people and not for that of this project's microphone, so they compare runs, not products.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from harness.sound.sample import KEPT_RATE, Pcm
from harness.sound.sample_folder import SampleFolder

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]


class Method(NamedTuple):
    """metric: its name in the catalogue. modules: what has to be there. score: of (sent, received) at KEPT_RATE."""

    metric: str
    extra: str
    modules: tuple[str, ...]
    score: Callable[[Pcm, Pcm], float]

    @property
    def installed(self) -> bool:
        return all(importlib.util.find_spec(module) is not None for module in self.modules)

    @property
    def how_to_get(self) -> str:
        return f"pip install 'call-harness[{self.extra}]'"


def pesq_wideband(sent: Pcm, received: Pcm) -> float:
    """ITU-T P.862.2: 1.04 to 4.64."""
    from pesq import pesq

    return float(pesq(KEPT_RATE, sent, received, "wb"))


def visqol_speech(sent: Pcm, received: Pcm) -> float:
    """ViSQOL 3 in speech mode with its lattice model: 1 to 5."""
    return float(_visqol().measure_from_arrays(_floats(sent), _floats(received), sample_rate=KEPT_RATE).moslqo)


@cache
def _visqol() -> Any:
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="speech")
    return api


def _floats(samples: Pcm) -> Any:
    return np.asarray(samples, np.float64) / 32_768


METHODS = (
    Method("pesq_wb_mos", "pesq", ("pesq",), pesq_wideband),
    # Without its lattice model ViSQOL falls back to another formula that scores too high, and says nothing.
    Method("visqol_mos", "visqol", ("visqol", "ai_edge_litert"), visqol_speech),
)


def score_samples(folder: SampleFolder, progress: Progress = lambda what, done, total: None) -> None:
    """Give every kept sample the scores it does not have yet and that can be had. What cannot be scored stays out."""
    samples = folder.samples()
    methods = [method for method in METHODS if method.installed]
    for index, sample in enumerate(samples):
        missing = [method for method in methods if method.metric not in sample.scores]
        if not missing:
            continue
        progress("scoring sound", index, len(samples))
        try:
            sent, received = folder.pair(sample)
            found = {method.metric: method.score(sent, received) for method in missing}
        except Exception as error:  # whatever such a library raises: silence makes some of them fail
            log.warning("%s could not be scored: %s", sample.received, error)
            continue
        samples[index] = replace(sample, scores={**sample.scores, **found})
        folder.write(samples)


def not_installed(folder: SampleFolder) -> list[Method]:
    """The methods that would score what was kept, were they installed."""
    return [method for method in METHODS if not method.installed] if folder.samples() else []
