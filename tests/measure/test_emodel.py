"""The E-model gives the recommendation's figures for delay, and orders loss, rate and burstiness as listeners do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.emodel import (
    audio_opinion,
    burst_ratio,
    delay_impairment,
    loss_impairment,
    opinion,
    opus_constants,
)

shares = st.floats(0, 1)
rates = st.integers(6_000, 128_000)
delays = st.floats(0, 5_000)


@pytest.mark.parametrize(
    ("delay_ms", "score"),
    [(0, 4.41), (100, 4.41), (150, 4.41), (200, 4.34), (250, 4.18), (300, 3.96), (400, 3.56), (600, 2.99)],
)
def test_pure_delay_costs_what_the_recommendation_says(delay_ms: float, score: float) -> None:
    assert opinion(93.2 - delay_impairment(delay_ms)) == pytest.approx(score, abs=0.005)


@pytest.mark.parametrize(("r", "score"), [(-5, 1), (0, 1), (3, 1), (50, 2.58), (60, 3.1), (70, 3.6), (80, 4.03)])
def test_a_rating_is_the_opinion_of_annex_b(r: float, score: float) -> None:
    assert opinion(r) == pytest.approx(score, abs=0.01)
    assert opinion(100) == opinion(150) == 4.5


# PESQ (narrow-band) of our speech: what the constants were fitted to.
@pytest.mark.parametrize(
    ("bitrate", "scores"),
    [
        (16_000, {0: 4.05, 2: 3.61, 5: 3.20, 10: 2.77}),
        (24_000, {0: 4.26, 2: 3.79, 5: 3.21, 10: 2.83}),
        (32_000, {0: 4.36, 2: 3.85, 5: 3.24, 10: 2.80}),
        (64_000, {0: 4.43}),
        (12_000, {0: 3.99}),
        (8_000, {0: 3.96}),
        (6_000, {0: 3.50}),
    ],
)
def test_the_constants_of_opus_give_back_what_they_were_fitted_to(bitrate: int, scores: dict[int, float]) -> None:
    for percent, score in scores.items():
        assert audio_opinion(0, percent / 100, bitrate) == pytest.approx(score, abs=0.2)


@given(delays, delays, shares, shares, rates, rates, st.floats(1, 2))
def test_more_of_anything_bad_is_never_better(
    delay: float, more: float, lost: float, worse: float, rate: int, other: int, burst: float
) -> None:
    score = audio_opinion(delay, lost, rate, burst)
    assert 1 <= score <= 4.5
    assert audio_opinion(delay + more, lost, rate, burst) <= score + 1e-9
    assert audio_opinion(delay, max(lost, worse), rate, burst) <= score + 1e-9
    assert audio_opinion(delay, lost, rate, 1.0) >= score - 1e-9
    lower, higher = sorted((rate, other))
    assert audio_opinion(0, 0, lower) <= audio_opinion(0, 0, higher) + 1e-9


def test_beyond_the_rates_measured_the_constants_are_held() -> None:
    assert opus_constants(2_000) == opus_constants(6_000)
    assert opus_constants(510_000) == opus_constants(64_000)
    low, between, high = (opus_constants(rate)[0] for rate in (16_000, 20_000, 24_000))
    assert low > between > high


def test_losses_in_bursts_cost_more_than_as_many_at_random() -> None:
    assert burst_ratio(0, 0, 0.0) == burst_ratio(5, 5, 0.1) == 1.0
    assert burst_ratio(6, 2, 0.1) == pytest.approx(2.7)
    assert loss_impairment(0.1, 24_000, 1.5) > loss_impairment(0.1, 24_000) > loss_impairment(0.05, 24_000)
    assert loss_impairment(0.1, 24_000, 9) == loss_impairment(0.1, 24_000, 2), "held where nobody has checked"
