"""Run folders: one each however many start at once, written whole, and read for what was written only."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.trace.run_folder import RunFolder, RunFolderError, complete_lines

ROOT = Path(__file__).parents[2]

CREATE = """
import sys
from pathlib import Path
from harness.trace.run_folder import RunFolder
for _ in range(10):
    folder = RunFolder.create(Path(sys.argv[1]), "call")
    folder.write_json(folder.run, {"seed": 1})
"""


def test_runs_that_start_at_once_in_several_processes_share_no_folder_and_latest_is_one_of_them(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", CREATE, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    folders = {path.name for path in (tmp_path / "call").iterdir()}
    assert len(folders) == 20
    assert RunFolder.open(tmp_path / "latest").path.name in folders
    assert {path.name for path in tmp_path.iterdir()} == {"call", "latest"}, "nothing temporary is left"


def test_latest_is_the_newest_of_many_and_of_every_scenario(tmp_path: Path) -> None:
    for slug in ("call", "meeting", "call"):
        folder = RunFolder.create(tmp_path, slug)
        assert (tmp_path / "latest").resolve() == folder.path.resolve()
        assert folder.path.parent.name == slug


def test_what_cannot_be_written_as_json_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "call")
    folder.write_json(folder.results, {"verdict": "pass"})

    class Unwritable:
        def __str__(self) -> str:
            raise RuntimeError("in the middle of it")

    for value in (float("inf"), Unwritable(), [1, 2, {"deep": float("nan")}]):
        with pytest.raises((ValueError, RuntimeError)):
            folder.write_json(folder.results, {"first": 1, "then": value})
        assert folder.read_json(folder.results) == {"verdict": "pass"}
    assert [path.name for path in folder.path.iterdir()] == ["results.json"]


def test_a_reader_of_a_json_file_sees_the_old_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "call")
    folder.write_json(folder.results, {"n": 1})
    with folder.results.open(encoding="utf-8") as reader:
        folder.write_json(folder.results, {"n": 2, "more": "x" * 100_000})
        assert json.load(reader) == {"n": 1}
    assert folder.read_json(folder.results)["n"] == 2


def test_only_objects_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "intervals.jsonl"
    path.write_bytes(b'{"a":1}\n7\n[]\nnull\n"text"\n\n{"a":2}\n')
    assert complete_lines(path) == [{"a": 1}, {"a": 2}]


def test_a_path_that_does_not_exist_is_no_run(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path / "nowhere" / "trace.jsonl"):
        with pytest.raises(RunFolderError, match="not a run folder"):
            RunFolder.open(path)
