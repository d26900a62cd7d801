"""Performs a set of schedules live: all at once, each under names of its own, against services set as they need."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from harness.conform.live_stage import SETTINGS, LiveStage
from harness.conform.naming import Naming
from harness.conform.performance import perform
from harness.conform.run import OnDone, trace_path
from harness.conform.schedule import Schedule
from harness.room_service.settings import Settings
from harness.rtc.adapter import local_addresses
from harness.rtc.media_loop import MediaLoop
from harness.services.embedded import EmbeddedService
from harness.services.reference import ReferenceService
from harness.services.service import ServiceUnreachable
from harness.trace.writer import AppendingFile

EMBEDDED = "reference"  # the service that is started for the purpose
APART = 0.4  # seconds between the beginnings of two performances: handshakes are dear
POLLER_REST = 0.005

Numbered = tuple[int, Schedule]


def live_traces(
    service: str,
    schedules: Iterable[Schedule],
    folder: Path,
    on_done: OnDone = lambda schedule, path: None,
    *,
    secret: str = "",
    settings: Settings = SETTINGS,
) -> list[Path]:
    """Perform all schedules at the same time; on_done hears of each trace when it is complete.

    service: "reference" starts the embedded service, once for each set of settings that the schedules need; a URL
    (http://host:port) is one that runs, with these `settings` and this secret, and schedules that need others are left
    out. Raises ServiceUnreachable when it does not answer, does not start, or ends before the performances do.
    """
    numbered = list(enumerate(schedules, 1))
    if service != EMBEDDED:
        numbered = [(number, schedule) for number, schedule in numbered if _suits(settings, schedule)]
    run = _LiveRun(folder, on_done, settings)
    work = run.embedded(numbered) if service == EMBEDDED else run.at(service, secret, settings, numbered)
    asyncio.run(work)
    return [trace_path(folder, schedule) for _, schedule in numbered]


def _suits(settings: Settings, schedule: Schedule) -> bool:
    return all(getattr(settings, name) == value for name, value in schedule.settings.items())


class _LiveRun:
    def __init__(self, folder: Path, on_done: Callable[[Schedule, Path], None], settings: Settings) -> None:
        self._folder, self._on_done, self._settings = folder, on_done, settings

    async def embedded(self, schedules: list[Numbered]) -> None:
        groups: defaultdict[str, list[Numbered]] = defaultdict(list)
        for number, schedule in schedules:
            groups[repr(sorted(schedule.settings.items()))].append((number, schedule))
        await _all(*(self._group(number, group) for number, group in enumerate(groups.values(), 1)))

    async def _group(self, number: int, schedules: list[Numbered]) -> None:
        """Schedules that need the same settings share a service."""
        settings = replace(self._settings, **schedules[0][1].settings)
        options = [word for name, value in _changes(settings).items() for word in ("--setting", f"{name}={value}")]
        service = EmbeddedService(self._folder / f"service-{number}.log", options=("--host", "127.0.0.1", *options))
        try:
            await asyncio.to_thread(service.start)
            await self.at(service.url, service.secret, settings, schedules)
            death = service.death()
            if death is not None:
                raise ServiceUnreachable(death)
        finally:
            await asyncio.to_thread(service.stop)

    async def at(self, url: str, secret: str, settings: Settings, schedules: list[Numbered]) -> None:
        async with _reached(url, secret) as (service, media):
            await service.check()
            await _all(*(self._perform(service, secret, settings, media, *each) for each in schedules))

    async def _perform(
        self, service: ReferenceService, secret: str, settings: Settings, media: MediaLoop, number: int, what: Schedule
    ) -> None:
        await asyncio.sleep(APART * (number - 1))
        path = trace_path(self._folder, what)
        path.unlink(missing_ok=True)
        file = AppendingFile(path)
        stage = LiveStage(service, secret, settings, media)
        try:
            await perform(what, stage, file, Naming(f"s{number:02d}-"))
        finally:
            await stage.close()
            file.close()
        self._on_done(what, path)


@contextlib.asynccontextmanager
async def _reached(url: str, secret: str) -> AsyncIterator[tuple[ReferenceService, MediaLoop]]:
    media = MediaLoop(rest=POLLER_REST)
    service = ReferenceService(url, secret, media, local_addresses("127.0.0.1" if "127.0.0.1" in url else None))
    try:
        yield service, media
    finally:
        await service.close()
        await media.close()


async def _all(*work: Any) -> None:
    """Do all of it to the end, then raise the first error."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _changes(settings: Settings) -> dict[str, Any]:
    """What is set otherwise than by default."""
    named = {field.name: field.default for field in fields(Settings)}
    return {name: getattr(settings, name) for name, default in named.items() if getattr(settings, name) != default}
