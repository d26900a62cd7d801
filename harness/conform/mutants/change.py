"""What can befall one message on its way: what comes of it, and how many seconds later. And which messages it befalls.

The same for an event of the service, a callback of a driver and a record of a trace.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Fate = list[tuple[float, Any]]  # seconds from now, and what comes then
Change = Callable[[Any], Fate]
Edit = Callable[[Any], Any]


def drop(message: Any) -> Fate:
    return []


def twice(message: Any) -> Fate:
    return [(0.0, message), (0.0, copy.deepcopy(message))]


def again(*seconds: float) -> Change:
    """It comes, and comes again so much later."""
    return lambda message: [(0.0, message), *((at, copy.deepcopy(message)) for at in seconds)]


def late(seconds: float) -> Change:
    return lambda message: [(seconds, message)]


def edit(change: Edit) -> Change:
    return lambda message: [(0.0, change(copy.deepcopy(message)))]


def then(make: Edit, seconds: float = 0.0) -> Change:
    """It comes, and so much later what is made of a copy of it."""
    return lambda message: [(0.0, message), (seconds, make(copy.deepcopy(message)))]


def before(make: Edit, seconds: float = 0.0) -> Change:
    """What is made of a copy of it comes first. seconds: by how much, which only a trace can do."""
    return lambda message: [(-seconds, make(copy.deepcopy(message))), (0.0, message)]


class Pick:
    """Which messages: by name, by who gets or says them, by values of fields. One of each performance.

    has: an id that its list holds. nth: only the one of this number, from 1; 0: all.
    """

    def __init__(self, name: str, who: str, has: str, nth: int, fields: Mapping[str, Any]) -> None:
        self._name, self._who, self._has, self._nth, self._fields = name, who, has, nth, fields
        self._met = 0

    def __call__(self, name: str, who: str, fields: Mapping[str, Any]) -> bool:
        if name != self._name or (self._who and who != self._who):
            return False
        if any(fields.get(key) != value for key, value in self._fields.items()):
            return False
        if self._has and self._has not in listed(fields):
            return False
        self._met += 1
        return not self._nth or self._met == self._nth


def listed(fields: Mapping[str, Any]) -> list[str]:
    """The ids in the list of a roster's event, callback or record."""
    items: Iterable[Mapping[str, Any]] = fields.get("items") or fields.get("streams") or fields.get("users") or ()
    return [str(item.get("id") or item.get("stream") or item.get("user")) for item in items]
