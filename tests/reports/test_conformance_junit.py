"""junit.xml: what a CI system makes of a judged set, and whether it takes it at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_run import FakeRun
from judged_traces import RULES, check, clean, conformance, faulty, outage, outcome, sessionless, silent
from lxml import etree

from harness.contract.verdict import Problem, Verdict
from reports.conformance import Conformance
from reports.conformance_junit import write_conformance_junit
from reports.finish import write_reports
from reports.junit import write_junit

SCHEMA = etree.XMLSchema(etree.parse(str(Path(__file__).parent / "junit.xsd")))


def read(path: Path) -> etree._Element:
    """The root of a report that holds against the schema."""
    report = etree.parse(str(path))
    SCHEMA.assertValid(report)
    return report.getroot()


def written(found: Conformance, folder: Path) -> etree._Element:
    write_conformance_junit(found, RULES, folder / "junit.xml")
    return read(folder / "junit.xml")


def case(suite: etree._Element, name: str) -> etree._Element:
    (found,) = suite.xpath("testcase[@name=$name]", name=name)
    return found


def test_a_suite_is_a_trace_under_its_profile_and_a_case_a_rule(tmp_path: Path) -> None:
    one, two = written(faulty(), tmp_path)
    assert one.get("name") == "S01 two users x vendor-a" and two.get("name") == "S09 short outage x vendor-a"
    assert [one.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["7", "0", "0", "1"]
    assert [two.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["7", "2", "0", "1"]
    assert case(two, "RC-01").get("classname") == "reconnect"
    properties = {each.get("name"): each.get("value") for each in two.iterfind("properties/property")}
    assert properties["profile"] == "vendor-a" and properties["epsilon_us"] == "120"
    assert properties["exercised"] == "18" and properties["exercised RC-01"] == "3"


def test_a_broken_must_is_a_failure_with_its_explanation(tmp_path: Path) -> None:
    failure = case(written(faulty(), tmp_path)[1], "RC-01")[0]
    assert failure.tag == "failure" and failure.get("type") == "FAIL"
    assert failure.get("message").startswith("RC-01 FAIL  S09 short outage: an outage of less than 90 s")
    assert "line 214  12.402 s  carol#1  roster.streams DEL s_bob" in failure.text


def test_a_broken_should_fails_only_a_strict_run(tmp_path: Path) -> None:
    found = check("a", clean(RS_06=outcome("RS-06", sessionless())))
    (lenient,) = case(written(conformance(found), tmp_path)[0], "RS-06")
    assert lenient.tag == "system-out" and "RS-06 NON-STRICT" in lenient.text
    (strict,) = case(written(conformance(found, strict=True), tmp_path)[0], "RS-06")
    assert strict.tag == "failure" and strict.get("type") == "NON-STRICT"


@pytest.mark.parametrize(
    ("verdict", "reason", "tag", "message"),
    [
        (Verdict.UNKNOWN, "the check failed", "error", "the check failed"),
        (Verdict.UNKNOWN, "", "error", "no verdict"),
        (Verdict.UNIMPLEMENTED, "", "skipped", "not promised by the profile"),
        (Verdict.NOT_EXERCISED, "nobody was cut off", "skipped", "nobody was cut off"),
    ],
)
def test_what_was_not_judged_is_no_pass(verdict: Verdict, reason: str, tag: str, message: str, tmp_path: Path) -> None:
    suite = written(conformance(check("a", clean(RC_01=silent("RC-01", verdict, reason)))), tmp_path)[0]
    (result,) = case(suite, "RC-01")
    assert (result.tag, result.get("message")) == (tag, message)


def test_problems_of_a_trace_are_an_error_of_their_own(tmp_path: Path) -> None:
    suite = written(conformance(check("a", clean(), Problem(7, "not JSON"), Problem(9, "cut"))), tmp_path)[0]
    (error,) = case(suite, "trace")
    assert error.tag == "error" and error.get("message") == "line 7: not JSON" and "line 9: cut" in error.text


def test_names_that_xml_cannot_hold_are_escaped(tmp_path: Path) -> None:
    found = faulty()
    found.service = found.checks[1].name = "a\x00b\ud800<&>"
    found.checks[1].judgement.outcomes["RC-01"].violations = [outage(stream="s\x1b\uffff")]
    suite = written(found, tmp_path)[1]
    assert suite.get("name").startswith(r"a\x00b\ud800<&>")
    assert r"s\x1b\uffff" in case(suite, "RC-01")[0].text


def test_the_schema_refuses_what_a_ci_system_would_misread(tmp_path: Path) -> None:
    root = written(faulty(), tmp_path)
    case(root[1], "RC-01").append(etree.Element("error", message="second"))
    assert not SCHEMA.validate(root)


def test_a_load_run_has_its_thresholds_and_its_callbacks_in_one_file(make_run: Callable[..., FakeRun]) -> None:
    folder = make_run().write()
    _, found = write_reports(folder)
    write_junit(found, folder.junit, faulty())
    names = [suite.get("name") for suite in read(folder.junit)]
    assert names == ["team meeting", "S01 two users x vendor-a", "S09 short outage x vendor-a"]
