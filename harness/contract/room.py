"""One room as the trace shows it: who must and may be in it, which streams, who observes, what was set and sent."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contract.presence import Outage, Presence
from harness.contract.truth import Fact, Facts
from harness.trace.record import Record


class Room:
    """users by user id; streams by stream id and user id joined with a line break, which neither can hold."""

    __slots__ = (
        "active_at",
        "emptied_at",
        "extras",
        "name",
        "outages",
        "presences",
        "publishers",
        "quiet_due",
        "session",
        "streams",
        "users",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.users = Facts()
        self.streams = Facts()
        self.publishers: dict[str, set[str]] = {}  # stream: users who published one of this id
        self.presences: dict[str, Presence] = {}  # of clients that are inside, by client name
        self.outages: dict[str, Outage] = {}  # by user
        self.session: tuple[str, Record] | None = None
        self.emptied_at: float | None = None
        self.active_at = 0.0  # the last call, result, fault or change of state
        self.quiet_due = False
        self.extras: dict[str, Record] = {}  # key: the call that set it last and succeeded

    @staticmethod
    def stream_key(stream: str, user: str) -> str:
        return f"{stream}\n{user}"

    def observers(self, since: float, user: str) -> Iterator[Presence]:
        """Those who must have heard of something about `user` that happened at `since`."""
        for presence in self.presences.values():
            if presence.client.user != user and presence.steady(since):
                yield presence

    def stream_facts(self, stream: str) -> list[Fact]:
        """Of a stream id, whoever published it; the latest last."""
        users = self.publishers.get(stream, ())
        found = [fact for user in users for fact in self.streams.of(self.stream_key(stream, user))]
        if len(found) > 1:
            found.sort(key=lambda fact: fact.may_from)
        return found

    def publish(self, fact: Fact, stream: str) -> None:
        self.publishers.setdefault(stream, set()).add(fact.user)
        self.streams.begin(fact)

    def forget(self, before: float) -> None:
        """Drop what ended so long ago that no news of it can come any more."""
        self.users.forget(before)
        self.streams.forget(before)
        for stream, users in tuple(self.publishers.items()):
            if not any(True for user in users for _ in self.streams.of(self.stream_key(stream, user))):
                del self.publishers[stream]
