"""Traces and run folders at their edges: what was never finished, never ours, or too deep to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.trace.clock import RunClock, host_boot_id
from harness.trace.reader import MAX_LINE_BYTES, TraceError, read_header, read_records
from harness.trace.run_folder import RunFolder, RunFolderError, complete_lines
from harness.trace.writer import AppendingFile, TraceWriter

HEADER = b'{"format":"call-trace","version":1}\n'
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
records = st.lists(st.dictionaries(st.text(), json_values, max_size=5), max_size=8)


@settings(deadline=None, max_examples=60)
@given(records)
def test_any_records_are_one_line_each_and_read_back_equal(written: list[dict[str, Any]]) -> None:
    lines: list[bytes] = []
    writer = TraceWriter(RunClock(), lines.append)
    for record in written:
        writer.write(record)
    assert writer.records == len(lines)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    assert [json.loads(line) for line in lines] == written


@settings(deadline=None, max_examples=60)
@given(records, st.data())
def test_a_trace_cut_off_anywhere_gives_all_the_records_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, Any]], data: st.DataObject
) -> None:
    lines = [HEADER]
    writer = TraceWriter(RunClock(), lines.append)
    for record in written:
        writer.write(record)
    whole = b"".join(lines)
    cut = data.draw(st.integers(len(HEADER), len(whole)))
    path = tmp_path_factory.mktemp("cut") / "trace.jsonl"
    path.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n") - 1
    assert list(read_records(path)) == list(enumerate(written[:complete], 2))
    assert complete_lines(path)[1:] == written[:complete]


def test_values_that_json_does_not_know_are_written_as_their_text(tmp_path: Path) -> None:
    sink: list[bytes] = []
    TraceWriter(RunClock(), sink.append).write({"path": Path("a/b"), "error": ValueError("bad")})
    assert json.loads(sink[0]) == {"path": "a/b", "error": "bad"}


def test_a_probe_is_a_record_with_its_place_and_the_time_of_the_run_clock() -> None:
    sink: list[bytes] = []
    clock = RunClock(offset_us=10**12)
    writer = TraceWriter(clock, sink.append)
    before = clock.now()
    writer.probe("play.first", {"stream": "s"}, client="a#1", room="r")
    record = json.loads(sink[0])
    assert before <= record.pop("t") <= writer.now()
    assert record == {"kind": "probe", "name": "play.first", "client": "a#1", "room": "r", "args": {"stream": "s"}}


def test_the_run_clock_is_the_hosts_clock_moved_by_its_offset() -> None:
    here, moved = RunClock(), RunClock(offset_us=5_000_000, uncertainty_us=40)
    before = here.now_us()
    assert 5_000_000 <= moved.now_us() - before < 6_000_000
    assert moved.monotonic_at(7_000_000) == 2.0
    assert host_boot_id() == host_boot_id()


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"", 1, "not a trace"),
        (HEADER[:-5], 1, "not JSON"),
        (b"\xff\xfe\n", 1, "not JSON"),
        (b"[" * 100_000 + b"\n", 1, "not JSON"),
        (b"[1]\n", 1, '"format"'),
        (b'{"format":"call-trace"}\n', 1, "version None"),
        (b'{"format":"call-trace","version":"1"}\n', 1, "version '1'"),
        (HEADER + b"{}\n" + b'{"a":' * 100_000 + b"\n", 3, "not JSON"),
        (HEADER + b"\n", 2, "not JSON"),
        (HEADER + b"{}\n{}\n7\n", 4, "must be a JSON object"),
        (HEADER + b'{"a":"\xff"}\n', 2, "not JSON"),
        (HEADER + b"x" * MAX_LINE_BYTES, 2, "more than"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(tmp_path: Path, content: bytes, line: int, says: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        list(read_records(path))
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)
    if line == 1:
        with pytest.raises(TraceError):
            read_header(path)


def test_a_line_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    start = b'{"a":"'
    path.write_bytes(HEADER + start + b"x" * (MAX_LINE_BYTES - len(start) - 3) + b'"}\n')
    [(number, record)] = read_records(path)
    assert (number, len(record["a"])) == (2, MAX_LINE_BYTES - 9)


def test_a_trace_that_is_still_written_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    append = AppendingFile(path)
    append(HEADER)
    for number in range(3):
        append(b'{"n":%d}\n' % number)
        assert [record["n"] for _, record in read_records(path)] == list(range(number + 1))
    append.close()


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_trace_error_or_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.jsonl"
    path.write_bytes(HEADER + content)
    try:
        assert all(isinstance(record, dict) for _, record in read_records(path))
    except TraceError as error:
        assert str(error).startswith(f"{path}:")


def test_complete_lines_passes_over_what_is_not_json_and_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "intervals.jsonl"
    assert complete_lines(path) == []
    path.write_bytes(b'{"a":1}\nrubbish\n' + b"[" * 100_000 + b'\n{"a":2}\n{"a":')
    assert complete_lines(path) == [{"a": 1}, {"a": 2}]


def test_a_run_is_opened_by_its_folder_by_a_file_in_it_or_by_the_latest_link(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "call")
    with pytest.raises(RunFolderError, match="not a run folder"):
        RunFolder.open(folder.path)  # nothing has been written yet
    folder.write_json(folder.run, {"seed": 1})
    for path in (folder.path, folder.trace, tmp_path / "latest", tmp_path / "latest" / "report.html"):
        assert RunFolder.open(path).path == folder.path.resolve()
    assert not (tmp_path / "latest").readlink().is_absolute(), "so that the runs folder can be moved"


def test_a_json_file_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "call")
    for content in (None, "{", "[" * 100_000):
        if content is not None:
            folder.results.write_text(content)
        with pytest.raises(RunFolderError, match=r"results\.json: cannot be read"):
            folder.read_json(folder.results)


def test_a_runs_folder_where_a_file_stands_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "call").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot write the run folder"):
        RunFolder.create(tmp_path, "call")
