"""Schedules as files that a person reads and writes: `- {after: 0.2s, alice: publish, stream: a1}`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from harness.conform.delay import UNITS, Delay, parse_delay
from harness.conform.operation import ARGUMENTS, OPERATIONS
from harness.conform.schedule import DEVICE, Schedule, Step
from harness.room_service.settings import Settings
from harness.scenario.document import Document
from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.part import nearest
from harness.scenario.quantity import format_duration, parse_duration
from harness.scenario.source import Format, complaint, parse_source, read_source

SCHEDULE = Format("schedule", "scenarios/conformance/S01-seed-flow.yaml", "name, steps")
KEYS = ("name", "about", "settings", "steps")
# Of all settings, those that are a time, a number of things or a switch.
_SETTINGS = {field.name: field.default for field in fields(Settings) if field.name != "messages_per_second"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_DELAY = re.compile(rf"[0-9.]+(s|ms|m|h| ({'|'.join(UNITS)}))")
_WORDS_OF_YAML = frozenset(("null", "true", "false", "yes", "no", "on", "off"))


def load_schedule(path: str | os.PathLike[str]) -> Schedule:
    """The schedule in a file. Raises ScenarioError: one sentence with file, line and key."""
    name = os.fspath(path)
    return parse_schedule(read_source(name, SCHEDULE), name)


def parse_schedule(raw: bytes, name: str) -> Schedule:
    """The schedule in the bytes of a file of that name. Raises ScenarioError."""
    document = parse_source(raw, name, SCHEDULE)
    try:
        return _schedule(document)
    except ImpossibleError as error:
        raise complaint(f"{name}:{document.line_of(error.where)}", str(error), error.where) from None


def _schedule(document: Document) -> Schedule:
    data = document.data
    for key in data:
        if key not in KEYS:
            raise ImpossibleError(f"unknown key{nearest(key, list(KEYS))}; allowed: {', '.join(KEYS)}", key)
    for key in ("name", "steps"):
        if key not in data:
            raise ImpossibleError("is missing; needed: name, steps", key)
    for key in ("name", "about"):
        value = data.get(key, "")
        if not isinstance(value, str) or (key == "name" and not value.strip()):
            raise ImpossibleError(
                f"{shown(value)} is not text; allowed: text, in quotes if it looks like a number", key
            )
    if not isinstance(data["steps"], list):
        raise ImpossibleError(f"{shown(data['steps'])} is not a list; allowed: a list of steps", "steps")
    settings = _settings(data.get("settings", {}))
    steps = tuple(_step(value, index) for index, value in enumerate(data["steps"]))
    return Schedule(data["name"], steps, data.get("about", ""), settings)


def _settings(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ImpossibleError(f"{shown(value)} is not a mapping; allowed: settings of the service", "settings")
    found: dict[str, Any] = {}
    for name, given in value.items():
        if name not in _SETTINGS:
            guess = nearest(name, list(_SETTINGS))
            raise ImpossibleError(f"unknown key{guess}; allowed: {', '.join(_SETTINGS)}", "settings", name)
        try:
            found[name] = _setting(_SETTINGS[name], given)
        except ImpossibleError as error:
            raise ImpossibleError(str(error), "settings", name) from None
    return found


def _setting(default: object, given: object) -> object:
    if isinstance(default, bool):
        if not isinstance(given, bool):
            raise ImpossibleError(f"{shown(given)} is not a switch; allowed: true, false")
        return given
    if isinstance(default, float):
        return parse_duration(given, 0.01, 86_400)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given <= 1 << 30:
        raise ImpossibleError(f"{shown(given)} is not a number that can be set; allowed: whole numbers above 0")
    return given


# -- steps -------------------------------------------------------------------------------------------------------------


def _step(value: object, index: int) -> Step:
    try:
        if not isinstance(value, dict):
            raise ImpossibleError(f"{shown(value)} is not a step; allowed: such as {{after: 0.2s, alice: login}}")
        return _parsed(value)
    except ImpossibleError as error:
        raise ImpossibleError(str(error), "steps", index, *error.where) from None


def _parsed(value: Mapping[str, Any]) -> Step:
    who = _who(value)
    try:
        after = parse_delay(value["after"]) if "after" in value else Delay()
    except ImpossibleError as error:
        raise ImpossibleError(str(error), "after") from None
    user, _, device = who.partition("@")
    do = value[who]
    if not isinstance(do, str):
        raise ImpossibleError(f"{shown(do)} cannot be done; allowed: {', '.join(OPERATIONS)}", who)
    arguments = {key: given for key, given in value.items() if key not in ("after", who)}
    return Step(user, do, arguments, after, device if "@" in who else DEVICE)


def _who(value: Mapping[str, Any]) -> str:
    """The key that names the user: the one that is no argument; of several, the one that does something."""
    names = [key for key in value if key not in ARGUMENTS and key != "after"]
    doing = [key for key in names if value[key] in OPERATIONS]
    if not names:
        raise ImpossibleError("names no user; allowed: one who does something, such as alice: login")
    if len(doing) > 1:
        raise ImpossibleError(f"a second user in one step; allowed: one, and {doing[0]} is one already", doing[1])
    return (doing or names)[0]


# -- writing -----------------------------------------------------------------------------------------------------------


def dump_schedule(schedule: Schedule) -> str:
    """As a file; load_schedule reads the same schedule from it."""
    lines = [f"name: {_yaml(schedule.name)}"]
    if schedule.about:
        lines.append(f"about: {_yaml(schedule.about)}")
    if schedule.settings:
        lines.append(f"settings: {_yaml({name: _written(value) for name, value in schedule.settings.items()})}")
    lines.append("steps:" if schedule.steps else "steps: []")
    lines += [f"  - {_yaml(step.written())}" for step in schedule.steps]
    return "\n".join(lines) + "\n"


def _written(value: object) -> object:
    return format_duration(value) if isinstance(value, float) else value


def _yaml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(key)}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML
    return text if plain or _DELAY.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes, everything beyond printable ASCII escaped."""
    escaped = []
    for character in text:
        code = ord(character)
        if character in '"\\':
            escaped.append("\\" + character)
        elif 0x20 <= code < 0x7F:
            escaped.append(character)
        else:
            escaped.append(
                f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
            )
    return '"' + "".join(escaped) + '"'
