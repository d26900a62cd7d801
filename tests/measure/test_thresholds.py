"""Thresholds: k6's grammar, the catalogue's metrics, and nothing measured is never a pass."""

import math
import operator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.catalogue import METRICS, Kind
from harness.measure.thresholds import (
    AGGREGATES,
    Threshold,
    ThresholdError,
    evaluate,
    parse_metric_key,
    parse_threshold,
)

OPERATORS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "===": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass
class FakeSeries:
    """A series with figures that tell the aggregates apart."""

    kind: Kind = "trend"
    count: int = 8
    mean: float = 30.0
    min: float = 10.0
    max: float = 90.0
    value: float = 0.5

    def percentile(self, q: float) -> float:
        return q


@pytest.mark.parametrize("kind", ["trend", "rate", "counter", "value"])
def test_every_kind_has_metrics_and_aggregates(kind: Kind) -> None:
    assert any(metric.kind == kind for metric in METRICS.values())
    assert AGGREGATES[kind]


def test_every_metric_is_described_in_full() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name and metric.unit and metric.description.endswith(".")
        assert metric.better in ("lower", "higher")
        assert name.endswith("_ms") == (metric.unit == "ms")
        assert (metric.unit == "share") == (metric.kind == "rate")


@pytest.mark.parametrize(
    ("key", "name", "tags"),
    [
        ("join_time_ms", "join_time_ms", {}),
        ("frame_latency_ms{role:member}", "frame_latency_ms", {"role": "member"}),
        (" nackCount { role : a-b , codec:vp8,room:team-r01 } ", "nackCount",
         {"role": "a-b", "codec": "vp8", "room": "team-r01"}),
    ],
)  # fmt: skip
def test_a_key_is_a_metric_with_tags(key: str, name: str, tags: dict[str, str]) -> None:
    assert parse_metric_key(key) == (name, tags)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("join_time", "unknown metric, did you mean join_time_ms?; allowed: join_time_ms, "),
        ("", "is not a metric; allowed: "),
        ("join_time_ms{", "is not a metric; allowed: "),
        ("join_time_ms{}", "is not a tag; allowed: role:value, room:value, codec:value"),
        ("join_time_ms{role}", "role is not a tag; allowed: "),
        ("join_time_ms{role:}", "role: is not a tag"),
        ("join_time_ms{role:a:b}", "role:a:b is not a tag"),
        ("join_time_ms{user:a}", "unknown tag user"),
        ("join_time_ms{roles:a}", "unknown tag roles, did you mean role?; allowed: role, room, codec"),
        ("join_time_ms{role:a,role:b}", "tag role stands twice"),
    ],
)
def test_a_key_that_selects_nothing_known_is_refused(key: str, words: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse_metric_key(key)
    assert words in str(caught.value) and "allowed: " in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("p(95)<800", ("p", 95.0, "<", 800.0)),
        (" p( 99.9 ) <= 1e3 ", ("p", 99.9, "<=", 1000.0)),
        ("rate<1%", ("rate", None, "<", 0.01)),
        ("value>=99.5%", ("value", None, ">=", 0.995)),
        ("avg>-5.5", ("avg", None, ">", -5.5)),
        ("count===0", ("count", None, "===", 0.0)),
    ],
)
def test_an_expression_is_aggregate_operator_limit(expression: str, parts: tuple[object, ...]) -> None:
    parsed = parse_threshold(expression)
    assert (parsed.aggregate, parsed.q, parsed.op, parsed.limit) == parts
    assert parsed.expression == expression


@pytest.mark.parametrize(
    ("expression", "metric", "words"),
    [
        ("", "join_time_ms", "is not a threshold; allowed: an aggregate (avg, min, med, max, p(N), count)"),
        ("p(95)", "join_time_ms", "p(95) is not a threshold"),
        ("p95<800", "join_time_ms", "is not a threshold"),
        ("p(95)<800ms", "join_time_ms", "is not a threshold"),
        ("p(95)=800", "join_time_ms", "one of != < <= == === > >="),
        ("p(95)<fast", "join_time_ms", "and a number"),
        ("p(95)<nan", "join_time_ms", "and a number"),
        ("p(95)<1e999", "join_time_ms", "limit too large"),
        ("p<800", "join_time_ms", "needs one; allowed: such as p(95)"),
        ("avg(95)<800", "join_time_ms", "only p takes a number"),
        ("p(101)<800", "join_time_ms", "allowed: p(0) to p(100)"),
        ("p(-1)<800", "join_time_ms", "allowed: p(0) to p(100)"),
        ("p(95)<10%", "join_time_ms", "compares no share"),
        ("mean<800", "join_time_ms", "mean is not an aggregate of join_time_ms, which is a trend; allowed: avg, "),
        ("rate<0.1", "join_time_ms", "rate is not an aggregate of join_time_ms"),
        ("p(95)<1", "played_share", "which is a rate; allowed: rate, value"),
        ("value<1", "packetsLost", "which is a counter; allowed: count, rate"),
        ("rate<1%", "packetsLost", "compares no share"),
        ("rate<1", "wrong_stamps", "which is a value; allowed: value"),
        ("value<1%", "wrong_stamps", "compares no share"),
    ],
)
def test_an_expression_that_cannot_be_judged_is_refused(expression: str, metric: str, words: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse_threshold(expression, METRICS[metric])
    message = str(caught.value)
    assert words in message and "allowed: " in message and "\n" not in message


NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6).map(lambda x: round(x, 4)))


PERCENTILES = st.floats(0, 100).map(lambda q: round(q, 3))


@given(PERCENTILES, st.sampled_from(sorted(OPERATORS)), NUMBERS, st.sampled_from(["", " "]))
def test_whatever_is_written_is_read(q: float, op: str, limit: float, blank: str) -> None:
    expression = f"p({q}){blank}{op}{blank}{limit}"
    assert parse_threshold(expression, METRICS["join_time_ms"]) == Threshold(expression, "p", q, op, float(limit))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_threshold, parse_metric_key):
        try:
            read(text)
        except ThresholdError as error:
            assert str(error).isprintable() and "allowed: " in str(error)


@given(st.sampled_from(sorted(OPERATORS)), st.floats(0, 100), st.integers(0, 100))
def test_a_threshold_holds_as_its_operator_says(op: str, observed: float, limit: int) -> None:
    result = evaluate(parse_threshold(f"value{op}{limit}"), FakeSeries(kind="value", value=observed))
    assert result.passed == OPERATORS[op](observed, limit)
    assert result.observed == observed


@pytest.mark.parametrize(
    ("expression", "observed"),
    [("avg<1", 30), ("min<1", 10), ("max<1", 90), ("med<1", 50), ("p(99)<1", 99), ("count<1", 8)],
)
def test_each_aggregate_of_a_trend_takes_its_own_figure(expression: str, observed: float) -> None:
    result = evaluate(parse_threshold(expression), FakeSeries())
    assert (result.observed, result.passed) == (observed, False)
    assert result.reason == f"{observed} < 1 does not hold"


def test_a_rate_is_judged_by_rate_or_value() -> None:
    for expression in ("rate>=50%", "value>=0.5"):
        assert evaluate(parse_threshold(expression, METRICS["played_share"]), FakeSeries("rate")).passed


def test_a_counter_is_judged_by_its_total_or_its_total_per_second() -> None:
    series = FakeSeries("counter", value=12)
    assert evaluate(parse_threshold("count==12"), series).passed
    assert evaluate(parse_threshold("rate==2"), series, seconds=6).passed
    unknown = evaluate(parse_threshold("rate==2"), series)
    assert (unknown.passed, unknown.reason) == (False, "the time measured is not known")


@pytest.mark.parametrize("expression", ["p(95)<1000", "avg>=0", "count==0", "value>=0", "value!=5"])
@pytest.mark.parametrize("kind", ["trend", "rate", "counter", "value"])
def test_nothing_measured_never_passes(expression: str, kind: Kind) -> None:
    result = evaluate(parse_threshold(expression), FakeSeries(kind, count=0, value=0), seconds=1)
    assert (result.passed, result.observed, result.reason) == (False, None, "nothing was measured")


@pytest.mark.parametrize("op", sorted(OPERATORS))
def test_a_figure_that_is_no_number_never_passes(op: str) -> None:
    result = evaluate(parse_threshold(f"value{op}1"), FakeSeries("value", value=math.nan))
    assert (result.passed, result.reason) == (False, "the figure is not a number")
