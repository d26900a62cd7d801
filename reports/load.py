"""A run folder read back: settings, plan, intervals and the trace's probes, whatever state the run ended in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.scenario.plan import Plan
from harness.sound.sample_folder import SampleFolder
from harness.swarm.judgement import Measured
from harness.trace.reader import TraceError, read_header, read_records
from harness.trace.run_folder import RunFolder, complete_lines
from reports.conformance import Conformance

# The callbacks a report looks at; a large room's roster alone is a million records.
CALLBACKS = ("room.state", "pub.state", "play.state")


@dataclass
class RunData:
    """intervals: one per process and second, by time. probes: the trace's observations, by name.

    started: the run clock's second at which the plan's time 0 was. failures: calls that returned an error.
    conformance: what the rules say of the trace; None when it was not judged.
    """

    folder: RunFolder
    settings: dict[str, Any]
    plan: Plan
    measured: Measured
    intervals: list[dict[str, Any]]
    started: float = 0.0
    lost_workers: int = 0
    probes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    trace_error: str | None = None
    conformance: Conformance | None = None


def load(folder: RunFolder) -> RunData:
    """Raises RunFolderError when run.json or plan.json cannot be read."""
    settings = folder.read_json(folder.run)
    plan = Plan.from_dict(folder.read_json(folder.plan))
    data = RunData(folder, settings, plan, Measured(plan), [])
    for line in complete_lines(folder.intervals):
        if line.get("event") == "worker_lost":
            data.lost_workers += 1
        elif "t" in line:
            data.measured.add(line)
            data.intervals.append(line)
    data.measured.add_sound_scores(SampleFolder(folder.sound).samples())
    data.intervals.sort(key=lambda line: line["t"])
    _read_trace(data)
    return data


def _read_trace(data: RunData) -> None:
    if not data.folder.trace.exists():
        return
    try:
        data.started = float(read_header(data.folder.trace).get("started", 0.0))
        for _, record in read_records(data.folder.trace):
            data.records += 1
            kind = record.get("kind")
            if kind == "probe" or (kind == "cb" and record["name"] in CALLBACKS):
                data.probes.setdefault(record["name"], []).append(record)
            elif kind == "ret" and record["args"].get("result") == "fail":
                data.failures.append(record)
    except (TraceError, KeyError, ValueError, TypeError, AttributeError) as error:
        data.trace_error = str(error)
