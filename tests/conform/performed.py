"""What tests of performances share: short schedules, and their traces as records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.conform.delay import parse_delay
from harness.conform.run import virtual_trace
from harness.conform.schedule import Schedule, Step

SHIPPED = sorted((Path(__file__).parents[2] / "scenarios" / "conformance").glob("*.yaml"))


def schedule(*steps: tuple[str, str, str, dict[str, Any]], **settings: Any) -> Schedule:
    """Steps as (after, user, do, args)."""
    made = []
    for after, who, do, args in steps:
        user, _, device = who.partition("@")
        made.append(Step(user, do, args, parse_delay(after), device or "1"))
    return Schedule("test", tuple(made), settings=settings)


def perform(*steps: tuple[str, str, str, dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    """The records of a performance on virtual time, without the header."""
    return records(virtual_trace(schedule(*steps, **settings)))


def records(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines[1:]]


def of(found: list[dict[str, Any]], client: str, name: str, kind: str = "cb") -> list[dict[str, Any]]:
    return [r for r in found if r.get("client") == client and r["name"] == name and r["kind"] == kind]


def states(found: list[dict[str, Any]], client: str, name: str = "room.state") -> list[str]:
    return [r["args"]["state"] for r in of(found, client, name)]


def rosters(found: list[dict[str, Any]], client: str, name: str) -> list[tuple[str, list[str]]]:
    return [(r["args"]["op"], [item["id"] for item in r["args"]["items"]]) for r in of(found, client, name)]


def time_of(found: list[dict[str, Any]], name: str) -> float:
    return next(float(r["t"]) for r in found if r["name"] == name)
