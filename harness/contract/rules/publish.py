"""PB: publishing, one stream of one client."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import Machine, Presence
from harness.contract.rule import MUST, Rule
from harness.contract.rules.stopping import StopEnds
from harness.trace.record import Record

EDGES = {"IDLE": {"REQ"}, "REQ": {"LIVE", "IDLE"}, "LIVE": {"REQ", "IDLE"}}
ENDED_FROM_OUTSIDE = frozenset(("logout", "kick", "relogin", "expiry", "outage", "crash", "destroy"))


class PublishEdges(Check):
    def publishing(self, presence: Presence, record: Record, machine: Machine) -> None:
        self.judged()
        state, code, before = record.args.state, record.args.code, machine.state
        subject = presence.subject(stream=machine.stream)
        if state not in EDGES.get(before, ()):
            self.broken(
                f"after {before} comes {' or '.join(sorted(EDGES.get(before, ())))}", state,
                [machine.record], subject, guilty=record,
            )  # fmt: skip
        elif before == "IDLE" and machine.call is None:
            self.broken("publishing begins with a call", "REQ without one", [machine.record], subject, guilty=record)
        elif before == "LIVE" and state == "REQ" and code == 0:
            self.broken("LIVE to REQ has a code", "code 0", [machine.record], subject, guilty=record)
        elif state == "IDLE":
            self._end(presence, record, machine, code, subject)

    def _end(self, presence: Presence, record: Record, machine: Machine, code: int, subject: dict[str, str]) -> None:
        if machine.stop is not None:
            if code != 0 and machine.state == "LIVE":  # else it was refused before the unpublish arrived
                due = self.world.now + self.profile.deadlines.teardown
                self.world.while_open(presence, due, self._stopped, presence, record, machine.stop, subject)
        elif code == 0 and presence.inside and not self._ended_from_outside(presence, machine.stream):
            self.broken(
                "a stream that ends by itself has a code that says why",
                "code 0",
                [machine.record],
                subject,
                guilty=record,
            )

    def _stopped(self, presence: Presence, record: Record, stop: Record, subject: dict[str, str]) -> None:
        """The session goes on, so nothing else ended it meanwhile."""
        if presence.client.fault is None and presence.inside:
            self.broken("after unpublish the code is 0", f"code {record.args.code}", [stop], subject, guilty=record)

    def _ended_from_outside(self, presence: Presence, stream: str) -> bool:
        if presence.leaving is not None:
            return True
        key = presence.room.stream_key(stream, presence.client.user)
        return any(
            fact.owner is presence and fact.cause in ENDED_FROM_OUTSIDE for fact in presence.room.streams.of(key)
        )


class LiveOnlyInside(Check):
    def publishing(self, presence: Presence, record: Record, machine: Machine) -> None:
        if record.args.state != "LIVE":
            return
        self.judged()
        if not presence.inside:
            self.broken(
                "a stream is live only while its user is in the room",
                f"LIVE in {presence.state}",
                [presence.changed],
                presence.subject(stream=machine.stream),
                guilty=record,
            )


class UnpublishEnds(StopEnds):
    stop = "unpublish"

    def machine(self, presence: Presence, stream: str) -> Machine | None:
        return presence.pubs.get(stream)

    publish_first = publish_quality = StopEnds.silence


class PublishFirsts(Check):
    def publish_first(self, presence: Presence, record: Record, machine: Machine) -> None:
        self.judged()
        media, stage = record.args.media, record.args.stage
        subject = presence.subject(stream=machine.stream)
        twice = machine.firsts.get((media, stage))
        if twice is not None:
            self.broken(
                f"the first {media} frame is {stage} once", "again", [twice, machine.call], subject, guilty=record
            )
        elif stage == "sent" and (media, "captured") not in machine.firsts:
            self.broken(
                f"{media} is captured before it is sent",
                "sent without captured",
                [machine.call],
                subject,
                guilty=record,
            )


RULES = (
    Rule(
        "PB-01", MUST,
        "Publishing moves along IDLE, REQ, LIVE; it begins with a call, and an end nobody asked for has a code.",
        "A publisher who believes to be on air and is not talks to nobody.",
        "ZegoExpressDefines.h, publisher state", PublishEdges,
    ),
    Rule(
        "PB-02", MUST,
        "A stream is LIVE only while its user is in the room; it may be requested before.",
        "LIVE outside a room means that nobody can be watching, though the light is on.",
        "ZEGO quick start, publish", LiveOnlyInside,
    ),
    Rule(
        "PB-03", MUST,
        "Unpublish ends in IDLE within the call deadline, and nothing more comes of the stream until the next publish.",
        "A camera that is still on after its owner switched it off is the worst kind of late callback.",
        "ZegoExpressInterface.h, stopPublishingStream", UnpublishEnds,
    ),
    Rule(
        "PB-04", MUST,
        "For each medium the first frame is captured before it is sent, and each is told once per publish.",
        "Start times are measured between these two; out of order they are negative.",
        "ZegoExpressEventHandler.h, captured and sent first frame", PublishFirsts,
    ),
)  # fmt: skip
