"""How long news takes to everybody else: from IN and from LIVE to ADD, from logout to DEL. From the same pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.contract.check import Hooks
from harness.contract.presence import Presence
from harness.contract.truth import Fact
from harness.contract.verdict import RuleOutcome
from harness.measure.histogram import Histogram
from harness.trace.record import Record

if TYPE_CHECKING:
    from harness.contract.world import World

USER_ADDED, STREAM_ADDED, USER_DELETED, STREAM_DELETED = (
    "in_to_user_add_ms", "live_to_stream_add_ms", "logout_to_user_del_ms", "end_to_stream_del_ms",
)  # fmt: skip
PERCENTILES = (50, 95, 99)


class Propagation(Hooks):
    """Only what happened while the observer was there counts; the bytes' time, not the handler's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found = {name: Histogram() for name in (USER_ADDED, STREAM_ADDED, USER_DELETED, STREAM_DELETED)}

    def users(self, presence: Presence, record: Record) -> None:
        for item in record.args.items:
            fact = presence.room.users.current.get(item.id)
            if fact is not None:
                known = presence.users.get(item.id)
                self._note(presence, record, fact, known, USER_ADDED, USER_DELETED)

    def streams(self, presence: Presence, record: Record) -> None:
        for item in record.args.items:
            known = presence.streams.get(item.id)
            owner = item.user or (known[0].user if known is not None else "")
            fact = presence.room.streams.current.get(presence.room.stream_key(item.id, owner))
            if fact is not None:
                self._note(presence, record, fact, known[1] if known else None, STREAM_ADDED, STREAM_DELETED)

    def _note(
        self, presence: Presence, record: Record, fact: Fact, known: Record | None, added: str, deleted: str
    ) -> None:
        at, end = record.t_wire or record.t, fact.end
        if record.args.op == "ADD":
            if fact.holds and fact.must_from is not None and presence.steady(fact.must_from):
                self._add(added, at - fact.must_from)
            elif fact.must_from is None and presence.steady(fact.may_from):
                self._add(added, 0.0)  # it was told before its owner's own callback was
            return
        by_will = end is not None and fact.cause in ("logout", "unpublish")
        if by_will and end is not None and known is not None and known.t < end.t and presence.steady(end.t):
            self._add(deleted, at - end.t)

    def _add(self, name: str, seconds: float) -> None:
        self._found[name].record(max(0.0, seconds * 1000))

    def figures(self, outcomes: dict[str, RuleOutcome]) -> dict[str, Any]:
        """By name: count and percentiles in ms; lost and stale: elements never added, and never deleted, in time."""
        figures: dict[str, Any] = {}
        for name, histogram in self._found.items():
            if histogram.count:
                shares = {f"p{p}": histogram.percentile(p) for p in PERCENTILES}
                figures[name] = {"count": histogram.count, **shares, "max": histogram.max}
        figures["lost"] = sum(outcomes[rule].count for rule in ("LV-02", "LV-03") if rule in outcomes)
        figures["stale"] = sum(outcomes[rule].count for rule in ("LV-04",) if rule in outcomes)
        return figures
