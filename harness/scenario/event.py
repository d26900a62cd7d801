"""What happens to the networks of users during a run: when, to whom, for how long."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from harness.rtc.conditions import Conditions
from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.network import OneNetwork, describe_network
from harness.scenario.part import Part, Pause
from harness.scenario.quantity import DURATION_PATTERN, PERCENT_PATTERN, format_duration, format_share, parse_duration
from harness.scenario.quantity import parse_share as _share

NAME_PATTERN = r"[a-z][a-z0-9_-]{0,31}"
MOST_EVENTS = 1000
_LONGEST = 86_400.0


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise ImpossibleError(
            f"{shown(value)} is not a name; allowed: up to 32 of a-z, 0-9, _ and -, the first a letter"
        )
    return value


def _roles(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(role, str) for role in value):
        raise ImpossibleError(f"{shown(value)} is not a list of roles; allowed: a list such as [member]")
    return tuple(value)


_At = Annotated[
    float,
    PlainValidator(lambda value: parse_duration(value, 0, _LONGEST)),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION_PATTERN}$", "examples": ["20s"]}),
]
_SHARE: dict[str, Any] = {
    "anyOf": [{"type": "string", "pattern": f"^{PERCENT_PATTERN}$"}, {"type": "number", "maximum": 1}]
}
_Share = Annotated[
    float,
    PlainValidator(_share),
    PlainSerializer(format_share, return_type=str, when_used="json"),
    WithJsonSchema(_SHARE),
]


@dataclass(frozen=True)
class PlannedEvent:
    """An event of the plan. at, until: seconds. users: how many it befalls. text: what it does, in words."""

    name: str
    at: float
    until: float
    users: int
    text: str


class EventSpec(Part):
    """One change of networks; while it lasts, what it names stands in the place of each user's own."""

    at: _At = Field(description="Time after the run begins.")
    name: Annotated[str, PlainValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})] = (
        Field(description="What thresholds and reports call it; one name may happen several times.")
    )
    network: OneNetwork = Field(description="What changes: a preset, or numbers such as {outage: true}.")
    lasts: Pause | None = Field(default=None, alias="for", description="How long; absent: until the run ends.")
    roles: Annotated[tuple[str, ...] | None, BeforeValidator(_roles)] = Field(
        default=None, description="Only users of these roles; absent: of every role."
    )
    share: _Share | None = Field(default=None, description="Only so many of those users, drawn from the seed.")

    def until(self, duration: float) -> float:
        """When it is over, in a run of so many seconds."""
        return duration if self.lasts is None else round(self.at + self.lasts, 6)

    def planned(self, duration: float, users: int = 0) -> PlannedEvent:
        """The event of a run of so many seconds."""
        text = self.network.plain_preset or describe_network(self.network.over_both(Conditions()))
        return PlannedEvent(self.name, self.at, self.until(duration), users, text)


def check_events(events: tuple[EventSpec, ...], roles: list[str], duration: float) -> None:
    """Raises ImpossibleError unless all of them happen within the run, to roles there are, one of a name at a time."""
    until: dict[str, tuple[int, float]] = {}
    for index, event in sorted(enumerate(events), key=lambda found: found[1].at):
        for position, role in enumerate(event.roles or ()):
            if role not in roles:
                what = f"{shown(role)} is not a role of this scenario; allowed: {', '.join(roles)}"
                raise ImpossibleError(what, "events", index, "roles", position)
        check_time(event, index, duration)
        before = until.get(event.name)
        if before is not None and event.at < before[1]:
            ends = format_duration(round(before[1], 6))
            what = (
                f"begins before the {event.name} of events[{before[0]}] ends; allowed: from {ends} on, or another name"
            )
            raise ImpossibleError(what, "events", index, "at")
        until[event.name] = (index, event.until(duration))


def check_time(event: EventSpec, index: int, duration: float) -> None:
    """Raises ImpossibleError unless the event happens within a run of so many seconds."""
    length = format_duration(duration)
    if event.at >= duration:
        what = f"{format_duration(event.at)} is beyond the run of {length}; allowed: 0s to less than {length}"
        raise ImpossibleError(what, "events", index, "at")
    if event.until(duration) > duration + 1e-9:
        left = format_duration(round(duration - event.at, 6))
        what = f"lasts beyond the run of {length}; allowed: up to {left}, or no for at all"
        raise ImpossibleError(what, "events", index, "for")
