"""The page about conformance is kept true: its profile and its schedule are what the harness reads."""

from __future__ import annotations

import re
from pathlib import Path

from harness.conform.mutants.matrix import judged
from harness.conform.operation import FAULTS, OPERATIONS
from harness.conform.run import virtual_trace
from harness.conform.schedule_file import parse_schedule
from harness.contract.catalogue import promised
from harness.contract.profile import Profile, load_profile
from harness.contract.verdict import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
PROFILE, SCHEDULE = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_profile_of_the_page_is_one_and_names_every_key(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(PROFILE)
    ours = load_profile(str(path))
    assert ours.deadlines.propagation == 3 and ours.deadlines.call == load_profile("zego").deadlines.call
    assert promised(ours)["RO-08"] is True and "QM-01" not in promised(ours)
    unsaid = {"name", "users_per_room"}
    assert set(Profile.model_fields) - unsaid == set(re.findall(r"^(\w+):", PROFILE, re.MULTILINE)) - {"extends"}


def test_the_schedule_of_the_page_can_be_performed_and_keeps_the_contract() -> None:
    import json

    schedule = parse_schedule(SCHEDULE.encode(), "page")
    judgement = judged([json.loads(line) for line in virtual_trace(schedule)], load_profile("reference"))
    assert judgement.verdict is Verdict.PASS


def test_every_operation_is_on_the_page() -> None:
    for operation in (*OPERATIONS, *FAULTS):
        assert re.search(rf"\b{operation}\b", PAGE), operation
