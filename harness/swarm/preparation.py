"""Everything a run needs before its first user: scenario and plan, folder, clips, a service that answers."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.picture.table import load_table
from harness.room_service.process import SECRET_VARIABLE
from harness.rtc.media_loop import MediaLoop
from harness.scenario.loader import load_scenario
from harness.scenario.naming import slug
from harness.scenario.participant import Participant
from harness.scenario.plan import Plan, build_plan
from harness.services.embedded import EmbeddedService
from harness.services.reference import ReferenceService
from harness.swarm.publication import audio_clip, video_clip
from harness.trace.run_folder import RunFolder

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Request:
    """What was asked for. url: a running service; None starts the embedded one. duration in seconds."""

    scenario: Path
    runs: Path
    url: str | None = None
    seed: int | None = None
    users: int | None = None
    duration: float | None = None
    processes: int = 1


@dataclass
class Prepared:
    """A run that is ready to start. secret signs the users' tokens and is never written down."""

    folder: RunFolder
    plan: Plan
    secret: str
    embedded: EmbeddedService | None

    def release(self) -> None:
        if self.embedded is not None:
            self.embedded.stop()


def prepare(request: Request, progress: Progress = lambda what, done, total: None) -> Prepared:
    """Raises ScenarioError, RunFolderError or ServiceUnreachable; nothing is left running then."""
    scenario = load_scenario(request.scenario)
    plan = build_plan(scenario, seed=request.seed, users=request.users, duration=request.duration)
    secret = os.environ.get(SECRET_VARIABLE, "")
    if request.url is not None:
        asyncio.run(_check(request.url))
    folder = RunFolder.create(request.runs, slug(scenario.name))
    folder.scenario.write_text(
        "# The scenario of this run, resolved.\n" + yaml.safe_dump(scenario.to_file(), sort_keys=False),
        encoding="utf-8",
    )
    folder.write_json(folder.plan, plan.to_dict())
    embedded: EmbeddedService | None = None
    url = request.url
    if url is None:
        progress("starting the embedded service", 0, 1)
        embedded = EmbeddedService(folder.service_log)
        embedded.start()
        url, secret = embedded.url, embedded.secret
    prepared = Prepared(folder, plan, secret, embedded)
    try:
        folder.write_json(folder.run, _run_settings(request, plan, url, embedded))
        encode_clips(plan, progress)
    except BaseException:
        prepared.release()
        raise
    return prepared


def _run_settings(request: Request, plan: Plan, url: str, embedded: EmbeddedService | None) -> dict[str, Any]:
    media = "127.0.0.1" if embedded is not None else None
    return {
        "scenario": plan.scenario_name,
        "file": str(request.scenario),
        "seed": plan.seed,
        "service": {
            "name": "reference",
            "url": url,
            "embedded": embedded is not None,
            "media_address": media,
            "pid": embedded.pid if embedded is not None else None,
        },
        "started_unix": time.time(),
        "processes": request.processes,
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        },
    }


async def _check(url: str) -> None:
    media = MediaLoop(rest=0)
    service = ReferenceService(url, "", media, ())
    try:
        await service.check()
    finally:
        await service.close()
        await media.close()


def encode_clips(plan: Plan, progress: Progress) -> None:
    """Encode what is not in the cache yet, so that no user waits for it during the run."""
    wanted: dict[tuple[Any, ...], Participant] = {}
    for participant in plan.participants:
        if participant.stream_id is not None:
            wanted.setdefault((participant.clip, participant.camera, participant.microphone), participant)
    for done, participant in enumerate(wanted.values()):
        progress("preparing clips", done, len(wanted))
        video_clip(participant, plan.seed)
        audio_clip(participant, plan.seed)
    progress("preparing clips", len(wanted), len(wanted))
    _measure_clips(plan, progress)


def _measure_clips(plan: Plan, progress: Progress) -> None:
    """What decoded pictures are held against, for every clip that somebody decodes."""
    watched = {(p.clip, p.camera): p for _, p in plan.decoded() if p.camera is not None}
    for done, participant in enumerate(watched.values()):
        progress("measuring clips", done, len(watched))
        clip = video_clip(participant, plan.seed)
        if clip is not None:
            load_table(clip, measure_vmaf=True)
    if watched:
        progress("measuring clips", len(watched), len(watched))
