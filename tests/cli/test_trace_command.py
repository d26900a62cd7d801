"""harness trace: schema, import and show, and one sentence and exit code 2 for everything that is wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.trace.schema import trace_schema

Harness = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ZEGO = (str(EXAMPLES / "zego-callbacks.jsonl"), "--mapping", str(EXAMPLES / "zego.yaml"))
DUMP = str(ROOT / "tests" / "trace_import" / "dumps" / "current.json")


def test_the_schema_is_printed(harness: Harness) -> None:
    done = harness("trace", "schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == trace_schema()


def test_a_callback_log_is_imported_and_shown(harness: Harness, tmp_path: Path) -> None:
    done = harness("trace", "import", *ZEGO, "-o", "t.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("t.jsonl: 58 records of 2 clients; not in the mapping, kept as probes: onDebugInfo (1)\n")
    shown = harness("trace", "show", "t.jsonl", "--client", "bob", "--room", "math")
    lines = shown.stdout.splitlines()
    assert (shown.returncode, len(lines)) == (0, 26)
    assert all(" bob#1 " in line for line in lines)
    near = harness("trace", "show", "t.jsonl", "--around", "12", "--near", "1").stdout.splitlines()
    assert [int(line.split()[0]) for line in near] == [11, 12, 13]


def test_a_dump_of_chromes_is_imported_for_the_service_that_was_named(harness: Harness, tmp_path: Path) -> None:
    done = harness("trace", "import", DUMP, "--webrtc-internals", "-o", "t.jsonl", "--service", "mine")
    assert (done.returncode, done.stdout) == (0, "t.jsonl: 48 records of 1 client\n")
    header = json.loads((tmp_path / "t.jsonl").read_text().splitlines()[0])
    assert (header["service"], header["imported_from"]) == ("mine", "current.json")


def test_what_was_imported_is_judged_like_any_trace(harness: Harness, tmp_path: Path) -> None:
    harness("trace", "import", *ZEGO, "-o", "t.jsonl")
    done = harness("check", "t.jsonl", "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert "against profile zego" in done.stdout
    harness("trace", "import", DUMP, "--webrtc-internals", "-o", "dump.jsonl")
    done = harness("check", "dump.jsonl", "--strict", "--profile", "webrtc-internals")
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.split()[0] for line in done.stdout.splitlines() if " PASS " in line} >= {"PB-01", "PL-01", "QM-01"}


def test_an_existing_file_is_written_over_only_by_force(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("precious")
    done = harness("trace", "import", *ZEGO, "-o", "t.jsonl")
    assert done.returncode == 2
    assert done.stderr == "harness: t.jsonl: is there already; allowed: a new file, or --force to write over it\n"
    assert (tmp_path / "t.jsonl").read_text() == "precious"
    assert harness("trace", "import", *ZEGO, "-o", "t.jsonl", "--force").returncode == 0
    assert (tmp_path / "t.jsonl").read_text().startswith('{"format":"call-trace"')


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import", "nowhere", *ZEGO[1:], "-o", "t"), "harness: nowhere: cannot be read (No such file or directory)"),
        (("import", ZEGO[0], "--mapping", "nowhere", "-o", "t"), "harness: nowhere: cannot be read (No such file"),
        (("import", ZEGO[0], "--mapping", "bad.yaml", "-o", "t"), "harness: bad.yaml:1: tiem: is not known; allowed: "),
        (("import", "log", *ZEGO[1:], "-o", "t"), "harness: log:2: 1 line does not fit the format jsonl"),
        (("import", "log", "--webrtc-internals", "-o", "t"), "harness: log:2: is not JSON"),
        (("show", "nowhere"), "harness: nowhere: there is no such file"),
        (("show", "log"), "harness: log:1: not a trace"),
        (("show", "."), "harness: trace.jsonl: there is no such file"),
    ],
)
def test_what_is_wrong_is_one_sentence_exit_code_2_and_no_file(
    harness: Harness, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "bad.yaml").write_text("tiem: x\n")
    (tmp_path / "log").write_text('{"ts":1,"device":"a","event":"x"}\nnot json\n')
    done = harness("trace", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("options", [(), ("--mapping", "m", "--webrtc-internals"), ("--webrtc-internals", "second")])
def test_import_takes_one_kind_of_log(harness: Harness, options: tuple[str, ...]) -> None:
    done = harness("trace", "import", "log", "-o", "t", *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
