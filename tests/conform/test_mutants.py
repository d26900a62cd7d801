"""Every rule can fail: a service broken in one way is reported by the rule that it breaks, and by no unrelated one."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.conform.mutants.catalogue import MUTANTS
from harness.conform.mutants.matrix import Result, passes, run_matrix, run_mutant
from harness.conform.mutants.mutant import Mutant
from harness.contract.catalogue import RULES
from reports.mutant_matrix import print_matrix

SCENES = {mutant.schedule: mutant for mutant in MUTANTS if not mutant.promises}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.breaks}-{mutant.name}")
def test_a_mutant_is_reported_by_its_rule_and_by_no_unrelated_one(mutant: Mutant) -> None:
    result = run_mutant(mutant)
    assert result.killed, f"{mutant.breaks} says nothing; reported by {result.reported or 'nobody'}"
    assert result.unrelated == ()
    assert result.faultless, "the schedule does not pass while nothing is broken"
    assert set(result.reported) == {mutant.breaks, *mutant.consequences}, "neither more nor less follows from it"


@pytest.mark.parametrize("mutant", SCENES.values(), ids=SCENES)
def test_the_schedule_of_a_mutant_passes_while_nothing_is_broken(mutant: Mutant) -> None:
    assert passes(mutant)


def test_every_rule_has_a_mutant() -> None:
    assert set(RULES) - {mutant.breaks for mutant in MUTANTS} == set()


def test_mutants_are_told_apart_and_say_what_they_are() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))
    for mutant in MUTANTS:
        assert {mutant.breaks, *mutant.consequences} <= set(RULES), mutant.name
        assert mutant.breaks not in mutant.consequences, mutant.name
        assert bool(mutant.consequences) == bool(mutant.because), mutant.name
        assert (mutant.stage is None) != (mutant.trace is None), mutant.name
        assert mutant.defect.endswith("."), mutant.name


def test_the_defects_that_vendors_shipped_are_among_them() -> None:
    origins = {mutant.origin for mutant in MUTANTS if mutant.origin}
    zego = ["windows 1.9.0", "windows 1.12.3", "windows 1.15.2", "windows 1.16.0", "windows 2.16.3", "windows 3.0.2"]
    zego += ["web 1.6.0", "web 1.10.0", "web 1.15.0", "web 1.16.0", "web 1.16.5", "web 1.17.1", "web 2.2.1"]
    zego += ["web 2.11.0", "web 2.14.0", "web 2.16.0", "web 2.18.0", "web 2.23.0", "web 2.25.1", "web 2.25.2"]
    zego += ["web 3.7.1", "web 3.9.0"]
    assert {f"ZEGO {version}" for version in zego} <= origins
    assert len(origins) > len(zego)


def test_the_matrix_is_of_the_rules_that_were_asked_for_and_counts_as_it_goes() -> None:
    heard: list[tuple[int, int]] = []
    results = run_matrix(["RS-01", "MD-02"], lambda done, total: heard.append((done, total)))
    assert {result.mutant.breaks for result in results} == {"RS-01", "MD-02"}
    assert heard == [(done, len(results)) for done in range(1, len(results) + 1)]


def _printed(results: list[Result]) -> tuple[int, str]:
    out = io.StringIO()
    code = print_matrix(Console(file=out, width=120), results)
    return code, out.getvalue()


def test_the_matrix_is_printed_with_a_line_a_rule_and_its_totals() -> None:
    results = run_matrix(["RS-01", "MD-02"])
    code, text = _printed(results)
    assert code == 0
    assert f"{len(results)} mutants of 2 rules: {len(results)} killed (100 %)" in text
    assert any(line.startswith("RS-01  3/3") and "wrong-initial-state" in line for line in text.splitlines())


def test_survivors_and_unrelated_reports_are_named_and_fail() -> None:
    (first, second, third) = run_matrix(["RS-01"])
    wrong = [replace(first, reported=()), replace(second, unrelated=("XC-04",)), replace(third, faultless=False)]
    code, text = _printed(wrong)
    assert code == 1
    assert f"{first.mutant.name} (RS-01): survived" in text
    assert f"{second.mutant.name} (RS-01): reported by XC-04 as well" in text
    assert f"{third.mutant.name} (RS-01): its schedule does not pass" in text
    assert "2 killed" in text
