"""The end of a run: results.json and every report from what its folder holds, and the exit code."""

from __future__ import annotations

import math
from typing import Any

from harness.swarm.judgement import results
from harness.trace.run_folder import RunFolder
from reports.csv_files import write_csv
from reports.html import write_html
from reports.junit import write_junit
from reports.load import RunData, load

EXIT_CODES = {"pass": 0, "fail": 1, "unknown": 3}


def finish(folder: RunFolder, ended: str, service_death: str | None = None) -> tuple[int, dict[str, Any]]:
    """Record how the run ended and write its reports. Returns 0 passed, 1 failed, 3 no verdict; and the results."""
    settings = folder.read_json(folder.run)
    settings["ended"] = ended
    settings["service_death"] = service_death
    folder.write_json(folder.run, settings)
    _, found = write_reports(folder)
    return EXIT_CODES[found["verdict"]], found


def write_reports(folder: RunFolder) -> tuple[RunData, dict[str, Any]]:
    """All reports of a run, finished or not. Raises RunFolderError when the folder cannot be read."""
    data = load(folder)
    found = results(data.measured, data.settings, data.lost_workers)
    folder.write_json(folder.results, _finite(found))
    write_junit(found, folder.junit, data.conformance)
    write_csv(data, folder.path)
    write_html(data, found, folder.report)
    return data, found


def _finite(value: Any) -> Any:
    """JSON has no NaN: a share of nothing is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
