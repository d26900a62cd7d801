"""What an emulated link does to packets, on virtual time: conservation, order, rate, loss, determinism."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rtc.conditions import BurstLoss, Conditions, Link
from harness.rtc.emulated_link import WIRE_BYTES, EmulatedLink

MS = 1000  # microseconds
SIZES = st.integers(1, 1472)
SHARES = st.floats(0, 1)

bursts = st.builds(BurstLoss, p=SHARES, r=SHARES, good=SHARES, bad=SHARES)
links = st.builds(
    Link,
    delay=st.floats(0, 0.5),
    jitter=st.floats(0, 0.1),
    distribution=st.sampled_from(["normal", "uniform", "exponential"]),
    reorder=st.booleans(),
    loss=SHARES,
    burst=st.none() | bursts,
    duplicate=SHARES,
    rate=st.just(0) | st.integers(10_000, 20_000_000),
    queue=st.floats(0.001, 1),
    queue_bytes=st.just(0) | st.integers(500, 100_000),
    outage=st.booleans(),
)
offers = st.lists(st.tuples(st.integers(0, 20 * MS), SIZES), max_size=120)


def pass_all(link: EmulatedLink, given_offers: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Offers as (microseconds after the one before, bytes); what becomes of each."""
    now, fates = 0, []
    for wait, size in given_offers:
        now += wait
        fates.append(link.offer(now, size))
    return fates


def emulated(seed: str = "seed", **parameters: Any) -> EmulatedLink:
    return EmulatedLink(Link(**parameters), random.Random(seed))


@given(links, offers)
def test_every_packet_is_delivered_or_dropped_for_one_reason(link: Link, packets: list[tuple[int, int]]) -> None:
    found = EmulatedLink(link, random.Random(1))
    fates = pass_all(found, packets)
    assert found.offered == len(packets) == found.delivered + found.lost + found.overflowed + found.cut
    assert found.delivered == sum(bool(fate) for fate in fates)
    assert found.doubled == sum(len(fate) - 1 for fate in fates if fate)
    if link.outage:
        assert found.cut == len(packets)


@given(links, offers)
def test_nothing_comes_out_before_it_went_in_or_overtakes_unless_it_may(
    link: Link, packets: list[tuple[int, int]]
) -> None:
    fates = pass_all(EmulatedLink(link, random.Random(2)), packets)
    now = 0
    for (wait, _), fate in zip(packets, fates, strict=True):
        now += wait
        assert all(due >= now for due in fate)
    if not link.reorder:
        out = [due for fate in fates for due in fate]
        assert out == sorted(out)


@given(links, offers, st.integers())
def test_equal_seeds_give_equal_fates(link: Link, packets: list[tuple[int, int]], seed: int) -> None:
    first, second = (pass_all(EmulatedLink(link, random.Random(seed)), packets) for _ in range(2))
    assert first == second


@given(links, offers, st.integers(1, 40))
def test_many_packets_at_once_fare_as_they_would_one_by_one(
    link: Link, packets: list[tuple[int, int]], batch: int
) -> None:
    one_by_one, together = (EmulatedLink(link, random.Random(3)) for _ in range(2))
    expected = [due for fate in pass_all(one_by_one, packets) for due in fate]
    times, now = [], 0
    for wait, _ in packets:
        now += wait
        times.append(now)
    found: list[int] = []
    for at in range(0, len(packets), batch):
        sizes = [size for _, size in packets[at : at + batch]]
        through, due = together.offer_all(list(sizes), sizes, times[at : at + batch])
        assert len(through) == len(due)
        found += due
    assert found == expected
    assert together.counts() == one_by_one.counts()


@given(st.integers(20_000, 5_000_000), st.floats(0.001, 0.5), offers)
def test_a_rate_is_never_exceeded_over_any_stretch_of_time(
    rate: int, queue: float, packets: list[tuple[int, int]]
) -> None:
    link = emulated(rate=rate, queue=queue)
    out = [
        (fate[0], size + WIRE_BYTES)
        for fate, (_, size) in zip(pass_all(link, packets), packets, strict=True)
        if fate
    ]  # fmt: skip
    for begin in range(len(out)):
        passed = 0
        for due, size in out[begin + 1 :]:
            passed += size
            assert passed * 8 <= rate * (due - out[begin][0] + 1) / 1_000_000


@given(links)
def test_conditions_survive_their_way_through_json_values(link: Link) -> None:
    conditions = Conditions(link, Link(delay=0.05))
    assert Conditions.from_dict(conditions.to_dict()) == conditions
    assert Link().to_dict() == {}, "a perfect link has nothing to tell"


def test_a_plain_delay_is_exact() -> None:
    link = emulated(delay=0.05)
    assert [link.offer(now, 100) for now in (0, 7, 1000)] == [(50_000,), (50_007,), (51_000,)]


@pytest.mark.parametrize(
    ("distribution", "mean_ms", "deviation_ms"),
    [("normal", 50, 4.9), ("uniform", 50, 5 / 3**0.5), ("exponential", 55, 5)],
)
def test_jitter_has_the_mean_and_width_that_its_distribution_names(
    distribution: str, mean_ms: float, deviation_ms: float
) -> None:
    link = emulated(delay=0.05, jitter=0.005, distribution=distribution, reorder=True)
    delays = [(link.offer(now * 20 * MS, 100)[0] - now * 20 * MS) / MS for now in range(20_000)]
    assert statistics.mean(delays) == pytest.approx(mean_ms, abs=0.15)
    assert statistics.stdev(delays) == pytest.approx(deviation_ms, rel=0.03)
    if distribution == "normal":
        assert 34.9 <= min(delays) <= max(delays) <= 65.1, "cut at three standard deviations"


def test_packets_overtake_each_other_only_where_they_may_and_are_counted() -> None:
    free, ordered = (emulated(delay=0.02, jitter=0.01, reorder=reorder) for reorder in (True, False))
    out = [free.offer(now * MS, 100)[0] for now in range(1000)]
    latest = list(out)
    for at in range(1, len(latest)):
        latest[at] = max(latest[at], latest[at - 1])
    assert free.reordered == sum(due < latest[at] for at, due in enumerate(out)) > 300
    held = [ordered.offer(now * MS, 100)[0] for now in range(1000)]
    assert held == latest, "who may not overtake waits for those before it, and for no one else"
    assert ordered.reordered == 0


def test_random_loss_has_its_share_and_no_memory() -> None:
    link = emulated(loss=0.05)
    lost = [not link.offer(now, 100) for now in range(100_000)]
    assert link.lost == sum(lost)
    assert link.lost / 100_000 == pytest.approx(0.05, abs=0.002)
    after_a_loss = [following for before, following in pairwise(lost) if before]
    assert statistics.mean(after_a_loss) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(("mean", "length"), [(0.01, 4), (0.05, 10), (0.3, 2)])
def test_burst_loss_has_its_mean_and_its_mean_length(mean: float, length: float) -> None:
    burst = BurstLoss.of(mean, length)
    assert burst.mean == pytest.approx(mean)
    link = emulated(burst=burst)
    lost = [not link.offer(now, 100) for now in range(300_000)]
    assert statistics.mean(lost) == pytest.approx(mean, rel=0.06)
    begun = sum(following and not before for before, following in pairwise([False, *lost]))
    assert sum(lost) / begun == pytest.approx(length, rel=0.06)


def test_gilbert_elliott_loses_some_in_the_good_state_and_spares_some_in_the_bad() -> None:
    burst = BurstLoss(p=0.02, r=0.1, good=0.01, bad=0.5)
    link = emulated(burst=burst)
    lost = sum(not link.offer(now, 100) for now in range(300_000))
    assert burst.mean == pytest.approx((0.1 * 0.01 + 0.02 * 0.5) / 0.12)
    assert lost / 300_000 == pytest.approx(burst.mean, rel=0.05)


def test_a_queue_delays_what_the_rate_cannot_take_and_drops_the_tail() -> None:
    link = emulated(rate=1_000_000, queue=0.05)  # a packet of 1250 bytes takes 10 ms
    fates = [link.offer(0, 1250 - WIRE_BYTES) for _ in range(8)]
    assert fates == [(10_000,), (20_000,), (30_000,), (40_000,), (50_000,), (), (), ()]
    assert (link.overflowed, link.longest_us, link.queued_us) == (3, 40_000, 100_000)
    assert link.offer(45_000, 1250 - WIRE_BYTES) == (60_000,), "there is room again"
    assert link.offer(500_000, 1250 - WIRE_BYTES) == (510_000,), "an idle link saves up nothing"


def test_a_queue_may_be_given_in_bytes_and_an_empty_one_takes_any_packet() -> None:
    link = emulated(rate=1_000_000, queue_bytes=2500)
    assert [bool(link.offer(0, 1250 - WIRE_BYTES)) for _ in range(3)] == [True, True, False]
    tight = emulated(rate=100_000, queue=0.001)
    assert tight.offer(0, 1250 - WIRE_BYTES) == (100_000,)


def test_a_copy_comes_behind_its_packet_and_is_counted_apart() -> None:
    link = emulated(delay=0.01, duplicate=1.0)
    assert link.offer(0, 100) == (10_000, 10_000)
    assert (link.delivered, link.doubled) == (1, 1)


def test_an_outage_lets_nothing_pass_and_what_was_under_way_arrives() -> None:
    link = emulated(delay=0.1)
    assert link.offer(0, 100) == (100_000,)
    link.change(Link(outage=True))
    assert link.offer(1000, 100) == ()
    link.change(Link(delay=0.01))
    assert link.offer(2000, 100) == (100_000,), "a shorter way from now on, but nobody overtakes"
    assert link.offer(150_000, 100) == (160_000,)
    assert link.cut == 1


@pytest.mark.parametrize(
    ("parameters", "carries"),
    [
        ({}, True),
        ({"delay": 0.3, "loss": 0.02, "rate": 4_000_000}, True),
        ({"outage": True}, False),
        ({"loss": 0.2}, False),
        ({"burst": BurstLoss.of(0.2, 5)}, False),
        ({"rate": 384_000}, False),
        ({"delay": 0.4, "jitter": 0.1}, False),
    ],
)
def test_a_link_says_whether_media_can_be_expected_in_time(parameters: dict[str, Any], carries: bool) -> None:
    assert Link(**parameters).carries_media is carries
    assert Conditions(Link(**parameters), Link()).carries_media is carries
    assert Conditions(Link(), Link(**parameters)).carries_media is carries
