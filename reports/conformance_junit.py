"""Conformance as JUnit suites: one for each trace under its profile, one case for each rule.

A suite's properties carry what a case may not have by the schemas that CI systems hold reports against.
"""

from __future__ import annotations

from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from harness.contract.verdict import Problem, RuleOutcome, Verdict
from reports.conformance import Broken, Check, Conformance, Rules, rule_of, section_of
from reports.explanation import explain, headline
from reports.formats import counted
from reports.gist import plain

MOST_TEXT = 3  # violations of a case that are explained
MOST_PROBLEMS = 20
_SKIPPED = {
    Verdict.UNIMPLEMENTED: "not promised by the profile",
    Verdict.NOT_EXERCISED: "nothing in the trace called for it",
}


def write_conformance_junit(conformance: Conformance, rules: Rules, path: Path) -> None:
    report = JUnitXml("call harness")
    for suite in conformance_suites(conformance, rules):
        report.add_testsuite(suite)
    report.write(str(path), pretty=True)


def conformance_suites(conformance: Conformance, rules: Rules) -> list[TestSuite]:
    """To stand by themselves, or in the report of a load run."""
    return [_suite(check, conformance, rules) for check in conformance.checks]


def _suite(check: Check, conformance: Conformance, rules: Rules) -> TestSuite:
    judgement = check.judgement
    suite = TestSuite(f"{plain(check.name)} x {plain(judgement.profile)}")
    exercised = {rule: outcome.exercised for rule, outcome in judgement.outcomes.items()}
    properties = {
        "service": plain(conformance.service),
        "profile": plain(judgement.profile),
        "mode": conformance.mode,
        "strict": str(conformance.strict).lower(),
        "verdict": judgement.verdict.value,
        "behaviour": judgement.behaviour.value,
        "teardown": judgement.teardown.value,
        "records": str(judgement.records),
        "epsilon_us": str(judgement.epsilon_us),
        "exercised": str(sum(exercised.values())),
        **{f"exercised {rule}": str(times) for rule, times in exercised.items() if times},
    }
    for name, value in properties.items():
        suite.add_property(name, value)
    if judgement.problems:
        suite.add_testcase(_trace_case(judgement.problems))
    for rule, outcome in judgement.outcomes.items():
        suite.add_testcase(_case(rule, outcome, check, conformance, rules))
    return suite


def _trace_case(problems: list[Problem]) -> TestCase:
    lines = [f"line {problem.line}: {problem.text}" if problem.line else problem.text for problem in problems]
    error = Error(plain(lines[0]), "problem")
    error.text = _listed([plain(line) for line in lines[:MOST_PROBLEMS]], len(lines), "problem")
    case = TestCase("trace", classname="trace")
    case.time = 0.0
    case.result = [error]
    return case


def _case(rule: str, outcome: RuleOutcome, check: Check, conformance: Conformance, rules: Rules) -> TestCase:
    case = TestCase(plain(rule), classname=section_of(rule))
    case.time = 0.0
    broken = [Broken(check, outcome, violation, number) for number, violation in enumerate(outcome.violations, 1)]
    fails = outcome.verdict is Verdict.FAIL or (outcome.verdict is Verdict.NON_STRICT and conformance.strict)
    if fails:
        failure = Failure(_message(rule, broken, rules), outcome.verdict.value)
        failure.text = _explained(broken, outcome, rules)
        case.result = [failure]
    elif outcome.verdict is Verdict.NON_STRICT:
        case.system_out = _explained(broken, outcome, rules)
    elif outcome.verdict is Verdict.UNKNOWN:
        error = Error(plain(outcome.reason or "no verdict"), outcome.verdict.value)
        error.text = _explained(broken, outcome, rules) or plain(outcome.reason)
        case.result = [error]
    elif outcome.verdict in _SKIPPED:
        case.result = [Skipped(plain(outcome.reason or _SKIPPED[outcome.verdict]), outcome.verdict.value)]
    return case


def _message(rule: str, broken: list[Broken], rules: Rules) -> str:
    return headline(broken[0]) if broken else f"{rule} broken: {plain(rule_of(rules, rule).requirement)}"


def _explained(broken: list[Broken], outcome: RuleOutcome, rules: Rules) -> str:
    return _listed([explain(found, rules) for found in broken[:MOST_TEXT]], outcome.count, "violation")


def _listed(parts: list[str], total: int, noun: str) -> str:
    left = total - len(parts)
    return "\n".join([*parts, f"{counted(left, f'more {noun}')}" if left > 0 else ""]).strip("\n")
