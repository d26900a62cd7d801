"""Simpler forms of a schedule: a step fewer, a shorter wait, the first names. Size says which of two is simpler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.conform.choice import NAMES
from harness.conform.delay import UNITS, Delay
from harness.conform.operation import OPERATIONS
from harness.conform.schedule import DEVICE, Schedule, Step

_SHORTER = (Delay(), Delay(0.01), Delay(0.1), Delay(1))
_LENGTH = {"s": 1, **dict.fromkeys(UNITS, 10)}  # roughly, to tell which of two waits is the longer
Size = tuple[int, int, float, int, int, int]
Steps = tuple[Step, ...]


def size(schedule: Schedule) -> Size:
    """Fewer steps, then fewer waits, shorter ones, fewer devices, less to say of each step, earlier names."""
    steps = schedule.steps
    waits = [_long(step.after) for step in steps if step.after.number]
    devices = sum(step.device != DEVICE for step in steps)
    words = sum(len(step.written()) for step in steps)
    names = sum(_place(step.user) + _number(step.args.get("stream")) for step in steps)
    return len(steps), len(waits), round(sum(waits), 6), devices, words, names


def _long(delay: Delay) -> float:
    return delay.number * _LENGTH[delay.unit]


def _place(user: str) -> int:
    return NAMES.index(user) if user in NAMES else len(NAMES)


def _number(stream: object) -> int:
    """2 of a2."""
    return int(stream[1:]) if isinstance(stream, str) and stream[1:].isdigit() else 0


def simpler(schedule: Schedule) -> Iterator[Schedule]:
    """Each differs in one thing, the greatest gain first."""
    for steps in _simpler(schedule.steps, schedule.users):
        yield replace(schedule, steps=steps)


def _simpler(steps: Steps, users: list[str]) -> Iterator[Steps]:
    for place in range(len(steps) - 1, -1, -1):
        yield (*steps[:place], *steps[place + 1 :])
        yield from _only_waiting(steps, place)
    for place, step in enumerate(steps):
        for plainer in _plainer(step):
            yield (*steps[:place], plainer, *steps[place + 1 :])
    yield tuple(_changed(step, _first_stream) for step in steps)
    renamed = dict(zip(users, NAMES, strict=False))
    yield tuple(_renamed(step, renamed) for step in steps)


def _only_waiting(steps: Steps, place: int) -> Iterator[Steps]:
    """Without a step whose wait alone mattered: the next one waits for it."""
    wait = steps[place].after
    if wait.number and place + 1 < len(steps):
        following = steps[place + 1]
        longer = max(wait, following.after, key=_long)
        if wait.unit == following.after.unit:
            longer = Delay(wait.number + following.after.number, wait.unit)
        yield (*steps[:place], replace(following, after=longer), *steps[place + 2 :])


def _plainer(step: Step) -> Iterator[Step]:
    for delay in _SHORTER if step.after.number else ():
        yield replace(step, after=delay)
    for name, argument in OPERATIONS[step.do].items():
        if not argument.needed and step.args[name] != argument.default:
            yield replace(step, args={**step.args, name: argument.default})


# -- names -------------------------------------------------------------------------------------------------------------


def _changed(step: Step, change: Callable[[str, Any], Any]) -> Step:
    return replace(step, args={key: change(key, value) for key, value in step.args.items()})


def _first_stream(key: str, value: Any) -> Any:
    return f"{value[0]}1" if key == "stream" and _number(value) else value


def _renamed(step: Step, names: Mapping[str, str]) -> Step:
    """A user's name wherever it stands, and the initial by which its streams are called."""
    initials = {name[0]: new[0] for name, new in names.items()}

    def change(key: str, value: Any) -> Any:
        if key == "target":
            return names.get(value, value)
        if key == "value" and isinstance(value, str) and value.startswith("of "):
            return f"of {names.get(value[3:], NAMES[0])}"
        return initials.get(value[0], value[0]) + value[1:] if key == "stream" and _number(value) else value

    return replace(_changed(step, change), user=names[step.user])
