"""Simpler forms of a schedule: a step fewer, a shorter wait, the first names. Size says which of two is simpler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.conform.choice import NAMES
from harness.conform.delay import Delay
from harness.conform.schedule import DEVICE, Schedule, Step

_SHORTER = (Delay(), Delay(0.01), Delay(0.1), Delay(1))
Size = tuple[int, int, float, int, int]


def size(schedule: Schedule) -> Size:
    """Fewer steps, then fewer waits, shorter ones, fewer devices, earlier names."""
    waits = [step.after.number * (1 if step.after.unit == "s" else 10) for step in schedule.steps if step.after.number]
    devices = sum(step.device != DEVICE for step in schedule.steps)
    names = sum(_place(step.user) for step in schedule.steps)
    return len(schedule.steps), len(waits), round(sum(waits), 6), devices, names


def _place(user: str) -> int:
    return NAMES.index(user) if user in NAMES else len(NAMES)


def simpler(schedule: Schedule) -> Iterator[Schedule]:
    """Each differs in one thing, the greatest gain first."""
    steps = schedule.steps
    for place in range(len(steps) - 1, -1, -1):
        yield _with(schedule, (*steps[:place], *steps[place + 1 :]))
    for place, step in enumerate(steps):
        for delay in _SHORTER if step.after.number else ():
            yield _with(schedule, (*steps[:place], replace(step, after=delay), *steps[place + 1 :]))
    renamed = dict(zip(schedule.users, NAMES, strict=False))
    yield _with(schedule, tuple(_renamed(step, renamed) for step in steps))


def _with(schedule: Schedule, steps: tuple[Step, ...]) -> Schedule:
    return replace(schedule, steps=steps)


def _renamed(step: Step, names: Mapping[str, str]) -> Step:
    """A user's name wherever it stands, and the initial by which its streams are called."""
    initials = {name[0]: new[0] for name, new in names.items()}

    def changed(key: str, value: Any) -> Any:
        if key == "target":
            return names.get(value, value)
        if key == "value" and isinstance(value, str) and value.startswith("of "):
            return f"of {names.get(value[3:], NAMES[0])}"
        if key == "stream" and isinstance(value, str) and value[1:].isdigit():
            return initials.get(value[0], value[0]) + value[1:]
        return value

    args = {key: changed(key, value) for key, value in step.args.items()}
    return replace(step, user=names[step.user], args=args)
