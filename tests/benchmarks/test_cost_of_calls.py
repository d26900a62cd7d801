"""What subscriptions, publishers and forwarding cost in CPU, in processes of their own, beside stock aiortc.

`make benchmarks` runs these; they print their table and hold the targets. CPU milliseconds, not wall time: the machine
may be busy, but a process pays for what it does.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from harness.swarm import calibration
from harness.swarm.calibration import Cost

FRAMES_LIMIT, SEND_LIMIT, FORWARD_LIMIT = 1.5, 4.0, 2.0  # CPU-ms per unit and second
BETTER_THAN_STOCK = 25
STEPS = (50, 100, 200, 400)  # subscriptions
USERS_PER_CORE, SHARE_OF_CORE = 80, 0.60
MEMORY_PER_USER = 1 << 20


def show(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        for line in lines:
            sys.stdout.write(f"\n    {line}")


def told(cost: Cost) -> str:
    notes = ", ".join(f"{name} {value:.4g}" for name, value in cost.notes.items())
    return f"{cost.what}: {cost.cpu_ms:.2f} CPU-ms per {cost.unit}-second on {cost.units} {cost.unit}s ({notes})"


def test_receiving_and_sending_beside_stock_aiortc(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[Cost] = []

    def measure() -> None:
        frames, send = calibration.receive_cost("frames", 10)
        packets, _ = calibration.receive_cost("packets", 10)
        found[:] = [packets, frames, send, calibration.stock_cost()]

    benchmark.pedantic(measure, rounds=1, iterations=1)
    packets, frames, send, stock = found
    ratio = stock.cpu_ms / frames.cpu_ms
    show(capsys, *map(told, found), f"depth frames is {ratio:.1f} times cheaper than stock aiortc with decoding\n")
    assert frames.notes["frames_lost"] == frames.notes["wrong_stamps"] == frames.notes["socket_drops"] == 0
    assert ratio >= BETTER_THAN_STOCK
    assert packets.cpu_ms < frames.cpu_ms <= FRAMES_LIMIT
    assert send.cpu_ms <= SEND_LIMIT


def test_forwarding_in_the_embedded_service(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cost = benchmark.pedantic(calibration.forward_cost, rounds=1, iterations=1)
    show(capsys, told(cost) + "\n")
    assert cost.notes["packets_lost"] == 0
    assert cost.cpu_ms <= FORWARD_LIMIT


def test_cost_grows_in_a_line_with_subscriptions(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Cost] = []

    def measure() -> None:
        for subscriptions in STEPS:
            peers = subscriptions // 10
            received, _ = calibration.receive_cost("frames", peers, streams=10)
            rows.append(received)

    benchmark.pedantic(measure, rounds=1, iterations=1)
    show(capsys, "subscriptions  CPU-ms per subscription-second  whole process  loop lag p99  frames lost")
    for row in rows:
        lag, lost = row.notes["loop_lag_p99_ms"], row.notes["frames_lost"]
        show(
            capsys,
            f"{row.units:13d}  {row.cpu_ms:31.2f}  {row.cpu_ms * row.units / 10:12.1f}%  {lag:9.1f} ms  {lost:.0f}",
        )
    show(capsys, "")
    assert rows[-1].cpu_ms <= 1.3 * rows[0].cpu_ms, "no more per subscription at 400 than at 50"


def test_eighty_users_of_rooms_of_four_on_one_core(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cost = benchmark.pedantic(lambda: calibration.room_cost(rooms=20), rounds=1, iterations=1)
    share = cost.cpu_ms * USERS_PER_CORE / 1000
    show(capsys, told(cost), f"{USERS_PER_CORE} users take {share:.0%} of a core\n")
    assert cost.notes["playing"] == 3 * USERS_PER_CORE
    assert cost.notes["frames_lost"] == 0
    assert share <= SHARE_OF_CORE or cost.notes["saturated"]
    assert cost.notes["loop_lag_p99_ms"] < 20 or cost.notes["saturated"], "or the generator says that it is saturated"


def test_memory_of_a_user_beyond_the_shared_clips(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = benchmark.pedantic(calibration.memory_per_user, rounds=1, iterations=1)
    show(capsys, f"memory per user in rooms of 4: {found / 1024:.0f} kB\n")
    assert 0 < found < MEMORY_PER_USER
