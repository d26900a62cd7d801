"""The end of a run: results.json and every report from what its folder holds, and the exit code."""

from __future__ import annotations

import math
from typing import Any

from harness.sound.full_reference import Progress, score_samples
from harness.sound.sample_folder import SampleFolder
from harness.swarm.judgement import results
from harness.trace.run_folder import RunFolder
from reports.callbacks import judge_run
from reports.csv_files import write_csv
from reports.html import write_html
from reports.junit import write_junit
from reports.load import RunData, load

EXIT_CODES = {"pass": 0, "fail": 1, "unknown": 3}


def finish(
    folder: RunFolder, ended: str, service_death: str | None = None, progress: Progress = lambda what, done, total: None
) -> tuple[RunData, dict[str, Any]]:
    """Record how the run ended, score the sound it kept, and write its reports. Returns its data and its results."""
    settings = folder.read_json(folder.run)
    settings["ended"] = ended
    settings["service_death"] = service_death
    folder.write_json(folder.run, settings)
    score_samples(SampleFolder(folder.sound), progress)
    return write_reports(folder)


def write_reports(folder: RunFolder) -> tuple[RunData, dict[str, Any]]:
    """All reports of a run, finished or not. Raises RunFolderError when the folder cannot be read."""
    data = load(folder)
    data.conformance = judge_run(folder, data.settings)
    callbacks = data.conformance.checks[0].judgement if data.conformance is not None else None
    if callbacks is not None:
        data.measured.add_callbacks(callbacks)
    found = results(data.measured, data.settings, data.lost_workers, callbacks)
    folder.write_json(folder.results, _finite(found))
    write_junit(found, folder.junit, data.conformance)
    write_csv(data, folder.path, found["caution"] or "")
    write_html(data, found, folder.report)
    return data, found


def _finite(value: Any) -> Any:
    """JSON has no NaN: a share of nothing is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
