"""Mapping files to mappings. Whatever is wrong with one is said in one sentence: file, line, key, what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from harness.scenario.document import Document, DocumentError, read_document
from harness.scenario.errors import one_line, shown
from harness.trace.record import CALLBACKS, CALLS
from harness.trace_import.errors import LogError
from harness.trace_import.mapping import FORMATS, KINDS, UNITS, Entry, Mapping, Source
from harness.trace_import.value import MISSING, Constant, Each, Object, Taken, Value

MOST_BYTES = 1_000_000
Steps = tuple[str | int, ...]
_KEYS = "source, time, client, user, room, event, events, service, epsilon_ms"


def load_mapping(path: Path) -> Mapping:
    """The mapping in a YAML file. Raises LogError, such as
    `map.yaml:7: events.onJoin.nmae: is not known; allowed: kind, name, args, when, op, restarts`.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LogError(f"{path}: is not UTF-8 text; allowed: YAML in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LogError(one_line(f"{path}: cannot be read ({reason}); allowed: a mapping file in YAML")) from None
    if len(raw) > MOST_BYTES:
        raise LogError(f"{path}: is larger than {MOST_BYTES} bytes; allowed: up to {MOST_BYTES}")
    try:
        document = read_document(text, keys="source, time, client, event, events")
    except DocumentError as error:
        raise LogError(one_line(f"{path}:{error.line}: {error}")) from None
    return _MappingFile(path, document).mapping()


class _MappingFile:
    """Reads a document key by key; every method raises LogError at the key that is wrong."""

    def __init__(self, path: Path, document: Document) -> None:
        self._path = path
        self._document = document

    def mapping(self) -> Mapping:
        top = self._known(self._document.data, (), *_KEYS.split(", "))
        source = self._source(top.get("source", {}))
        unit, time = self._time(self._needed(top, "time", ()))
        user = self._value(top["user"], ("user",)) if "user" in top else None
        if "client" not in top and user is None:
            raise self._error((), "has no client; allowed: client, or user where each has one application")
        client = self._value(top["client"], ("client",)) if "client" in top else user
        assert client is not None
        found = Mapping(
            source=source,
            event=self._value(self._needed(top, "event", ()), ("event",)),
            time=time,
            unit=unit,
            client=client,
            user=user,
            room=self._value(top["room"], ("room",)) if "room" in top else Constant(""),
            events=self._events(self._needed(top, "events", ())),
            service=self._text(top.get("service", ""), ("service",)),
            epsilon_us=self._epsilon(top),
        )
        if source.format == "text":
            self._check_groups(found)
        return found

    def _source(self, raw: Any) -> Source:
        where: Steps = ("source",)
        keys = self._known(raw, where, "format", "pattern", "delimiter", "json", "unmatched")
        form = self._one_of(keys.get("format", "jsonl"), (*where, "format"), *FORMATS)
        pattern = self._text(keys.get("pattern", ""), (*where, "pattern"))
        if (form == "text") != bool(pattern):
            raise self._error(where, "a pattern goes with the format text, and only with that")
        if pattern:
            self._check_pattern(pattern, (*where, "pattern"))
        delimiter = self._text(keys.get("delimiter", ","), (*where, "delimiter"))
        if len(delimiter) != 1:
            raise self._error((*where, "delimiter"), f"{shown(delimiter)}; allowed: one character")
        json = keys.get("json", [])
        if not isinstance(json, list) or not all(isinstance(item, str) for item in json):
            raise self._error((*where, "json"), "allowed: a list of field names")
        skip = self._one_of(keys.get("unmatched", "error"), (*where, "unmatched"), "error", "skip") == "skip"
        return Source(form, pattern, delimiter, tuple(json), skip)

    def _check_pattern(self, pattern: str, where: Steps) -> None:
        try:
            groups = re.compile(pattern).groupindex
        except (re.error, RecursionError, OverflowError) as error:
            allowed = "allowed: a regular expression with named groups, such as (?P<event>\\w+)"
            raise self._error(where, f"is no regular expression ({error}); {allowed}") from None
        if not groups:
            raise self._error(where, "has no named groups; allowed: such as (?P<event>\\w+)")

    def _check_groups(self, mapping: Mapping) -> None:
        """In text, every field that is not taken from an event's own items must be a group of the pattern."""
        groups = re.compile(mapping.source.pattern).groupindex
        for key in ("event", "time", "client", "user", "room"):
            value = getattr(mapping, key)
            for path in value.paths() if value is not None else ():
                root = path.partition(".")[0]
                if root not in groups and not root.startswith("$"):
                    allowed = ", ".join([*groups, "$file"])
                    raise self._error((key,), f"{shown(root)} is no group of source.pattern; allowed: {allowed}")

    def _time(self, raw: Any) -> tuple[str, Value]:
        keys = self._known(raw, ("time",), "field", "unit")
        path = self._text(self._needed(keys, "field", ("time",)), ("time", "field"))
        return self._one_of(keys.get("unit", "s"), ("time", "unit"), *UNITS, "iso"), Taken(path)

    def _epsilon(self, top: dict[str, Any]) -> float | None:
        raw = top.get("epsilon_ms")
        if raw is None:
            return None
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw <= 3_600_000:
            raise self._error(("epsilon_ms",), f"{shown(raw)}; allowed: milliseconds, 0 to 3600000")
        return raw * 1000

    def _events(self, raw: Any) -> dict[str, tuple[Entry, ...]]:
        found: dict[str, tuple[Entry, ...]] = {}
        for event, entries in self._table(raw, ("events",)).items():
            where: Steps = ("events", event)
            if isinstance(entries, list):
                found[event] = tuple(self._entry(entry, (*where, at)) for at, entry in enumerate(entries))
            else:
                found[event] = (self._entry(entries, where),)
        return found

    def _entry(self, raw: Any, where: Steps) -> Entry:
        keys = self._known(raw, where, "kind", "name", "args", "when", "op", "restarts")
        kind = self._one_of(keys.get("kind", "cb"), (*where, "kind"), *KINDS)
        name = self._text(self._needed(keys, "name", where), (*where, "name"))
        args = self._table(keys.get("args", {}), (*where, "args"))
        when = self._table(keys.get("when", {}), (*where, "when"))
        restarts = keys.get("restarts", False)
        if not isinstance(restarts, bool):
            raise self._error((*where, "restarts"), f"{shown(restarts)}; allowed: true, false")
        if kind == "cb" and name not in CALLBACKS:
            raise self._error((*where, "name"), f"{shown(name)}; allowed: {', '.join(CALLBACKS)}")
        self._check_args(kind, name, set(args), where)
        return Entry(
            kind=kind,
            name=name,
            args={key: self._value(value, (*where, "args", key)) for key, value in args.items()},
            when={path: self._texts(value, (*where, "when", path)) for path, value in when.items()},
            op=self._value(keys["op"], (*where, "op")) if "op" in keys else None,
            restarts=restarts,
        )

    def _check_args(self, kind: str, name: str, given: set[str], where: Steps) -> None:
        """What the record must have, the mapping must give."""
        described = {"cb": CALLBACKS, "call": CALLS}.get(kind, {}).get(name)
        for info in msgspec.structs.fields(described) if described is not None else ():
            if info.required and info.encode_name not in given:
                raise self._error((*where, "args"), f"has no {info.encode_name}; {name} must have one")

    # -- values --------------------------------------------------------------------------------------------------

    def _value(self, raw: Any, where: Steps) -> Value:
        """A constant; {field: ...}; {each: ..., take: ...}; or {object: {...}}."""
        if not isinstance(raw, dict):
            return Constant(raw)
        if "each" in raw:
            keys = self._known(raw, where, "each", "take")
            path = self._text(keys["each"], (*where, "each"))
            take = self._needed(keys, "take", where)
            inner: Steps = (*where, "take")
            if isinstance(take, dict) and not {"field", "each", "object"} & take.keys():
                return Each(path, self._object(take, inner))
            return Each(path, self._value(take, inner))
        if "object" in raw:
            keys = self._known(raw, where, "object")
            return self._object(keys["object"], (*where, "object"))
        keys = self._known(raw, where, "field", "map", "scale", "default")
        path = self._text(self._needed(keys, "field", where), (*where, "field"))
        table = self._table(keys["map"], (*where, "map")) if "map" in keys else None
        scale = keys.get("scale")
        if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float)):
            raise self._error((*where, "scale"), f"{shown(scale)}; allowed: a number")
        return Taken(path, table, scale, keys.get("default", MISSING))

    def _object(self, raw: Any, where: Steps) -> Object:
        return Object({key: self._value(value, (*where, key)) for key, value in self._table(raw, where).items()})

    # -- plain YAML ----------------------------------------------------------------------------------------------

    def _table(self, raw: Any, where: Steps) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise self._error(where, f"{shown(raw)} is not a mapping")
        return raw

    def _known(self, raw: Any, where: Steps, *allowed: str) -> dict[str, Any]:
        table = self._table(raw, where)
        for key in table:
            if key not in allowed:
                raise self._error((*where, key), f"is not known; allowed: {', '.join(allowed)}")
        return table

    def _needed(self, table: dict[str, Any], key: str, where: Steps) -> Any:
        if key not in table:
            raise self._error(where, f"has no {key}; it must have one")
        return table[key]

    def _text(self, raw: Any, where: Steps) -> str:
        if not isinstance(raw, str):
            raise self._error(where, f"{shown(raw)}; allowed: text")
        return raw

    def _texts(self, raw: Any, where: Steps) -> tuple[str, ...]:
        values = raw if isinstance(raw, list) else [raw]
        if any(isinstance(value, dict | list) for value in values):
            raise self._error(where, "allowed: a value, or a list of them")
        return tuple(("true" if v else "false") if isinstance(v, bool) else str(v) for v in values)

    def _one_of(self, raw: Any, where: Steps, *allowed: str) -> str:
        if raw not in allowed:
            raise self._error(where, f"{shown(raw)}; allowed: {', '.join(allowed)}")
        return str(raw)

    def _error(self, where: Steps, message: str) -> LogError:
        key = ""
        for step in where:
            key += f"[{step}]" if isinstance(step, int) else f".{step}" if key else step
        line = self._document.line_of(where)
        return LogError(one_line(f"{self._path}:{line}: {key[:200]}: {message}" if key else f"{self._path}: {message}"))
