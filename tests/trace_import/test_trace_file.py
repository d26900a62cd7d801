"""The trace of an import: whole or not at all, in the order of time, never over a file that was not given away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.trace_import.errors import LogError
from harness.trace_import.trace_file import TraceFile


def mark(t: float, name: str = "m") -> dict[str, Any]:
    return {"kind": "mark", "name": name, "t": t, "args": {}}


def names(path: Path) -> list[str]:
    return [json.loads(line)["name"] for line in path.read_bytes().splitlines()[1:]]


def test_records_stand_by_time_and_in_the_order_of_adding_where_times_are_equal(tmp_path: Path) -> None:
    with TraceFile(tmp_path / "t", force=False) as file:
        for t, name in ((3, "a"), (1, "b"), (3, "c"), (1, "d"), (2, "e")):
            file.add(mark(t, name))
        assert (len(file), file.span) == (5, (1, 3))
        file.finish({"service": "x"})
    assert names(tmp_path / "t") == ["b", "d", "e", "a", "c"]
    header = json.loads((tmp_path / "t").read_bytes().splitlines()[0])
    assert header == {"format": "call-trace", "version": 1, "service": "x"}


def test_what_is_not_finished_leaves_nothing_and_the_old_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("old")
    with pytest.raises(RuntimeError), TraceFile(tmp_path / "t", force=True) as file:
        file.add(mark(1))
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert (tmp_path / "t").read_text() == "old"
    with TraceFile(tmp_path / "t", force=True) as file:
        file.add(mark(1))
        file.finish({})
    assert names(tmp_path / "t") == ["m"]
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_a_file_that_is_there_or_comes_meanwhile_is_never_written_over(tmp_path: Path) -> None:
    with TraceFile(tmp_path / "t", force=False) as file:
        file.add(mark(1))
        (tmp_path / "t").write_text("other")
        with pytest.raises(LogError, match="is there already; allowed: a new file, or --force"):
            file.finish({})
    assert (tmp_path / "t").read_text() == "other"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    with pytest.raises(LogError, match="is there already"):
        TraceFile(tmp_path / "t", force=False)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"t: cannot be written \(No such file"):
        TraceFile(tmp_path / "no" / "folder" / "t", force=False)
    (tmp_path / "folder").mkdir()
    with TraceFile(tmp_path / "folder", force=True) as file:
        file.add(mark(1))
        with pytest.raises(LogError, match="folder: cannot be written"):
            file.finish({})


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (mark(-1), "t is -1"),
        (mark(1e11), "is the unit of the time right"),
        ({"kind": "cb", "name": "room.state", "t": 1, "args": {"state": "JOINED"}}, "state is 'JOINED'; allowed"),
        ({"kind": "cb", "name": "room.state", "t": 1, "args": {}}, "required field `state`"),
        ({"kind": "noise", "name": "x", "t": 1, "args": {}}, "'noise'"),
    ],
)
def test_what_the_schema_does_not_allow_is_not_added(tmp_path: Path, record: dict[str, Any], says: str) -> None:
    with TraceFile(tmp_path / "t", force=False) as file:
        with pytest.raises(ValueError, match=says):
            file.add(record)
        assert len(file) == 0
