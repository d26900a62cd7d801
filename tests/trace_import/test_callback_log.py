"""Callback logs by a mapping: each event becomes the record it says, whatever the log's format; the rest is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.trace.history import open_history
from harness.trace.record import Record
from harness.trace.schema import trace_schema
from harness.trace_import.callback_log import CallbackLog, Imported
from harness.trace_import.errors import LogError
from harness.trace_import.mapping_file import load_mapping
from harness.trace_import.trace_file import TraceFile

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
MAPPING = """\
time: {field: t}
client: {field: who}
room: {field: room, default: ""}
event: {field: event}
events:
  state: {name: room.state, args: {state: {field: state}, code: {field: code, default: 0}}}
  users: {name: roster.users, args: {op: ADD, items: {each: users, take: {id: {field: ""}}}}}
  play: {kind: call, name: play, args: {stream: {field: stream}}, op: {field: op}}
  done: {kind: ret, name: play, args: {result: ok}, op: {field: op}}
  start: {kind: mark, name: start, restarts: true}
"""


def imported(tmp_path: Path, log: str, mapping: str = MAPPING, name: str = "log") -> list[Record]:
    (tmp_path / name).write_text(log, encoding="utf-8")
    (tmp_path / "map.yaml").write_text(mapping, encoding="utf-8")
    run(tmp_path, tmp_path / name)
    history = open_history(tmp_path / "out.jsonl")
    records = list(history)
    assert history.problems == []
    return records


def run(tmp_path: Path, *logs: Path, service: str = "") -> Imported:
    with TraceFile(tmp_path / "out.jsonl", force=True) as file:
        log = CallbackLog(load_mapping(tmp_path / "map.yaml"), file)
        for path in logs:
            log.add(path)
        return log.finish(logs, service)


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def row(t: float, event: str, who: str = "a", **fields: Any) -> dict[str, Any]:
    return {"t": t, "who": who, "event": event, **fields}


def test_the_documented_example_gives_a_valid_trace_of_the_whole_call(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    (tmp_path / "map.yaml").write_bytes((EXAMPLES / "zego.yaml").read_bytes())
    done = run(tmp_path, EXAMPLES / "zego-callbacks.jsonl")
    assert (done.records, done.unknown, done.clients) == (58, {"onDebugInfo": 1}, {"alice#1", "bob#1"})
    validator = jsonschema.Draft202012Validator(trace_schema())
    for line in (tmp_path / "out.jsonl").read_bytes().splitlines():
        validator.validate(json.loads(line))
    history = open_history(tmp_path / "out.jsonl")
    records = list(history)
    assert history.problems == []
    assert history.header["service"] == "zego"
    assert history.header["imported_from"] == "zego-callbacks.jsonl"
    assert history.header["epsilon_us"] == 1_000_000
    states = [(r.user, r.args.state) for r in records if r.name == "room.state"]
    assert states == [(u, s) for u in ("alice", "bob") for s in ("LOGGING_IN", "IN")] + [
        ("bob", "OUT"),
        ("alice", "OUT"),
    ]
    (gone,) = [r for r in records if r.name == "roster.streams" and r.args.op == "DEL"]
    assert (gone.client, gone.args.items[0].id, gone.args.items[0].user, gone.args.reasons) == (
        "alice#1", "s_bob", "bob", [1],
    )  # fmt: skip
    assert {r.room for r in records if r.name == "pub.state"} == {"math"}, "the room it was last in"
    (probe,) = [r for r in records if r.kind == "probe"]
    assert (probe.name, json.loads(bytes(probe.raw))["text"]) == ("onDebugInfo", "camera 30 fps")


def test_seq_counts_at_each_client_and_epoch_at_each_login(tmp_path: Path) -> None:
    states = ["LOGGING_IN", "IN", "OUT", "LOGGING_IN", "LOGIN_FAILED", "IN", "RECONNECTING", "REJOINED"]
    records = imported(
        tmp_path,
        lines(
            *(row(at, "state", state=state) for at, state in enumerate(states)),
            row(9, "state", "b", state="IN"),
            row(10, "play", "b", stream="s", op=7),
            row(11, "done", "b", op=7),
        ),
    )
    mine = [r for r in records if r.user == "a"]
    assert [r.seq for r in mine] == list(range(8))
    assert [r.epoch for r in mine] == [1, 1, 1, 2, 2, 3, 3, 3]
    assert [(r.client, r.seq, r.epoch, r.op) for r in records if r.user == "b"] == [
        ("b#1", 0, 1, 0), ("b#1", 1, 1, 7), ("b#1", 2, 1, 7),
    ]  # fmt: skip


def test_an_application_that_starts_again_is_another_incarnation(tmp_path: Path) -> None:
    rows = [row(0, "start"), row(1, "state", state="IN"), row(2, "start"), row(3, "state", state="IN")]
    records = imported(tmp_path, lines(*rows))
    assert [(r.client, r.user, r.seq, r.epoch) for r in records if r.kind == "cb"] == [
        ("a#1", "a", 0, 1), ("a#2", "a", 0, 1),
    ]  # fmt: skip


def test_a_log_that_names_incarnations_itself_keeps_its_names(tmp_path: Path) -> None:
    rows = [row(1, "state", "a#7", state="IN"), row(2, "start", "a#7"), row(3, "state", "a#7", state="OUT")]
    records = imported(tmp_path, lines(*rows))
    assert [(r.client, r.user, r.seq) for r in records if r.kind == "cb"] == [("a#7", "a", 0), ("a#7", "a", 1)]


def test_a_line_without_a_room_is_about_the_last_one_of_its_client(tmp_path: Path) -> None:
    rows = [row(1, "state", room="r", state="IN"), row(2, "state", state="OUT"), row(3, "state", "b", state="IN")]
    assert [r.room for r in imported(tmp_path, lines(*rows))] == ["r", "r", ""]


def test_logs_of_several_devices_become_one_trace_in_the_order_of_time(tmp_path: Path) -> None:
    mapping = MAPPING.replace("client: {field: who}", "client: {field: $file}")
    (tmp_path / "map.yaml").write_text(mapping, encoding="utf-8")
    for name, offset in (("phone.log", 100), ("laptop.log", 0)):
        rows = [{"t": offset + at, "event": "state", "state": "IN"} for at in range(0, 200, 50)]
        (tmp_path / name).write_text(lines(*rows), encoding="utf-8")
    run(tmp_path, tmp_path / "phone.log", tmp_path / "laptop.log", service="other")
    history = open_history(tmp_path / "out.jsonl")
    assert [(r.t, r.client) for r in history] == [
        (0, "laptop#1"), (50, "laptop#1"), (100, "phone#1"), (100, "laptop#1"), (150, "phone#1"), (150, "laptop#1"),
        (200, "phone#1"), (250, "phone#1"),
    ]  # fmt: skip
    assert history.problems == []
    assert (history.header["service"], history.header["started"], history.header["clock"]) == ("other", 0, "log")


TEXT_MAPPING = """\
source:
  format: text
  pattern: '^(?P<t>\\S+) \\[(?P<who>\\w+)\\] (?P<event>\\w+) ?(?P<data>.*)$'
  json: [data]
  unmatched: skip
time: {field: t, unit: iso}
client: {field: who}
room: {field: who}
event: {field: event}
events:
  state: {name: room.state, args: {state: {field: data.state, map: {joined: IN, left: OUT}}}}
"""


def test_text_lines_are_taken_apart_by_a_pattern_and_json_within_them_is_read(tmp_path: Path) -> None:
    log = (
        "starting up\n\n2026-01-31T12:30:00.250Z [a] state {\"state\": \"joined\"}\n"
        "2026-01-31T12:30:01,500+00:00 [a] state {\"state\": \"left\"}\n"
    )  # fmt: skip
    first, second = imported(tmp_path, log, TEXT_MAPPING)
    assert (first.args.state, second.args.state, first.room) == ("IN", "OUT", "a")
    assert (first.t, second.t) == (1769862600.25, 1769862601.5)


def test_csv_texts_become_the_numbers_truth_values_and_texts_that_arguments_are(tmp_path: Path) -> None:
    mapping = (
        "source: {format: csv, delimiter: ;}\ntime: {field: t, unit: us}\nuser: {field: uid}\nevent: {field: what}\n"
        "events:\n"
        "  S: {name: room.state, args: {state: {field: a}, code: {field: b}}}\n"
        "  M: {kind: call, name: mute, args: {stream: {field: a}, device: camera, muted: {field: b}}}\n"
        "  Q: {name: play.quality, args: {stream: {field: a}, loss: {field: b, scale: 0.01}, rtt: {field: c}}}\n"
    )
    log = "t;uid;what;a;b;c\n1500000;12;S;IN;0;\n2500000;12;M;77;true;\n3500000;12;Q;77;2.5;31.5\n"
    state, mute, quality = imported(tmp_path, log, mapping)
    assert (state.t, state.user, state.client, state.args.code) == (1.5, "12", "12#1", 0)
    assert (mute.args.stream, mute.args.muted) == ("77", True)
    assert (quality.args.loss, quality.args.rtt) == (0.025, 31.5)


def test_numeric_ids_become_text_however_deep_they_stand(tmp_path: Path) -> None:
    (record,) = imported(tmp_path, lines(row(1, "users", users=[12, 13])))
    assert [item.id for item in record.args.items] == ["12", "13"]


def test_an_event_may_give_several_records_or_none_by_what_it_holds(tmp_path: Path) -> None:
    mapping = MAPPING + (
        "  both:\n"
        "    - {name: pub.state, when: {dir: out}, args: {stream: s, state: LIVE}}\n"
        "    - {name: play.state, when: {dir: [in, both], n: 1}, args: {stream: s, state: LIVE}}\n"
        "    - {kind: probe, name: seen, when: {dir: [out, in]}}\n"
    )
    rows = [row(1, "both", dir="out"), row(2, "both", dir="in", n=1), row(3, "both", dir="in", n=2), row(4, "both")]
    assert [(r.t, r.name) for r in imported(tmp_path, lines(*rows), mapping)] == [
        (1, "pub.state"), (1, "seen"), (2, "play.state"), (2, "seen"), (3, "seen"),
    ]  # fmt: skip


GOOD = lines(row(1, "state", state="IN"))
REFUSED = {
    "not json": ("state IN\n" + GOOD + "{}x\n", ":1: 2 lines do not fit the format jsonl, this is the first"),
    "no event": (GOOD + lines({"t": 1, "who": "a"}), ":2: event: it has no event"),
    "no time": (lines({"who": "a", "event": "state"}), ":1: time: it has no t"),
    "bad time": (lines(row("noon", "state", state="IN")), ":1: time is noon; allowed: a number of s"),
    "negative time": (lines(row(-1, "state", state="IN")), ":1: time is -1"),
    "milliseconds": (lines(row(1_700_000_000_000, "state", state="IN")), "is the unit of the time right?"),
    "no state": (lines(row(1, "state")), ":1: state gives no room.state: it has no state"),
    "unknown state": (lines(row(1, "state", state="JOINED")), "state is 'JOINED'; allowed: LOGGING_IN, IN"),
    "wrong type": (lines(row(1, "state", state="IN", code="none")), "Expected `int`, got `str`"),
    "no list": (lines(row(1, "users", users="bob")), "users is bob; allowed: a list"),
    "bad op": (lines(row(1, "play", stream="s", op="x")), "op is x; allowed: a whole number"),
    "empty": ("", "holds no event"),
    "a line break": (lines(row(1, "a\nb"), row(1, "state", state="\x1b[2J")), "state is"),
}


@pytest.mark.parametrize(("log", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_a_log_that_does_not_fit_is_one_sentence_and_leaves_nothing(tmp_path: Path, log: str, says: str) -> None:
    with pytest.raises(LogError) as caught:
        imported(tmp_path, log)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'log'}:")
    assert says in text
    assert text.isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "map.yaml"]


def test_a_value_that_a_map_does_not_have_names_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"log:1: state gives no room.state: data.state is gone, which its map .*joined"):
        imported(tmp_path, '2026-01-31T12:30:00Z [a] state {"state": "gone"}\n', TEXT_MAPPING)


def test_lines_that_do_not_match_the_pattern_are_counted_and_the_first_is_shown(tmp_path: Path) -> None:
    mapping = TEXT_MAPPING.replace("  unmatched: skip\n", "")
    log = '2026-01-31T12:30:00Z [a] state {"state": "joined"}\nnoise\nmore noise\n'
    with pytest.raises(LogError, match=r"log:2: 2 lines do not match source.pattern, this is the first"):
        imported(tmp_path, log, mapping)
    imported(tmp_path, log, TEXT_MAPPING)
    assert run(tmp_path, tmp_path / "log").skipped == 2


def test_a_log_that_cannot_be_read_or_has_an_endless_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MAPPING, encoding="utf-8")
    with pytest.raises(LogError, match=r"nowhere: cannot be read \(No such file"):
        run(tmp_path, tmp_path / "nowhere")
    (tmp_path / "long").write_bytes(b"x" * (2 << 20))
    with pytest.raises(LogError, match="long:1: is longer than"):
        run(tmp_path, tmp_path / "long")


def test_any_bytes_as_a_log_are_a_trace_or_one_sentence(tmp_path: Path) -> None:
    for mapping in (MAPPING, TEXT_MAPPING, MAPPING + "source: {format: csv}\n"):
        (tmp_path / "map.yaml").write_text(mapping, encoding="utf-8")
        for content in (b"\x00\xff\xfe", b"[" * 100_000, b'"\n', b'{"t":NaN}\n', b"t,who,event\n\x00,\xff,\n", b'"a""'):
            (tmp_path / "log").write_bytes(content)
            with pytest.raises(LogError) as caught:
                run(tmp_path, tmp_path / "log")
            assert str(caught.value).isprintable()
