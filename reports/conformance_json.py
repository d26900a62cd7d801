"""conformance.json: a judged set as a program reads it, and read back, so that its reports can be written again.

It is bounded however large the set: of a rule the first violations are kept, with the first lines of their proof;
all are counted. Times are seconds since the trace began.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from harness.contract.verdict import RuleOutcome
from harness.trace.record import Record
from reports.conformance import Broken, Check, Conformance, Merged, Rules, rule_of
from reports.explanation import proof, shown_witness
from reports.gist import detail, gist

CONFORMANCE = "conformance.json"
FORMAT, VERSION = "call-conformance", 1
KEPT = 20  # violations of a rule, over all traces
MOST_PROBLEMS = 100  # of a trace


def shown_path(path: Path, base: Path) -> str:
    """Relative to the folder of the report or to where the command ran, as given where it lies under neither."""
    for root in (base.resolve(), Path.cwd()):
        if path.resolve().is_relative_to(root):
            return path.resolve().relative_to(root).as_posix()
    return path.as_posix()


def to_json(conformance: Conformance, rules: Rules, base: Path) -> dict[str, Any]:
    """base: the folder the file is for."""
    kept = {rule: _kept(conformance, rule) for rule in conformance.merged}
    return {
        "format": FORMAT,
        "version": VERSION,
        "service": conformance.service,
        "profile": conformance.profile,
        "mode": conformance.mode,
        "strict": conformance.strict,
        "verdict": conformance.verdict.value,
        "behaviour": conformance.behaviour.value,
        "teardown": conformance.teardown.value,
        "exit_code": conformance.exit_code,
        "rules": {rule: _rule(merged, rules) for rule, merged in conformance.merged.items()},
        "traces": [_check(check, kept, base) for check in conformance.checks],
    }


def _kept(conformance: Conformance, rule: str) -> dict[int, list[Broken]]:
    """The first violations of a rule, by the identity of the check that they are of."""
    found: dict[int, list[Broken]] = {}
    for broken in islice(conformance.broken(rule), KEPT):
        found.setdefault(id(broken.check), []).append(broken)
    return found


def _rule(merged: Merged, rules: Rules) -> dict[str, Any]:
    text = rule_of(rules, merged.rule)
    return {
        "verdict": merged.verdict.value,
        "exercised": merged.exercised,
        "violations": merged.count,
        "traces": merged.traces,
        "severity": text.severity,
        "requirement": text.requirement,
        "why": text.why,
        "source": text.source,
    }


def _check(check: Check, kept: dict[str, dict[int, list[Broken]]], base: Path) -> dict[str, Any]:
    judgement = check.judgement
    return {
        "name": check.name,
        "trace": shown_path(check.trace, base),
        "profile": judgement.profile,
        "verdict": judgement.verdict.value,
        "behaviour": judgement.behaviour.value,
        "teardown": judgement.teardown.value,
        "records": judgement.records,
        "seconds": judgement.seconds,
        "epsilon_us": judgement.epsilon_us,
        "propagation": judgement.propagation,
        "problem_count": len(judgement.problems),
        "problems": [{"line": problem.line, "text": problem.text} for problem in judgement.problems[:MOST_PROBLEMS]],
        "outcomes": {
            rule: _outcome(outcome, kept[rule].get(id(check), [])) for rule, outcome in judgement.outcomes.items()
        },
    }


def _outcome(outcome: RuleOutcome, kept: list[Broken]) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict.value,
        "exercised": outcome.exercised,
        "count": outcome.count,
        "reason": outcome.reason,
        "violations": [_violation(broken) for broken in kept],
    }


def _violation(broken: Broken) -> dict[str, Any]:
    violation = broken.violation
    records, left_out = shown_witness(violation)
    return {
        "at": _second(violation.at - broken.check.zero),
        "expected": violation.expected,
        "came": violation.came,
        "guilty": violation.guilty,
        "subject": violation.subject,
        "witness": [_line(record, line.at) for record, line in zip(records, proof(broken), strict=True)],
        "witness_left_out": left_out,
    }


def _line(record: Record, at: float) -> dict[str, Any]:
    return {
        "line": record.line,
        "t": _second(at),
        "client": record.client,
        "user": record.user,
        "room": record.room,
        "kind": record.kind,
        "name": record.name,
        "gist": gist(record),
        "detail": detail(record),
    }


def _second(value: float) -> float:
    return round(value, 6)
