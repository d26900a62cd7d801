"""TD: the end of a room, and of an engine. Judged apart from behaviour."""

from __future__ import annotations

from collections.abc import Collection

from harness.contract.check import Check
from harness.contract.presence import Client, Presence
from harness.contract.rule import MUST, Rule
from harness.contract.truth import Fact
from harness.trace.record import Record

QUALITY = frozenset(("pub.quality", "play.quality"))


class LogoutEnds(Check):
    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name == "logout" and presence is not None and presence.inside and client.fault is None:
            self.later(self.world.now + self.profile.deadlines.call, self._look, presence, record)

    def _look(self, presence: Presence, call: Record) -> None:
        client = presence.client
        if client.fault is not None or client.crashed is not None or client.destroyed is not None:
            return
        self.judged()
        ended = presence.ended
        if presence.open or ended is None:
            self.broken(
                "logout ends in OUT", f"its state is {presence.state}", [call, presence.changed], presence.subject()
            )

    def left(self, presence: Presence, record: Record) -> None:
        if record.args.state == "OUT":
            self.judged()

    def stray(self, record: Record, client: Client | None, presence: Presence | None) -> None:
        if client is None or client.destroyed or client.crashed or presence is None or presence.ended is None:
            return
        if presence.state != "OUT" or record.name in QUALITY:
            return  # RS-07, TD-02
        self.broken(
            f"after {presence.state} nothing more comes of the room until the next login", record.name,
            [presence.ended], presence.subject(), guilty=record,
        )  # fmt: skip


class MediaRests(Check):
    def left(self, presence: Presence, record: Record) -> None:
        if record.args.state in ("OUT", "KICKED"):
            self.later(self.world.now + self.profile.deadlines.teardown, self._look, presence, record)

    def _look(self, presence: Presence, ended: Record) -> None:
        if presence.client.destroyed is not None or presence.client.crashed is not None:
            return
        self.judged()
        for what, machines in (("publishing", presence.pubs), ("playing", presence.plays)):
            for machine in machines.values():
                if machine.state != "IDLE" and machine.record is not None and machine.record.t <= ended.t:
                    self.broken(
                        f"after {ended.args.state} {what} ends in IDLE", f"{machine.stream} is {machine.state}",
                        [machine.record, ended], presence.subject(stream=machine.stream),
                    )  # fmt: skip
        self._other_rooms(presence, ended)

    def _other_rooms(self, presence: Presence, ended: Record) -> None:
        for other in presence.client.rooms.values():
            changed = other.ended
            if other is presence or changed is None or changed.t < ended.t or other.entered is None:
                continue
            causeless = not any(f.cause not in ("kick", "failed", "logout") or f.end is not changed
                                for f in other.room.users.of(presence.client.user) if f.owner is other)  # fmt: skip
            if causeless and changed.args.state == ended.args.state:
                self.broken(
                    f"the end of room {presence.room.name} leaves room {other.room.name} alone",
                    f"{changed.args.state} there too", [ended], other.subject(), guilty=changed,
                )  # fmt: skip

    def stray(self, record: Record, client: Client | None, presence: Presence | None) -> None:
        if record.name not in QUALITY or client is None or client.destroyed or client.crashed:
            return
        if presence is not None and presence.ended is not None:
            self.broken(
                "quality callbacks stop with the room", record.name, [presence.ended], presence.subject(), guilty=record
            )


class NothingAfterDestroy(Check):
    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name == "destroy" and client.destroyed is None:
            self.later(self.world.now + self.profile.deadlines.teardown, self._silent, client)

    def _silent(self, client: Client) -> None:
        self.judged()

    def stray(self, record: Record, client: Client | None, presence: Presence | None) -> None:
        if client is not None and client.destroyed is not None:
            self.broken(
                "after destroy no callback comes", record.name, [client.destroyed],
                {"client": client.name, "room": record.room}, guilty=record,
            )  # fmt: skip

    def entered(self, presence: Presence, fact: Fact) -> None:
        """With a new engine of a user whose last one was destroyed."""
        clients = self.world.by_user.get(presence.client.user, {}).values()
        destroyed = [client.destroyed for client in clients if client.destroyed is not None]
        login, room = presence.login, presence.room
        if not destroyed or login is None:
            return
        due: list[list[Fact]] = []
        for facts in (room.users, room.streams):
            others = [each for each in facts.current.values() if each.user != presence.client.user]
            due.append([each for each in others if each.holds and each.older_than(login)])
        self.later(self.world.now + self.world.propagation, self._hears, presence, due, fact.since, destroyed[-1])

    def _hears(self, presence: Presence, due: list[list[Fact]], entered: Record, destroyed: Record) -> None:
        if not presence.steady(entered.t):
            return
        self.judged()
        views: tuple[tuple[str, Collection[str], bool], ...] = (
            ("roster.users", presence.users, presence.user_updates), ("roster.streams", presence.streams, True),
        )  # fmt: skip
        for (name, view, wanted), facts in zip(views, due, strict=True):
            names = {fact.key.partition("\n")[0] for fact in facts if fact.holds}
            if wanted and names and not names & set(view):
                self.broken(
                    "a new engine's callbacks work", f"no {name} came of what was there", [destroyed, entered],
                    presence.subject(),
                )  # fmt: skip

    def gone(self, fact: Fact) -> None:
        if fact.cause == "destroy" and fact.end is not None:
            self.later(self.world.now + self.world.propagation, self._others_know, fact, fact.end)

    def _others_know(self, fact: Fact, destroyed: Record) -> None:
        for observer in fact.owner.room.observers(destroyed.t, fact.user):
            self.judged()
            added = observer.users.get(fact.user)
            if observer.user_updates and added is not None and added.t < destroyed.t:
                self.broken(
                    f"the others hear that {fact.user} has gone", "nothing came", [added, destroyed],
                    observer.subject(user=fact.user),
                )  # fmt: skip


RULES = (
    Rule(
        "TD-01", MUST,
        "Logout ends in OUT within the call deadline, and then nothing more comes of the room until the next login.",
        "Callbacks of a room that was left reach objects that are gone.",
        "ZegoExpressInterface.h, logoutRoom", LogoutEnds,
    ),
    Rule(
        "TD-02", MUST,
        "After OUT or KICKED all publishing and playing of the room is IDLE soon, and other rooms are left alone.",
        "A camera that stays on after the call.",
        "ZegoExpressInterface.h, logoutRoom; ZEGO release notes (web 2.11.0)", MediaRests,
    ),
    Rule(
        "TD-03", MUST,
        "After destroy no callback comes, the others are told, and a new engine's callbacks work.",
        "A callback into a destroyed engine is a crash.",
        "ZegoExpressInterface.h, destroyEngine; ZEGO release notes (windows 1.9.0)", NothingAfterDestroy,
    ),
)  # fmt: skip
