"""Frames around the first of an account: reordered at the start, or after a stop on purpose."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.frames import FrameAccount


def test_a_frame_from_before_the_first_is_no_double_and_not_accounted_for() -> None:
    account = FrameAccount()
    for number in (5, 4, 6):
        account.frame(number, number)
    assert (account.doubled, account.late, account.lost, account.received, account.captured) == (0, 0, 0, 2, 2)


def test_a_straggler_from_before_a_mute_is_no_double_after_it() -> None:
    account = FrameAccount()
    for number in (0, 1, 3):
        account.frame(number, number)
    account.interrupt()
    account.frame(50, 50)
    assert not account.frame(2, 51)
    assert (account.doubled, account.lost, account.captured) == (0, 1, 5)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 1 << 30), st.integers(2, 200), st.integers(0, 20))
def test_whichever_frame_comes_first_lost_late_and_doubled_are_those_the_network_made(
    seed: int, count: int, reach: int
) -> None:
    """Losses, doubles and reorderings without a first frame that is spared; two recordings with a mute between."""
    chance = random.Random(seed)
    account = FrameAccount()
    lost = late = doubled = 0
    for start in (0, 10_000):
        arriving = [
            (number + chance.uniform(0, reach), start + number)
            for number in range(count)
            for _ in range(chance.choice((0, 1, 1, 1, 1, 2)))
        ]
        seen: set[int] = set()
        for at, number in sorted(arriving):
            new = number not in seen and (not seen or number > min(seen))
            assert account.frame(number, int(1000 * (start + at))) == new
            if number in seen:
                doubled += 1
            elif new:
                late += bool(seen) and number < max(seen)
                seen.add(number)
        if seen:
            lost += max(seen) + 1 - min(seen) - len(seen)
        account.interrupt()
    assert (account.lost, account.late, account.reordered, account.doubled) == (lost, late, late, doubled)
