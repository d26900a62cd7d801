"""Mapping files: what is wrong with one is said in one sentence with file, line, key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.trace_import.errors import LogError
from harness.trace_import.mapping_file import load_mapping

TOP = "time: {field: t}\nclient: {field: who}\nevent: {field: e}\n"
EVENTS = "events:\n  x: {name: room.state, args: {state: IN}}\n"

WRONG = {
    "empty": ("", ":1: is empty; allowed: a mapping with source, time"),
    "a list": ("- a\n", "is not a mapping; allowed: a mapping with source"),
    "not yaml": ("a: [\n", "is not YAML"),
    "tag": ("time: !!python/name:os.system\n", "tag"),
    "unknown key": (TOP + EVENTS + "evnets: {}\n", ":6: evnets: is not known; allowed: source, time"),
    "unknown inner key": (TOP + "events:\n  x: {nmae: y}\n", ":5: events.x.nmae: is not known; allowed: kind, name"),
    "no events": (TOP, "has no events; it must have one"),
    "no time": (EVENTS + "client: a\nevent: b\n", "has no time"),
    "no client": ("time: {field: t}\nevent: {field: e}\n" + EVENTS, "has no client; allowed: client, or user"),
    "unit": (TOP.replace("t}", "t, unit: min}") + EVENTS, ":1: time.unit: min; allowed: s, ms, us, ns, iso"),
    "kind": (TOP + "events: {x: {kind: callback, name: y}}\n", "events.x.kind: callback; allowed: cb, call"),
    "callback": (TOP + "events: {x: {name: room.stat}}\n", "events.x.name: room.stat; allowed: room.state, roster"),
    "needed argument": (
        TOP + "events: {x: {name: room.state}}\n",
        "x.args: has no state; room.state must have one",
    ),
    "format": ("source: {format: xml}\n" + TOP + EVENTS, "source.format: xml; allowed: jsonl, csv, text"),
    "no pattern": ("source: {format: text}\n" + TOP + EVENTS, "a pattern goes with the format text"),
    "bad pattern": ("source: {format: text, pattern: '(?P<e>'}\n" + TOP + EVENTS, ":1: source.pattern: is no regular"),
    "no groups": ("source: {format: text, pattern: 'a(b)'}\n" + TOP + EVENTS, "source.pattern: has no named groups"),
    "no such group": ("source: {format: text, pattern: '(?P<e>x)'}\n" + TOP + EVENTS, ":2: time: t is no group of"),
    "delimiter": ("source: {format: csv, delimiter: ab}\n" + TOP + EVENTS, "source.delimiter: ab; allowed: one"),
    "json": ("source: {json: x}\n" + TOP + EVENTS, "source.json: allowed: a list of field names"),
    "value": (TOP + "events: {x: {name: room.state, args: {state: {from: y}}}}\n", "args.state.from: is not known"),
    "scale": (TOP + "events: {x: {name: room.count, args: {n: {field: a, scale: b}}}}\n", "n.scale: b; allowed: a num"),
    "take": (TOP + "events: {x: {name: stream.extra, args: {items: {each: a}}}}\n", "args.items: has no take"),
    "restarts": (TOP + "events: {x: {kind: mark, name: y, restarts: 2}}\n", "x.restarts: 2; allowed: true, false"),
    "epsilon": (TOP + EVENTS + "epsilon_ms: -1\n", "epsilon_ms: -1; allowed: milliseconds, 0 to"),
    "when": (TOP + "events: {x: {kind: mark, name: y, when: {a: {b: c}}}}\n", "when.a: allowed: a value, or a list"),
    "events as text": (TOP + "events: none\n", ":4: events: none is not a mapping"),
    "twice": (TOP + TOP, "stands twice"),
}


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_mapping_is_one_sentence_at_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LogError) as caught:
        load_mapping(path)
    assert str(caught.value).startswith(f"{path}:")
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_mapping_that_is_not_there_not_text_or_too_large_is_named(tmp_path: Path) -> None:
    for content, says in ((None, "No such file"), (b"\xff", "not UTF-8"), (b"#" * 1_000_001, "larger than")):
        path = tmp_path / "map.yaml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(LogError, match=says):
            load_mapping(path)


def test_defaults_are_json_lines_seconds_and_the_user_as_the_client(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("time: {field: t}\nuser: {field: u}\nevent: {field: e}\n" + EVENTS, encoding="utf-8")
    found = load_mapping(path)
    assert (found.source.format, found.unit, found.client, found.epsilon_us) == ("jsonl", "s", found.user, None)
    path.write_text(path.read_text() + "epsilon_ms: 2.5\n", encoding="utf-8")
    assert load_mapping(path).epsilon_us == 2500
