"""Sound in a report: opinions and lips of all subscriptions, and a row for each whose sound was decoded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from harness.measure.catalogue import METRICS
from harness.measure.histogram import Histogram
from harness.sound.full_reference import METHODS, not_installed
from harness.sound.sample_folder import SampleFolder
from reports.formats import counted, number, percent, quantity
from reports.load import RunData
from reports.resampling import samples_needed
from reports.tables import Cell

MOST_STREAMS = 40
# Sound early and late against the picture, in ms: negative is early.
SYNC_LIMITS = (
    ("within EBU R37", -40.0, 60.0),
    ("undetectable by ITU-R BT.1359", -45.0, 125.0),
    ("acceptable by ITU-R BT.1359", -90.0, 185.0),
)
_SCORES = ("audio_mos", "video_delivery_score", "pesq_wb_mos", "visqol_mos")
_OFFSETS = ("av_offset_ms", "av_arrival_offset_ms")
QUANTILES = (5, 50, 95)


@dataclass(frozen=True)
class FigureRow:
    """One distribution. quantiles: p5, p50, p95. ends: the least and the most. note: what the limits say of it."""

    name: str
    meaning: str
    seconds: str
    quantiles: list[Cell]
    ends: str
    note: str


@dataclass
class HeardTotals:
    """One decoded subscription over the run."""

    subscriber: str
    publisher: str
    counts: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[float]] = field(default_factory=dict)
    instead: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, Any]) -> None:
        self.counts.update({str(name): amount for name, amount in row["counts"].items()})
        self.instead.update(row["heard_instead"])
        for name, values in row["values"].items():
            self.values.setdefault(str(name), []).extend(values)

    def share(self, over: str, under: str) -> float | None:
        return self.counts[over] / self.counts[under] if self.counts[under] else None

    @property
    def badness(self) -> tuple[float, ...]:
        pairs = (
            ("soundWrongSeconds", "soundJudgedSeconds"),
            ("soundSilentSeconds", "soundSpokenSeconds"),
            ("soundConcealed", "soundFrames"),
            ("soundGapSeconds", "soundHeardSeconds"),
        )
        return tuple(-(self.share(*pair) or 0.0) for pair in pairs)


@dataclass(frozen=True)
class StreamRow:
    """A row of the table; every cell as it is read."""

    subscriber: str
    publisher: str
    seconds: str
    delay: str
    offset: str
    concealed: str
    gaps: str
    silent: str
    wrong: str
    level: str
    scores: list[str]


@dataclass(frozen=True)
class Sound:
    """The section of a report; None instead when no sound could be measured."""

    figures: list[FigureRow]
    rows: list[StreamRow]
    left_out: int
    score_names: list[str]
    kept: int
    missing: list[str]


def sound(data: RunData) -> Sound | None:
    """What was heard, the worst streams first."""
    figures = [row for name in (*_SCORES, *_OFFSETS, "sound_delay_ms") if (row := _figure(data, name)) is not None]
    streams = sorted(_streams(data), key=lambda one: (one.badness, one.subscriber, one.publisher))
    if not figures and not streams:
        return None
    folder = SampleFolder(data.folder.sound)
    kept = {(sample.subscriber, sample.publisher): sample.scores for sample in folder.samples()}
    names = [method.metric for method in METHODS if any(method.metric in scores for scores in kept.values())]
    rows = [_row(one, [kept.get((one.subscriber, one.publisher), {}).get(name) for name in names]) for one in streams]
    missing = [f"{method.metric}: {method.how_to_get}" for method in not_installed(folder)]
    return Sound(figures, rows[:MOST_STREAMS], max(0, len(rows) - MOST_STREAMS), names, len(kept), missing)


def _streams(data: RunData) -> list[HeardTotals]:
    found: dict[tuple[str, str], HeardTotals] = {}
    for interval in data.intervals:
        for row in interval.get("heard", ()):
            key = (str(row["subscriber"]), str(row["publisher"]))
            found.setdefault(key, HeardTotals(*key)).add(row)
    return list(found.values())


def _figure(data: RunData, name: str) -> FigureRow | None:
    found, metric = data.measured.totals.trend(name, {}), METRICS[name]
    if not found.count:
        return None
    cells = [_percentile(found, q, metric.unit) for q in QUANTILES]
    ends = f"{quantity(found.min, metric.unit)} to {quantity(found.max, metric.unit)}"
    note = _within_limits(found) if name in _OFFSETS else ""
    return FigureRow(name, metric.description, number(found.count), cells, ends, note)


def _percentile(found: Histogram, q: int, unit: str) -> Cell:
    needed = samples_needed(q)
    if found.count < needed:
        return Cell("too few", f"p{q} needs {needed} samples; there are {found.count}")
    return Cell(quantity(found.percentile(q), unit))


def _within_limits(found: Histogram) -> str:
    shares = [
        f"{percent(found.share_above(low) - found.share_above(high))} {what} ({low:+g} to {high:+g} ms)"
        for what, low, high in SYNC_LIMITS
    ]
    return "; ".join(shares)


def _row(one: HeardTotals, scores: list[float | None]) -> StreamRow:
    wrong = _share(one, "soundWrongSeconds", "soundJudgedSeconds")
    if one.instead:
        wrong += ", heard " + ", ".join(f"{user} for {counted(n, 'second')}" for user, n in one.instead.most_common(3))
    return StreamRow(
        one.subscriber,
        one.publisher,
        number(one.counts["soundSeconds"]),
        _median(one, "sound_delay_ms", "ms"),
        _median(one, "av_offset_ms", "ms"),
        _share(one, "soundConcealed", "soundFrames"),
        _share(one, "soundGapSeconds", "soundHeardSeconds"),
        _share(one, "soundSilentSeconds", "soundSpokenSeconds"),
        wrong,
        _median(one, "sound_level_dbfs", "dBFS"),
        ["" if score is None else f"{score:.2f}" for score in scores],
    )


def _share(one: HeardTotals, over: str, under: str) -> str:
    found = one.share(over, under)
    return "not to be told" if found is None else percent(max(0.0, found))


def _median(one: HeardTotals, name: str, unit: str) -> str:
    values = one.values.get(name)
    return quantity(round(median(values), 1), unit) if values else "not to be told"
