"""Rows of the report's tables: thresholds, percentiles, rates and counters, roles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.measure.catalogue import METRICS, Metric
from harness.measure.thresholds import Threshold, parse_metric_key, parse_threshold
from harness.scenario.window import parse_window
from harness.swarm.judgement import threshold_text
from reports.formats import THIN, counted, number, quantity
from reports.load import RunData
from reports.resampling import LEAST_ROOMS, by_room, interval, samples_needed

QUANTILES = (50, 90, 95, 99)
# The share that arrived at all stands beside what is said of those that did.
DELIVERED = {
    "join_time_ms": "login_share",
    "publish_time_ms": "published_share",
    "first_frame_ms": "played_share",
    "frame_latency_ms": "shown_share",
}
# What a rate, value or counter had to count on.
_BASIS = {
    "login_share": "login due",
    "published_share": "stream due",
    "played_share": "subscription due",
    "shown_share": "frame captured",
    "frame_loss_rate": "frame captured",
    "packet_loss_rate": "packet expected",
    "frames_late_rate": "frame received",
    "freeze_time_share": "s",
    "gap200_share": "s",
    "gap500_share": "s",
    "wrong_stamps": "frame received",
    "absent_stamps": "frame received",
    "damaged_stamps": "frame received",
    "intact_share": "picture decoded",
    "wrong_picture_share": "picture decoded",
    "old_picture_share": "picture decoded",
    "frozen_picture_share": "picture decoded",
    "black_share": "picture decoded",
    "concealed_share": "frame played",
    "speech_activity_share": "frame decoded",
    "audio_gap_share": "second listened",
    "silent_audio_share": "second spoken",
    "wrong_speaker_share": "second judged",
    "unsure_speaker_share": "second decoded",
    "quiet_sound_share": "second decoded",
    "framesDecoded": "frame to decode",
    "framesUndecodable": "frame to decode",
    "framesUndecoded": "frame to decode",
    "login_failures": "login due",
    "publish_failures": "stream due",
    "play_failures": "subscription due",
    "disconnects": "login",
}
_OPERATORS = {
    "<": "below", "<=": "at most", ">": "above", ">=": "at least", "==": "exactly", "===": "exactly", "!=": "not",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A figure, or why there is none. hint: more, for who asks."""

    text: str
    hint: str = ""


@dataclass(frozen=True)
class ThresholdRow:
    passed: bool
    metric: str
    where: str
    condition: str
    observed: str
    samples: str
    meaning: str
    sentence: str
    caution: str = ""


@dataclass(frozen=True)
class TrendRow:
    metric: Metric
    count: int
    delivered: str
    quantiles: list[Cell]
    interval: Cell
    largest: str
    note: str = ""


@dataclass(frozen=True)
class CountRow:
    metric: Metric
    value: str
    basis: str


@dataclass(frozen=True)
class RoleRow:
    name: str
    users: str
    cells: list[Cell]


# -- thresholds ------------------------------------------------------------------------------------------------------


def threshold_rows(data: RunData, results: dict[str, Any]) -> list[ThresholdRow]:
    return [_threshold_row(data, found) for found in results["thresholds"]]


def _threshold_row(data: RunData, found: dict[str, Any]) -> ThresholdRow:
    name, tags = parse_metric_key(found["metric"])
    metric = METRICS[name]
    threshold = parse_threshold(found["expression"], metric)
    window = parse_window(found["window"]) if found.get("window") else None
    count = data.measured.series(metric, tags, window).count
    unit = _unit(threshold, metric)
    what, limit = _aggregate(threshold, metric), quantity(threshold.limit, unit)
    observed = "nothing measured" if found["observed"] is None else quantity(found["observed"], unit)
    where = ", ".join([*(f"{tag} {value}" for tag, value in tags.items()), *([str(window)] if window else [])])
    return ThresholdRow(
        passed=found["passed"],
        metric=name,
        where=where,
        condition=f"{what} {_OPERATORS[threshold.op]} {limit}".strip(),
        observed=observed,
        samples=_basis(metric, count) if count else "none",
        meaning=metric.description,
        sentence=_sentence(
            found,
            (f"{what} of {name}" if what else name) + (f" ({where})" if where else ""),
            observed,
            threshold,
            limit,
        ),
        caution=_caution(threshold, count),
    )


def _sentence(found: dict[str, Any], subject: str, observed: str, threshold: Threshold, limit: str) -> str:
    if found["observed"] is None:
        return f"Nothing was measured for {subject}, so it cannot be said to hold."
    return f"{subject} was {observed}; it has to be {_OPERATORS[threshold.op]} {limit}."


def _unit(threshold: Threshold, metric: Metric) -> str:
    if threshold.aggregate == "count" and metric.kind == "trend":
        return "samples"
    if threshold.aggregate == "rate" and metric.kind == "counter":
        return f"{metric.unit}/s"
    return metric.unit


def _aggregate(threshold: Threshold, metric: Metric) -> str:
    if threshold.q is not None:
        return f"p{threshold.q:g}"
    names = {"avg": "mean", "med": "median", "value": ""} | ({"rate": ""} if metric.kind == "rate" else {})
    return names.get(threshold.aggregate, threshold.aggregate)


def _caution(threshold: Threshold, count: int) -> str:
    q = 50.0 if threshold.aggregate == "med" else threshold.q
    if q is None or not count or count >= samples_needed(q):
        return ""
    return f"{counted(count, 'sample')} for p{q:g}: too few to be sure ({samples_needed(q)} needed)"


def reason_sentences(results: dict[str, Any], rows: list[ThresholdRow]) -> list[str]:
    """The verdict's reasons as plain sentences."""
    plain = {
        f"{threshold_text(found)}: {found['reason']}": row.sentence
        for found, row in zip(results["thresholds"], rows, strict=True)
    }
    return [plain.get(reason) or _as_sentence(reason) for reason in results["reasons"]]


def _as_sentence(reason: str) -> str:
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


# -- percentiles -----------------------------------------------------------------------------------------------------


def trend_rows(data: RunData, results: dict[str, Any]) -> list[TrendRow]:
    return [_trend_row(data, results, metric) for metric in METRICS.values() if metric.kind == "trend"]


def _trend_row(data: RunData, results: dict[str, Any], metric: Metric) -> TrendRow:
    found = results["metrics"].get(metric.name)
    if not found:
        return TrendRow(metric, 0, "", [], Cell(""), "", _empty(results, metric))
    count, unit = found["count"], metric.unit
    share = results["metrics"].get(DELIVERED.get(metric.name, ""), {}).get("value", math.nan)
    return TrendRow(
        metric,
        count,
        quantity(share, "share") if math.isfinite(share) else "",
        [percentile_cell(found, q, unit) for q in QUANTILES],
        _interval(data, metric, count),
        quantity(found["max"], unit),
    )


def _empty(results: dict[str, Any], metric: Metric) -> str:
    # Only where video was watched: in an audio room no freeze could have been seen.
    watched = "freeze_time_share" in results["metrics"]
    if metric.name == "freeze_duration_ms" and watched and results["metrics"].get("freezeCount", {}).get("value") == 0:
        return "no freeze"
    return "nothing measured"


def percentile_cell(found: dict[str, Any], q: int, unit: str) -> Cell:
    """The percentile, or `too few` where its 95 % interval would be open to one side."""
    needed = samples_needed(q)
    if found["count"] < needed:
        return Cell("too few", f"p{q} needs {needed} samples; there are {found['count']}")
    return Cell(quantity(found[f"p{q}"], unit))


def _interval(data: RunData, metric: Metric, count: int) -> Cell:
    if count < samples_needed(95):
        return Cell("too few", f"p95 needs {samples_needed(95)} samples; there are {count}")
    rooms = by_room(data.measured.totals, metric.name)
    found = interval(rooms, 95, data.plan.seed)
    if found is None:
        return Cell("too few rooms", f"needs {LEAST_ROOMS} rooms with samples; there are {len(rooms)}")
    low, high = (quantity(end, metric.unit) for end in found)
    # The unit once is enough where both ends have the same.
    if low.partition(THIN)[2] == high.rpartition(THIN)[2]:
        low = low.partition(THIN)[0]
    return Cell(f"{low} to {high}", f"from {len(rooms)} rooms")


# -- rates, counters -------------------------------------------------------------------------------------------------


def count_rows(results: dict[str, Any]) -> list[CountRow]:
    rows = []
    for metric in METRICS.values():
        if metric.kind == "trend":
            continue
        found = results["metrics"].get(metric.name)
        value = quantity(found["value"], metric.unit) if found else "nothing measured"
        rows.append(CountRow(metric, value, _basis(metric, found["count"]) if found else ""))
    return rows


def _basis(metric: Metric, count: int) -> str:
    if metric.kind == "trend":
        return counted(count, "sample")
    noun = _BASIS.get(metric.name, "packet received")
    if noun == "s":
        return f"{number(count)}{THIN}s subscribed"
    head, _, rest = noun.partition(" ")
    return f"{counted(count, head)} {rest}".strip()


# -- roles -----------------------------------------------------------------------------------------------------------

ROLE_FIGURES: tuple[tuple[str, str, str | None], ...] = (
    ("join_time_ms", "p95", "Join time, p95"),
    ("first_frame_ms", "p95", "First frame, p95"),
    ("frame_latency_ms", "p50", "Frame latency, p50"),
    ("frame_latency_ms", "p99", "Frame latency, p99"),
    ("played_share", "value", "Subscriptions played"),
    ("frame_loss_rate", "value", "Frames lost"),
    ("freeze_time_share", "value", "Time frozen"),
    ("audio_mos", "p5", "Sound opinion, p5"),
    ("av_arrival_offset_ms", "p50", "A/V offset, p50"),
    ("login_failures", "value", "Login failures"),
)


def role_rows(data: RunData, results: dict[str, Any]) -> list[RoleRow]:
    rows = []
    for role, metrics in results["roles"].items():
        planned = sum(participant.role == role for participant in data.plan.participants)
        joined = int(data.measured.totals.counter(["users_joined"], {"role": role}))
        cells = [_role_cell(metrics.get(name), METRICS[name], figure) for name, figure, _ in ROLE_FIGURES]
        rows.append(RoleRow(role, f"{number(joined)} of {number(planned)}", cells))
    return rows


def _role_cell(found: dict[str, Any] | None, metric: Metric, figure: str) -> Cell:
    if not found:
        return Cell("nothing measured")
    on = _basis(metric, found["count"])
    if figure == "value":
        return Cell(quantity(found["value"], metric.unit), f"of {on}")
    cell = percentile_cell(found, int(figure[1:]), metric.unit)
    return Cell(cell.text, cell.hint or f"of {on}")
