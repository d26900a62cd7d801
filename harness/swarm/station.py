"""One Locust process's share of the run: parts claimed from the master, played on the asyncio loop, reported back.

Everything here runs in greenlets; the generator it owns runs on the bridge's loop.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment

from harness.rtc.adapter import local_addresses
from harness.rtc.media_loop import MediaLoop
from harness.scenario.participant import Participant
from harness.scenario.plan import Plan
from harness.services.reference import ReferenceService
from harness.services.service import Service
from harness.swarm.bridge import Bridge
from harness.swarm.desk import Desk
from harness.swarm.generator import Generator
from harness.trace.clock import RunClock, host_boot_id
from harness.trace.writer import AppendingFile

PINGS = 9
REPORT_STEPS_SECONDS = 0.25
COLLECT_SECONDS = 20.0


class Station:
    """Created when the process plays its first part."""

    def __init__(self, environment: Environment, desk: Desk) -> None:
        self._environment = environment
        self._desk = desk
        self._bridge: Bridge | None = None
        self._generator: Generator | None = None
        self._tokens: dict[str, str] = {}
        self._lines: list[bytes] = []
        self._ready = Event()
        self._starting = False

    def take_part(self) -> None:
        """Claim a part and play it to its end; returns at once when there is none left."""
        self._start_once()
        part = self._desk.claim()
        generator, bridge = self._generator, self._bridge
        if part is None or generator is None or bridge is None:
            return
        participant = generator.plan.participants[part["index"]]
        self._tokens[participant.user_id] = part["token"]
        try:
            bridge.call(generator.run_participant(participant))
        finally:
            self._desk.done(part["index"])

    def _start_once(self) -> None:
        if self._starting:
            self._ready.wait()
            return
        self._starting = True
        context = self._desk.context()
        self._bridge = Bridge()
        self._generator = self._bridge.call(self._make(context, self._synchronise(context)))
        gevent.spawn(self._report_steps)
        self._ready.set()

    def _synchronise(self, context: dict[str, Any]) -> RunClock:
        """This host's offset to the master's clock: none on one host, else by the fastest of a few round trips."""
        if context["boot_id"] and context["boot_id"] == host_boot_id():
            return RunClock()
        best: tuple[int, int] | None = None
        for _ in range(PINGS):
            before = time.monotonic_ns() // 1000
            master = self._desk.ping()
            after = time.monotonic_ns() // 1000
            if best is None or after - before < best[0]:
                best = (after - before, master - (before + after) // 2)
        assert best is not None
        return RunClock(offset_us=best[1], uncertainty_us=best[0] // 2)

    async def _make(self, context: dict[str, Any], clock: RunClock) -> Generator:
        service = context["service"]

        def make_service(media: MediaLoop) -> Service:
            return ReferenceService(service["url"], "", media, local_addresses(service.get("media_address")))

        same_host = context["boot_id"] == host_boot_id()
        # On the master's host the trace is written at once; from elsewhere it travels with the intervals.
        sink = AppendingFile(Path(context["trace"]), clock) if same_host else self._lines.append
        plan = Plan.from_dict(context["plan"])
        return Generator(plan, clock, context["started_us"], make_service, sink, self._token)

    def _token(self, participant: Participant) -> str:
        return self._tokens[participant.user_id]

    def _report_steps(self) -> None:
        """Steps as Locust request entries, fired from a greenlet: Locust's statistics are not for other threads."""
        while True:
            self.report_steps()
            gevent.sleep(REPORT_STEPS_SECONDS)

    def report_steps(self) -> None:
        generator = self._generator
        while generator is not None and generator.steps:
            step = generator.steps.popleft()
            self._environment.events.request.fire(
                request_type="CALL",
                name=step.name,
                response_time=step.elapsed_ms,
                response_length=0,
                exception=step.error,
                context={},
            )

    def collect(self) -> dict[str, Any] | None:
        """One interval of this process, or None when it plays no part yet."""
        if self._generator is None or self._bridge is None:
            return None
        generator = self._generator

        async def collect() -> dict[str, Any]:
            return generator.collect()

        interval = self._bridge.call(collect(), timeout=COLLECT_SECONDS)
        if count := len(self._lines):  # the loop's thread appends meanwhile
            interval["trace_lines"] = self._lines[:count]
            del self._lines[:count]
        return interval

    def close(self) -> None:
        self.report_steps()
        if self._generator is not None and self._bridge is not None:
            generator, self._generator = self._generator, None
            self._bridge.call(generator.close(), timeout=10)

    def stop_parts(self, limit: float = 5.0) -> None:
        """Wait for parts that are being cancelled to release their calls and to count what they measured."""
        until = time.monotonic() + limit
        while self._generator is not None and self._generator.participants and time.monotonic() < until:
            gevent.sleep(0.02)
