"""Performs a schedule on a stage: every step in its time, then quiet, then everybody leaves. The trace tells it all."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator

from harness.conform.actor import Actor
from harness.conform.naming import Naming
from harness.conform.schedule import Schedule
from harness.conform.stage import Stage
from harness.trace.writer import TraceWriter, header

QUIET = 1.2  # times until news has reached everybody: it counts from the result of the last call, not from the call


async def perform(
    schedule: Schedule, stage: Stage, sink: Callable[[bytes], None], naming: Naming | None = None
) -> None:
    """Write the trace of one performance, a line at a time, to `sink`.

    At the end all faults are healed, and after the time that news takes a mark "quiet" is written: from there on
    nothing may change that nobody causes. Then everybody logs out and is destroyed; the mark "end" is the last line.
    """
    trace = TraceWriter(stage.clock, sink)
    trace.write(
        {
            **header(
                scenario=schedule.name,
                seed=0,
                service=stage.service,
                started_unix=stage.wall(),
                clock=stage.clock,
                started=stage.clock.now(),
            ),
            "schedule": schedule.name,
            "parameters": stage.parameters,
        }
    )
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))
    actors: dict[str, Actor] = {}
    for step in schedule.steps:
        if step.who not in actors:
            actors[step.who] = Actor(step.user, numbers[step.user], stage, trace, naming or Naming())
    try:
        await _play(schedule, stage, actors)
        for actor in actors.values():
            actor.heal_all()
        await asyncio.sleep(QUIET * stage.windows.settle)
        _mark(trace, "quiet")
    finally:
        await asyncio.gather(*(actor.leave() for actor in actors.values()))
    await asyncio.sleep(stage.windows.settle)
    _mark(trace, "end")


async def _play(schedule: Schedule, stage: Stage, actors: dict[str, Actor]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for step in schedule.steps:
        due += step.after.seconds(stage.windows)
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        actors[step.who].perform(step.do, step.args)


def _mark(trace: TraceWriter, name: str) -> None:
    trace.write({"kind": "mark", "name": name, "args": {}, "t": trace.now()})
