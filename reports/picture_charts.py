"""Quality of decoded pictures over time, drawn."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from harness.measure.histogram import Histogram
from reports.drawing import BLUE, DASHES, GREEN, RED, Drawing, canvas, say, tidy, to_svg
from reports.formats import NOTHING
from reports.load import RunData
from reports.over_time import OverTime

_HIGHEST_DB = 60.0  # identical pictures have no PSNR that could be drawn


def quality_over_time(data: RunData, time: OverTime) -> Drawing:
    """PSNR, SSIM and the intact share of all decoded streams, on the bins of the other drawing."""
    title = "Decoded pictures over time"
    label = f"{title}: PSNR, SSIM, share of intact pictures"
    psnr, ssim, intact = _bins(data, time.width)
    with canvas("quality") as make:
        figure = make(10.4, 5.6)
        panels = figure.subplots(3, 1, sharex=True)
        figure.subplots_adjust(left=0.075, right=0.985, top=0.945, bottom=0.085, hspace=0.45)
        _percentiles(panels[0], psnr, time.width, "PSNR of luma", "dB")
        _percentiles(panels[1], ssim, time.width, "SSIM of luma", "of 1")
        _share(panels[2], intact, time.width)
        panels[2].set_xlabel("seconds since the plan's start")
        panels[2].set_xlim(0, max(1.0, data.measured.elapsed))
        svg = to_svg(figure, label)
    each = "second" if time.width == 1 else f"{time.width:g} s"
    caption = f"{title}: half of the pictures are above p50, one in twenty is below p5. One point per {each}."
    return Drawing(svg, label, caption, wide=True)


def _bins(data: RunData, width: float) -> tuple[dict[int, Histogram], dict[int, Histogram], dict[int, list[float]]]:
    scores: dict[str, dict[int, Histogram]] = {name: defaultdict(Histogram) for name in ("psnr_db", "ssim")}
    intact: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for interval in data.intervals:
        index = max(0, int((interval["t"] - interval["health"]["wall_seconds"] / 2) // width))
        for name, _, _, _, found in interval.get("trends", ()):
            if name in scores:
                scores[name][index].merge(Histogram.from_dict(found))
        for name, _, _, _, value in interval.get("counters", ()):
            if name in ("picturesIntact", "framesDecoded"):
                intact[index][name == "framesDecoded"] += value
    return scores["psnr_db"], scores["ssim"], intact


def _percentiles(axes: Any, bins: dict[int, Histogram], width: float, title: str, unit: str) -> None:
    tidy(axes, y=unit, title=title)
    if not bins:
        say(axes, NOTHING)
        return
    for place, (q, colour) in enumerate(((50, BLUE), (5, RED))):
        points = {index: min(_HIGHEST_DB, histogram.percentile(q)) for index, histogram in bins.items()}
        axes.plot(*_line(points, width), color=colour, ls=DASHES[place], label=f"p{q}")
    _above(axes)


def _share(axes: Any, bins: dict[int, list[float]], width: float) -> None:
    tidy(axes, y="%", title="Intact: equal to the sender's own decode, bit by bit")
    points = {index: 100 * intact / decoded for index, (intact, decoded) in bins.items() if decoded}
    if not points:
        say(axes, NOTHING)
        return
    axes.plot(*_line(points, width), color=GREEN)
    axes.set_ylim(min(min(points.values()) - 2, 90), 102)


def _line(points: dict[int, float], width: float) -> tuple[list[float], list[float]]:
    """By time, with a break wherever bins are missing."""
    xs: list[float] = []
    ys: list[float] = []
    for index, value in sorted(points.items()):
        x = (index + 0.5) * width
        if xs and x - xs[-1] > 1.5 * width:
            xs.append((x + xs[-1]) / 2)
            ys.append(math.nan)
        xs.append(x)
        ys.append(value)
    return xs, ys


def _above(axes: Any) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.005, 0.96), ncols=4, handlelength=2.2, columnspacing=1.4)
