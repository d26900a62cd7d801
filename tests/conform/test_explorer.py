"""The explorer finds seeded ordering defects soon, names the rule, and leaves a schedule that anybody can follow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.conform.choice import Choice
from harness.conform.examination import Examiner
from harness.conform.explorer import Explorer, Found, Search
from harness.conform.mutants.catalogue import MUTANTS
from harness.conform.mutants.mutant import Mutant
from harness.conform.schedule_file import dump_schedule, parse_schedule

SECONDS, STEPS = 60.0, 6  # to find one, and to tell it
SEEDED = {
    "stream-before-its-user": "RO-08",
    "user-deleted-before-its-streams": "RO-09",
    "roster-before-in": "RO-01",
    "late-joiner-without-streams": "RO-06",
    "third-party-hears-no-end-of-the-other-device": "RO-03",
    "peer-misses-new-stream": "LV-03",
    "callback-after-out": "TD-01",
    "roster-while-reconnecting": "RC-04",
    "broken-socket-is-seen-by-all": "RC-01",
    "older-device-stays": "XC-06",
    "message-comes-back": "MD-02",
}
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def explored(mutant: Mutant, **more: object) -> list[Found]:
    """Look for what this mutant's rule forbids; with SHOULD rules where it is one."""
    search = Search(seconds=SECONDS, rules=(mutant.breaks,), strict=True, sabotage=mutant.stage, **more)  # type: ignore[arg-type]
    return Explorer(search).run()


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("name", "rule"), SEEDED.items())
def test_a_seeded_defect_is_found_within_a_minute_and_shrunk_to_six_steps(name: str, rule: str) -> None:
    mutant = BY_NAME[name]
    assert mutant.breaks == rule
    (found,) = explored(mutant)
    steps = len(found.schedule.steps)
    print(f"\n{rule} {name}: {found.tried} schedules, {found.seconds:.1f} s, {steps} steps", end="")
    assert found.rule == rule and found.seconds < SECONDS and steps <= STEPS
    again = parse_schedule(dump_schedule(found.schedule).encode(), "found")
    assert again == found.schedule
    assert rule in Examiner(strict=True, sabotage=mutant.stage).examine(again).broken
    assert Examiner(strict=True).examine(again).broken == (), "the service that is whole keeps the contract"


@pytest.mark.parametrize("faults", [False, True], ids=["fault-free", "with faults"])
def test_a_service_that_keeps_the_contract_is_never_accused(faults: bool) -> None:
    explorer = Explorer(Search(seconds=None, schedules=250, seed=77, choice=Choice(faults=faults)))
    assert [f"{found.rule}: {dump_schedule(found.schedule)}" for found in explorer.run()] == []
    assert explorer.tried == 250


def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    mutant = BY_NAME["message-comes-back"]
    first, second = (explored(mutant, seed=5)[0] for _ in range(2))
    assert (first.schedule, first.tried) == (second.schedule, second.tried)


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
