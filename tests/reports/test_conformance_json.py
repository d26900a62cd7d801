"""conformance.json: written, bounded, and without this machine's paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from judged_traces import RULES, check, clean, conformance, faulty, outage, outcome, silent

from harness.contract.verdict import Verdict
from reports.conformance import Conformance
from reports.conformance_files import write_conformance, write_conformance_json
from reports.conformance_json import KEPT, shown_path, to_json


def stored(found: Conformance) -> Any:
    return json.loads(json.dumps(to_json(found, RULES, Path())))


def test_a_line_of_the_proof_has_its_address_and_seconds_since_the_trace_began() -> None:
    violation = stored(faulty())["traces"][1]["outcomes"]["RC-01"]["violations"][0]
    assert violation["witness"][2] == {
        "line": 214,
        "t": 12.402,
        "client": "carol#1",
        "user": "carol",
        "room": "r1",
        "kind": "cb",
        "name": "roster.streams",
        "gist": "roster.streams DEL s_bob reason 2",
        "detail": "DEL",
    }
    assert violation["at"] == 12.402 and violation["guilty"] == 214


def test_a_large_set_stays_bounded_keeps_some_of_every_trace_and_counts_all() -> None:
    many = [check(f"t{n}", clean(RC_01=outcome("RC-01", *[outage()] * 15))) for n in range(5)]
    written = stored(conformance(*many))
    kept = [len(trace["outcomes"]["RC-01"]["violations"]) for trace in written["traces"]]
    assert kept == [4] * 5 and sum(kept) == KEPT
    assert written["rules"]["RC-01"]["violations"] == 75


def test_no_path_of_this_machine_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "a"
    assert shown_path(run / "trace.jsonl", run) == "trace.jsonl"
    assert shown_path(tmp_path / "other.jsonl", run) == "other.jsonl"
    assert shown_path(Path("elsewhere/trace.jsonl"), run) == "elsewhere/trace.jsonl"
    assert shown_path(Path("/var/trace.jsonl"), run) == "/var/trace.jsonl"


def test_a_folder_gets_every_report(tmp_path: Path) -> None:
    write_conformance(faulty(), RULES, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"conformance.json", "conformance.html", "conformance.sarif", "junit.xml"}


def test_half_characters_in_a_name_do_not_keep_the_file_from_being_written(tmp_path: Path) -> None:
    found = conformance(check("a\ud800", {"RC-01": silent("RC-01", Verdict.UNKNOWN, "\ud800")}))
    write_conformance(found, RULES, tmp_path)
    write_conformance_json(found, RULES, tmp_path / "conformance.json")
    assert json.loads((tmp_path / "conformance.json").read_text())["verdict"] == "UNKNOWN"
