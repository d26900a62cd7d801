"""Performs a set of schedules, on virtual time or live, and leaves a trace of each in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from harness.conform.performance import perform
from harness.conform.schedule import Schedule
from harness.conform.virtual_loop import run_virtually
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.settings import Settings

OnDone = Callable[[Schedule, Path], None]
Sabotage = Callable[[VirtualStage], None]


def trace_path(folder: Path, schedule: Schedule) -> Path:
    """Where its trace goes: the name of the schedule, in letters that every file system takes."""
    return folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', schedule.name).strip('-')[:80] or 'schedule'}.jsonl"


def virtual_trace(schedule: Schedule, sabotage: Sabotage | None = None) -> list[bytes]:
    """The lines of the trace of one performance on virtual time; the same schedule gives the same bytes.

    sabotage: breaks something of the stage before anybody calls, so that the rules can be seen to notice.
    """
    lines: list[bytes] = []
    run_virtually(_perform(schedule, lines.append, sabotage))
    return lines


async def _perform(schedule: Schedule, sink: Callable[[bytes], None], sabotage: Sabotage | None = None) -> None:
    stage = VirtualStage(replace(Settings(), **schedule.settings))
    if sabotage is not None:
        sabotage(stage)
    try:
        await perform(schedule, stage, sink)
    finally:
        await stage.close()


def virtual_traces(
    schedules: Iterable[Schedule], folder: Path, on_done: OnDone = lambda schedule, path: None
) -> list[Path]:
    """Perform each on virtual time; on_done hears of each trace when it is complete."""
    paths = []
    for schedule in schedules:
        path = trace_path(folder, schedule)
        path.write_bytes(b"".join(virtual_trace(schedule)))
        paths.append(path)
        on_done(schedule, path)
    return paths
