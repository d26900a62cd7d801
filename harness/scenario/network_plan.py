"""Which user is on which network, and what changes when: the part of a plan that events make."""

from collections import Counter
from collections.abc import Callable

from harness.rtc.conditions import Conditions
from harness.scenario.errors import ImpossibleError, ScenarioError
from harness.scenario.event import EventSpec, PlannedEvent, check_time
from harness.scenario.model import Scenario
from harness.scenario.participant import NetworkChange

DIRECT = "direct"  # of users that only events befall: a link that does nothing until then


class NetworkPlan:
    """duration: of the run, in seconds. point: a number in [0, 1) that follows from the seed and the names it is given.

    networks: every state that any user's network is in, by name. Raises ScenarioError when an event does not fit.
    """

    def __init__(self, scenario: Scenario, duration: float, point: Callable[..., float]) -> None:
        self.networks: dict[str, Conditions] = {}
        self._scenario, self._duration, self._point = scenario, duration, point
        self._befallen: Counter[int] = Counter()
        for index, event in enumerate(scenario.events):
            try:
                check_time(event, index, duration)
            except ImpossibleError as error:
                raise ScenarioError(f"events[{index}].{error.where[-1]}: {error}") from None

    def of(self, role: str, user: str) -> tuple[str | None, tuple[NetworkChange, ...]]:
        """The name of the network that a user begins with, None for no emulation at all; and what changes."""
        chosen = self._scenario.roles[role].network
        hits = [(i, event) for i, event in enumerate(self._scenario.events) if self._befalls(i, event, role, user)]
        self._befallen.update(index for index, _ in hits)
        if chosen is None and not hits:
            return None, ()
        name, base = DIRECT, Conditions()
        if chosen is not None:
            name, base = chosen.pick(self._point("network", user))
            name = f"{role}'s own" if name == "own" else name
        self.networks[name] = base
        return name, tuple(self._changes(name, base, [event for _, event in hits]))

    def _befalls(self, index: int, event: EventSpec, role: str, user: str) -> bool:
        if event.roles is not None and role not in event.roles:
            return False
        return event.share is None or self._point("event", str(index), user) < event.share

    def _changes(self, name: str, base: Conditions, events: list[EventSpec]) -> list[NetworkChange]:
        moments = [(event.at, 1, number) for number, event in enumerate(events)]
        moments += [(event.until(self._duration), 0, number) for number, event in enumerate(events)]
        active: list[int] = []
        changes = []
        for at, begins, number in sorted(moments):
            if not begins and at >= self._duration:
                continue  # what lasts until the end never ends
            if begins:
                active.append(number)
            else:
                active.remove(number)
            state = self._state(name, base, [events[i] for i in sorted(active, key=lambda i: events[i].at)])
            changes.append(NetworkChange(at, "begin" if begins else "end", events[number].name, state))
        return changes

    def _state(self, name: str, base: Conditions, active: list[EventSpec]) -> str:
        """The name of a network with these events over it, the later over the earlier."""
        conditions = base
        for event in active:
            conditions = event.network.over_both(conditions)
        found = " + ".join([name, *(event.name for event in active)])
        while self.networks.get(found, conditions) != conditions:
            found += "*"  # another event of the same name
        self.networks[found] = conditions
        return found

    def events(self) -> tuple[PlannedEvent, ...]:
        """By time. Call when all users have been asked for."""
        found = [event.planned(self._duration, self._befallen[i]) for i, event in enumerate(self._scenario.events)]
        return tuple(sorted(found, key=lambda event: event.at))
