"""Traces and run folders: whole after a kill, shared by processes, refused in one sentence when they are not ours."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from harness.trace.clock import RunClock
from harness.trace.reader import MAX_LINE_BYTES, TraceError, read_header, read_records
from harness.trace.run_folder import RunFolder, RunFolderError, complete_lines
from harness.trace.writer import AppendingFile, TraceWriter, header


def write(path: Path, count: int, name: str = "a") -> None:
    writer = TraceWriter(RunClock(), AppendingFile(path))
    for number in range(count):
        writer.write({"client": name, "seq": number, "text": "ü" * (number % 500)})


def begin(path: Path) -> None:
    line = header(scenario="s", seed=1, service="x", started_unix=0.0, clock=RunClock(5, 7), started=1.5)
    TraceWriter(RunClock(), AppendingFile(path)).write(line)


def test_what_is_written_is_read_with_its_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    begin(path)
    write(path, 10)
    assert read_header(path)["epsilon_us"] == 7
    records = list(read_records(path))
    assert [number for number, _ in records] == list(range(2, 12))
    assert [record["seq"] for _, record in records] == list(range(10))


def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    begin(path)
    write(path, 3)
    path.write_bytes(path.read_bytes()[:-4])
    assert len(list(read_records(path))) == 2
    assert len(complete_lines(path)) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("nonsense\n", ":1: not a trace"),
        ('{"format": "other"}\n', ":1: not a trace"),
        ('{"format": "call-trace", "version": 9}\n', "version 9"),
        ('{"format": "call-trace", "version": 1}\n{"a": 1}\nrubbish\n', ":3: not JSON"),
        ('{"format": "call-trace", "version": 1}\n[1]\n', ":2: a record must be"),
        ('{"format": "call-trace", "version": 1}\n"' + "x" * MAX_LINE_BYTES + '"\n', ":2: line of more than"),
    ],
)
def test_what_is_no_trace_is_named_with_file_and_line(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TraceError) as caught:
        list(read_records(path))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_processes_that_append_to_one_trace_keep_their_lines_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    begin(path)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(path, 500, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    records = [record for _, record in read_records(path)]
    for name in "abc":
        assert [r["seq"] for r in records if r["client"] == name] == list(range(500))


def test_two_runs_in_one_second_get_folders_of_their_own_and_latest_is_the_newer(tmp_path: Path) -> None:
    first, second = RunFolder.create(tmp_path, "call"), RunFolder.create(tmp_path, "call")
    assert first.path != second.path
    assert (tmp_path / "latest").resolve() == second.path.resolve()


def test_a_folder_that_is_no_run_or_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        RunFolder.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write"):
        RunFolder.create(tmp_path / "file", "call")


def test_a_json_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "call")
    folder.write_json(folder.results, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        folder.write_json(folder.results, {"a": float("nan")})
    assert json.loads(folder.results.read_text()) == {"a": 1}
