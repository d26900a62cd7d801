"""Decoded pictures in a report: a row per decoded stream, scores from their low end, the worst pictures themselves."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from harness.measure.histogram import Histogram
from reports.formats import THIN, counted, number, percent, quantity
from reports.load import RunData
from reports.resampling import samples_needed
from reports.tables import Cell

MOST_STREAMS = 40
QUANTILES = (50, 5, 1)  # of quality the low end matters
SCORES = (("psnr_db", "dB"), ("ssim", ""), ("vmaf", ""), ("network_psnr_db", "dB"))
FLAWS = (
    ("picturesWrong", "wrong", "shows another publisher"),
    ("picturesOld", "old", "shows another frame of its clip"),
    ("picturesFrozen", "frozen", "repeats the picture before"),
    ("picturesBlack", "black", "is black"),
)
_SUMMED = ("framesDecoded", "framesUndecoded", "framesUndecodable", "picturesIntact", *(name for name, _, _ in FLAWS))
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_NAMES = {
    "psnr_db": "PSNR",
    "ssim": "SSIM (x264 form)",
    "vmaf": "VMAF, intact pictures",
    "network_psnr_db": "PSNR, network alone",
}


@dataclass
class DecodedTotals:
    """One decoded subscription over the run. scores: by metric, (sum, least, count)."""

    subscriber: str
    publisher: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SUMMED, 0))
    scores: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    freezes: int | None = None

    def add(self, row: dict[str, Any]) -> None:
        for name in _SUMMED:
            self.counts[name] += int(row.get(name, 0))
        for name, _ in SCORES:
            if name in row:
                total, least, count = self.scores.get(name, (0.0, float("inf"), 0))
                self.scores[name] = (total + row[name][0], min(least, row[name][1]), count + row[name][2])

    def mean(self, name: str) -> float | None:
        total, _, count = self.scores.get(name, (0.0, 0.0, 0))
        return total / count if count else None

    @property
    def intact_share(self) -> float:
        decoded = self.counts["framesDecoded"]
        return self.counts["picturesIntact"] / decoded if decoded else 0.0


@dataclass(frozen=True)
class StreamRow:
    """A row of the table; every cell as it is read."""

    subscriber: str
    publisher: str
    frames: str
    intact: str
    psnr: str
    least_psnr: str
    ssim: str
    vmaf: str
    network: str
    freezes: str
    flaws: str


@dataclass(frozen=True)
class ScoreRow:
    name: str
    pictures: str
    mean: str
    quantiles: list[Cell]
    least: str


@dataclass(frozen=True)
class Exhibit:
    """One of the worst pictures. images: (what, data URI)."""

    title: str
    figures: str
    images: list[tuple[str, str]]


@dataclass(frozen=True)
class Pictures:
    """The section of a report; None instead when nothing was decoded."""

    sentence: str
    scores: list[ScoreRow]
    rows: list[StreamRow]
    left_out: int
    has_vmaf: bool
    exhibits: list[Exhibit]


def pictures(data: RunData) -> Pictures | None:
    """What was decoded, the worst streams first."""
    streams = _streams(data)
    planned = sum(1 for _ in data.plan.decoded())
    if not streams and not planned:
        return None
    ranked = sorted(streams, key=lambda one: (one.intact_share, one.mean("psnr_db") or 0.0, one.subscriber))
    subscriptions = data.plan.expected().subscriptions
    frames = sum(one.counts["framesDecoded"] for one in streams)
    sentence = (
        f"{counted(len(streams), 'subscription')} of {number(subscriptions)} decoded ({number(planned)} planned): "
        f"{counted(frames, 'picture')} compared with what was sent."
    )
    undecoded = sum(one.counts["framesUndecoded"] for one in streams)
    if undecoded:
        sentence += f" The generator left out {counted(undecoded, 'frame')} because its decoders were behind."
    shown = ranked[:MOST_STREAMS]
    has_vmaf = any("vmaf" in one.scores for one in streams)
    rows = [_row(one) for one in shown]
    return Pictures(sentence, _scores(data), rows, len(ranked) - len(shown), has_vmaf, _exhibits(data))


def _streams(data: RunData) -> list[DecodedTotals]:
    found: dict[tuple[str, str], DecodedTotals] = {}
    for interval in data.intervals:
        for row in interval.get("decoded", ()):
            key = (str(row["subscriber"]), str(row["publisher"]))
            found.setdefault(key, DecodedTotals(*key)).add(row)
    for record in data.probes.get("subscription", ()):
        one = found.get((str(record.get("user")), str(record["args"].get("stream"))))
        if one is not None:
            one.freezes = (one.freezes or 0) + int(record["args"].get("freezeCount", 0))
    return list(found.values())


def _row(one: DecodedTotals) -> StreamRow:
    flaws = [f"{number(one.counts[name])} {word}" for name, word, _ in FLAWS if one.counts[name]]
    if one.counts["framesUndecodable"]:
        flaws.append(f"{number(one.counts['framesUndecodable'])} not decodable")
    least = one.scores.get("psnr_db")
    return StreamRow(
        one.subscriber,
        one.publisher,
        number(one.counts["framesDecoded"]),
        percent(one.intact_share) if one.counts["framesDecoded"] else "",
        _shown(one.mean("psnr_db"), "dB"),
        _shown(least[1] if least else None, "dB"),
        _shown(one.mean("ssim"), ""),
        _shown(one.mean("vmaf"), ""),
        _shown(one.mean("network_psnr_db"), "dB"),
        "" if one.freezes is None else number(one.freezes),
        ", ".join(flaws) or "none",
    )


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.1f}{THIN}dB" if unit else f"{value:.3f}" if value <= 1 else f"{value:.1f}"


def _scores(data: RunData) -> list[ScoreRow]:
    rows = []
    for name, unit in SCORES:
        histogram = data.measured.totals.trend(name, {})
        if histogram.count:
            cells = [_low(histogram, q, unit) for q in QUANTILES]
            mean, least = _shown(histogram.mean, unit), _shown(histogram.min, unit)
            rows.append(ScoreRow(_NAMES[name], number(histogram.count), mean, cells, least))
    return rows


def _low(histogram: Histogram, q: int, unit: str) -> Cell:
    needed = samples_needed(100 - q)
    if histogram.count < needed:
        return Cell("too few", f"p{q} needs {needed} pictures; there are {histogram.count}")
    return Cell(_shown(histogram.percentile(q), unit))


def _exhibits(data: RunData) -> list[Exhibit]:
    try:
        kept = json.loads(data.folder.pictures.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [found for one in kept if isinstance(one, dict) and (found := _exhibit(one)) is not None]


def _exhibit(one: dict[str, Any]) -> Exhibit | None:
    """None when a part is missing or is no picture."""
    try:
        images = [(what, str(one[what])) for what in ("reference", "received", "difference")]
        if not all(_BASE64.fullmatch(image) for _, image in images):
            return None
        title = f"{one['subscriber']} from {one['publisher']}, second {float(one['t']):.2f}"
        parts = [f"PSNR {quantity(float(one['psnr_db']), 'dB')}", f"SSIM {float(one['ssim']):.3f}"]
        if one["network_psnr_db"] is not None:
            parts.append(f"by the network alone {quantity(float(one['network_psnr_db']), 'dB')}")
        words = {word: phrase for _, word, phrase in FLAWS}
        parts += [words[flag] for flag in one["flags"] if flag in words]
    except (KeyError, TypeError, ValueError):
        return None
    parts.append("intact: what coding cost" if one.get("intact") else "damaged")
    return Exhibit(title, ", ".join(parts), [(what, f"data:image/jpeg;base64,{image}") for what, image in images])
