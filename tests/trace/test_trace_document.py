"""The page of the format: its example is a valid trace, its writers write one, and it leaves nothing out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

from harness.trace.history import open_history
from harness.trace.record import CALLBACKS, CALLS, MARKS, Arguments, Fault, Result
from harness.trace.schema import trace_schema
from harness.trace_import.callback_log import CallbackLog
from harness.trace_import.mapping_file import load_mapping
from harness.trace_import.trace_file import TraceFile

PAGE = (Path(__file__).parents[2] / "docs" / "trace.md").read_text(encoding="utf-8")
VALIDATOR = jsonschema.Draft202012Validator(trace_schema())


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def check(path: Path) -> list[str]:
    """The kinds and names of a trace that is valid and has no problem."""
    for line in path.read_bytes().splitlines():
        VALIDATOR.validate(json.loads(line))
    history = open_history(path)
    found = [f"{record.kind} {record.name}" for record in history]
    assert history.problems == []
    return found


def test_the_example_is_a_valid_trace_of_twelve_lines(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(block("jsonl"), encoding="utf-8")
    assert len(path.read_bytes().splitlines()) == 12
    found = check(path)
    assert found[0] == "call login"
    assert found[-1] == "ret logout"


USE = {
    "python": (
        "\nimport sys\ntrace = CallTrace(open(sys.argv[1], 'ab', buffering=0), 'ü#1', 'ü')\ntrace.header('x')\n"
        "op = trace.call('login', {'room': 'r', 'user': 'ü'})\ntrace.cb('room.state', {'state': 'LOGGING_IN'})\n"
        "trace.cb('room.state', {'state': 'IN'})\ntrace.ret('login', op)\nop = trace.call('publish', {'stream': 's'})\n"
        "trace.ret('publish', op, 'fail', 1003025)\n"
    ),
    "javascript": (
        "\nconst fs = require('fs');\n"
        "const trace = new CallTrace((line) => fs.appendFileSync(process.argv[2], line), 'ü#1', 'ü');\n"
        "trace.header('x');\nlet op = trace.call('login', { room: 'r', user: 'ü' });\n"
        "trace.cb('room.state', { state: 'LOGGING_IN' });\ntrace.cb('room.state', { state: 'IN' });\n"
        "trace.ret('login', op);\nop = trace.call('publish', { stream: 's' });\n"
        "trace.ret('publish', op, 'fail', 1003025);\n"
    ),
}


@pytest.mark.parametrize("language", USE)
def test_the_writers_write_valid_traces(tmp_path: Path, language: str) -> None:
    program = sys.executable if language == "python" else shutil.which("node")
    if program is None:
        pytest.skip("needs node")
    (tmp_path / "writer.js").write_text(block(language) + USE[language], encoding="utf-8")
    path = tmp_path / "trace.jsonl"
    subprocess.run([program, str(tmp_path / "writer.js"), str(path)], check=True, timeout=60)
    assert check(path) == [
        "call login", "cb room.state", "cb room.state", "ret login", "call publish", "ret publish",
    ]  # fmt: skip
    records = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
    assert [record["seq"] for record in records] == list(range(6))
    assert [record["epoch"] for record in records] == [0, 1, 1, 1, 1, 1]
    assert [record.get("op") for record in records] == [1, None, None, 1, 2, 2]
    assert {record["room"] for record in records} == {"r"}


DESCRIBED: dict[str, type[Arguments]] = {**CALLBACKS, **CALLS, **MARKS, "ret": Result, "fault": Fault}


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_name_and_argument_is_described(name: str) -> None:
    assert f"`{name}`" in PAGE
    for field in msgspec.structs.fields(DESCRIBED[name]):
        assert f"`{field.encode_name}`" in PAGE, field.encode_name


def test_the_mapping_of_the_page_reads_the_line_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(block("yaml"), encoding="utf-8")
    (line,) = re.findall(r"For lines such as\n`(.*?)`", PAGE)
    more = (
        '2026-01-31T12:30:01Z [alice] people {"change": "in", "who": [{"uid": 7}]}\n'
        '2026-01-31T12:30:02Z [alice] quality {"direction": "send", "id": "s"}\n'
        "2026-01-31T12:30:03Z [alice] appStart\n"
        '2026-01-31T12:30:04Z [alice] join {"room": "math", "request": 3}\n'
    )
    (tmp_path / "log").write_text(f"{line}\n{more}", encoding="utf-8")
    with TraceFile(tmp_path / "t", force=False) as file:
        log = CallbackLog(load_mapping(tmp_path / "map.yaml"), file)
        log.add(tmp_path / "log")
        log.finish([tmp_path / "log"], "")
    assert check(tmp_path / "t") == [
        "cb room.state", "cb roster.users", "cb pub.quality", "mark start", "call login",
    ]  # fmt: skip
    records = list(open_history(tmp_path / "t"))
    assert [record.client for record in records] == ["alice#1"] * 3 + ["alice#2"] * 2
    assert (records[1].room, records[1].args.items[0].id, records[4].op) == ("math", "7", 3)
