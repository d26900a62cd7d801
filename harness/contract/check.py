"""The check of one rule over one trace: it overrides the hooks it needs and says what it judged and what was broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.contract.presence import Client, Machine, Outage, Presence
from harness.contract.room import Room
from harness.contract.rule import MUST, SHOULD, Rule
from harness.contract.truth import Fact
from harness.contract.verdict import RuleOutcome, Verdict, Violation
from harness.trace.record import Record

if TYPE_CHECKING:
    from harness.contract.world import World

KEPT = 20  # violations of a rule kept with their proof; all are counted


class Hooks:
    """What a check may hear. Records are heard before the world takes them in, facts after they have changed."""

    def call(self, record: Record, client: Client, presence: Presence | None) -> None: ...
    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None: ...
    def unasked(self, record: Record, client: Client) -> None:
        """A result of no call that waits for one: of none at all, or of one that has its result already."""

    def fault(self, record: Record, client: Client) -> None: ...
    def mark(self, record: Record) -> None: ...
    def stray(self, record: Record, client: Client | None, presence: Presence | None) -> None:
        """A callback of a room in which the client has no open epoch, or after it was destroyed."""

    def state(self, presence: Presence, record: Record, before: str) -> None: ...
    def users(self, presence: Presence, record: Record) -> None: ...
    def streams(self, presence: Presence, record: Record) -> None: ...
    def publishing(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def playing(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def publish_first(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def play_first(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def publish_quality(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def play_quality(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def network_quality(self, client: Client, record: Record) -> None: ...
    def stall(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def device(self, presence: Presence, record: Record, machine: Machine) -> None: ...
    def count(self, presence: Presence, record: Record) -> None: ...
    def room_extra(self, presence: Presence, record: Record) -> None: ...
    def stream_extra(self, presence: Presence, record: Record) -> None: ...
    def token(self, presence: Presence, record: Record) -> None: ...
    def message(self, presence: Presence, record: Record) -> None: ...

    def entered(self, presence: Presence, fact: Fact) -> None:
        """IN: the user must be known from now on."""

    def left(self, presence: Presence, record: Record) -> None:
        """A terminal state ended the epoch."""

    def gone(self, fact: Fact) -> None:
        """Something began that ends a user's presence; fact.cause says what."""

    def live(self, fact: Fact) -> None:
        """A stream is live, for the first time or again."""

    def ended(self, fact: Fact) -> None:
        """Something began that ends a stream; fact.cause says what."""

    def cut_off(self, outage: Outage) -> None: ...
    def returned(self, outage: Outage) -> None: ...
    def quiet(self, room: Room) -> None:
        """Nothing has happened in the room for the time news may take."""

    def finish(self) -> None:
        """The trace is over."""


HOOK_NAMES = tuple(name for name in vars(Hooks) if not name.startswith("_"))


class Check(Hooks):
    """severity: the rule's, or what the profile makes of it."""

    def __init__(self, rule: Rule, world: World, severity: str) -> None:
        self.rule = rule
        self.world = world
        self.profile = world.profile
        self.severity = severity
        self.exercised = 0
        self._broken = {MUST: 0, SHOULD: 0}
        self._violations: list[Violation] = []
        self.crash = ""
        self.begin()

    def begin(self) -> None:
        """Set up what the check remembers."""

    def judged(self, times: int = 1) -> None:
        """The rule had something to judge, whatever came of it."""
        self.exercised += times

    def broken(
        self,
        expected: str,
        came: str,
        witness: Sequence[Record | None],
        subject: dict[str, str],
        *,
        guilty: Record | None = None,
        should: bool = False,
    ) -> None:
        """One breach. guilty: the record that should not be; None when what is wrong is that nothing came."""
        self._broken[SHOULD if should or self.severity == SHOULD else MUST] += 1
        if len(self._violations) < KEPT:
            records = {record.line: record for record in (*witness, guilty) if record is not None}
            proof = tuple(sorted(records.values(), key=lambda record: (record.t, record.line)))
            line = guilty.line if guilty is not None else 0
            self._violations.append(Violation(self.rule.id, self.world.now, expected, came, proof, line, subject))

    def later(self, due: float, action: Any, *arguments: Any) -> None:
        """Look again when the trace has come to `due`."""
        self.world.timers.at(due, action, *arguments)

    def outcome(self) -> RuleOutcome:
        count = sum(self._broken.values())
        reason = ""
        if self.crash:
            verdict, reason = Verdict.UNKNOWN, self.crash
        elif self._broken[MUST]:
            verdict = Verdict.FAIL
        elif self._broken[SHOULD]:
            verdict = Verdict.NON_STRICT
        elif self.exercised:
            verdict = Verdict.PASS
        else:
            verdict, reason = Verdict.NOT_EXERCISED, "nothing in the trace called for it"
        return RuleOutcome(self.rule.id, verdict, self.exercised, count, self._violations, reason)
