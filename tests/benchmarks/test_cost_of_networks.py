"""What an emulated network costs the generator: a pair of processes with and without one, in turn."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from harness.rtc.conditions import Conditions, Link
from harness.swarm import calibration

MILD = Link(delay=0.02, jitter=0.003)
ROUNDS = 5  # of both, one after the other: the machine's own changes befall both alike
MOST_ADDED = 1.20


def test_a_mild_network_adds_at_most_a_fifth_to_the_cost_of_frames(
    benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}

    def measure() -> None:
        for _ in range(ROUNDS):
            for emulated in (False, True):
                network = Conditions(MILD, MILD) if emulated else None
                received, sent = calibration.receive_cost("frames", 10, network=network)
                assert received.notes["frames_lost"] == received.notes["socket_drops"] == 0
                found[emulated].append((received.cpu_ms, sent.cpu_ms))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    # The least of each: what else the machine does adds to a cost, and takes nothing away.
    costs = [[min(pair[side] for pair in found[emulated]) for emulated in (False, True)] for side in (0, 1)]
    with capsys.disabled():
        for what, (without, with_network) in zip(("receive, frames", "send"), costs, strict=True):
            sys.stdout.write(
                f"\n    {what}: {without:.2f} CPU-ms per unit-second, {with_network:.2f} on an emulated network with "
                f"delay and jitter: {with_network / without - 1:+.0%}"
            )
        sys.stdout.write("\n")
    for without, with_network in costs:
        assert with_network <= MOST_ADDED * without
