"""Looks for schedules that break a rule: many are made up and performed on virtual time, and what is found is shrunk.

The same seed tries the same schedules in the same order; a limit of time only ends that sequence earlier.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from harness.conform.choice import Choice
from harness.conform.examination import CRASH, Examined, Examiner
from harness.conform.generation import schedules
from harness.conform.run import Sabotage
from harness.conform.schedule import Schedule
from harness.conform.simplification import simpler, size

BATCH = 1000  # schedules of one run of Hypothesis, which remembers all of them
SHRINKING = 25.0  # seconds at most to make one finding smaller
_BATCHES = 1_000_003  # more than any search has


class _Broken(Exception):
    """What was looked for was found; at last, in the smallest schedule that Hypothesis comes to."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__("found")
        self.schedule = schedule


class _Over(BaseException):
    """There is no time left; not an error that Hypothesis would take for a finding."""


@dataclass(frozen=True)
class Search:
    """What to look for. seconds, schedules: when to stop, None for never. findings: stop after so many, None for all.

    rules: only these, all for none. strict: a broken SHOULD counts too.
    """

    seconds: float | None = 60.0
    schedules: int | None = None
    findings: int | None = 1
    seed: int = 0
    choice: Choice = field(default_factory=Choice)
    rules: tuple[str, ...] = ()
    strict: bool = False
    sabotage: Sabotage | None = None


@dataclass(frozen=True)
class Found:
    """The smallest schedule that breaks `rule`, and what its examination said.

    rule: CRASH when the service, the engine or the driver itself failed, or a check. tried: schedules until the first
    that broke it, after `seconds`; shrunk: schedules tried to make it smaller.
    """

    rule: str
    schedule: Schedule
    examined: Examined
    tried: int
    seconds: float
    shrunk: int

    @property
    def also(self) -> tuple[str, ...]:
        """What else it breaks."""
        return tuple(rule for rule in self.examined.broken if rule != self.rule)


@dataclass(frozen=True)
class Progress:
    """shrinking: what was found and is being made smaller, if anything."""

    tried: int
    seconds: float
    shrinking: str = ""

    @property
    def per_minute(self) -> float:
        return 60 * self.tried / self.seconds if self.seconds else 0.0


OnProgress = Callable[[Progress], None]
OnFound = Callable[[Found], None]


class Explorer:
    """run() once. What was found until then stands in `found`, whatever ends the search; Ctrl-C passes through."""

    def __init__(
        self,
        search: Search,
        on_progress: OnProgress = lambda progress: None,
        on_found: OnFound = lambda found: None,
    ) -> None:
        self.found: list[Found] = []
        self.tried = 0
        self._search = search
        self._on_progress, self._on_found = on_progress, on_found
        self._known: set[str] = set()  # rules that need not be found again, and places of crashes
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def run(self) -> list[Found]:
        self._begun = time.monotonic()
        batch = 0
        while not self._over():
            hunt = _Hunt(self, self._search, self._known)
            try:
                hunt.run(batch, self._left())
            except _Over:
                pass
            finally:
                if hunt.best is not None:
                    self._keep(hunt.result())
            batch += 1
        return self.found

    def _left(self) -> int:
        """Schedules that may still be tried in one batch."""
        most = self._search.schedules
        return BATCH if most is None else min(BATCH, most - self.tried)

    def _over(self) -> bool:
        search = self._search
        return (
            (search.seconds is not None and self.seconds >= search.seconds)
            or (search.schedules is not None and self.tried >= search.schedules)
            or (search.findings is not None and len(self.found) >= search.findings)
        )

    def try_next(self) -> None:
        """Count one more. Raises _Over when there is no time for it."""
        if self._over():
            raise _Over
        self.tried += 1
        self._on_progress(Progress(self.tried, self.seconds))

    def shrinking(self, rule: str) -> None:
        self._on_progress(Progress(self.tried, self.seconds, rule))

    def _keep(self, found: Found) -> None:
        self.found.append(found)
        self._known.update(found.examined.broken if found.rule != CRASH else (found.examined.where,))
        self._on_found(found)


class _Hunt:
    """One run of Hypothesis: until something is found that is not known, and that as small as it gets."""

    def __init__(self, explorer: Explorer, search: Search, known: set[str]) -> None:
        self._explorer, self._search, self._known = explorer, search, known
        self._examiner = Examiner(rules=search.rules, strict=search.strict, sabotage=search.sabotage)
        self._seen: dict[str, bool] = {}  # by the steps
        self._target = self._where = ""
        self._found_at = self._until = 0.0
        self._tried = self._shrunk = 0
        self.best: Schedule | None = None

    def run(self, batch: int, most: int) -> None:
        """Raises _Over when the time is over."""

        @seeded(self._search.seed * _BATCHES + batch)
        @settings(
            max_examples=most,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        @given(schedules(self._search.choice))
        def hunt(schedule: Schedule) -> None:
            if self._breaks(schedule):
                raise _Broken(schedule)

        try:
            hunt()
        except _Broken as found:
            self._polish(found.schedule)

    def _breaks(self, schedule: Schedule) -> bool:
        if self.best is None:
            return self._search_in(schedule)
        return self._still_breaks(schedule)

    def _search_in(self, schedule: Schedule) -> bool:
        self._explorer.try_next()
        examined = self._examiner.examine(schedule)
        new = [rule for rule in examined.broken if self._name(rule, examined) not in self._known]
        if not new:
            return False
        self._target, self._where = new[0], examined.where
        self._tried, self._found_at = self._explorer.tried, self._explorer.seconds
        self._until = time.monotonic() + SHRINKING
        self._narrow()
        self._note(schedule, True)
        return True

    @staticmethod
    def _name(rule: str, examined: Examined) -> str:
        return examined.where if rule == CRASH else rule

    def _narrow(self) -> None:
        """From here on only what was found matters."""
        if self._target != CRASH:
            self._examiner = Examiner(rules=(self._target,), strict=self._search.strict, sabotage=self._search.sabotage)

    def _still_breaks(self, schedule: Schedule) -> bool:
        """Whether it breaks what the first one broke; each schedule is performed once."""
        known = self._seen.get(repr(schedule.steps))
        if known is not None:
            return known
        if time.monotonic() > self._until:
            raise _Over
        self._shrunk += 1
        self._explorer.shrinking(self._target)
        examined = self._examiner.examine(schedule)
        breaks = self._target in examined.broken and (self._target != CRASH or examined.where == self._where)
        self._note(schedule, breaks)
        return breaks

    def _note(self, schedule: Schedule, breaks: bool) -> None:
        self._seen[repr(schedule.steps)] = breaks
        if breaks and (self.best is None or size(schedule) < size(self.best)):
            self.best = schedule

    def _polish(self, last: Schedule) -> None:
        """What Hypothesis left: it shrinks by the numbers drawn, this by what they mean."""
        if self.best is None or size(last) <= size(self.best):
            self.best = last
        shrunk = True
        while shrunk and self.best is not None:
            shrunk = any(size(each) < size(self.best) and self._still_breaks(each) for each in simpler(self.best))

    def result(self) -> Found:
        assert self.best is not None
        search = self._search
        examined = Examiner(rules=search.rules, strict=search.strict, sabotage=search.sabotage).examine(self.best)
        return Found(self._target, self.best, examined, self._tried, self._found_at, self._shrunk)
