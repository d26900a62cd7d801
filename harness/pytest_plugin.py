"""For test suites of applications: `assert_conforms`, as a function and as a fixture of pytest's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.contract.verdict import Judgement

MOST_EXPLAINED = 3
Trace = Path | str | Iterable[dict[str, Any]]


def assert_conforms(
    trace: Trace,
    profile: str,
    *,
    rules: tuple[str, ...] = (),
    strict: bool = False,
    must_exercise: tuple[str, ...] = (),
) -> Judgement:
    """Assert that a trace breaks no rule that the profile promises.

    trace: a trace file, or its records as dicts (docs/trace.md). profile: a shipped one by name, or a .yaml file.
    rules: only these ids or sections. strict: SHOULD rules too. must_exercise: rules that the trace has to have called
    for; a rule that was never exercised is no pass. Returns the judgement; raises AssertionError with the proof of the
    first violations, or with what kept the trace from being judged; TraceError, ProfileError, UnknownRuleError.
    """
    from harness.contract.catalogue import select
    from harness.contract.verdict import Verdict

    __tracebackhide__ = True
    judgement = _judged(trace, profile, rules, strict)
    broken = judgement.verdict is Verdict.FAIL or (strict and judgement.verdict is Verdict.NON_STRICT)
    if broken:
        raise AssertionError(_explained(trace, judgement, profile))
    if judgement.verdict is Verdict.UNKNOWN:
        reasons = [f"line {problem.line}: {problem.text}" for problem in judgement.problems]
        reasons += [f"{o.rule}: {o.reason}" for o in judgement.outcomes.values() if o.verdict is Verdict.UNKNOWN]
        raise AssertionError("no verdict: " + ("; ".join(reasons) or "no rule had anything to judge"))
    idle = [rule for rule in select(must_exercise) if not judgement.outcomes[rule].exercised] if must_exercise else []
    if idle:
        raise AssertionError(f"not exercised by this trace: {', '.join(idle)}")
    return judgement


def _judged(trace: Trace, profile: str, rules: tuple[str, ...], strict: bool) -> Judgement:
    from harness.contract.judge import judge_file, judge_history
    from harness.contract.profile import load_profile
    from harness.trace.history import history_of

    promises = load_profile(profile)
    if isinstance(trace, str | Path):
        return judge_file(Path(trace), promises, rules=rules, strict=strict)
    return judge_history(history_of(trace), promises, rules=rules, strict=strict)


def _explained(trace: Trace, judgement: Judgement, profile: str) -> str:
    from itertools import islice

    from harness.contract.catalogue import RULES
    from reports.conformance import Check, Conformance
    from reports.explanation import explain

    path = Path(trace) if isinstance(trace, str | Path) else Path("trace")
    check = Check(path.stem, path, judgement, None if isinstance(trace, str | Path) else 0.0)
    conformance = Conformance("application", profile, judgement.strict, "recorded", [check])
    shown = [explain(broken, RULES) for broken in islice(conformance.telling(), MOST_EXPLAINED)]
    counts = ", ".join(f"{o.rule} x{o.count}" for o in judgement.outcomes.values() if o.count)
    return f"the trace breaks {counts}\n\n" + "\n\n".join(shown)


@pytest.fixture(name="assert_conforms")
def conforming(record_property: Callable[[str, object], None]) -> Callable[..., Judgement]:
    """assert_conforms, which leaves the profile and the number of rules exercised in the JUnit report."""

    def check(trace: Trace, profile: str, **options: Any) -> Judgement:
        __tracebackhide__ = True
        record_property("profile", profile)
        judgement = assert_conforms(trace, profile, **options)
        record_property("rules_exercised", sum(o.exercised > 0 for o in judgement.outcomes.values()))
        return judgement

    return check
