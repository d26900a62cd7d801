"""Judges a trace: one pass, every promised rule watching it, and a verdict for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.contract.catalogue import RULES, promised, select
from harness.contract.check import HOOK_NAMES, Check, Hooks
from harness.contract.profile import Profile
from harness.contract.propagation import Propagation, figures
from harness.contract.rule import SHOULD
from harness.contract.verdict import Judgement, Problem, RuleOutcome, Verdict
from harness.contract.world import World
from harness.trace.history import History, open_history
from harness.trace.record import Record

Listener = Callable[..., None]


class Judge:
    """feed() every record in order of time, then conclude(). header: the trace's, for clocks and parameters."""

    def __init__(
        self, profile: Profile, header: dict[str, Any], *, rules: tuple[str, ...] = (), strict: bool = False
    ) -> None:
        parameters = header.get("parameters")
        self.profile = profile.with_parameters(parameters) if isinstance(parameters, dict) else profile
        self._strict = strict
        self._epsilon = max(0.0, _number(header.get("epsilon_us"))) / 1_000_000
        self._hooks: dict[str, list[Listener]] = {name: [] for name in HOOK_NAMES}
        self._world = World(self.profile, self._hooks, self._epsilon)
        self._world.crashed = self._crashed
        if "started_unix" in header and "started" in header:
            self._world.unix_offset = _number(header["started"]) - _number(header["started_unix"])
        self._selected = select(rules)
        stands = promised(self.profile)
        self._checks: dict[str, Check] = {}
        for rule in self._selected:
            if rule in stands:
                severity = SHOULD if stands[rule] else RULES[rule].severity
                check = self._checks[rule] = RULES[rule].check(RULES[rule], self._world, severity)
                self._listen(check)
        self._propagation = Propagation(self._world)
        self._listen(self._propagation)

    def _listen(self, listener: Hooks) -> None:
        for name in HOOK_NAMES:
            if getattr(type(listener), name) is not getattr(Hooks, name):
                self._hooks[name] = [*self._hooks[name], getattr(listener, name)]

    @property
    def feed(self) -> Callable[[Record], None]:
        """Takes the next record."""
        return self._world.feed

    def _crashed(self, listener: Listener, error: Exception, record: Record | None) -> None:
        """A check that fails is out, and its rule is unknown; what the world itself cannot take is not hidden."""
        check = getattr(listener, "__self__", None)
        if not isinstance(check, Hooks):
            raise error
        where = f" at line {record.line}" if record is not None else ""
        reason = f"the check failed{where}: {type(error).__name__}: {error}"
        if isinstance(check, Check):
            check.crash = check.crash or reason
        for name, listeners in self._hooks.items():
            self._hooks[name] = [each for each in listeners if getattr(each, "__self__", None) is not check]

    def conclude(self, problems: Iterable[Problem] = (), *, whole: bool = True) -> Judgement:
        """The verdicts. problems: what kept the trace from being read. whole: all before its end was read, in order;
        if not, a breach may be of the trace's making, and is no verdict."""
        world = self._world
        world.run_timers(world.now + 1e-9)
        world.tell("finish", None)
        found = list(problems)
        outcomes = {rule: self._outcome(rule) for rule in self._selected}
        if not whole:
            _doubt(outcomes, found)
        if not world.records and not found:
            found.append(Problem(0, "the trace has no records"))
        seconds = world.now - world.first if world.first is not None else 0.0
        judgement = Judgement(
            self.profile.name, outcomes, found, self._strict, world.records, seconds, round(self._epsilon * 1e6)
        )
        judgement.news = self._propagation.news
        judgement.propagation = {**figures(judgement.news), "lost": judgement.lost, "stale": judgement.stale}
        return judgement

    def _outcome(self, rule: str) -> RuleOutcome:
        check = self._checks.get(rule)
        if check is None:
            reason = f"profile {self.profile.name} does not promise it"
            return RuleOutcome(rule, Verdict.UNIMPLEMENTED, reason=reason)
        return check.outcome()


def _doubt(outcomes: dict[str, RuleOutcome], problems: list[Problem]) -> None:
    where = f" (line {problems[0].line})" if problems else ""
    for outcome in outcomes.values():
        if outcome.verdict in (Verdict.FAIL, Verdict.NON_STRICT):
            outcome.verdict = Verdict.UNKNOWN
            outcome.reason = f"records are missing or out of order{where}: the breach may be the trace's"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def judge_history(
    history: History, profile: Profile, *, rules: tuple[str, ...] = (), strict: bool = False
) -> Judgement:
    """Judge a whole trace. Raises ProfileError when its parameters make no sense, UnknownRuleError."""
    judging = Judge(profile, history.header, rules=rules, strict=strict)
    feed = judging.feed
    for record in history:
        feed(record)
    problems = [Problem(line, text) for line, text in history.problems]
    more = history.problem_count - len(problems)
    if more > 0:
        problems.append(Problem(0, f"and {more} more"))
    return judging.conclude(problems, whole=history.whole)


def judge_file(path: Path, profile: Profile, *, rules: tuple[str, ...] = (), strict: bool = False) -> Judgement:
    """Judge a trace file. Raises TraceError when it is none, ProfileError, UnknownRuleError."""
    return judge_history(open_history(path), profile, rules=rules, strict=strict)
