"""What is true, as far as a trace can tell: intervals in which a fact must, and in which it may, hold.

must: from the moment its owner was told of success to the start of whatever can end it. may: from the start of the
call that can make it true to the last moment it can still be. Completeness is judged by must, soundness by may.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.trace.record import Record

if TYPE_CHECKING:
    from harness.contract.presence import Presence

_BY_OTHERS = ("relogin", "kick")
_REST = 8  # doubts that are kept beside the first


class Fact:
    """A user is in a room, or a stream of theirs is live. `cause` names what ended must: logout, unpublish, kick,
    relogin, crash, outage, destroy, expiry, retry or failed."""

    __slots__ = (
        "begin",
        "cause",
        "end",
        "key",
        "may_from",
        "may_until",
        "must_from",
        "must_until",
        "owner",
        "rest",
        "since",
        "user",
    )

    def __init__(self, key: str, user: str, owner: Presence, begin: Record) -> None:
        self.key = key
        self.user = user
        self.owner = owner
        self.begin = begin
        self.may_from = begin.t
        self.may_until: float | None = None
        self.must_from: float | None = None
        self.must_until: float | None = None
        self.since: Record | None = None
        self.end: Record | None = None
        self.cause = ""
        self.rest: tuple[tuple[Record, str, float | None], ...] = ()  # what else began that can end it

    def older_than(self, call: Record | None) -> bool:
        """It was so before that call; of a login that was under way then, nobody can tell which came first."""
        return call is not None and self.must_from is not None and self.must_from <= call.t

    @property
    def holds(self) -> bool:
        """It must be true now."""
        return self.must_from is not None and self.must_until is None

    def confirm(self, record: Record) -> None:
        """Its owner was told of success, again or for the first time.

        What others began meanwhile to put it out can still come after that.
        """
        begun = self.must_from is None and self.cause in _BY_OTHERS
        self.must_from, self.since = record.t, record
        if begun:
            return
        self.must_until = self.may_until = self.end = None
        self.cause, self.rest = "", ()

    def doubt(self, record: Record, cause: str, may_until: float | None = None) -> None:
        """Something began that can end it. The first such thing counts."""
        if self.must_until is None:
            self.must_until, self.end, self.cause = record.t, record, cause
        elif record is not self.end and len(self.rest) < _REST:
            self.rest = (*self.rest, (record, cause, may_until))
        if may_until is not None and (self.may_until is None or may_until < self.may_until):
            self.may_until = may_until

    def stand(self) -> None:
        """What could have ended it did not; what else began meanwhile still can."""
        self.must_until = self.may_until = self.end = None
        rest, self.cause, self.rest = self.rest, "", ()
        for record, cause, may_until in rest:
            self.doubt(record, cause, may_until)

    def ended_by(self, cause: str) -> bool:
        """Something of that kind began, be it the first or not."""
        return self.cause == cause or any(each == cause for _, each, _ in self.rest)

    def withdraw(self, record: Record) -> None:
        """What this began is not to be: it was refused."""
        if self.end is record:
            self.stand()
        elif self.rest:
            self.rest = tuple(doubt for doubt in self.rest if doubt[0] is not record)

    def may(self, now: float, late: float) -> bool:
        """It may be true at `now`, or was so recently that news of it can still be under way for `late` seconds."""
        return self.may_until is None or now <= self.may_until + late

    def over(self, before: float) -> bool:
        """It ended before then, and cannot come back: an outage can, while its client tries to."""
        returns = self.cause == "outage" and self.owner.open
        return self.may_until is not None and self.may_until < before and not returns


class Facts:
    """Facts of one kind in one room: the current one of each key, and recent ones that others may still hear of."""

    __slots__ = ("current", "past")

    def __init__(self) -> None:
        self.current: dict[str, Fact] = {}
        self.past: dict[str, list[Fact]] = {}

    def begin(self, fact: Fact) -> None:
        earlier = self.current.get(fact.key)
        if earlier is not None:
            self.past.setdefault(fact.key, []).append(earlier)
        self.current[fact.key] = fact

    def restore(self, fact: Fact) -> None:
        """The current fact never came about; what it was to replace stands, if anything does."""
        if self.current.get(fact.key) is not fact:
            return
        waiting = [old for old in self.past.get(fact.key, ()) if old.may_until is None]
        if waiting:
            self.past[fact.key].remove(waiting[-1])
            self.past[fact.key].append(fact)
            self.current[fact.key] = waiting[-1]

    def of(self, key: str) -> Iterator[Fact]:
        current = self.current.get(key)
        if current is not None:
            yield current
        yield from self.past.get(key, ())

    def may(self, key: str, now: float, late: float) -> bool:
        current = self.current.get(key)
        if current is not None and current.may(now, late):
            return True
        return any(fact.may(now, late) for fact in self.past.get(key, ()))

    def holds(self, key: str) -> bool:
        current = self.current.get(key)
        return current is not None and current.holds

    def forget(self, before: float) -> None:
        """Drop what ended so long ago that no news of it can come any more."""
        for key, facts in tuple(self.past.items()):
            kept = [fact for fact in facts if not fact.over(before)]
            if kept:
                self.past[key] = kept
            else:
                del self.past[key]
        for key, fact in tuple(self.current.items()):
            if fact.over(before):
                del self.current[key]
