"""The explorer finds seeded ordering defects soon, names the rule, and leaves a schedule that anybody can follow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from seeded_defects import DEFECTS, Defect

from harness.cli import main
from harness.conform.choice import Choice
from harness.conform.examination import CRASH, Examiner
from harness.conform.explorer import Explorer, Progress, Search
from harness.conform.schedule_file import dump_schedule, parse_schedule
from harness.conform.virtual_stage import VirtualStage

SECONDS, STEPS = 60.0, 6  # to find one, and to tell it
BY_NAME = {defect.name: defect for defect in DEFECTS}


def search(defect: Defect, seed: int = 0) -> Search:
    """Without a hint of what to look for."""
    return Search(seconds=SECONDS, seed=seed, sabotage=defect.sabotage, choice=Choice(faults=defect.faults))


def test_the_seeded_defects_are_against_different_rules() -> None:
    assert len({defect.rules[0] for defect in DEFECTS}) == len(DEFECTS) >= 10


@pytest.mark.timeout(150)
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.rules[0]}-{defect.name}")
def test_a_seeded_defect_is_found_within_a_minute_and_shrunk_to_six_steps(defect: Defect) -> None:
    (found,) = Explorer(search(defect)).run()
    steps = len(found.schedule.steps)
    print(f"\n{found.rule} {defect.name}: {found.tried} schedules, {found.seconds:.1f} s, {steps} steps", end="")
    assert set(defect.rules) & {found.rule, *found.also}
    assert found.seconds < SECONDS and steps <= STEPS
    again = parse_schedule(dump_schedule(found.schedule).encode(), "found")
    assert again == found.schedule
    assert Examiner(sabotage=defect.sabotage).examine(again).broken == (found.rule, *found.also)
    assert Examiner(strict=True).examine(again).broken == (), "the service that is whole keeps the contract"


@pytest.mark.parametrize("faults", [False, True], ids=["fault-free", "with faults"])
def test_a_service_that_keeps_the_contract_is_never_accused(faults: bool) -> None:
    explorer = Explorer(Search(seconds=None, schedules=250, seed=77, choice=Choice(faults=faults)))
    assert [f"{found.rule}: {dump_schedule(found.schedule)}" for found in explorer.run()] == []
    assert explorer.tried == 250


def test_the_same_seed_finds_the_same() -> None:
    defect = BY_NAME["of-two-newcomers-one-is-told"]
    first, second = (Explorer(search(defect, seed=5)).run()[0] for _ in range(2))
    assert (first.schedule, first.tried, first.examined.lines) == (second.schedule, second.tried, second.examined.lines)


def test_a_performance_does_not_depend_on_how_this_process_hashes() -> None:
    program = (
        "import hashlib; from harness.conform.explorer import *; from harness.conform.run import virtual_trace\n"
        "import hypothesis, harness.conform.explorer as explorer\n"
        "digest = hashlib.sha256()\n"
        "class Noting(explorer.Examiner):\n"
        "    def examine(self, schedule):\n"
        "        found = super().examine(schedule); digest.update(b''.join(found.lines)); return found\n"
        "explorer.Examiner = Noting\n"
        "Explorer(Search(seconds=None, schedules=60, seed=3)).run(); print(digest.hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1 and digests != {b""}


def test_a_crash_of_the_service_is_a_finding_and_says_where_it_was() -> None:
    def sabotage(stage: VirtualStage) -> None:
        def unpublish(session: str, stream: str) -> None:
            raise RuntimeError("no such luck")

        stage.server.logic.unpublish = unpublish  # type: ignore[method-assign, assignment]

    heard: list[Progress] = []
    explorer = Explorer(Search(sabotage=sabotage, findings=1), heard.append)
    (found,) = explorer.run()
    assert found.rule == CRASH and "_unpublish" in found.examined.error and "no such luck" in found.examined.error
    assert [step.do for step in found.schedule.steps] == ["login", "publish", "unpublish"]
    assert heard[0].tried == 1 and {progress.shrinking for progress in heard} == {"", CRASH}
    assert heard[-1].tried == explorer.tried == found.tried


def test_who_interrupts_the_search_keeps_what_was_found_so_far() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.shrinking:
            raise KeyboardInterrupt

    explorer = Explorer(search(BY_NAME["roster-before-the-reply"]), interrupt)
    with pytest.raises(KeyboardInterrupt):
        explorer.run()
    assert [found.rule for found in explorer.found] == ["RO-01"]


def test_the_command_saves_what_conform_performs_again(tmp_path: Path) -> None:
    words = ["--mutant", "peer-misses-new-stream", "--rule", "LV-03", "--findings", "1", "--runs-dir", str(tmp_path)]
    done = CliRunner().invoke(main, ["explore", *words])
    assert done.exit_code == 1, done.output
    folder = (tmp_path / "latest").resolve()
    (schedule,) = folder.glob("*.yaml")
    assert f"again: harness conform --virtual --schedule {tmp_path}" in done.output.replace("\n", "")
    assert {path.name for path in folder.iterdir()} >= {"conformance.html", "conformance.sarif", "lv-03-1.jsonl"}
    again = CliRunner().invoke(
        main, ["conform", "--virtual", "--schedule", str(schedule), "--runs-dir", str(tmp_path / "again")]
    )
    assert again.exit_code == 0, again.output
    found = json.loads((tmp_path / "again" / "latest" / "conformance.json").read_text())
    assert found["verdict"] == "PASS"


def test_nothing_found_is_said_so() -> None:
    done = CliRunner().invoke(main, ["explore", "--schedules", "20"])
    assert done.exit_code == 0 and "20 schedules tried" in done.output and "nothing found" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mutant", "peer-misses-new-steam"], "did you mean peer-misses-new-stream"),
        (["--rule", "RX"], "there is no rule or section 'RX'"),
        (["--users", "9"], "9 is not in the range"),
    ],
)
def test_what_cannot_be_explored_is_said_at_once(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["explore", *words])
    assert done.exit_code == 2 and said in done.output
