"""conformance.json: written, bounded, and read back into the same reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from judged_traces import RULES, check, clean, conformance, faulty, outage, outcome, silent

from harness.contract.verdict import Problem, Verdict
from reports.conformance import Conformance
from reports.conformance_files import write_conformance, write_conformance_json
from reports.conformance_html import render_conformance
from reports.conformance_json import KEPT, StoredConformanceError, from_json, read_conformance, shown_path, to_json
from reports.explanation import explain


def stored(found: Conformance) -> Any:
    return json.loads(json.dumps(to_json(found, RULES, Path())))


def test_what_was_written_reads_back_into_the_same_explanations_verdicts_and_page() -> None:
    found = faulty()
    found.checks[0].judgement.problems.append(Problem(3, "not JSON"))
    again, rules = from_json(stored(found))
    assert [explain(each, rules) for each in again.telling()] == [explain(each, RULES) for each in found.telling()]
    assert again.merged == found.merged and again.exit_code == found.exit_code
    assert render_conformance(again, rules) == render_conformance(found, {rule: RULES[rule] for rule in found.merged})
    assert to_json(again, rules, Path()) == stored(found)


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
    assert from_json(written)[0].merged["RC-01"].count == 75


def test_no_path_of_this_machine_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "a"
    assert shown_path(run / "trace.jsonl", run) == "trace.jsonl"
    assert shown_path(tmp_path / "other.jsonl", run) == "other.jsonl"
    assert shown_path(Path("elsewhere/trace.jsonl"), run) == "elsewhere/trace.jsonl"
    assert shown_path(Path("/var/trace.jsonl"), run) == "/var/trace.jsonl"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting"),
        ("[]", "format"),
        ('{"format":"call-conformance","version":99}', "version 99"),
        ('{"format":"call-conformance","version":1}', "traces"),
        ('{"format":"call-conformance","version":1,"traces":[3],"rules":{}}', "not a whole"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "conformance.json"
    path.write_text(text)
    with pytest.raises(StoredConformanceError, match=message):
        read_conformance(path)


def test_a_line_of_another_shape_is_refused() -> None:
    written = stored(faulty())
    written["traces"][1]["outcomes"]["RC-01"]["violations"][0]["witness"][0]["client"] = 7
    with pytest.raises(StoredConformanceError, match="client"):
        from_json(written)


def test_a_folder_gets_every_report(tmp_path: Path) -> None:
    write_conformance(faulty(), RULES, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"conformance.json", "conformance.html", "conformance.sarif", "junit.xml"}


def test_half_characters_in_a_name_do_not_keep_the_file_from_being_written(tmp_path: Path) -> None:
    found = conformance(check("a\ud800", {"RC-01": silent("RC-01", Verdict.UNKNOWN, "\ud800")}))
    write_conformance(found, RULES, tmp_path)
    write_conformance_json(found, RULES, tmp_path / "conformance.json")
    assert read_conformance(tmp_path / "conformance.json")[0].exit_code == 3
