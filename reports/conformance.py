"""A judged set of traces: what each rule came to over all of them, and the verdict of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from harness.contract.rule import SECTIONS
from harness.contract.verdict import Judgement, RuleOutcome, Verdict, Violation, worst
from harness.trace.reader import TraceError, read_header, read_records

Mode = Literal["virtual", "live", "recorded", "run"]

MODES = {
    "virtual": "against the embedded service on a virtual clock",
    "live": "live calls",
    "recorded": "from recorded traces",
    "run": "a load run",
}
# One rule over many traces: the first that any trace came to. Unlike PASS, the last two judge nothing.
MERGE_ORDER = (
    Verdict.FAIL,
    Verdict.UNKNOWN,
    Verdict.NON_STRICT,
    Verdict.PASS,
    Verdict.NOT_EXERCISED,
    Verdict.UNIMPLEMENTED,
)


class RuleText(Protocol):
    """What a report says of a rule; harness.contract.rule.Rule is one."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def requirement(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def source(self) -> str: ...


Rules = Mapping[str, RuleText]


def rule_of(rules: Rules, rule: str) -> RuleText:
    return rules[rule]


def section_of(rule: str) -> str:
    return SECTIONS.get(rule.partition("-")[0], "other")


def section_title(rule: str) -> str:
    return section_of(rule).replace("_", " ")


@dataclass
class Check:
    """One trace judged. name: of the schedule or run it is of. started: the run clock's second from which the reports
    count; from the trace itself when it is not given."""

    name: str
    trace: Path
    judgement: Judgement
    started: float | None = None

    @cached_property
    def zero(self) -> float:
        return _start(self.trace) if self.started is None else self.started


def _start(trace: Path) -> float:
    """The header's `started`, else the time of the first record."""
    try:
        header = read_header(trace)
        if "started" in header:
            return float(header["started"])
        return next((float(record["t"]) for _, record in read_records(trace)), 0.0)
    except (TraceError, OSError, KeyError, TypeError, ValueError):
        return 0.0


@dataclass
class Merged:
    """A rule over all traces. traces: how many came to the verdict. reasons: what the traces say of it, each once."""

    rule: str
    verdict: Verdict
    exercised: int = 0
    count: int = 0
    traces: int = 0
    reasons: list[str] = field(default_factory=list)


class Broken(NamedTuple):
    """A violation, and the trace in which it is. number: its place, from 1, among those kept of the rule there."""

    check: Check
    outcome: RuleOutcome
    violation: Violation
    number: int


@dataclass
class Conformance:
    """The input of every conformance report."""

    service: str
    profile: str
    strict: bool
    mode: Mode
    checks: list[Check]

    @cached_property
    def merged(self) -> dict[str, Merged]:
        """By rule, in the order in which the judgements name them."""
        found: dict[str, list[RuleOutcome]] = {}
        for check in self.checks:
            for rule, outcome in check.judgement.outcomes.items():
                found.setdefault(rule, []).append(outcome)
        return {rule: _merge(rule, outcomes) for rule, outcomes in sorted(found.items(), key=_place)}

    @property
    def problems(self) -> bool:
        return any(check.judgement.problems for check in self.checks)

    @property
    def behaviour(self) -> Verdict:
        found = [merged.verdict for rule, merged in self.merged.items() if not rule.startswith("TD-")]
        return worst([*found, Verdict.UNKNOWN] if self.problems else found)

    @property
    def teardown(self) -> Verdict:
        return worst(merged.verdict for rule, merged in self.merged.items() if rule.startswith("TD-"))

    @property
    def verdict(self) -> Verdict:
        """The worst of the traces. A trace in which nothing was judged has no verdict, and then neither has the set."""
        return worst(check.judgement.verdict for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 no verdict."""
        verdict = self.verdict
        if verdict is Verdict.FAIL or (self.strict and verdict is Verdict.NON_STRICT):
            return 1
        return 3 if verdict is Verdict.UNKNOWN else 0

    @property
    def unjudged(self) -> list[str]:
        """Why the set has no verdict, beside its rules' own UNKNOWN: traces in which no rule had anything to judge."""
        judged = {Verdict.FAIL, Verdict.UNKNOWN, Verdict.NON_STRICT, Verdict.PASS}
        return [
            check.name
            for check in self.checks
            if not any(outcome.verdict in judged for outcome in check.judgement.outcomes.values())
        ]

    def with_verdict(self, *verdicts: Verdict) -> list[Merged]:
        return [merged for merged in self.merged.values() if merged.verdict in verdicts]

    @property
    def worst_first(self) -> list[Merged]:
        """Rules that any trace breaks: MUSTs before SHOULDs."""
        found = [merged for merged in self.merged.values() if merged.count]
        return sorted(found, key=lambda merged: MERGE_ORDER.index(merged.verdict))

    def broken(self, rule: str) -> list[Broken]:
        """The violations kept of one rule: the first of every trace, then the second of every trace, and so on."""
        found: list[Broken] = []
        for check in self.checks:
            outcome = check.judgement.outcomes.get(rule)
            if outcome is not None:
                numbered = enumerate(outcome.violations, 1)
                found += [Broken(check, outcome, violation, number) for number, violation in numbered]
        return sorted(found, key=lambda broken: broken.number)

    def telling(self) -> Iterator[Broken]:
        """All violations kept, the most telling first: one of each broken rule before the second of any."""
        left = [iter(self.broken(merged.rule)) for merged in self.worst_first]
        while left:
            for rule in list(left):
                violation = next(rule, None)
                if violation is None:
                    left.remove(rule)
                else:
                    yield violation


def _place(item: tuple[str, object]) -> tuple[int, str]:
    """Sections in the catalogue's order, ids within them."""
    sections, rule = list(SECTIONS), item[0]
    prefix = rule.partition("-")[0]
    return (sections.index(prefix) if prefix in sections else len(sections), rule)


def _merge(rule: str, outcomes: list[RuleOutcome]) -> Merged:
    present = {outcome.verdict for outcome in outcomes}
    verdict = next(found for found in MERGE_ORDER if found in present)
    reasons = dict.fromkeys(outcome.reason for outcome in outcomes if outcome.verdict is verdict and outcome.reason)
    return Merged(
        rule,
        verdict,
        exercised=sum(outcome.exercised for outcome in outcomes),
        count=sum(outcome.count for outcome in outcomes),
        traces=sum(outcome.verdict is verdict for outcome in outcomes),
        reasons=list(reasons),
    )
