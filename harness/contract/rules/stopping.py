"""What PB-03 and PL-02 share: a stop ends in IDLE in time, and then nothing more comes of the stream."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import Client, Machine, Presence
from harness.trace.record import Record


class StopEnds(Check):
    """stop: the name of the call. Silence lasts until the next publish or play."""

    stop = ""

    def machine(self, presence: Presence, stream: str) -> Machine | None:
        raise NotImplementedError

    def call(self, record: Record, client: Client, presence: Presence | None) -> None:
        if record.name != self.stop or presence is None:
            return
        machine = self.machine(presence, record.args.stream)
        if machine is not None and machine.state != "IDLE":
            due = self.world.now + self.profile.deadlines.call
            self.world.while_open(presence, due, self._look, presence, machine, record)

    def _look(self, presence: Presence, machine: Machine, call: Record) -> None:
        if machine.stop is not call or not presence.client.reachable or not presence.inside:
            return
        self.judged()
        if machine.state != "IDLE":
            self.broken(
                f"{self.stop} ends in IDLE", f"still {machine.state}", [call, machine.record],
                presence.subject(stream=machine.stream),
            )  # fmt: skip

    def silence(self, presence: Presence, record: Record, machine: Machine) -> None:
        if machine.state == "IDLE" and machine.stop is not None and machine.call is None:
            self.broken(
                f"after {self.stop} nothing more comes of the stream", record.name, [machine.stop, machine.record],
                presence.subject(stream=machine.stream), guilty=record,
            )  # fmt: skip
