"""How long news takes to everybody else: from IN and from LIVE to ADD, from logout to DEL. From the same pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.contract.check import Hooks
from harness.contract.presence import Presence
from harness.contract.truth import Fact
from harness.measure.histogram import Histogram
from harness.trace.record import Record

if TYPE_CHECKING:
    from harness.contract.world import World

USER_ADDED, USER_DELETED = "user_added_ms", "user_deleted_ms"
STREAM_ADDED, STREAM_DELETED = "stream_added_ms", "stream_deleted_ms"
NAMES = (USER_ADDED, STREAM_ADDED, USER_DELETED, STREAM_DELETED)
PERCENTILES = (50, 95, 99)

News = dict[tuple[str, str], Histogram]  # by name and room, in ms


class Propagation(Hooks):
    """Only what happened while the observer was there counts; the bytes' time, not the handler's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.news: News = {}

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
        at, end, room = record.t_wire or record.t, fact.end, presence.room.name
        if record.args.op == "ADD":
            if fact.holds and fact.must_from is not None and presence.steady(fact.must_from):
                self._add(added, room, at - fact.must_from)
            elif fact.must_from is None and presence.steady(fact.may_from):
                self._add(added, room, 0.0)  # it was told before its owner's own callback was
            return
        by_will = end is not None and fact.cause in ("logout", "unpublish")
        if by_will and end is not None and known is not None and known.t < end.t and presence.steady(end.t):
            self._add(deleted, room, at - end.t)

    def _add(self, name: str, room: str, seconds: float) -> None:
        histogram = self.news.get((name, room))
        if histogram is None:
            histogram = self.news[name, room] = Histogram()
        histogram.record(max(0.0, seconds * 1000))


def figures(news: News) -> dict[str, Any]:
    """By name, over all rooms: count and percentiles in ms."""
    found: dict[str, Any] = {}
    for name in NAMES:
        whole = Histogram()
        for (of, _), histogram in news.items():
            if of == name:
                whole.merge(histogram)
        if whole.count:
            shares = {f"p{q}": whole.percentile(q) for q in PERCENTILES}
            found[name] = {"count": whole.count, **shares, "max": whole.max}
    return found
