"""What the terminal shows of a judged set."""

from __future__ import annotations

import io
import re

import pytest
from judged_traces import RULES, check, clean, conformance, faulty, outage, outcome, sessionless, silent
from rich.console import Console

from harness.contract.verdict import Problem, Verdict
from reports.conformance import Conformance
from reports.conformance_console import MOST_BROKEN, print_conformance, print_run_conformance


def shown(found: Conformance, width: int = 110, *, run: bool = False, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=colour, color_system="standard" if colour else None)
    (print_run_conformance if run else print_conformance)(console, found, RULES)
    return file.getvalue()


def test_every_judged_rule_has_a_line_and_the_others_one_line_together() -> None:
    text = shown(faulty())
    assert re.search(r"RC-01 +FAIL x1 +6 +1 of 2 +An outage shorter than the heartbeat", text)
    assert re.search(r"RO-03 +PASS +6 +2 of 2 +Nothing is added", text)
    assert "not exercised (1): LV-08" in text and len(re.findall("LV-08", text)) == 1
    assert "not promised" not in text


def test_what_the_profile_does_not_promise_is_told_apart_from_what_did_not_happen() -> None:
    text = shown(conformance(check("a", clean(RC_01=silent("RC-01", Verdict.UNIMPLEMENTED)))))
    assert "not promised by the profile (1): RC-01" in text and "not exercised (1): LV-08" in text


def test_verdicts_come_last_and_apart() -> None:
    lines = shown(faulty()).splitlines()[-3:]
    assert lines[0].split() == ["behaviour", "FAIL"] and lines[1].split() == ["teardown", "PASS"]
    assert lines[2].startswith("run       FAIL  3 PASS, 2 FAIL, 1 NON-STRICT, 1 NOT-EXERCISED of 7 rules; 480 records")


def test_five_violations_are_explained_and_the_rest_counted() -> None:
    many = conformance(check("S09", clean(RC_01=outcome("RC-01", *[outage()] * 12))))
    text = shown(many)
    assert text.count("<-- breaks it") == 5
    assert "12 violations in all: RC-01 (12)" in text


def test_a_broken_should_says_whether_it_fails_the_run() -> None:
    checks = [check("a", clean(RS_06=outcome("RS-06", sessionless())))]
    assert "NON-STRICT (passes without --strict)" in shown(conformance(*checks))
    assert "NON-STRICT (fails: --strict)" in shown(conformance(*checks, strict=True))


def test_problems_and_reasons_for_no_verdict_are_named() -> None:
    crashed = clean(RC_01=silent("RC-01", Verdict.UNKNOWN, "the check failed at line 3"))
    idle = {"RC-01": silent("RC-01", Verdict.NOT_EXERCISED)}
    text = shown(conformance(check("S03", crashed, Problem(214, "not JSON")), check("idle", idle)))
    assert "problem: S03 line 214: not JSON" in text
    assert "no verdict on RC-01: the check failed at line 3" in text
    assert "no verdict: in idle no rule had anything to judge" in text


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_the_table_fits_the_terminal(width: int) -> None:
    rows = [line for line in shown(faulty(), width).splitlines() if re.match(r"  [A-Z]{2}-\d\d ", line)]
    assert len(rows) == 6 and all(len(row.rstrip()) <= max(width, 46) for row in rows)
    assert all(re.search(r"(PASS|FAIL|NON-STRICT)", row) for row in rows)


def test_colour_carries_nothing_that_words_do_not() -> None:
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown(faulty(), colour=True))
    assert "\x1b[" in shown(faulty(), colour=True)
    assert plain == shown(faulty())


def test_markup_and_control_characters_in_names_are_shown_as_text() -> None:
    evil = "[red]\x1b[2J[/red]"
    found = faulty()
    found.service = found.checks[1].name = evil
    found.checks[1].judgement.problems.append(Problem(0, f"bad {evil}"))
    for text in (shown(found, 200), shown(found, 200, run=True)):
        assert "\x1b" not in text and r"[red]\x1b[2J[/red]" in text


def test_a_load_run_ends_with_three_lines_and_one_for_each_broken_rule() -> None:
    lines = shown(faulty(), 140, run=True).splitlines()
    assert lines[0].startswith("callbacks: FAIL  profile vendor-a, 3 PASS, 2 FAIL")
    assert lines[1] == "  behaviour FAIL, teardown PASS; 480 records"
    assert lines[2] == "  4 violations of 3 rules"
    assert [line.split()[0] for line in lines[3:]] == ["LV-03", "RC-01", "RS-06"]
    assert lines[3].endswith("(and 1 more)") and not lines[4].endswith("more)")
    assert len(lines) == 3 + 3 <= 3 + MOST_BROKEN


def test_a_clean_load_run_says_that_no_rule_was_broken() -> None:
    assert "no rule was broken" in shown(conformance(check("run", clean()), mode="run"), run=True)
