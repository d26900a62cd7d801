"""A team's own suite asks whether its trace keeps the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_trace import made_lines

from harness.contract.catalogue import UnknownRuleError
from harness.contract.profile import ProfileError
from harness.pytest_plugin import assert_conforms
from harness.trace.reader import TraceError

RECORDS = [json.loads(line) for line in list(made_lines(3000))[1:]]


def broken() -> list[dict[str, Any]]:
    """The same trace, in which one stream is added twice to one client."""
    at = next(
        number
        for number, record in enumerate(RECORDS)
        if record["name"] == "roster.streams" and record["args"]["op"] == "ADD"
    )
    again = {**RECORDS[at], "seq": RECORDS[at]["seq"] + 10_000}
    return [*RECORDS[: at + 1], again, *(r for r in RECORDS[at + 1 :] if r["client"] != again["client"])]


def test_a_trace_that_keeps_the_contract_passes_and_says_what_was_judged() -> None:
    judgement = assert_conforms(RECORDS, "reference", rules=("roster", "RS"))
    assert judgement.outcomes["RO-03"].exercised > 0
    assert set(judgement.outcomes) == {*(f"RO-{n:02d}" for n in range(1, 11)), *(f"RS-{n:02d}" for n in range(1, 8))}


def test_a_violation_fails_with_its_proof() -> None:
    with pytest.raises(AssertionError, match=r"RO-03 x1") as failure:
        assert_conforms(broken(), "reference", rules=("RO-03",))
    assert "line" in str(failure.value) and "added again" in str(failure.value)


def test_a_rule_that_had_to_be_exercised_and_was_not_is_no_pass() -> None:
    with pytest.raises(AssertionError, match="not exercised by this trace: RC-01"):
        assert_conforms(RECORDS, "reference", rules=("RO", "RC-01"), must_exercise=("RC-01",))


def test_a_trace_that_was_cut_is_no_pass(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"".join(made_lines(500))[:-7])
    with pytest.raises(AssertionError, match=r"no verdict: .*cut"):
        assert_conforms(path, "reference")


def test_nothing_at_all_is_no_pass() -> None:
    with pytest.raises(AssertionError, match="no records"):
        assert_conforms([], "reference")


@pytest.mark.parametrize(
    ("trace", "options", "error"),
    [
        (RECORDS, {"profile": "nobody"}, ProfileError),
        (RECORDS, {"profile": "zego", "rules": ("XX-01",)}, UnknownRuleError),
        ("no such file.jsonl", {"profile": "zego"}, TraceError),
    ],
)
def test_what_cannot_be_asked_says_so(trace: Any, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        assert_conforms(trace, **options)


def test_the_fixture_is_there_without_an_import(assert_conforms: Callable[..., Any]) -> None:
    assert assert_conforms(RECORDS, "reference", rules=("RO-01",)).exit_code == 0
