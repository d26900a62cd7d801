"""Values as a log has them to the types that a record wants: "1002050" to a number, a numeric user id to text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from harness.trace.record import CALLBACKS, CALLS, Arguments, Fault, Result, record_schema
from harness.trace_import.value import as_text

_WHOLE = re.compile(r"[-+]?\d{1,19}")
_NUMBER = re.compile(r"[-+]?(\d{1,19}(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")


def fitted(kind: str, name: str, args: dict[str, Any]) -> dict[str, Any]:
    """The same arguments, each text, number and truth value as its argument is. What does not fit stays as it is."""
    others: dict[str, type[Arguments]] = {"ret": Result, "fault": Fault}
    described = {"cb": CALLBACKS, "call": CALLS}.get(kind, {}).get(name) or others.get(kind)
    if described is None:
        return args
    found: dict[str, Any] = _fit(args, {"$ref": described.__name__})
    return found


@cache
def _definitions() -> dict[str, Any]:
    return record_schema()


def _fit(value: Any, schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = _definitions()[schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {key: _fit(item, properties[key]) if key in properties else item for key, item in value.items()}
    if isinstance(value, list):
        return [_fit(item, schema.get("items", {})) for item in value]
    return value if value is None else _fit_plain(value, _types(schema))


def _types(schema: dict[str, Any]) -> set[str]:
    return {found for option in [schema, *schema.get("anyOf", ())] if isinstance(found := option.get("type"), str)}


def _fit_plain(value: Any, types: set[str]) -> Any:
    if "string" in types:
        return as_text(value)
    if "boolean" in types:
        return {"true": True, "false": False, "1": True, "0": False}.get(as_text(value).lower(), value)
    if types & {"integer", "number"} and not isinstance(value, bool):
        return _number(value, fractions="number" in types)
    return value


def _number(value: Any, *, fractions: bool) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        value = float(text) if _NUMBER.fullmatch(text) else value
    if isinstance(value, float) and not fractions and value.is_integer():
        return int(value)
    return value
