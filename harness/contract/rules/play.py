"""PL: playing, one stream of one client."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import Client, Machine, Presence
from harness.contract.room import Room
from harness.contract.rule import MUST, Rule
from harness.contract.rules.stopping import StopEnds
from harness.contract.truth import Fact
from harness.trace.record import Record

EDGES = {"IDLE": {"REQ"}, "REQ": {"LIVE", "IDLE"}, "LIVE": {"REQ", "IDLE"}}


class PlayEdges(Check):
    def begin(self) -> None:
        self._repeated: dict[tuple[str, str, str], Record] = {}  # client, room, stream: a second call of play

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name == "play" and presence is not None:
            machine = presence.plays.get(record.args.stream)
            if machine is not None and machine.state != "IDLE":
                self.judged()
                self._repeated[client.name, record.room, record.args.stream] = record

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        if call.name == "play":
            self._repeated.pop((client.name, call.room, call.args.stream), None)

    def playing(self, presence: Presence, record: Record, machine: Machine) -> None:
        self.judged()
        state, code, before = record.args.state, record.args.code, machine.state
        subject = presence.subject(stream=machine.stream)
        again = self._repeated.get((presence.client.name, presence.room.name, machine.stream))
        if state not in EDGES.get(before, ()):
            self.broken(
                f"after {before} comes {' or '.join(sorted(EDGES.get(before, ())))}", state,
                [machine.record, again], subject, guilty=record,
            )  # fmt: skip
        elif before == "IDLE" and machine.call is None:
            self.broken("playing begins with a call", "REQ without one", [machine.record], subject, guilty=record)
        elif before == "LIVE" and state == "REQ" and code == 0:
            self.broken("LIVE to REQ has a code", "code 0", [machine.record], subject, guilty=record)


class UnplayEnds(StopEnds):
    stop = "unplay"

    def machine(self, presence: Presence, stream: str) -> Machine | None:
        return presence.plays.get(stream)

    play_first = play_quality = stall = device = StopEnds.silence


class PlayFirsts(Check):
    def play_first(self, presence: Presence, record: Record, machine: Machine) -> None:
        self.judged()
        media, stage = record.args.media, record.args.stage
        subject = presence.subject(stream=machine.stream)
        twice = machine.firsts.get((media, stage))
        if machine.state == "IDLE" and machine.stop is None:
            self.broken("first frames come after REQ", f"{stage} in IDLE", [machine.record], subject, guilty=record)
        elif twice is not None:
            self.broken(
                f"the first {media} frame is {stage} once", "again", [twice, machine.call], subject, guilty=record
            )
        elif stage == "rendered" and (media, "received") not in machine.firsts:
            self.broken(
                f"{media} is received before it is rendered", "rendered without received", [machine.call], subject,
                guilty=record,
            )  # fmt: skip


class UnknownStreamWaits(Check):
    """A play before its publish stays REQ, and is LIVE within the play deadline of the publisher's LIVE."""

    def playing(self, presence: Presence, record: Record, machine: Machine) -> None:
        if record.args.state == "IDLE":
            self._given_up(presence, record, machine)
        if record.args.state != "LIVE":
            return
        if machine.call is not None and any(
            fact.must_from is not None and fact.must_from > machine.call.t
            for fact in presence.room.stream_facts(machine.stream)
        ):
            self.judged()  # it waited, and the wait is over
        known = any(
            fact.may(record.t, self.world.propagation + self.world.slack)
            and fact.may_from <= record.t + self.world.epsilon
            for fact in presence.room.stream_facts(machine.stream)
        )
        if not known and presence.unbroken(record.t, self.world.propagation + self.world.slack):
            self.judged()
            self.broken(
                "the play of a stream that does not exist stays REQ", "LIVE", [machine.call],
                presence.subject(stream=machine.stream), guilty=record,
            )  # fmt: skip

    def _given_up(self, presence: Presence, record: Record, machine: Machine) -> None:
        call = machine.call
        if call is None or machine.state != "REQ" or record.args.code not in self.profile.codes.stream_unknown:
            return
        asked_to = machine.stop is not None or presence.leaving is not None or not presence.inside
        if asked_to or presence.client.fault is not None or record.t - call.t > 0.9 * self.profile.retry_window:
            return
        self.judged()
        self.broken(
            "the play of a stream that does not exist stays REQ", f"IDLE with code {record.args.code}", [call],
            presence.subject(stream=machine.stream), guilty=record,
        )  # fmt: skip

    def live(self, fact: Fact) -> None:
        stream = fact.key.partition("\n")[0]
        for observer in fact.owner.room.observers(self.world.now, fact.user):
            machine = observer.plays.get(stream)
            if machine is not None and machine.state == "REQ" and machine.call is not None:
                due = self.world.now + self.profile.deadlines.play
                self.later(due, self._look, observer, machine, machine.call, fact, fact.since)

    def _look(self, observer: Presence, machine: Machine, call: Record, fact: Fact, since: Record) -> None:
        gone = machine.call is not call or machine.stop is not None or not observer.steady(since.t)
        if gone or not fact.holds or fact.since is not since:
            return
        if not (observer.client.carries_media(since.t) and fact.owner.client.carries_media(since.t)):
            return
        self.judged()
        if machine.state != "LIVE":
            self.broken(
                "a play that waited is LIVE soon after its stream is", f"still {machine.state}", [call, since],
                observer.subject(stream=machine.stream, user=fact.user),
            )  # fmt: skip


class RemoteDevices(Check):
    def device(self, presence: Presence, record: Record, machine: Machine) -> None:
        self.judged()
        if machine.state == "IDLE" and machine.stop is None:
            self.broken(
                "device states come of streams that are played", "of one that is not", [machine.record],
                presence.subject(stream=machine.stream), guilty=record,
            )  # fmt: skip

    def quiet(self, room: Room) -> None:
        for fact in room.streams.current.values():
            machine = fact.owner.pubs.get(fact.key.partition("\n")[0]) if fact.holds else None
            if machine is not None and machine.muted:
                self._agree(room, fact, machine)

    def _agree(self, room: Room, fact: Fact, publisher: Machine) -> None:
        for observer in room.observers(room.active_at, fact.user):
            player = observer.plays.get(publisher.stream)
            if player is None or player.state != "LIVE":
                continue
            for device, call in publisher.muted.items():
                self.judged()
                told = player.muted.get(device)
                shown = told is not None and told.args.state == "mute"
                if shown != call.args.muted:
                    self.broken(
                        f"players know the {device} as {'muted' if call.args.muted else 'open'}",
                        "muted" if shown else "open" if told is not None else "nothing was said",
                        [call, told],
                        observer.subject(stream=publisher.stream, user=fact.user),
                    )


RULES = (
    Rule(
        "PL-01", MUST,
        "Playing moves along IDLE, REQ, LIVE and begins with a call; a second play of the same stream changes nothing.",
        "Sample code calls play on every update; if that restarts the picture, it flickers.",
        "ZegoExpressDefines.h, player state; startPlayingStream", PlayEdges,
    ),
    Rule(
        "PL-02", MUST,
        "Unplay ends in IDLE within the call deadline, and nothing more comes of the stream.",
        "A late callback reaches a tile that has been freed.",
        "ZegoExpressInterface.h, stopPlayingStream", UnplayEnds,
    ),
    Rule(
        "PL-03", MUST,
        "For each medium the first frame is received before it is rendered, once per play, and after REQ.",
        "The time to the first frame is the figure users feel; it is taken from these.",
        "ZegoExpressEventHandler.h, player first frames", PlayFirsts,
    ),
    Rule(
        "PL-04", MUST,
        "A play of a stream that does not exist yet waits in REQ, and is LIVE soon after its publisher is.",
        "Applications play by an id they know; whoever waits first must not wait for ever.",
        "ZegoExpressInterface.h, startPlayingStream", UnknownStreamWaits,
    ),
    Rule(
        "PL-05", MUST,
        "Device states come only of streams that are played, and end up as the publisher last set them.",
        "A crossed-out microphone on somebody who is speaking, or the reverse.",
        "ZegoExpressEventHandler.h, remote camera and microphone states", RemoteDevices,
    ),
)  # fmt: skip
