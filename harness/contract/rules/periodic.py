"""QM: what comes again and again."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import Client, Machine, Presence
from harness.contract.rule import MUST, SHOULD, Rule
from harness.contract.truth import Fact
from harness.trace.record import Quality, Record

COUNT_SLACK = 5.0  # seconds by which a count may be early or late
LEVELS = range(6)


class _Watched:
    """A stream that is LIVE. since: when its last quality, or the complaint that none had come, was."""

    __slots__ = ("live", "machine", "period", "presence", "since")

    def __init__(self, presence: Presence, machine: Machine, live: Record, period: float) -> None:
        self.presence, self.machine, self.live, self.period = presence, machine, live, period
        self.since = live.t


class Cadence(Check):
    """One look at all that is LIVE, once a period: a deadline for each stream would be most of the judge's work."""

    def begin(self) -> None:
        self._network: dict[tuple[str, str], Record] = {}
        self._live: dict[Machine, _Watched] = {}
        self._looking = False
        periods = self.profile.periods
        self._periods = {"pub.quality": periods.publish_quality, "play.quality": periods.play_quality}

    def publishing(self, presence: Presence, record: Record, machine: Machine) -> None:
        self._watch(presence, record, machine, self.profile.periods.publish_quality)

    def playing(self, presence: Presence, record: Record, machine: Machine) -> None:
        self._watch(presence, record, machine, self.profile.periods.play_quality)

    def _watch(self, presence: Presence, record: Record, machine: Machine, period: float) -> None:
        if record.args.state != "LIVE":
            self._live.pop(machine, None)
        elif period:
            self._live[machine] = _Watched(presence, machine, record, period)
            if not self._looking:
                self._looking = True
                self.later(self.world.now + period, self._look)

    def _look(self) -> None:
        """At least one in any two periods while LIVE."""
        now, gone = self.world.now, []
        for machine, watched in self._live.items():
            client = watched.presence.client
            if not watched.presence.open or client.crashed is not None or client.destroyed is not None:
                gone.append(machine)
            elif client.fault is not None or not client.carries_media(now) or not watched.presence.inside:
                watched.since = now
            else:
                self._judge(watched, now)
        for machine in gone:
            del self._live[machine]
        self._looking = bool(self._live)
        if self._looking:
            self.later(now + min(watched.period for watched in self._live.values()), self._look)

    def _judge(self, watched: _Watched, now: float) -> None:
        self.exercised += 1
        machine, period = watched.machine, watched.period
        if machine.quality is not None and machine.quality.t > watched.since:
            watched.since = machine.quality.t
        if now - watched.since > 2 * period:
            self.broken(
                f"quality comes every {period:g} s while LIVE", f"nothing for {now - watched.since:.1f} s",
                [watched.live, machine.quality], watched.presence.subject(stream=machine.stream),
            )  # fmt: skip
            watched.since = now

    def publish_quality(self, presence: Presence, record: Record, machine: Machine) -> None:
        self.exercised += 1
        last, period = machine.quality, self._periods[record.name]
        if machine.state == "IDLE" and machine.stop is None:
            subject = presence.subject(stream=machine.stream)
            self.broken("quality comes between REQ and IDLE", "in IDLE", [machine.record], subject, guilty=record)
        elif last is not None and record.t - last.t < 0.5 * period - self.world.slack:
            self.broken(
                f"quality comes every {period:g} s", f"{record.t - last.t:.2f} s apart", [last],
                presence.subject(stream=machine.stream), guilty=record,
            )  # fmt: skip

    play_quality = publish_quality

    def network_quality(self, client: Client, record: Record) -> None:
        where = (client.name, record.room)
        period, last = self.profile.periods.network_quality, self._network.get(where)
        own = record.args.user in ("", client.user)
        if not own:
            return
        self.judged()
        if last is not None and period and record.t - last.t < 0.5 * period - self.world.slack:
            self.broken(
                f"network quality comes every {period:g} s", f"{record.t - last.t:.2f} s apart", [last],
                {"client": client.name, "room": record.room}, guilty=record,
            )  # fmt: skip
        self._network[where] = record

    def left(self, presence: Presence, record: Record) -> None:
        self._network.pop((presence.client.name, presence.room.name), None)


class Ranges(Check):
    def publish_quality(self, presence: Presence, record: Record, machine: Machine) -> None:
        self.exercised += 1
        given, last = record.args, machine.quality
        wrong = _out_of_range(given)
        if wrong:
            self.broken(
                "loss is 0 to 1, mos -1 to 5, level 0 to 5, rates at least 0", wrong, [],
                presence.subject(stream=machine.stream), guilty=record,
            )  # fmt: skip
        elif last is not None and (given.bytes or 0) < (last.args.bytes or 0):
            self.broken(
                "bytes never go down within a session", f"from {last.args.bytes} to {given.bytes}", [last],
                presence.subject(stream=machine.stream), guilty=record,
            )  # fmt: skip

    play_quality = publish_quality

    def network_quality(self, client: Client, record: Record) -> None:
        self.judged()
        if record.args.up not in LEVELS or record.args.down not in LEVELS:
            self.broken(
                "network levels are 0 to 5", f"{record.args.up}, {record.args.down}", [],
                {"client": client.name, "room": record.room}, guilty=record,
            )  # fmt: skip


def _out_of_range(given: Quality) -> str:
    """What is, as text; empty when all is well. Runs for most records of a long trace."""
    if given.loss is not None and not 0 <= given.loss <= 1:
        return f"loss {given.loss}"
    if given.mos is not None and not -1 <= given.mos <= 5:
        return f"mos {given.mos}"
    if given.level is not None and not 0 <= given.level <= 5:
        return f"level {given.level}"
    if (given.fps or 0) < 0 or (given.kbps or 0) < 0 or (given.rtt or 0) < 0 or (given.bytes or 0) < 0:
        return f"fps {given.fps}, kbps {given.kbps}, rtt {given.rtt}, bytes {given.bytes}"
    return ""


class Count(Check):
    def begin(self) -> None:
        self._last: dict[Presence, float] = {}

    def entered(self, presence: Presence, fact: Fact) -> None:
        self._wait(presence, self.world.now)

    def _wait(self, presence: Presence, since: float) -> None:
        period = self.profile.periods.count
        if period:
            due = since + period + self._slack()
            self.world.while_open(presence, due, self._look, presence, presence.entered, since)

    def _slack(self) -> float:
        return min(COUNT_SLACK, self.profile.periods.count)

    def _look(self, presence: Presence, entered: Record, since: float) -> None:
        if presence.entered is not entered or self._last.get(presence, since) > since:
            return
        if presence.steady(since):
            self.judged()
            self.broken(
                f"the number of users comes every {self.profile.periods.count:g} s", "nothing came", [entered],
                presence.subject(),
            )  # fmt: skip
        self._wait(presence, self.world.now)

    def count(self, presence: Presence, record: Record) -> None:
        self.judged()
        last = self._last.get(presence, presence.entered.t if presence.entered is not None else record.t)
        too_soon = record.t - last < self.profile.periods.count - self._slack() - self.world.slack
        entered = presence.entered.t if presence.entered is not None else last
        # What an outage held back comes all at once, when it is over.
        if too_soon and presence.steady(max(entered, last - self.world.propagation)):
            self.broken(
                f"the number of users comes every {self.profile.periods.count:g} s", f"{record.t - last:.1f} s apart",
                [presence.entered], presence.subject(), guilty=record,
            )  # fmt: skip
        self._last[presence] = record.t
        self._wait(presence, record.t)
        self._value(presence, record)

    def _value(self, presence: Presence, record: Record) -> None:
        room, late = presence.room, self.world.propagation + self.world.slack
        current = list(room.users.current.values())
        least = sum(fact.holds and fact.must_from is not None and fact.must_from < record.t - late for fact in current)
        recent = [key for key in room.users.past if key not in room.users.current]
        most = len(current) + len(recent)
        if not least <= record.args.n <= most and presence.steady(record.t - late):
            self.broken(
                f"the number is between {least} and {most}", str(record.args.n), [presence.entered], presence.subject(),
                guilty=record,
            )  # fmt: skip

    def left(self, presence: Presence, record: Record) -> None:
        self._last.pop(presence, None)


RULES = (
    Rule(
        "QM-01", SHOULD,
        "Quality comes at its period while a stream is LIVE, and only then; network quality at its own.",
        "Applications average over these; gaps and bursts bend every chart.",
        "ZegoExpressEventHandler.h, publisher, player and network quality", Cadence,
    ),
    Rule(
        "QM-02", MUST,
        "Loss, scores, levels and rates are in their ranges, and counters never go down within a session.",
        "A loss of 3 or a negative bitrate ends in a graph, an alarm, a bill.",
        "ZegoExpressDefines.h, quality structures", Ranges,
    ),
    Rule(
        "QM-03", SHOULD,
        "The number of users comes at its period after IN, and is between those who must and those who can be there.",
        "Rooms are opened, closed and sold by it.",
        "ZegoExpressEventHandler.h, onRoomOnlineUserCountUpdate", Count,
    ),
)  # fmt: skip
