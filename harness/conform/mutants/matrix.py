"""Every mutant performed and judged: which rules report it, and whether those are the right ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

from harness.conform.mutants.catalogue import MUTANTS
from harness.conform.mutants.mutant import Mutant, Records
from harness.conform.mutants.scenes import schedule
from harness.conform.run import Sabotage, virtual_trace
from harness.contract.judge import judge_history
from harness.contract.profile import Profile, load_profile
from harness.contract.verdict import Judgement, Verdict
from harness.trace.history import history_of

OnProgress = Callable[[int, int], None]
_BROKEN = (Verdict.FAIL, Verdict.NON_STRICT)


@dataclass(frozen=True)
class Result:
    """reported: every rule that reported the mutant. unrelated: those of them that fail and have no business to.

    faultless: whether the same schedule, with nothing broken, passes every rule.
    """

    mutant: Mutant
    reported: tuple[str, ...]
    unrelated: tuple[str, ...]
    faultless: bool

    @property
    def killed(self) -> bool:
        return self.mutant.breaks in self.reported

    @property
    def proven(self) -> bool:
        """The right rule reports it, and none that has no business to."""
        return self.killed and not self.unrelated and self.faultless


def run_matrix(rules: Iterable[str] = (), on_progress: OnProgress = lambda done, total: None) -> list[Result]:
    """The mutants of these rules, or of all. on_progress hears how many are done, and of how many."""
    wanted = set(rules)
    chosen = [mutant for mutant in MUTANTS if not wanted or mutant.breaks in wanted]
    results = []
    for mutant in chosen:
        results.append(run_mutant(mutant))
        on_progress(len(results), len(chosen))
    return results


def run_mutant(mutant: Mutant) -> Result:
    """Raises ValueError when what comes of it is no trace any more: then it proves nothing."""
    judgement = _judged(mutant, mutant.stage or mutant.ground)
    if judgement.problems:
        raise ValueError(f"{mutant.name}: {judgement.problems[0].text}")
    reported = tuple(rule for rule, outcome in judgement.outcomes.items() if outcome.verdict in _BROKEN)
    failed = {rule for rule in reported if judgement.outcomes[rule].verdict is Verdict.FAIL}
    unrelated = tuple(rule for rule in reported if rule in failed - {mutant.breaks, *mutant.consequences})
    return Result(mutant, reported, unrelated, passes(mutant))


def passes(mutant: Mutant) -> bool:
    """Whether the mutant's schedule passes every rule while nothing is broken."""
    if mutant.promises:
        return _faultless(_judged(replace(mutant, trace=None), mutant.ground))
    return _passes(mutant.schedule)


@cache
def _passes(name: str) -> bool:
    return _faultless(judged(_performed(name, None), load_profile("reference")))


def _faultless(judgement: Judgement) -> bool:
    return judgement.verdict is Verdict.PASS


def _performed(name: str, sabotage: Sabotage | None) -> Records:
    return [json.loads(line) for line in virtual_trace(schedule(name), sabotage)]


def _judged(mutant: Mutant, sabotage: Sabotage | None) -> Judgement:
    header, *records = _performed(mutant.schedule, sabotage)
    if mutant.trace is not None:
        records = mutant.trace(records)
    profile = load_profile("reference").model_copy(update=dict(mutant.promises))
    return judged([header, *records], profile)


def judged(lines: Records, profile: Profile) -> Judgement:
    """A trace in memory, its header first."""
    return judge_history(history_of(lines[1:], lines[0]), profile)
