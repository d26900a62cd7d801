"""PSNR and SSIM of luma planes, by libavfilter's own filters.

The SSIM is the form of x264 and libavfilter (8 x 8 windows, 4 pixels apart, integer sums): wherever this project says
`ssim`, it is that one. Other forms give other numbers for the same pictures.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.filter import Graph

from harness.picture.planes import Luma

SSIM_FORM = "x264 form"
MOST_DB = 100.0  # what stands for an endless PSNR: two pictures that do not differ
_TIME_BASE = Fraction(1, 25)


class Scores(NamedTuple):
    """psnr: dB, up to MOST_DB. ssim: 0 to 1."""

    psnr: float
    ssim: float


class Scorer:
    """Compares luma planes (height x width, uint8) of one size. Not for two threads at a time."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        graph = Graph()
        kind: dict[str, Any] = {"width": width, "height": height, "format": "gray", "time_base": _TIME_BASE}
        self._shown, self._reference = graph.add_buffer(**kind), graph.add_buffer(**kind)
        twice, psnr, ssim = graph.add("split", "2"), graph.add("psnr"), graph.add("ssim")
        self._result: Any = graph.add("buffersink")
        self._reference.link_to(twice)
        self._shown.link_to(psnr, 0, 0)
        twice.link_to(psnr, 0, 1)
        psnr.link_to(ssim, 0, 0)
        twice.link_to(ssim, 1, 1)
        ssim.link_to(self._result)
        graph.configure()
        self._graph = graph
        self._number = 0

    def __call__(self, shown: Luma, reference: Luma) -> Scores:
        """Raises ValueError for planes of another size."""
        for planes in (shown, reference):
            if planes.shape != self.shape:
                raise ValueError(f"a plane of {planes.shape} cannot be scored here; allowed: {self.shape}")
        self._shown.push(self._frame(shown))
        self._reference.push(self._frame(reference))
        self._number += 1
        found = self._result.pull().metadata
        return Scores(min(MOST_DB, float(found["lavfi.psnr.psnr.y"])), max(0.0, float(found["lavfi.ssim.Y"])))

    def _frame(self, luma: Luma) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray")
        frame.pts, frame.time_base = self._number, _TIME_BASE
        return frame


def psnr(shown: Luma, reference: Luma) -> float:
    """PSNR of two luma planes alone, in dB up to MOST_DB."""
    difference = shown.astype(np.int16) - reference
    error = float(np.einsum("ij,ij->", difference, difference, dtype=np.int64)) / difference.size
    return min(MOST_DB, 10 * math.log10(255**2 / error)) if error else MOST_DB
