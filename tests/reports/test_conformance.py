"""Many traces under one verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from judged_traces import STARTED, check, clean, conformance, faulty, outage, outcome, sessionless, silent, unannounced

from harness.contract.verdict import Judgement, Problem, Verdict
from harness.trace.writer import FORMAT, VERSION
from reports.conformance import MERGE_ORDER, Check

FAIL, UNKNOWN, NON_STRICT, PASS = Verdict.FAIL, Verdict.UNKNOWN, Verdict.NON_STRICT, Verdict.PASS
NOT_EXERCISED, UNIMPLEMENTED = Verdict.NOT_EXERCISED, Verdict.UNIMPLEMENTED


def merged(*verdicts: Verdict) -> Verdict:
    checks = [check(f"t{n}", {"RO-03": outcome("RO-03", verdict=verdict)}) for n, verdict in enumerate(verdicts)]
    return conformance(*checks).merged["RO-03"].verdict


@pytest.mark.parametrize("better", range(1, len(MERGE_ORDER)))
def test_a_rule_is_as_bad_as_in_its_worst_trace(better: int) -> None:
    worse = MERGE_ORDER[better - 1]
    assert merged(MERGE_ORDER[better], worse, MERGE_ORDER[better]) is worse


def test_a_rule_is_unimplemented_only_when_no_trace_judged_it() -> None:
    assert merged(UNIMPLEMENTED, UNIMPLEMENTED) is UNIMPLEMENTED
    assert merged(UNIMPLEMENTED, NOT_EXERCISED) is NOT_EXERCISED
    assert merged(UNIMPLEMENTED, PASS) is PASS


def test_counts_are_summed_and_traces_with_the_verdict_counted() -> None:
    found = faulty().merged["LV-03"]
    assert (found.verdict, found.exercised, found.count, found.traces) == (FAIL, 6, 2, 1)
    assert faulty().merged["RO-03"].traces == 2


def test_rules_stand_in_the_order_of_their_sections() -> None:
    assert list(faulty().merged) == ["RS-02", "RS-06", "RO-03", "LV-03", "LV-08", "TD-01", "RC-01"]


@pytest.mark.parametrize(
    ("outcomes", "strict", "verdict", "code"),
    [
        (clean(), False, PASS, 0),
        (clean(RC_01=outcome("RC-01", outage())), False, FAIL, 1),
        (clean(RS_06=outcome("RS-06", sessionless())), False, NON_STRICT, 0),
        (clean(RS_06=outcome("RS-06", sessionless())), True, NON_STRICT, 1),
        (clean(RC_01=silent("RC-01", UNKNOWN, "the check crashed")), False, UNKNOWN, 3),
        ({"RC-01": silent("RC-01", NOT_EXERCISED)}, False, UNKNOWN, 3),
    ],
)
def test_the_verdict_gives_the_exit_code(outcomes: dict, strict: bool, verdict: Verdict, code: int) -> None:
    found = conformance(check("a", clean()), check("b", outcomes), strict=strict)
    assert found.verdict is verdict and found.exit_code == code


def test_nothing_judged_is_never_a_pass() -> None:
    assert conformance().verdict is UNKNOWN and conformance().exit_code == 3
    found = conformance(check("a", clean()), check("idle", {"RC-01": silent("RC-01", NOT_EXERCISED)}))
    assert found.unjudged == ["idle"]


def test_a_problem_of_a_trace_leaves_behaviour_unknown_and_teardown_as_it_is() -> None:
    found = conformance(check("a", clean(), Problem(7, "not JSON")))
    assert (found.behaviour, found.teardown, found.verdict) == (UNKNOWN, PASS, UNKNOWN)


def test_teardown_is_judged_apart_from_behaviour() -> None:
    late = outage()
    found = conformance(check("a", clean(TD_01=outcome("TD-01", late))))
    assert (found.behaviour, found.teardown, found.verdict) == (PASS, FAIL, FAIL)


def test_the_first_violation_of_every_broken_rule_comes_before_the_second_of_any() -> None:
    told = [broken.violation.rule for broken in faulty().telling()]
    assert told == ["LV-03", "RC-01", "RS-06", "LV-03"]


def test_violations_of_one_rule_come_from_all_traces_in_turn() -> None:
    twice = {"LV-03": outcome("LV-03", unannounced(), unannounced())}
    names = [found.check.name for found in conformance(check("a", twice), check("b", twice)).broken("LV-03")]
    assert names == ["a", "b", "a", "b"]


def test_times_count_from_the_start_that_the_trace_names_else_from_its_first_record(tmp_path: Path) -> None:
    header = f'{{"format":"{FORMAT}","version":{VERSION}'
    named, unnamed = tmp_path / "named.jsonl", tmp_path / "unnamed.jsonl"
    named.write_text(header + f',"started":{STARTED}}}\n')
    unnamed.write_text(header + '}\n{"kind":"mark","name":"x","t":17.5}\n')
    nothing = Judgement("p", {})
    assert Check("a", named, nothing).zero == STARTED
    assert Check("a", unnamed, nothing).zero == 17.5
    assert Check("a", tmp_path / "absent.jsonl", nothing).zero == 0.0
