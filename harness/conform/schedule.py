"""A schedule: who does what, and when. Data, so that it can be written by a person, generated and shrunk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.conform.argument import written
from harness.conform.delay import Delay
from harness.conform.operation import ARGUMENTS, OPERATIONS
from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.part import nearest

MOST_STEPS, MOST_USERS = 500, 50
DEVICE = "1"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_RESERVED = ARGUMENTS | {"after"}


@dataclass(frozen=True, slots=True)
class Step:
    """after: since the step before began. device: one of several that a user calls from, each with its own client.

    args holds every argument of the operation, what was left out at its default. Raises ImpossibleError.
    """

    user: str
    do: str
    args: Mapping[str, Any] = field(default_factory=dict)
    after: Delay = Delay()  # noqa: RUF009 - it is frozen
    device: str = DEVICE

    def __post_init__(self) -> None:
        for name in (self.user, f"x{self.device}"):
            if not _NAME.fullmatch(name):
                raise ImpossibleError(f"{shown(self.who)} is not a name; allowed: letters, digits, - and _, up to 32")
        if self.user in _RESERVED:
            raise ImpossibleError(f"{shown(self.user)} cannot be a user's name; it is the name of an argument")
        if self.do not in OPERATIONS:
            guess = nearest(self.do, list(OPERATIONS))
            raise ImpossibleError(f"{shown(self.do)} cannot be done{guess}; allowed: {', '.join(OPERATIONS)}", self.who)
        object.__setattr__(self, "args", _checked(self.do, self.args))

    @property
    def who(self) -> str:
        return self.user if self.device == DEVICE else f"{self.user}@{self.device}"

    def written(self) -> dict[str, Any]:
        """As a file writes it, without what is at its default."""
        found: dict[str, Any] = {"after": str(self.after)} if self.after != Delay() else {}
        found[self.who] = self.do
        for name, argument in OPERATIONS[self.do].items():
            if argument.needed or self.args[name] != argument.default:
                found[name] = written(self.args[name])
        return found


def _checked(do: str, given: Mapping[str, Any]) -> dict[str, Any]:
    arguments = OPERATIONS[do]
    for name in given:
        if name not in arguments:
            guess = nearest(name, list(arguments))
            allowed = ", ".join(("after", *arguments))
            raise ImpossibleError(f"unknown key{guess}; allowed with {do}: {allowed}", name)
    found = {}
    for name, argument in arguments.items():
        if name not in given:
            if argument.needed:
                raise ImpossibleError(f"is missing; {do} needs it", name)
            found[name] = argument.default
            continue
        try:
            left_out = given[name] is None and argument.default is None and not argument.needed
            found[name] = None if left_out else argument.check(written(given[name]))
        except ImpossibleError as error:
            raise ImpossibleError(str(error), name, *error.where) from None
    return found


@dataclass(frozen=True, slots=True)
class Schedule:
    """settings: what the service must have set otherwise than the profile, by its Settings' names.

    Raises ImpossibleError beyond 500 steps or 50 users.
    """

    name: str
    steps: tuple[Step, ...]
    about: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.steps) > MOST_STEPS:
            raise ImpossibleError(f"has {len(self.steps)} steps; allowed: up to {MOST_STEPS}", "steps")
        if len(self.users) > MOST_USERS:
            raise ImpossibleError(f"has {len(self.users)} users; allowed: up to {MOST_USERS}", "steps")

    @property
    def users(self) -> list[str]:
        """In the order in which they appear."""
        return list(dict.fromkeys(step.user for step in self.steps))
