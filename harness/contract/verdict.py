"""What a check of a trace comes to: a verdict for each rule, and for each violation the lines that prove it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from harness.measure.histogram import Histogram
from harness.trace.record import Record


class Verdict(Enum):
    """NON_STRICT: a SHOULD was broken. UNIMPLEMENTED: the profile does not promise it. NOT_EXERCISED: nothing in the
    trace called for it, which is no pass. UNKNOWN: the trace does not allow a verdict, or the check itself failed."""

    PASS = "PASS"
    FAIL = "FAIL"
    NON_STRICT = "NON-STRICT"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    NOT_EXERCISED = "NOT-EXERCISED"
    UNKNOWN = "UNKNOWN"


WORST_FIRST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.NON_STRICT, Verdict.PASS)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL, UNKNOWN, NON-STRICT, PASS, in that order. With nothing judged it is UNKNOWN: nothing is never a pass."""
    present = set(verdicts)
    return next((verdict for verdict in WORST_FIRST if verdict in present), Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of one rule. witness: the shortest set of records that proves it, in order, the guilty one last or
    named by `guilty` (its line; 0 when what is wrong is that nothing came). at: run-clock second at which it was
    certain. expected and came: one sentence each. subject: the clients, room, user and stream it is about."""

    rule: str
    at: float
    expected: str
    came: str
    witness: tuple[Record, ...]
    guilty: int
    subject: dict[str, str]


@dataclass
class RuleOutcome:
    """exercised: how often the rule had something to judge. violations: the first few; count: all of them."""

    rule: str
    verdict: Verdict
    exercised: int = 0
    count: int = 0
    violations: list[Violation] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a trace from being judged whole. line: where, 0 if nowhere in particular."""

    line: int
    text: str


@dataclass
class Judgement:
    """A whole trace judged. behaviour and teardown are apart; `verdict` is the worse of them.

    news: how long it took to reach everybody else, by name and room; propagation: the same in figures.
    """

    profile: str
    outcomes: dict[str, RuleOutcome]
    problems: list[Problem] = field(default_factory=list)
    strict: bool = False
    records: int = 0
    seconds: float = 0.0
    epsilon_us: int = 0
    propagation: dict[str, Any] = field(default_factory=dict)
    news: dict[tuple[str, str], Histogram] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Users and streams that somebody was not told of in time."""
        return sum(self.outcomes[rule].count for rule in ("LV-02", "LV-03") if rule in self.outcomes)

    @property
    def stale(self) -> int:
        """Ends of users and streams that somebody was not told of in time."""
        return self.outcomes["LV-04"].count if "LV-04" in self.outcomes else 0

    def _verdict_of(self, *, teardown: bool) -> Verdict:
        found = [outcome.verdict for rule, outcome in self.outcomes.items() if rule.startswith("TD-") is teardown]
        if not teardown and self.problems:
            found.append(Verdict.UNKNOWN)
        return worst(found)

    @property
    def behaviour(self) -> Verdict:
        return self._verdict_of(teardown=False)

    @property
    def teardown(self) -> Verdict:
        return self._verdict_of(teardown=True)

    @property
    def verdict(self) -> Verdict:
        found = [outcome.verdict for outcome in self.outcomes.values()]
        return worst([*found, Verdict.UNKNOWN] if self.problems else found)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 no verdict."""
        verdict = self.verdict
        if verdict is Verdict.FAIL or (self.strict and verdict is Verdict.NON_STRICT):
            return 1
        return 3 if verdict is Verdict.UNKNOWN else 0
