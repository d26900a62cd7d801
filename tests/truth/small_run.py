"""A plan played in this process against an embedded service of its own: small enough to break any part of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from harness.room_service.media import ForwarderMedia
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.media_loop import MediaLoop
from harness.scenario.plan import Plan
from harness.services.reference import ReferenceService
from harness.swarm.generator import Generator
from harness.swarm.judgement import Measured
from harness.trace.clock import RunClock

SECRET = "a secret for tests, long enough to sign with"
LOOPBACK = ["127.0.0.1"]


@dataclass(frozen=True)
class PlayedRun:
    """started_us: the run clock's reading at the plan's second 0. lines: the trace's."""

    measured: Measured
    started_us: int
    lines: list[bytes]


async def play(plan: Plan) -> PlayedRun:
    server = RoomServer(Settings(), SECRET, ForwarderMedia(LOOPBACK))
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    def service(media: MediaLoop) -> ReferenceService:
        return ReferenceService(url, SECRET, media, LOOPBACK)

    clock = RunClock()
    run = PlayedRun(Measured(plan), clock.now_us(), [])
    generator = Generator(plan, clock, run.started_us, service, run.lines.append)
    try:
        await asyncio.gather(*(generator.run_participant(participant) for participant in plan.participants))
        run.measured.add(generator.collect())
    finally:
        await generator.close()
        await runner.cleanup()
    return run
