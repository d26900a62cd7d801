"""The run as its master sees it: who has which part, what has been measured so far, when it is over."""

from __future__ import annotations

import json
import time
from typing import Any

from harness.picture.gallery import Gallery
from harness.scenario.loader import load_scenario
from harness.scenario.model import ThresholdEntry
from harness.scenario.plan import Plan
from harness.sound.sample import SoundSample
from harness.sound.sample_folder import SampleFolder
from harness.swarm.judgement import Measured, threshold_text
from harness.trace.clock import RunClock, host_boot_id
from harness.trace.run_folder import RunFolder
from harness.trace.writer import AppendingFile, TraceWriter, header

LEAD_SECONDS = 1.5  # from the start of spawning to second 0 of the plan
SPAWNED_PER_SECOND = 400  # how fast Locust gets users going, at the least


class Run:
    """Master side of one run. Runs in Locust's greenlets; no asyncio here."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = folder.read_json(folder.run)
        self.plan = Plan.from_dict(folder.read_json(folder.plan))
        self.measured = Measured(self.plan)
        self.clock = RunClock()
        self.started_us = 0
        self.ended: str | None = None
        self._aborting = self._abort_entries()
        self._free: list[int] = list(range(len(self.plan.participants) - 1, -1, -1))
        self._held: dict[str, set[int]] = {}
        self._done: set[int] = set()
        self._append = AppendingFile(folder.trace, self.clock)
        self._intervals = AppendingFile(folder.intervals)
        self._gallery = Gallery()
        self._sound = SampleFolder(folder.sound)

    def _abort_entries(self) -> list[tuple[str, ThresholdEntry]]:
        scenario = load_scenario(self.folder.scenario)
        judged = scenario.effective_thresholds()
        return [(key, entry) for key, entries in judged.items() for entry in entries if entry.abort_on_fail]

    def start(self) -> None:
        """Second 0 of the plan is a moment from now, so that every process can be ready for it."""
        lead = LEAD_SECONDS + len(self.plan.participants) / SPAWNED_PER_SECOND
        self.started_us = self.clock.now_us() + round(lead * 1_000_000)
        line = header(
            scenario=self.plan.scenario_name,
            seed=self.plan.seed,
            service=self.settings["service"]["name"],
            started_unix=time.time() + lead,
            clock=self.clock,
            started=self.started_us / 1_000_000,
        )
        TraceWriter(self.clock, self._append).write(line)
        self._note("started", lead=lead)

    def context(self) -> dict[str, Any]:
        """What a generator process needs to know. No secrets: tokens travel with the parts."""
        service = {key: value for key, value in self.settings["service"].items() if key != "secret"}
        return {
            "plan": self.plan.to_dict(),
            "service": service,
            "started_us": self.started_us,
            "boot_id": host_boot_id(),
            "trace": str(self.folder.trace),
        }

    # -- parts ---------------------------------------------------------------------------------------------------

    def claim(self, worker: str) -> int | None:
        """The next part nobody plays, by order of arrival; None when all are taken."""
        if not self._free or self.ended is not None:
            return None
        index = self._free.pop()
        self._held.setdefault(worker, set()).add(index)
        return index

    def done(self, worker: str, index: int) -> None:
        self._held.get(worker, set()).discard(index)
        self._done.add(index)

    def worker_lost(self, worker: str) -> None:
        """A generator process is gone. Its users are not started again: their calls broke, and that must show."""
        held = self._held.pop(worker, set())
        if held:
            self._done |= held
            self._note("worker_lost", worker=worker, users=len(held))

    @property
    def finished(self) -> bool:
        return len(self._done) == len(self.plan.participants)

    # -- measurements --------------------------------------------------------------------------------------------

    def add_interval(self, worker: str, interval: dict[str, Any]) -> None:
        for line in interval.pop("trace_lines", ()):
            self._append(line if isinstance(line, bytes) else str(line).encode())
        if self._gallery.add_all(interval.pop("pictures", ())):
            self.folder.write_json(self.folder.pictures, self._gallery.to_list())
        for found in interval.pop("sound_samples", ()):
            self._sound.add(SoundSample.from_dict(found))
        interval = {"worker": worker, **interval}
        self._intervals(json.dumps(interval, separators=(",", ":")).encode() + b"\n")
        self.measured.add(interval)

    def broken_threshold(self) -> str | None:
        """A threshold with abortOnFail that fails by what is known so far. Emptiness alone ends nothing."""
        for key, entry in self._aborting:
            if self.measured.elapsed >= (entry.delay_abort_eval or 0.0):
                result = self.measured.judge(key, entry.threshold, entry.window)
                if not result["passed"] and result["observed"] is not None:
                    return f"aborted: {threshold_text(result)} failed: {result['reason']}"
        return None

    def end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
            self._note("ended", reason=reason)

    def _note(self, event: str, **fields: Any) -> None:
        line = {"event": event, "at_unix": time.time(), **fields}
        self._intervals(json.dumps(line, separators=(",", ":")).encode() + b"\n")
