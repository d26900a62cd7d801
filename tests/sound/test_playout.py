"""Packets are heard in order and when they could be; what did not come in time is concealed, and nothing twice."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from harness.sound.playout import FRAME_CLOCK, REORDER_US, Arrived, Due, Playout

STEP = 20_000


def arrived(number: int, at_us: int | None = None, first: int = 65_500) -> Arrived:
    """Packet `number` of a stream that starts just before its sequence numbers wrap around."""
    timestamp = (4_294_900_000 + number * FRAME_CLOCK) & 0xFFFFFFFF
    at = number * STEP if at_us is None else at_us
    return Arrived((first + number) & 0xFFFF, timestamp, bytes((number % 256,)), (1, 1, number, number, 0), at)


def play(packets: Iterable[Arrived], until_us: int = 1 << 40) -> list[Due]:
    playout = Playout()
    for packet in sorted(packets, key=lambda packet: packet.arrival_us):
        playout.push(packet)
    return playout.take(until_us)


def numbers(played: list[Due]) -> list[int | None]:
    return [frame.stamp[2] if isinstance(frame.stamp, tuple) else None for frame in played]


def test_packets_in_order_are_heard_as_they_come_without_a_break() -> None:
    played = play(arrived(n) for n in range(200))
    assert numbers(played) == list(range(200)), "over the wrap of sequence number and timestamp"
    assert [frame.heard_us for frame in played] == [n * STEP for n in range(200)]
    assert [frame.fresh for frame in played] == [True] + [False] * 199


def test_a_lost_packet_is_waited_for_and_then_concealed() -> None:
    played = play(arrived(n) for n in range(10) if n != 4)
    assert numbers(played) == [0, 1, 2, 3, None, 5, 6, 7, 8, 9]
    assert played[4].heard_us == played[5].heard_us == 5 * STEP + REORDER_US
    assert played[9].heard_us == 9 * STEP, "what arrives later is not held back any more"
    assert not any(frame.fresh for frame in played[1:])


def test_nothing_is_given_up_before_its_time() -> None:
    playout = Playout()
    for n in (0, 1, 3):
        playout.push(arrived(n))
    assert numbers(playout.take(3 * STEP + REORDER_US - 1)) == [0, 1]
    playout.push(arrived(2, 3 * STEP + REORDER_US - 1))
    assert numbers(playout.take(1 << 40)) == [2, 3]
    assert playout.late == 0


def test_a_packet_out_of_order_is_heard_in_its_place_if_it_comes_in_time() -> None:
    in_time = play([arrived(0), arrived(1, 2 * STEP + REORDER_US), arrived(2), arrived(3)])
    assert numbers(in_time) == [0, 1, 2, 3]
    assert in_time[2].heard_us == 2 * STEP + REORDER_US
    too_late = play([arrived(0), arrived(1, 2 * STEP + REORDER_US + 1), arrived(2), arrived(3)])
    assert numbers(too_late) == [0, None, 2, 3]


def test_silence_that_the_sender_left_out_is_not_concealed() -> None:
    packets = [arrived(n) for n in range(5)]
    packets += [arrived(n)._replace(timestamp=(arrived(n).timestamp + 50 * FRAME_CLOCK)) for n in range(5, 10)]
    played = play(packets)
    assert numbers(played) == list(range(10))
    assert [frame.fresh for frame in played] == [True, *[False] * 4, True, *[False] * 4]


def test_another_stream_under_the_same_ssrc_begins_anew() -> None:
    played = play([*(arrived(n) for n in range(5)), *(arrived(n, first=30_000) for n in range(5, 10))])
    assert None not in numbers(played)
    assert len(played) >= 5
    assert played[-1].stamp == (1, 1, 9, 9, 0)


@given(st.integers(0, 1 << 30), st.integers(2, 120))
def test_each_packet_is_heard_once_or_concealed_once_however_they_come(seed: int, count: int) -> None:
    chance = random.Random(seed)
    packets = [arrived(n, n * STEP + chance.randrange(150_000)) for n in range(count) if chance.random() > 0.2]
    if not packets:
        return
    packets += chance.sample(packets, len(packets) // 5)  # doubles
    playout, played = Playout(), []
    for packet in sorted(packets, key=lambda packet: packet.arrival_us):
        playout.push(packet)
        if chance.random() < 0.1:
            played += playout.take(packet.arrival_us)
    played += playout.take(1 << 40)
    heard = [number for number in numbers(played) if number is not None]
    assert heard == sorted(set(heard))
    assert len(played) == heard[-1] - heard[0] + 1, "one frame for each 20 ms, heard or concealed"
    times = [frame.heard_us for frame in played]
    assert times == sorted(times)
