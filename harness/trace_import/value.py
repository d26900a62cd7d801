"""Where a value of a record comes from: a constant, a field of the log, or one value for each item of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.scenario.errors import shown

MISSING: Any = object()
Fields = Mapping[str, Any]


class NoValue(ValueError):
    """A line of the log does not give the value; the text says which and why."""


class Value(Protocol):
    """Raises NoValue."""

    def of(self, fields: Any) -> Any: ...

    def paths(self) -> Iterator[str]:
        """The fields of a line that it reads."""


@dataclass(frozen=True)
class Constant:
    value: Any

    def of(self, fields: Any) -> Any:
        return self.value

    def paths(self) -> Iterator[str]:
        yield from ()


@dataclass(frozen=True)
class Taken:
    """path: keys and list positions, joined by dots; empty: the item itself. table: from the log's values (as text) to
    ours. scale: factor for a number. default: what a missing or empty value becomes."""

    path: str
    table: Mapping[str, Any] | None = None
    scale: float | None = None
    default: Any = MISSING

    def of(self, fields: Any) -> Any:
        value = follow(fields, self.path)
        if value is MISSING or value is None or value == "":
            if self.default is MISSING:
                raise NoValue(f"it has no {self.path or 'value'}; allowed: a value, or a default in the mapping")
            return self.default
        if self.table is not None:
            value = self._looked_up(value)
        if self.scale is not None:
            value = self._scaled(value, self.scale)
        return value

    def paths(self) -> Iterator[str]:
        yield self.path

    def _looked_up(self, value: Any) -> Any:
        assert self.table is not None
        key = as_text(value)
        if key not in self.table:
            allowed = ", ".join(list(self.table)[:20])
            raise NoValue(f"{self.path} is {shown(value)}, which its map does not have; allowed: {allowed}")
        return self.table[key]

    def _scaled(self, value: Any, scale: float) -> float:
        try:
            return float(value) * scale
        except (TypeError, ValueError, OverflowError):
            raise NoValue(f"{self.path} is {shown(value)}; allowed: a number") from None


@dataclass(frozen=True)
class Each:
    """One value for each item of the list at that path. A missing list is an empty one."""

    path: str
    take: Value

    def of(self, fields: Any) -> Any:
        items = follow(fields, self.path)
        if items is MISSING or items is None or items == "":
            return []
        if not isinstance(items, list):
            raise NoValue(f"{self.path} is {shown(items)}; allowed: a list")
        return [self.take.of(item) for item in items]

    def paths(self) -> Iterator[str]:
        yield self.path


@dataclass(frozen=True)
class Object:
    """Several values by name."""

    parts: Mapping[str, Value]

    def of(self, fields: Any) -> dict[str, Any]:
        return {name: value.of(fields) for name, value in self.parts.items()}

    def paths(self) -> Iterator[str]:
        for value in self.parts.values():
            yield from value.paths()


def follow(value: Any, path: str) -> Any:
    """What stands at that path, or MISSING."""
    for step in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def as_text(value: Any) -> str:
    """A value of a log as a key of a map in YAML is written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
