"""junit.xml: one case per threshold and per rule, so that any CI shows what held and what did not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from harness.contract.catalogue import RULES
from harness.swarm.judgement import threshold_text
from reports.conformance import Conformance
from reports.conformance_junit import conformance_suites


def write_junit(results: dict[str, Any], path: Path, conformance: Conformance | None = None) -> None:
    """A failed threshold is a failure; when the verdict is unknown every case is an error with the reasons."""
    suite = TestSuite(results["scenario"])
    suite.add_property("seed", str(results["seed"]))
    suite.add_property("service", results["service"]["name"])
    suite.add_property("verdict", results["verdict"])
    if results["caution"]:
        suite.add_property("figures", results["caution"])
    unknown = results["verdict"] == "unknown"
    for threshold in results["thresholds"]:
        case = TestCase(threshold_text(threshold), classname="thresholds")
        case.time = 0.0
        if unknown:
            case.result = [Error("no verdict: " + "; ".join(results["reasons"]))]
        elif not threshold["passed"]:
            case.result = [Failure(threshold["reason"])]
        suite.add_testcase(case)
    report = JUnitXml("call harness")
    report.add_testsuite(suite)
    for callbacks in conformance_suites(conformance, RULES) if conformance else []:
        report.add_testsuite(callbacks)
    report.write(str(path), pretty=True)
