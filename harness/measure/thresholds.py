"""Thresholds in k6's grammar: `frame_latency_ms{role:member}` with `p(99)<250`.

    key        = metric [ "{" tag ":" value { "," tag ":" value } "}" ]
    expression = aggregate operator limit
    aggregate  = avg | min | max | med | p(N) | count | rate | value      (which of them, the metric's kind says)
    operator   = > | >= | < | <= | == | === | !=
    limit      = number | number "%"                                      (percent: only where a share is compared)

Unlike k6, an unknown metric is an error and a series without samples fails.
"""

import difflib
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.measure.catalogue import METRICS, Kind, Metric

TAGS = ("role", "room", "codec")
AGGREGATES: dict[Kind, tuple[str, ...]] = {
    "trend": ("avg", "min", "med", "max", "p(N)", "count"),
    "rate": ("rate", "value"),
    "counter": ("count", "rate"),
    "value": ("value",),
}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "===": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_KEY = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*(?:\{([^{}]*)\})?\s*")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_EXPRESSION = re.compile(rf"\s*([a-z]+)\s*(?:\(\s*({_NUMBER})\s*\))?\s*(===|==|!=|>=|<=|>|<)\s*({_NUMBER})\s*(%?)\s*")


class ThresholdError(ValueError):
    """A threshold that cannot be judged; its text is one sentence that names what is allowed."""


@dataclass(frozen=True)
class Threshold:
    """A parsed expression. q: the percentile of `p`, 0 to 100. limit: in the metric's unit, shares from 0 to 1."""

    expression: str
    aggregate: str
    q: float | None
    op: str
    limit: float

    def holds(self, observed: float) -> bool:
        """Whether an observed figure satisfies the expression."""
        return _OPERATORS[self.op](observed, self.limit)


@dataclass(frozen=True)
class ThresholdResult:
    """How one expression fared. observed is None when there was nothing to observe; reason is one phrase."""

    expression: str
    observed: float | None
    passed: bool
    reason: str


class Series(Protocol):
    """What a threshold looks at: one metric, or the part of it that the tags select.

    count: samples behind it; for counters and shares, the sources that reported, so that 0 failures of 12 users
    is a measurement and 0 of none is not. value: the share, the plain number, or the counter's total.
    """

    @property
    def kind(self) -> Kind:
        """The metric's kind."""

    @property
    def count(self) -> int:
        """Samples behind the series; 0 when nothing was measured."""

    @property
    def mean(self) -> float:
        """Mean of a trend's samples."""

    @property
    def min(self) -> float:
        """Smallest sample of a trend."""

    @property
    def max(self) -> float:
        """Largest sample of a trend."""

    @property
    def value(self) -> float:
        """The share of a rate, the number of a value, the total of a counter."""

    def percentile(self, q: float) -> float:
        """The q-th percentile of a trend, q from 0 to 100."""


def parse_metric_key(key: str) -> tuple[str, dict[str, str]]:
    """`metric{tag:value}` to the metric's name and its tags. Raises ThresholdError."""
    if len(key) > 500 or (match := _KEY.fullmatch(key)) is None:
        raise ThresholdError("is not a metric; allowed: a name, or a name with tags such as join_time_ms{role:member}")
    name, inner = match[1], match[2]
    if name not in METRICS:
        raise ThresholdError(f"unknown metric{_guess(name, list(METRICS))}; allowed: {', '.join(METRICS)}")
    if inner is None:
        return name, {}
    tags: dict[str, str] = {}
    for part in inner.split(","):
        tag, colon, value = (piece.strip() for piece in part.partition(":"))
        if not colon or not value or ":" in value:
            raise ThresholdError(f"{_short(part)} is not a tag; allowed: {', '.join(f'{name}:value' for name in TAGS)}")
        if tag not in TAGS:
            raise ThresholdError(f"unknown tag {_short(tag)}{_guess(tag, list(TAGS))}; allowed: {', '.join(TAGS)}")
        if tag in tags:
            raise ThresholdError(f"tag {tag} stands twice; allowed: each of {', '.join(TAGS)} once")
        tags[tag] = value
    return name, tags


def parse_threshold(expression: str, metric: Metric | None = None) -> Threshold:
    """`p(95)<800` to a Threshold; with a metric, its kind decides which aggregates fit. Raises ThresholdError."""
    if len(expression) > 200 or (match := _EXPRESSION.fullmatch(expression)) is None:
        raise ThresholdError(
            f"{_short(expression)} is not a threshold; allowed: an aggregate ({_aggregates(metric)}), "
            f"one of {' '.join(sorted(_OPERATORS))}, and a number"
        )
    aggregate, argument, op, number, percent = match.groups()
    q = float(argument) if argument is not None else None
    _check_aggregate(aggregate, q, metric)
    limit = float(number)
    if percent:
        if aggregate not in ("rate", "value") or (metric is not None and metric.kind != "rate"):
            raise ThresholdError(f"{_short(expression)} compares no share; allowed: a plain number, without %")
        limit /= 100
    if not math.isfinite(limit):
        raise ThresholdError(f"{_short(expression)} has a limit too large; allowed: numbers up to 1e308")
    return Threshold(expression, aggregate, q, op, limit)


def evaluate(threshold: Threshold, series: Series, seconds: float | None = None) -> ThresholdResult:
    """Judges one threshold. seconds: the time measured, for a counter's `rate`. A series without samples fails."""
    if series.count == 0:
        return ThresholdResult(threshold.expression, None, False, "nothing was measured")
    observed = _observe(threshold, series, seconds)
    if observed is None:
        return ThresholdResult(threshold.expression, None, False, "the time measured is not known")
    if math.isnan(observed):
        return ThresholdResult(threshold.expression, None, False, "the figure is not a number")
    passed = threshold.holds(observed)
    relation = "holds" if passed else "does not hold"
    reason = f"{observed:.6g} {threshold.op} {threshold.limit:g} {relation}"
    return ThresholdResult(threshold.expression, observed, passed, reason)


def _observe(threshold: Threshold, series: Series, seconds: float | None) -> float | None:
    if series.kind == "counter":
        if threshold.aggregate == "count":
            return float(series.value)
        return series.value / seconds if seconds else None
    if series.kind in ("rate", "value"):
        return float(series.value)
    if threshold.q is not None:
        return float(series.percentile(threshold.q))
    trend: dict[str, Callable[[], float]] = {
        "avg": lambda: series.mean,
        "min": lambda: series.min,
        "max": lambda: series.max,
        "med": lambda: series.percentile(50),
        "count": lambda: series.count,
    }
    return float(trend[threshold.aggregate]())


def _check_aggregate(aggregate: str, q: float | None, metric: Metric | None) -> None:
    name = "p(N)" if aggregate == "p" else aggregate
    allowed = AGGREGATES[metric.kind] if metric is not None else _all_aggregates()
    if name not in allowed:
        of = f" of {metric.name}, which is a {metric.kind}" if metric is not None else ""
        raise ThresholdError(f"{_short(name)} is not an aggregate{of}; allowed: {', '.join(allowed)}")
    if (q is None) == (aggregate == "p"):
        raise ThresholdError("only p takes a number in brackets, and it needs one; allowed: such as p(95), avg")
    if q is not None and not 0 <= q <= 100:
        raise ThresholdError(f"p({q:g}) is not a percentile; allowed: p(0) to p(100)")


def _all_aggregates() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in AGGREGATES.values() for name in names))


def _aggregates(metric: Metric | None) -> str:
    return ", ".join(AGGREGATES[metric.kind] if metric is not None else _all_aggregates())


def _guess(word: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(word[:100], allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""


def _short(text: str) -> str:
    printable = "".join(c if c.isprintable() else "?" for c in text.strip())
    return (printable if len(printable) <= 60 else printable[:57] + "...") or '""'
