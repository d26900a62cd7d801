"""The emulated network of one simulated user: as the plan says, when it says so, told to the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.measure.recorder import Tags
from harness.rtc.access_link import AccessLink
from harness.scenario.participant import Participant
from harness.trace.record import CONDITIONS

if TYPE_CHECKING:
    from harness.swarm.generator import Generator


class UserNetwork:
    """One for all logins of a user that is emulated: its access link lasts as long as the run."""

    def __init__(self, generator: Generator, plan: Participant) -> None:
        assert plan.network is not None
        self._generator, self._plan = generator, plan
        self._tags = Tags(plan.role, plan.room_id)
        self._counted = (0, 0)
        self._client: str | None = None
        self._state = plan.network
        self._due = list(plan.changes)
        now = generator.now_us()
        while self._due and generator.at_us(self._due[0].at) <= now:
            self._state = self._due.pop(0).network
        conditions = generator.plan.networks[self._state]
        self.access = AccessLink(generator.media, conditions, f"{generator.plan.seed}/network/{plan.user_id}")

    async def follow(self) -> None:
        """Change it whenever a change is due."""
        while self._due:
            await self._generator.sleep_until(self._due[0].at)
            change = self._due.pop(0)
            self._state = change.network
            self.access.change(self._generator.plan.networks[change.network])
            self._tell(change.phase, change.event)

    def enter(self, client: str) -> None:
        """A client of the user begins: the trace is told what network it is on."""
        self._client = client
        self._tell("once", self._state)

    def leave(self) -> None:
        """That client is gone; what changes now befalls nobody."""
        self._client = None

    def _tell(self, phase: str, name: str) -> None:
        if self._client is None:
            return
        conditions = self.access.conditions
        args: dict[str, Any] = {
            "phase": phase,
            "name": name,
            "network": conditions.to_dict(),
            "media": "carried" if conditions.carries_media else "impaired",
        }
        where = {"client": self._client, "user": self._plan.user_id, "room": self._plan.room_id}
        trace = self._generator.trace
        trace.write({"kind": "fault", "name": CONDITIONS, **where, "args": args, "t": trace.now()})

    def count(self) -> None:
        """Give the recorder what the emulation itself has done since the last time."""
        up, down = self.access.up, self.access.down
        offered = up.offered + down.offered
        dropped = offered - up.delivered - down.delivered
        self._generator.recorder.count("emulated_packets", self._tags, offered - self._counted[0])
        self._generator.recorder.count("emulated_packets_dropped", self._tags, dropped - self._counted[1])
        self._counted = offered, dropped
