"""Quantities read what people write, and write what they read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scenario.count import Count, parse_count
from harness.scenario.errors import ImpossibleError
from harness.scenario.observe import ObserveShares, parse_observe
from harness.scenario.quantity import (
    Span,
    format_bitrate,
    format_duration,
    format_offset,
    format_rate,
    format_share,
    parse_bitrate,
    parse_duration,
    parse_offset,
    parse_rate,
    parse_share,
    parse_span,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("40s", 40), ("1.5s", 1.5), ("2m", 120), ("1h", 3600), ("1m30s", 90), ("333ms", 0.333)],
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert parse_duration(text, 0.1, 86_400) == seconds


@pytest.mark.parametrize("value", [5, 5.5, "5", "-5s", "5 s", "5d", "1e3s", "\u0665s", "", None, True, "9" * 50 + "s"])
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ImpossibleError, match=r"allowed: .*ms, s, m or h"):
        parse_duration(value, 0.1, 86_400)


@pytest.mark.parametrize(
    ("text", "bits"), [("24k", 24_000), ("1.5M", 1_500_000), (500_000, 500_000), ("64000", 64_000)]
)
def test_bitrates_are_bits_per_second(text: object, bits: int) -> None:
    assert parse_bitrate(text, 6_000, 8_000_000) == bits


@pytest.mark.parametrize("value", ["24K", "1.5m", "24 k", 24.5, True, None, "6.00001k", "", "k"])
def test_what_is_no_bitrate_is_refused(value: object) -> None:
    with pytest.raises(ImpossibleError, match="allowed: "):
        parse_bitrate(value, 6_000, 8_000_000)


@pytest.mark.parametrize(("text", "rate"), [("2/s", 2), ("30/min", 0.5), ("3600/h", 1), ("0.5/s", 0.5)])
def test_rates_are_per_second(text: str, rate: float) -> None:
    assert parse_rate(text, 1 / 3600, 10_000) == rate


@pytest.mark.parametrize(("text", "seconds"), [("45ms", 0.045), ("-200ms", -0.2), ("0ms", 0), ("0.5s", 0.5)])
def test_an_offset_has_a_sign_and_reads_back(text: str, seconds: float) -> None:
    assert parse_offset(text, -0.5, 0.5) == seconds
    assert parse_offset(format_offset(seconds), -0.5, 0.5) == seconds


@pytest.mark.parametrize("value", ["501ms", "-501ms", "--5ms", "-", 45, -0.2, None, True, "fast", "- 5ms"])
def test_what_is_no_offset_is_refused(value: object) -> None:
    with pytest.raises(ImpossibleError, match=r"allowed: -500ms to 500ms"):
        parse_offset(value, -0.5, 0.5)


def test_a_span_is_a_range_or_one_duration() -> None:
    assert parse_span("40s..1m", 1, 100) == Span(40, 60)
    assert parse_span("40s", 1, 100) == Span(40, 40)
    for bad in ("40s..", "..40s", "40..60s", "1s..2s..3s", 40):
        with pytest.raises(ImpossibleError):
            parse_span(bad, 1, 100)


@given(st.floats(0.1, 86_400))
def test_durations_read_back_as_they_were(seconds: float) -> None:
    assert parse_duration(format_duration(seconds), 0.1, 86_400) == seconds


@given(st.integers(6_000, 8_000_000))
def test_bitrates_read_back_as_they_were(bits: int) -> None:
    assert parse_bitrate(format_bitrate(bits), 6_000, 8_000_000) == bits


@given(st.one_of(st.integers(1, 100_000).map(lambda n: n / 60), st.floats(1 / 3600, 10_000)))
def test_rates_read_back_as_they_were(rate: float) -> None:
    assert parse_rate(format_rate(rate), 1 / 3600, 10_000) == pytest.approx(rate, rel=1e-12)


@given(st.integers(1, 1000).map(lambda n: n / 1000))
def test_shares_read_back_as_they_were(share: float) -> None:
    assert parse_share(format_share(share)) == share


@given(st.integers(1, 1000), st.integers(1, 1000), st.randoms(use_true_random=False))
def test_a_drawn_count_lies_in_its_range(one: int, other: int, rng: object) -> None:
    low, high = sorted((one, other))
    count = parse_count(f"{low}..{high}")
    assert count == Count(low, high)
    assert low <= count.draw(rng) <= high  # type: ignore[arg-type]


def test_choices_are_drawn_by_their_shares() -> None:
    import random

    count = parse_count({"choices": {2: 0.25, "4": "75%"}})
    rng = random.Random(3)
    drawn = [count.draw(rng) for _ in range(2000)]
    assert set(drawn) == {2, 4}
    assert drawn.count(4) / 2000 == pytest.approx(0.75, abs=0.03)


@given(st.floats(0, 1, exclude_max=True))
@settings(max_examples=50)
def test_observe_shares_divide_the_line_in_the_order_of_the_file(point: float) -> None:
    shares = parse_observe({"frames": "30%", "packets": "70%"})
    assert shares.pick(point) == ("frames" if point < 0.3 else "packets")
    assert ObserveShares((("frames", 1.0),)).pick(point) == "frames"
