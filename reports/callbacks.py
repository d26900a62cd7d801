"""A run's callbacks, judged by the profile of the service that it called."""

from __future__ import annotations

from typing import Any

from harness.contract.catalogue import RULES
from harness.contract.judge import judge_file
from harness.contract.profile import load_profile, profile_names
from harness.trace.reader import TraceError
from harness.trace.run_folder import RunFolder
from reports.conformance import Check, Conformance
from reports.conformance_files import write_conformance_run


def judge_run(folder: RunFolder, settings: dict[str, Any]) -> Conformance | None:
    """Judge the run's trace and leave the reports of that in its folder. None when there is nothing to judge by."""
    service = str(settings["service"]["name"])
    if service not in profile_names():
        return None
    try:
        judgement = judge_file(folder.trace, load_profile(service))
    except TraceError:
        return None  # the report says what is wrong with the trace
    check = Check(str(settings["scenario"]), folder.trace, judgement)
    conformance = Conformance(service, judgement.profile, False, "run", [check])
    write_conformance_run(conformance, RULES, folder.path)
    return conformance
