"""LV: what has to come, and by when."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import Client, Machine, Outage, Presence
from harness.contract.rule import MUST, Rule
from harness.contract.rules.tokens import TokenWarning
from harness.contract.timers import NEVER
from harness.contract.truth import Fact
from harness.trace.record import Record

DEVICES = {"video": "camera", "audio": "microphone"}


class LoginAnswered(Check):
    def state(self, presence: Presence, record: Record, before: str) -> None:
        if record.args.state == "LOGGING_IN":
            self.later(self.world.now + self.profile.deadlines.login, self._look, presence, record)

    def _look(self, presence: Presence, attempt: Record) -> None:
        client = presence.client
        if client.fault is not None or client.crashed is not None or client.destroyed is not None:
            return
        self.judged()
        if presence.changed is attempt:
            self.broken(
                f"a login is answered within {self.profile.deadlines.login:g} s", "still LOGGING_IN",
                [presence.login, attempt], presence.subject(),
            )  # fmt: skip


class UserIsAnnounced(Check):
    def entered(self, presence: Presence, fact: Fact) -> None:
        self.later(self.world.now + self.world.propagation, self._look, fact, fact.since)

    def _look(self, fact: Fact, since: Record) -> None:
        if not fact.holds or fact.since is not since:
            return
        for observer in fact.owner.room.observers(since.t, fact.user):
            if not observer.user_updates:
                continue
            self.judged()
            if fact.user not in observer.users:
                self.broken(
                    f"all who are in the room hear of {fact.user} within {self.world.propagation:g} s", "nothing came",
                    [since, observer.changed], observer.subject(user=fact.user),
                )  # fmt: skip


class StreamIsAnnounced(Check):
    def live(self, fact: Fact) -> None:
        self.later(self.world.now + self.world.propagation, self._look, fact, fact.since)

    def _look(self, fact: Fact, since: Record) -> None:
        if not fact.holds or fact.since is not since:
            return
        stream = fact.key.partition("\n")[0]
        for observer in fact.owner.room.observers(since.t, fact.user):
            self.judged()
            if stream not in observer.streams:
                self.broken(
                    f"all who are in the room hear of {stream} within {self.world.propagation:g} s", "nothing came",
                    [since, observer.changed], observer.subject(stream=stream, user=fact.user),
                )  # fmt: skip


class EndIsAnnounced(Check):
    """After a logout or an unpublish."""

    def gone(self, fact: Fact) -> None:
        if fact.cause == "logout" and fact.end is not None:
            self.later(self.world.now + self.world.propagation, self._user, fact, fact.end)

    def ended(self, fact: Fact) -> None:
        if fact.cause in ("unpublish", "logout") and fact.end is not None:
            self.later(self.world.now + self.world.propagation, self._stream, fact, fact.end)

    def _user(self, fact: Fact, end: Record) -> None:
        if fact.end is not end:
            return  # it did not end after all
        for observer in fact.owner.room.observers(end.t, fact.user):
            if observer.user_updates:
                self.judged()
                self._still_there(observer, observer.users.get(fact.user), fact, end, user=fact.user)

    def _stream(self, fact: Fact, end: Record) -> None:
        if fact.end is not end:
            return
        stream = fact.key.partition("\n")[0]
        for observer in fact.owner.room.observers(end.t, fact.user):
            self.judged()
            known = observer.streams.get(stream)
            added = known[1] if known is not None and known[0].user in ("", fact.user) else None
            self._still_there(observer, added, fact, end, stream=stream, user=fact.user)

    def _still_there(self, observer: Presence, added: Record | None, fact: Fact, end: Record, **subject: str) -> None:
        if added is not None and added.t < end.t:
            name = subject.get("stream", fact.user)
            self.broken(
                f"all who are in the room hear of the end of {name} within {self.world.propagation:g} s",
                "nothing came", [added, end], observer.subject(**subject),
            )  # fmt: skip


class SilenceIsNoticed(Check):
    """After a crash or an outage without return: not before the least heartbeat, not later than the most."""

    def cut_off(self, outage: Outage) -> None:
        due = outage.latest + self.profile.heartbeat[1] + self.world.propagation
        self.later(due, self._look, outage)

    def _look(self, outage: Outage) -> None:
        presence, least = outage.presence, self.profile.heartbeat[0]
        if outage.returned is not None or outage.replaced is not None or presence.client.destroyed is not None:
            return
        if self.world.now < outage.latest + self.profile.heartbeat[1] + self.world.propagation:
            return  # it was cut off again since: the time counts from there
        if presence.ended is not None and not presence.client.crashed:
            return  # it logged out, or was told that it is out
        if presence.entered is None:
            return  # whether it ever came in, and put out an older client of its user, nobody knows
        own = (fact for fact in presence.room.users.of(presence.client.user) if fact.owner is presence)
        if any(fact.ended_by(cause) for fact in own for cause in ("logout", "kick", "relogin")):
            return  # it was about to leave, or to be put out
        user = presence.client.user
        for observer in presence.room.observers(outage.record.t, user):
            self.judged()
            self._not_too_early(outage, observer, outage.earliest + least)
            if observer.user_updates and _older(observer.users.get(user), outage.record):
                self._never(outage, observer, observer.users[user], user=user)
            for stream in outage.streams:
                known = observer.streams.get(stream)
                if known is not None and _older(known[1], outage.record):
                    self._never(outage, observer, known[1], stream=stream, user=user)

    def _not_too_early(self, outage: Outage, observer: Presence, earliest: float) -> None:
        entered = outage.presence.entered
        if entered is None or outage.patchy:
            return
        for op, _, record in outage.told.get(observer, ()):
            if record.t < entered.t + self.world.propagation:
                continue  # of whom its own login has put out
            if op == "DEL" and record.t < earliest - self.world.slack:
                self.broken(
                    f"nobody is taken for gone before {self.profile.heartbeat[0]:g} s of silence",
                    f"after {record.t - outage.earliest:.2f} s", [outage.record],
                    observer.subject(user=outage.presence.client.user),
                    guilty=record,
                )  # fmt: skip
                return

    def _never(self, outage: Outage, observer: Presence, added: Record, **subject: str) -> None:
        limit = self.profile.heartbeat[1] + self.world.propagation
        self.broken(
            f"who has gone silent is deleted within {limit:g} s", "nothing came", [added, outage.record],
            observer.subject(**subject),
        )  # fmt: skip


def _older(added: Record | None, record: Record) -> bool:
    return added is not None and added.t < record.t


class MediaComes(Check):
    """Publishing becomes LIVE or fails in time; playing a live stream becomes LIVE and shows each medium in time."""

    def publishing(self, presence: Presence, record: Record, machine: Machine) -> None:
        if record.args.state == "REQ" and machine.state == "IDLE" and machine.call is not None:
            self._wait_for_publish(presence, machine, machine.call, record)
        elif machine.state == "REQ" and record.args.state in ("LIVE", "IDLE"):
            self.judged()

    def _wait_for_publish(self, presence: Presence, machine: Machine, call: Record, asked: Record) -> None:
        due = self.world.now + self.profile.deadlines.publish
        self.world.while_open(presence, due, self._published, presence, machine, call, asked)

    def _published(self, presence: Presence, machine: Machine, call: Record, asked: Record) -> None:
        if machine.record is not asked or machine.call is not call or machine.stop is not None:
            return
        client, steady = presence.client, presence.steady_since
        if not presence.inside or client.fault is not None or client.crashed is not None or steady == NEVER:
            return
        if steady > asked.t:  # it was asked for before the room was reached: the time counts from there
            due = steady + self.profile.deadlines.publish
            if due > self.world.now:
                self.world.while_open(presence, due, self._published, presence, machine, call, asked)
                return
        if not client.carries_media(max(asked.t, steady)):
            return  # the harness made its network so bad that a connection takes longer
        self.judged()
        self.broken(
            f"a publish is LIVE or has failed within {self.profile.deadlines.publish:g} s", "still REQ", [call, asked],
            presence.subject(stream=machine.stream),
        )  # fmt: skip

    def playing(self, presence: Presence, record: Record, machine: Machine) -> None:
        state, call = record.args.state, machine.call
        if call is None:
            return
        if state == "REQ" and machine.state == "IDLE" and self._live(presence, machine.stream) is not None:
            due = self.world.now + self.profile.deadlines.play
            self.world.while_open(
                presence, due, self._played, presence, machine, call, self._live(presence, machine.stream)
            )
        elif state == "LIVE":
            due = self.world.now + self.profile.deadlines.first_frame
            self.world.while_open(presence, due, self._shown, presence, machine, call, record)

    @staticmethod
    def _live(presence: Presence, stream: str) -> Fact | None:
        return next((fact for fact in presence.room.stream_facts(stream) if fact.holds), None)

    def _played(self, presence: Presence, machine: Machine, call: Record, fact: Fact) -> None:
        gone = machine.call is not call or machine.stop is not None or presence.client.fault is not None
        if not (presence.client.carries_media(call.t) and fact.owner.client.carries_media(call.t)):
            return
        if gone or not presence.steady(call.t) or not fact.holds or fact.must_from is None or fact.must_from > call.t:
            return
        self.judged()
        if machine.state != "LIVE":
            self.broken(
                f"the play of a live stream is LIVE within {self.profile.deadlines.play:g} s", f"still {machine.state}",
                [fact.since, call], presence.subject(stream=machine.stream, user=fact.user),
            )  # fmt: skip

    def _shown(self, presence: Presence, machine: Machine, call: Record, live: Record) -> None:
        fact = self._live(presence, machine.stream)
        if machine.record is not live or machine.stop is not None or fact is None or not presence.steady(live.t):
            return
        if fact.must_from is None or fact.must_from > live.t + self.world.slack or fact.owner.client.fault is not None:
            return
        if not (presence.client.carries_media(live.t) and fact.owner.client.carries_media(live.t)):
            return
        publisher = fact.owner.pubs[machine.stream]
        for medium in publisher.call.args.kinds if publisher.call is not None else ():
            if DEVICES.get(medium) in publisher.muted:
                continue  # muted, or was: it may have had nothing to send
            self.judged()
            if (medium, "received") not in machine.firsts:
                self.broken(
                    f"each medium of a stream is received within {self.profile.deadlines.first_frame:g} s of LIVE",
                    f"no {medium}", [publisher.call, call, live],
                    presence.subject(stream=machine.stream, user=fact.user),
                )  # fmt: skip


def _by_two(fact: Fact) -> bool:
    """Several calls were under way that could put it out: any of them may have been the one that did."""
    return any(record.kind == "call" and cause in ("kick", "relogin") for record, cause, _ in fact.rest)


class KickArrives(Check):
    def begin(self) -> None:
        self._told: dict[Presence, Record] = {}  # who was put out: KICKED, for as long as somebody may ask
        self._cut: dict[Presence, Outage] = {}  # the last outage of each, as long

    def cut_off(self, outage: Outage) -> None:
        self._cut[outage.presence] = outage
        self.later(self.world.now + self.profile.retry_window, self._forget, outage)

    def _forget(self, outage: Outage) -> None:
        if self._cut.get(outage.presence) is outage:
            del self._cut[outage.presence]

    def _out_of_reach(self, victim: Presence, cause: Record) -> bool:
        """It was cut off then, or the harness cut it off before the news could come: a reconnect will tell it."""
        outage = self._cut.get(victim)
        if outage is None or (outage.returned is not None and outage.returned.t < cause.t):
            return False
        return outage.record.kind == "fault" or outage.record.t <= cause.t

    def left(self, presence: Presence, record: Record) -> None:
        if record.args.state == "KICKED":
            self._told[presence] = record
            self.later(self.world.now + 2 * self.world.propagation, self._told.pop, presence, None)

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        if call.name != "kick" or record.args.result != "ok":
            return
        room = self.world.rooms.get(call.room)
        fact = room.users.current.get(call.args.user) if room is not None else None
        if fact is not None and fact.end is call and fact.older_than(call):
            self.later(record.t + self.world.propagation, self._kicked, fact, call, self.profile.codes.kicked_by_server)

    def entered(self, presence: Presence, fact: Fact) -> None:
        if self.profile.duplicate_login == "refuse_new":
            return
        for other in presence.room.users.of(fact.user):
            replaced = other.cause == "relogin" and other.end is presence.login and other.owner is not presence
            if replaced and other.older_than(presence.login):
                code = self.profile.codes.kicked_same_user
                self.later(self.world.now + self.world.propagation, self._kicked, other, presence.login, code)

    def _kicked(self, fact: Fact, cause: Record, code: int) -> None:
        victim = fact.owner
        client = victim.client
        if (
            client.fault is None
            and client.crashed is None
            and client.destroyed is None
            and not self._left_itself(victim, cause)
            and not self._out_of_reach(victim, cause)
        ):
            self.judged()
            told = self._told.get(victim) or _kicked(victim.changed)
            if told is None:
                self.broken(
                    f"who is put out is told within {self.world.propagation:g} s", f"its state is {victim.state}",
                    [cause, victim.changed], victim.subject(user=fact.user),
                )  # fmt: skip
            elif code and told.args.code != code and self.profile.exact_codes and not _by_two(fact):
                self.broken(
                    f"the kick has code {code}", f"code {told.args.code}", [cause], victim.subject(user=fact.user),
                    guilty=told,
                )  # fmt: skip
        if self.profile.duplicate_login != "kick_old_silent" or cause.name == "kick":
            self._others_know(fact, cause)

    @staticmethod
    def _left_itself(victim: Presence, cause: Record) -> bool:
        return (
            victim.ended is not None
            and victim.ended.args.__class__.__name__ == "RoomState"
            and (victim.ended.t < cause.t or victim.ended.args.state == "OUT")
        )

    def _others_know(self, fact: Fact, cause: Record) -> None:
        for observer in fact.owner.room.observers(cause.t, fact.user):
            added = observer.users.get(fact.user)
            self.judged()
            if observer.user_updates and added is not None and added.t < cause.t and cause.name == "kick":
                self.broken(
                    f"the others hear that {fact.user} was put out", "nothing came", [added, cause],
                    observer.subject(user=fact.user),
                )  # fmt: skip


def _kicked(state: Record | None) -> Record | None:
    return state if state is not None and state.args.state == "KICKED" else None


def _rule(number: str, check: type[Check], requirement: str, why: str, source: str) -> Rule:
    return Rule(f"LV-{number}", MUST, requirement, why, source, check)


RULES = (
    _rule(
        "01", LoginAnswered,
        "A login is answered within its deadline.",
        "A spinner that never ends is reported as a crash.",
        "ZEGO: room connection status, typical login time",
    ),
    _rule(
        "02", UserIsAnnounced,
        "Whoever comes in is added at every other client in the room within the propagation time.",
        "A person nobody knows of sits in the meeting.",
        "ZEGO: room connection status; ZegoExpressInterface.h, loginRoom",
    ),
    _rule(
        "03", StreamIsAnnounced,
        "A stream that is live is added at every other client in the room within the propagation time.",
        "Somebody speaks, and one of the others never subscribes.",
        "ZegoExpressInterface.h, startPublishingStream; ZEGO release notes (windows 2.16.3)",
    ),
    _rule(
        "04", EndIsAnnounced,
        "After unpublish or logout the others are told of the end within the propagation time.",
        "Frozen last pictures of people who have left.",
        "ZegoExpressInterface.h, stopPublishingStream and logoutRoom; ZEGO release notes (web 1.17.1, 2.18.0)",
    ),
    _rule(
        "05", SilenceIsNoticed,
        "Whoever falls silent without return is deleted within the heartbeat's window, not earlier and not never.",
        "Earlier, every tunnel throws people out; never, and ghosts fill the room.",
        "ZEGO: room connection status, case 3; LiveKit and Janus timeouts",
    ),
    _rule(
        "06", MediaComes,
        "A publish is LIVE or has failed in time; the play of a live stream is LIVE and shows each medium in time.",
        "Requested for ever is a black tile without an error to show.",
        "ZegoExpressDefines.h, publisher and player state",
    ),
    _rule(
        "07", KickArrives,
        "Whoever is kicked, or replaced by another login, is told with the code for it, and so are the others.",
        "A removed participant who still listens is a security fault.",
        "ZEGO: kicking users; duplicate user ids",
    ),
    _rule(
        "08", TokenWarning,
        "One warning a token comes before it expires; then the session is kept or ended, as the policy says.",
        "The application renews the token on that callback; too early wastes it, too late loses the call.",
        "ZegoExpressEventHandler.h, onRoomTokenWillExpire; token authentication",
    ),
)  # fmt: skip
