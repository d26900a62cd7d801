"""The JSON Schema (Draft 2020-12) of a line of a trace; `docs/trace.schema.json` is its text.

Stricter than the reader in one thing: states and stages must be those of the vocabulary.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from harness.trace.history import LATEST
from harness.trace.record import CALLBACKS, CALLS, MARKS, record_schema
from harness.trace.writer import FORMAT, VERSION

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_FIELDS = {
    "kind": "call: the application called; ret: its result; cb: a callback; fault: something was broken on purpose; "
    "probe: an observation beside the call; mark: where the run is.",
    "name": "Of the call, callback, fault, probe or mark. Names that are not listed here are kept and not judged.",
    "t": "Seconds of the run clock. For a callback: when the application's handler was entered.",
    "client": "The incarnation: a new name, such as alice#2, each time an application starts again.",
    "user": "The account; several incarnations may have the same.",
    "room": "The room the record is about.",
    "seq": "Order of dispatch at this client, growing. Left out of records that are not the application's.",
    "epoch": "How many times this client has begun to log in.",
    "op": "The same number in a call and its result.",
    "t_wire": "Seconds of the run clock at which the bytes were read; 0 when nothing was.",
    "args": "By kind and name.",
}


def trace_schema() -> dict[str, Any]:
    """The schema of any line: the header or a record."""
    definitions = {name: _tidy(found) for name, found in record_schema().items()}
    definitions["Record"] = _record(definitions)
    definitions["Header"] = _header()
    return {
        "$schema": DIALECT,
        "title": "A line of a call trace",
        "if": {"required": ["format"]},
        "then": {"$ref": "#/$defs/Header"},
        "else": {"$ref": "#/$defs/Record"},
        "$defs": dict(sorted(definitions.items())),
    }


def trace_schema_text() -> str:
    """The schema as the published file holds it."""
    return json.dumps(trace_schema(), indent=2, ensure_ascii=False) + "\n"


@cache
def closed_values(kind: str, name: str) -> dict[str, list[str]]:
    """Arguments of such a record that may have certain values only, and which."""
    found = {"cb": CALLBACKS, "call": CALLS}.get(kind, {}).get(name)
    if found is None:
        return {}
    properties = record_schema()[found.__name__]["properties"]
    return {key: value["enum"] for key, value in properties.items() if "enum" in value}


def _record(definitions: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = dict(definitions["Record"])
    properties = record["properties"]
    record["description"] = "One thing that happened. Fields that are not listed are allowed and not read."
    record["properties"] = {key: {**properties[key], "description": text} for key, text in _FIELDS.items()}
    record["properties"]["args"]["type"] = "object"
    for key in ("t", "t_wire"):
        record["properties"][key] |= {"minimum": 0, "maximum": LATEST}
    record["allOf"] = [
        *(
            _rule({"kind": kind, "name": name}, found.__name__, definitions)
            for kind, names in (("cb", CALLBACKS), ("call", CALLS), ("mark", MARKS))
            for name, found in names.items()
        ),
        _rule({"kind": "ret"}, "Result", definitions),
        _rule({"kind": "fault"}, "Fault", definitions),
    ]
    return record


def _rule(when: dict[str, str], arguments: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Records of that kind and name have those arguments."""
    then: dict[str, Any] = {"properties": {"args": {"$ref": f"#/$defs/{arguments}"}}}
    if definitions[arguments]["required"]:
        then["required"] = ["args"]
    return {"if": {"properties": {key: {"const": value} for key, value in when.items()}}, "then": then}


def _header() -> dict[str, Any]:
    number = {"type": "number", "minimum": 0}
    return {
        "title": "Header",
        "description": "The first line, and only that.",
        "type": "object",
        "properties": {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "service": {"type": "string", "description": "Whose callbacks these are; names the profile to judge by."},
            "epsilon_us": {**number, "description": "By how many microseconds clocks of different clients may differ."},
            "started": {**number, "description": "Seconds of the run clock at which the run began."},
            "started_unix": {**number, "description": "The same moment in seconds since 1970, UTC."},
            "clock": {"type": "string", "description": "What the run clock is: monotonic, or unix for imported logs."},
            "scenario": {"type": "string"},
            "seed": {"type": "integer"},
            "parameters": {"type": "object", "description": "What the service was set to, where it differs."},
            "imported_from": {"type": "string", "description": "The file that was imported."},
        },
        "required": ["format", "version"],
    }


def _tidy(value: Any) -> Any:
    """Without titles and defaults that tell nothing, and docstrings on one line."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _tidy(item) for key, item in value.items() if not (key == "default" and item in (None, "", 0, -1))}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    return kept
