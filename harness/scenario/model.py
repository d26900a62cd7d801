"""The scenario: what a person writes, checked. The published JSON Schema comes from these classes."""

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from harness.measure.catalogue import METRICS
from harness.measure.thresholds import TAGS, ThresholdError, parse_metric_key, parse_threshold
from harness.scenario.count import MOST_PER_ROOM
from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.event import MOST_EVENTS, EventSpec, check_events
from harness.scenario.naming import MOST_ROLES, ROLE_PATTERN, room_name
from harness.scenario.observe import ObserveField, ObserveShares
from harness.scenario.part import (
    AlsoAccepts,
    ArrivalRate,
    Part,
    Pause,
    RunDuration,
    one_of,
    text,
    text_schema,
    whole_field,
)
from harness.scenario.quantity import format_duration, format_rate
from harness.scenario.role import CODECS, Role
from harness.scenario.window import AFTER_PATTERN, Window, check_window, parse_after

MOST_ROOMS = 10_000
MOST_USERS = 20_000
LARGEST_SEED = 2**32 - 1
LONGEST_RUN = 86_400.0  # seconds, the upper end of RunDuration
FILLINGS = ("evenly", "one_by_one")
_DEFAULT_THRESHOLDS = ("login_share", "played_share")
_DEFAULT_EXPRESSION = "value>=1"


class Arrival(Part):
    """When users come: evenly over a time, at random at a rate, or (neither) all at once."""

    ramp: Pause | None = Field(default=None, description="Users arrive evenly spread over this time.")
    poisson: ArrivalRate | None = Field(default=None, description="Users arrive at random, at this mean rate: 2/s.")

    def to_file(self) -> str | dict[str, str]:
        """The arrival as a scenario file writes it."""
        if self.ramp is not None:
            return {"ramp": format_duration(self.ramp)}
        return "at_once" if self.poisson is None else {"poisson": format_rate(self.poisson)}


def _arrival(value: object) -> object:
    if value == "at_once":
        return {}
    if isinstance(value, Arrival):
        return value
    allowed = "allowed: at_once, {ramp: 10s} or {poisson: 2/s}"
    if not isinstance(value, dict):
        raise ImpossibleError(f"{shown(value)} is not possible here; {allowed}")
    if len(value) != 1 and set(value) <= set(Arrival.keys()):
        raise ImpossibleError(f"names {len(value)} ways to arrive, where one is needed; {allowed}")
    return value


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ImpossibleError(f"{shown(value)} is not possible here; allowed: true, false")
    return value


class ThresholdEntry(Part):
    """One threshold: an expression in k6's grammar, and whether it ends the run when it fails."""

    threshold: Annotated[str, PlainValidator(text(200, lines=False)), text_schema(200)] = Field(
        description="Such as p(95)<1000."
    )
    abort_on_fail: Annotated[bool, PlainValidator(_yes_or_no), WithJsonSchema({"type": "boolean"})] = Field(
        default=False, alias="abortOnFail", description="End the run as soon as this fails."
    )
    delay_abort_eval: Pause | None = Field(
        default=None, alias="delayAbortEval", description="Time into the run before abortOnFail may end it."
    )
    during: Annotated[str, PlainValidator(text(32, lines=False)), text_schema(32)] | None = Field(
        default=None, description="Look only at the time in which this event lasts."
    )
    after: (
        Annotated[
            Window,
            PlainValidator(lambda value: value if isinstance(value, Window) else parse_after(value)),
            PlainSerializer(lambda window: str(window).removeprefix("after "), return_type=str, when_used="json"),
            WithJsonSchema({"type": "string", "pattern": f"^{AFTER_PATTERN}$", "examples": ["outage+5s"]}),
        ]
        | None
    ) = Field(default=None, description="Look only at the time from the end of this event to the next: outage+5s.")

    @property
    def window(self) -> Window | None:
        """The part of the run it looks at; None for all of it."""
        return self.after if self.during is None else Window("during", self.during)

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.during is not None and self.after is not None:
            raise ImpossibleError("names two windows; allowed: during or after", "after")
        return self


def _threshold_list(value: object) -> object:
    if not isinstance(value, dict):
        raise ImpossibleError(
            f'{shown(value)} is not a mapping; allowed: metrics with thresholds, such as join_time_ms: ["p(95)<1000"]'
        )
    lists: dict[str, list[object]] = {}
    for key, given in value.items():
        entries = list(given) if isinstance(given, list | tuple) else [given]
        if not entries:
            raise ImpossibleError('is an empty list; allowed: at least one threshold, such as ["p(95)<1000"]', str(key))
        lists[key] = [_threshold_entry(entry, key, index) for index, entry in enumerate(entries)]
    return lists


def _threshold_entry(entry: object, key: str, index: int) -> object:
    if isinstance(entry, str):
        return {"threshold": entry}
    if not isinstance(entry, dict | ThresholdEntry):
        raise ImpossibleError(f"{shown(entry)} is not a threshold; allowed: text such as p(95)<1000", str(key), index)
    return entry


_ONE_THRESHOLD: dict[str, Any] = {"type": "string", "examples": ["p(95)<1000"]}
Entry = Annotated[ThresholdEntry, AlsoAccepts((_ONE_THRESHOLD,))]
Thresholds = Annotated[dict[str, tuple[Entry, ...]], BeforeValidator(_threshold_list)]


def _event_list(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise ImpossibleError(f"{shown(value)} is not a list; allowed: events such as {{at: 20s, name: outage, ...}}")
    if len(value) > MOST_EVENTS:
        raise ImpossibleError(f"names {len(value)} events; allowed: 0 to {MOST_EVENTS}")
    return value


def _check_role_names(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ImpossibleError(f"{shown(value)} is not a mapping of roles; allowed: at least one name with what it does")
    if len(value) > MOST_ROLES:
        raise ImpossibleError(f"names {len(value)} roles; allowed: 1 to {MOST_ROLES}")
    for name in value:
        if not re.fullmatch(ROLE_PATTERN, str(name)):
            raise ImpossibleError(
                "is not a role name; allowed: up to 32 of a-z, 0-9, _ and -, the first a letter", str(name)
            )
    return value


class Scenario(Part):
    """A load scenario: rooms of simulated users, what they do, and what must hold."""

    name: Annotated[str, PlainValidator(text(80, lines=False)), text_schema(80)] = Field(
        description="A short name; rooms and run folders are called after it."
    )
    description: Annotated[str, PlainValidator(text(2000, lines=True)), text_schema(2000)] | None = Field(
        default=None, description="What the scenario is for."
    )
    rooms: Annotated[int, *whole_field(1, MOST_ROOMS)] = Field(
        default=1, description="How many rooms; each is filled with the roles below."
    )
    seed: Annotated[int, *whole_field(0, LARGEST_SEED)] = Field(
        default=1, description="Every random choice follows from it: the same seed gives the same run."
    )
    roles: Annotated[dict[str, Role], BeforeValidator(_check_role_names)] = Field(
        description="The kinds of users by name."
    )
    arrival: Annotated[
        Arrival,
        BeforeValidator(_arrival),
        PlainSerializer(Arrival.to_file, when_used="json"),
        AlsoAccepts(({"const": "at_once"},)),
    ] = Field(
        default=Arrival(),
        description="When users come: {ramp: 10s}, {poisson: 2/s} or at_once (the default).",
        json_schema_extra={"default": "at_once"},
    )
    filling: Annotated[
        str, PlainValidator(one_of(*FILLINGS)), WithJsonSchema({"type": "string", "enum": list(FILLINGS)})
    ] = Field(default="evenly", description="Whether rooms fill at the same pace (evenly) or one_by_one.")
    duration: RunDuration = Field(description="Length of the run: 1s to 24h.")
    observe: ObserveField = Field(
        default=ObserveShares((("frames", 1.0),)),
        description="How deep subscriptions are looked into, unless a role says.",
        json_schema_extra={"default": "frames"},
    )
    thresholds: Thresholds = Field(
        default={}, description="What must hold, by metric: lists of expressions such as p(95)<1000."
    )
    events: Annotated[tuple[EventSpec, ...], BeforeValidator(_event_list)] = Field(
        default=(), description="What happens to networks during the run, and when."
    )

    @property
    def most_users(self) -> int:
        """The most users a run can have: every room with the largest number each role may draw."""
        return self.rooms * sum(role.count.high for role in self.roles.values())

    def depths(self, role: str) -> ObserveShares:
        """How deep subscriptions of this role are looked into: its own word, or the scenario's."""
        return self.roles[role].observe or self.observe

    def effective_thresholds(self) -> dict[str, tuple[ThresholdEntry, ...]]:
        """The thresholds a run is judged by, by metric key: the file's, and two that hold unless the file says else.

        Everyone logs in (`login_share`), and every expected subscription plays (`played_share`); the second only
        where somebody plays anything, as an empty series fails. Neither can be had of a window.
        """
        named = {parse_metric_key(key)[0] for key in self.thresholds}
        wanted = [metric for metric in _DEFAULT_THRESHOLDS if metric not in named]
        if not self._somebody_plays():
            wanted = [metric for metric in wanted if metric != "played_share"]
        return {metric: (ThresholdEntry(threshold=_DEFAULT_EXPRESSION),) for metric in wanted} | self.thresholds

    def to_file(self) -> dict[str, Any]:
        """The resolved scenario as plain values a YAML file could hold; reads back as an equal Scenario."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def _somebody_plays(self) -> bool:
        return any(
            listener.play.allows(name) and speaker.publishes and (listener is not speaker or speaker.count.high > 1)
            for listener in self.roles.values()
            for name, speaker in self.roles.items()
        )

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        per_room = sum(role.count.high for role in self.roles.values())
        if per_room > MOST_PER_ROOM:
            raise ImpossibleError(f"a room may have {per_room} users; allowed: 1 to {MOST_PER_ROOM}", "roles")
        if self.most_users > MOST_USERS:
            raise ImpossibleError(
                f"{self.rooms} rooms of up to {per_room} make {self.most_users} users; allowed: 1 to {MOST_USERS}",
                "rooms",
            )
        return self

    @model_validator(mode="after")
    def _check_arrival(self) -> Self:
        check_arrival(self.arrival, self.most_users, self.duration)
        return self

    @model_validator(mode="after")
    def _check_played_roles(self) -> Self:
        for name, role in self.roles.items():
            for index, played in enumerate(role.play.roles or ()):
                if played not in self.roles:
                    raise ImpossibleError(
                        f"{shown(played)} is not a role of this scenario; allowed: {', '.join(self.roles)}",
                        "roles",
                        name,
                        "play",
                        "roles",
                        index,
                    )
        return self

    @model_validator(mode="after")
    def _check_events(self) -> Self:
        check_events(self.events, list(self.roles), self.duration)
        return self

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        for key, entries in self.thresholds.items():
            try:
                metric, tags = parse_metric_key(key)
                self._check_tags(tags)
            except (ThresholdError, ImpossibleError) as error:
                raise ImpossibleError(str(error), "thresholds", key) from None
            for index, entry in enumerate(entries):
                try:
                    parse_threshold(entry.threshold, METRICS[metric])
                except ThresholdError as error:
                    raise ImpossibleError(str(error), "thresholds", key, index) from None
                self._check_window(entry.window, metric, key, index)
        return self

    def _check_window(self, window: Window | None, metric: str, key: str, index: int) -> None:
        if window is None:
            return
        try:
            check_window(window, metric, [event.planned(self.duration) for event in self.events], self.duration)
        except ImpossibleError as error:
            raise ImpossibleError(str(error), "thresholds", key, index, window.kind) from None

    def _check_tags(self, tags: dict[str, str]) -> None:
        known = {"role": list(self.roles), "codec": [*CODECS, "opus"]}
        for tag in TAGS:
            if tag in known and tag in tags and tags[tag] not in known[tag]:
                raise ImpossibleError(f"{shown(tags[tag])} is not a {tag} here; allowed: {', '.join(known[tag])}")
        if "room" in tags:
            rooms = [room_name(self.name, number) for number in range(1, self.rooms + 1)]
            if tags["room"] not in rooms:
                raise ImpossibleError(f"{shown(tags['room'])} is not a room here; allowed: {rooms[0]} to {rooms[-1]}")


def check_arrival(arrival: Arrival, users: int, duration: float) -> None:
    """Raises ImpossibleError unless that many users can arrive within `duration` seconds."""
    if arrival.ramp is not None and arrival.ramp > duration:
        raise ImpossibleError(
            f"{format_duration(arrival.ramp)} is longer than the run; allowed: up to {format_duration(duration)}",
            "arrival",
            "ramp",
        )
    if arrival.poisson is not None and users / arrival.poisson > duration:
        needed = users / duration
        raise ImpossibleError(
            f"{users} users at {format_rate(arrival.poisson)} take longer than the run of {format_duration(duration)}; "
            f"allowed: {needed:.3g}/s or more",
            "arrival",
            "poisson",
        )
