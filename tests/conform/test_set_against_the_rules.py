"""The shipped set calls every rule of the contract up, and the embedded service keeps them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from performed import SHIPPED

from harness.conform.run import virtual_traces
from harness.conform.schedule_file import load_schedule
from harness.contract.catalogue import RULES
from harness.contract.judge import judge_file
from harness.contract.profile import load_profile
from harness.contract.verdict import Judgement, Verdict


@pytest.fixture(scope="module")
def judgements(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judgement]:
    folder: Path = tmp_path_factory.mktemp("traces")
    paths = virtual_traces([load_schedule(path) for path in SHIPPED], folder)
    return {path.stem: judge_file(path, load_profile("reference")) for path in paths}


def test_every_schedule_of_the_minimum_set_ships() -> None:
    assert {path.name[:3] for path in SHIPPED} == {f"S{number:02d}" for number in range(1, 21)}


def test_over_the_set_every_rule_has_something_to_judge(judgements: dict[str, Judgement]) -> None:
    exercised = {outcome.rule for j in judgements.values() for outcome in j.outcomes.values() if outcome.exercised}
    assert sorted(set(RULES) - exercised) == []
    assert len(RULES) == 60


def test_the_embedded_service_keeps_every_rule_in_every_schedule(judgements: dict[str, Judgement]) -> None:
    broken = {
        f"{name} {violation.rule}": f"{violation.expected}; {violation.came}"
        for name, judgement in judgements.items()
        for outcome in judgement.outcomes.values()
        for violation in outcome.violations
    }
    assert broken == {}
    assert {judgement.verdict for judgement in judgements.values()} == {Verdict.PASS}
