"""XC: what clients are told of each other has causes, and they agree."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import Machine, Presence
from harness.contract.room import Room
from harness.contract.rule import MUST, SHOULD, Rule
from harness.contract.truth import Fact
from harness.trace.record import Record

States = list[tuple[Fact, Record | None]]  # facts, and since when they hold


class NoEffectWithoutCause(Check):
    """Of users."""

    def users(self, presence: Presence, record: Record) -> None:
        self.judged()
        for item in record.args.items:
            if record.args.op == "DEL":
                self._deleted(presence, record, item.id)
            else:
                self._added(presence, record, item.id)

    def _added(self, presence: Presence, record: Record, user: str) -> None:
        world, facts = self.world, list(presence.room.users.of(user))
        late = world.propagation + world.slack
        if any(fact.may(record.t, late) and fact.may_from <= record.t + world.epsilon for fact in facts):
            return
        if not presence.unbroken(record.t, late):
            return  # it may be old news
        self.broken(
            "a user is added who is in the room, or can be", f"{user} is not",
            [facts[-1].end] if facts else [], presence.subject(user=user), guilty=record,
        )  # fmt: skip

    def _deleted(self, presence: Presence, record: Record, user: str) -> None:
        added = presence.users.get(user)
        if added is None:
            return  # RO-04
        facts = list(presence.room.users.of(user))
        caused = any(fact.must_until is not None or fact.must_from is None for fact in facts)
        if facts and not caused and user not in presence.room.outages and not _lately(facts, added, self.world.slack):
            due = self.world.now + self.profile.deadlines.teardown
            self.later(due, self._look, presence, record, _states(facts), added, user)

    def _look(self, presence: Presence, record: Record, facts: States, added: Record, user: str) -> None:
        if _unchanged(facts):
            self.broken(
                "a user is deleted after a logout, a kick, another login or a fault", f"{user} did none of it",
                [facts[0][1], added], presence.subject(user=user), guilty=record,
            )  # fmt: skip


def _states(facts: list[Fact]) -> States:
    return [(fact, fact.since) for fact in facts]


def _unchanged(facts: States) -> bool:
    """What ends something may be told to its owner a little later than to the others: here nothing was."""
    return all(fact.since is since and fact.must_until is None for fact, since in facts)


def _lately(facts: list[Fact], added: Record, slack: float) -> bool:
    """The fact began anew after the entry that is deleted: the delete is of what was before."""
    return any(fact.may_from > added.t - slack for fact in facts)


class StreamsHaveCauses(Check):
    def streams(self, presence: Presence, record: Record) -> None:
        self.judged()
        for item in record.args.items:
            if record.args.op == "DEL":
                self._deleted(presence, record, item.id)
            else:
                self._added(presence, record, item.id, item.user)

    def _added(self, presence: Presence, record: Record, stream: str, user: str) -> None:
        world, room = self.world, presence.room
        late = world.propagation + world.slack
        facts = list(room.streams.of(room.stream_key(stream, user)))
        if any(fact.may(record.t, late) and fact.may_from <= record.t + world.epsilon for fact in facts):
            return
        if not presence.unbroken(record.t, late):
            return  # it may be old news
        others = room.stream_facts(stream)
        expected = f"{stream} is of {others[0].user}, who published it" if others else "an added stream was published"
        came = f"it is shown as {user or 'nobody'}'s" if others else f"{stream} of {user or 'nobody'} was not"
        proof = [others[0].begin, others[0].since] if others else [fact.end for fact in facts[-1:]]
        self.broken(expected, came, proof, presence.subject(stream=stream, user=user), guilty=record)

    def _deleted(self, presence: Presence, record: Record, stream: str) -> None:
        known = presence.streams.get(stream)
        if known is None:
            return
        item, added = known
        facts = list(presence.room.streams.of(presence.room.stream_key(stream, item.user)))
        caused = any(fact.must_until is not None or fact.must_from is None for fact in facts)
        outage = item.user in presence.room.outages
        if facts and not caused and not outage and not _lately(facts, added, self.world.slack):
            due = self.world.now + self.profile.deadlines.teardown
            self.later(due, self._look, presence, record, _states(facts), added, stream)

    def _look(self, presence: Presence, record: Record, facts: States, added: Record, stream: str) -> None:
        if _unchanged(facts):
            self.broken(
                "a stream is deleted after its end, its user's or a fault", f"{stream} was live all the time",
                [facts[0][1], added], presence.subject(stream=stream, user=facts[0][0].user), guilty=record,
            )  # fmt: skip


class AddMeansLive(Check):
    def streams(self, presence: Presence, record: Record) -> None:
        if record.args.op == "DEL":
            return
        for item in record.args.items:
            key = presence.room.stream_key(item.id, item.user)
            facts = list(presence.room.streams.of(key))
            if not facts:
                continue  # XC-02
            if any(fact.must_from is not None for fact in facts):
                self.judged()
            else:
                self.later(self.world.now + self.world.propagation, self._look, presence, record, facts[0])

    def _look(self, presence: Presence, record: Record, fact: Fact) -> None:
        self.judged()
        stillborn = fact.must_from is None and fact.cause in ("", "failed", "retry")
        if stillborn and fact.owner.client.fault is None and not fact.owner.client.crashed:
            self.broken(
                "an announced stream is LIVE at its publisher by then or soon after", "it never was",
                [fact.begin, fact.end], presence.subject(stream=fact.key.partition("\n")[0], user=fact.user),
                guilty=record,
            )  # fmt: skip


class Agreement(Check):
    """At quiescence every view holds what must be true and nothing that cannot be."""

    def quiet(self, room: Room) -> None:
        users = {user: fact for user, fact in room.users.current.items() if fact.holds}
        streams = {key.partition("\n")[0]: fact for key, fact in room.streams.current.items() if fact.holds}
        for presence in room.presences.values():
            if not presence.steady(room.active_at):
                continue
            self.judged()
            if presence.user_updates:
                self._users(room, presence, users)
            self._streams(room, presence, streams)

    def _users(self, room: Room, presence: Presence, must: dict[str, Fact]) -> None:
        view, me = presence.users, presence.client.user
        for user in must.keys() - view.keys() - {me}:
            self.broken(
                f"all who are in the room know that {user} is", "this client does not",
                [must[user].since, presence.entered], presence.subject(user=user),
            )  # fmt: skip
        for user in view.keys() - must.keys():
            if not room.users.may(user, self.world.now, self.world.slack):
                ends = [fact.end for fact in room.users.of(user)]
                self.broken(
                    f"nobody shows {user}, who has left", "this client does", [view[user], *ends[:1]],
                    presence.subject(user=user), guilty=view[user],
                )  # fmt: skip

    def _streams(self, room: Room, presence: Presence, must: dict[str, Fact]) -> None:
        view, me = presence.streams, presence.client.user
        for stream in must.keys() - view.keys():
            if must[stream].user != me:
                self.broken(
                    f"all who are in the room know that {stream} is live", "this client does not",
                    [must[stream].since, presence.entered], presence.subject(stream=stream),
                )  # fmt: skip
        for stream in view.keys() - must.keys():
            item, added = view[stream]
            key = room.stream_key(stream, item.user)
            if not room.streams.may(key, self.world.now, self.world.slack):
                ends = [fact.end for fact in room.streams.of(key)]
                self.broken(
                    f"nobody shows {stream}, which has ended", "this client does", [added, *ends[:1]],
                    presence.subject(stream=stream, user=item.user), guilty=added,
                )  # fmt: skip


class MediaCausality(Check):
    def play_first(self, presence: Presence, record: Record, machine: Machine) -> None:
        if record.args.stage != "received":
            return
        world, facts = self.world, presence.room.stream_facts(machine.stream)
        self.judged()
        late = self.profile.deadlines.teardown + world.slack
        if any(f.may_from <= record.t + world.epsilon and self._not_over(f, record.t, late) for f in facts):
            return
        before = not any(f.may_from <= record.t + world.epsilon for f in facts)
        self.broken(
            "media comes after its publish and not long after its end",
            "before any publish" if before else "after the end",
            [f.end for f in facts[-1:]] + [machine.call],
            presence.subject(stream=machine.stream),
            guilty=record,
        )

    @staticmethod
    def _not_over(fact: Fact, now: float, late: float) -> bool:
        return fact.may_until is None or now <= fact.may_until + late


class OneIncarnation(Check):
    def users(self, presence: Presence, record: Record) -> None:
        """Where the move to another device is silent, nobody else is told of it."""
        if self.profile.duplicate_login != "kick_old_silent" or record.args.op != "DEL":
            return
        for item in record.args.items:
            facts = [fact for fact in presence.room.users.of(item.id) if fact.must_until is not None]
            moved = [f for f in facts if {f.cause, *(cause for _, cause, _ in f.rest)} == {"relogin"}]
            if moved and len(moved) == len(facts):
                self.broken(
                    "nobody is told of a user's move to another device", f"{item.id} was deleted", [moved[0].end],
                    presence.subject(user=item.id), guilty=record, should=True,
                )  # fmt: skip

    def entered(self, presence: Presence, fact: Fact) -> None:
        user, entered = presence.client.user, presence.entered
        for client in self.world.by_user.get(user, {}).values():
            if client is presence.client:
                continue
            for other in client.rooms.values():
                if other.inside and other.client.fault is None and client.crashed is None and client.destroyed is None:
                    due = self.world.now + self.world.propagation
                    self.later(due, self._look, presence, other, entered)

    def _look(self, newer: Presence, older: Presence, entered: Record) -> None:
        self.judged()
        if newer.entered is not entered or not newer.inside:
            return
        if older.inside and older.client.fault is None and not older.client.crashed and not older.client.destroyed:
            self.broken(
                "two clients of one user are not both in for long", f"{older.client.name} still is",
                [older.entered, entered], newer.subject(user=newer.client.user),
            )  # fmt: skip

    def left(self, presence: Presence, record: Record) -> None:
        """Which of the two has to go is the profile's policy."""
        if record.args.code != self.profile.codes.kicked_same_user or record.args.state != "KICKED":
            return
        self.judged()
        clients = self.world.by_user.get(presence.client.user, {}).values()
        rivals = [other for c in clients if c is not presence.client for other in c.rooms.values() if other.login]
        older = all(self._certainly_older(rival, presence) for rival in rivals)
        if self.profile.duplicate_login == "refuse_new" or (rivals and older):
            rule = "refused" if self.profile.duplicate_login == "refuse_new" else "the one that stays"
            self.broken(
                f"of two clients of one user the newer is {rule}", "the other was kicked",
                [presence.entered, *(o.login for o in rivals[:1])], presence.subject(user=presence.client.user),
                guilty=record,
            )  # fmt: skip

    def _certainly_older(self, rival: Presence, presence: Presence) -> bool:
        """Of logins that were under way at the same time, nobody but the service knows which is the newer."""
        login, entered = presence.login, rival.entered
        if login is None or rival.refused is not None:
            return login is not None
        return entered is not None and entered.t < login.t - self.world.epsilon


class OrderOfPublisher(Check):
    def streams(self, presence: Presence, record: Record) -> None:
        if record.args.op != "ADD":
            return
        for item in record.args.items:
            self._after_the_earlier(presence, record, item.id, item.user)

    def _after_the_earlier(self, presence: Presence, record: Record, stream: str, user: str) -> None:
        room = presence.room
        mine = room.streams.current.get(room.stream_key(stream, user))
        if mine is None:
            return
        listed = [item.id for item in record.args.items]
        for name in mine.owner.pubs:
            other = room.streams.current.get(room.stream_key(name, user)) if name != stream else None
            if other is None or not other.holds or other.must_from is None or other.must_from >= mine.begin.t:
                continue
            if name not in listed and not presence.steady(other.must_from):
                continue
            self.judged()
            later_in_list = name in listed and listed.index(name) > listed.index(stream)
            if (name not in presence.streams and name not in listed) or later_in_list:
                self.broken(
                    f"{name} was live before {stream} was published, and is added before it", "it was not",
                    [other.since, mine.begin], presence.subject(stream=stream, user=user), guilty=record,
                )  # fmt: skip


RULES = (
    Rule(
        "XC-01", MUST,
        "A user is added only while it is or can be in the room, and deleted only when something ended that.",
        "People who are shown and not there, or vanish without having left, end the trust in a roster.",
        "ZegoExpressEventHandler.h, onRoomUserUpdate, cases 1 to 4", NoEffectWithoutCause,
    ),
    Rule(
        "XC-02", MUST,
        "A stream is added only while it is or can be live, under the user who published it, the same to everybody.",
        "One person's voice under another person's name.",
        "ZegoExpressDefines.h, stream and its user", StreamsHaveCauses,
    ),
    Rule(
        "XC-03", MUST,
        "An announced stream is LIVE at its publisher by then or soon after; a publish that failed is never announced.",
        "A tile for a stream that never comes stays black.",
        "ZegoExpressInterface.h, startPublishingStream", AddMeansLive,
    ),
    Rule(
        "XC-04", MUST,
        "When nothing happens any more, every client in the room knows exactly the users and streams that are there.",
        "Whatever was lost on the way, this is what people see for the rest of the call.",
        "core", Agreement,
    ),
    Rule(
        "XC-05", MUST,
        "Media of a stream is received after its publish was called, and not long after it ended.",
        "Frames from before or after are somebody else's, or old.",
        "core", MediaCausality,
    ),
    Rule(
        "XC-06", MUST,
        "Two clients of one user are not both in for long, and the one that has to go is the one the policy names.",
        "Two of one person mean double sound, and a kick of the wrong one throws out the device in the hand.",
        "ZegoExpressInterface.h, loginRoom; Janus VideoRoom, error 436; LiveKit, duplicate identity", OneIncarnation,
    ),
    Rule(
        "XC-07", SHOULD,
        "Streams of one publisher are announced in the order in which they became live.",
        "A camera before its screen share, or the layout jumps.",
        "ZEGO web, roomStreamUpdate", OrderOfPublisher,
    ),
)  # fmt: skip
