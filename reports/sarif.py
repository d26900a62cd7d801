"""SARIF 2.1.0: violations as results at lines of their traces, for the viewers and trackers that read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.contract.rule import SHOULD
from harness.contract.verdict import Verdict
from harness.trace.record import Record
from reports.conformance import Broken, Check, Conformance, Rules, RuleText, rule_of, section_of
from reports.conformance_json import KEPT, shown_path
from reports.explanation import explain, headline, shown_witness
from reports.gist import detail, gist, plain

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "callOrder/v1"
_LEVELS = {Verdict.FAIL: "error", Verdict.NON_STRICT: "warning", Verdict.UNKNOWN: "note"}


def write_sarif(conformance: Conformance, rules: Rules, path: Path) -> None:
    log = sarif(conformance, rules, path.parent)
    path.write_text(json.dumps(log, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", errors="backslashreplace")


def sarif(conformance: Conformance, rules: Rules, base: Path) -> dict[str, Any]:
    """base: the folder the log is for; traces in it are named relative to it."""
    listed = [rule_of(rules, rule) for rule in dict.fromkeys([*rules, *conformance.merged])]
    places = {rule.id: number for number, rule in enumerate(listed)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(listed)},
                "automationDetails": {"id": f"callbacks/{plain(conformance.service)}/{plain(conformance.profile)}/"},
                "invocations": [_invocation(conformance, base)],
                "artifacts": _artifacts(conformance, base),
                "results": [*_results(conformance, rules, places, base)],
                "columnKind": "unicodeCodePoints",
                "properties": {"mode": conformance.mode, "verdict": conformance.verdict.value},
            }
        ],
    }


def _driver(rules: list[RuleText]) -> dict[str, Any]:
    try:
        installed = version("call-harness")
    except PackageNotFoundError:
        installed = "0"
    return {"name": "call-harness", "version": installed, "rules": [_rule(rule) for rule in rules]}


def _rule(rule: RuleText) -> dict[str, Any]:
    first = rule.requirement.partition(". ")[0].removesuffix(".") + "."
    source = f"Source: {rule.source}." if rule.source else ""
    return {
        "id": rule.id,
        "shortDescription": {"text": first},
        "fullDescription": {"text": rule.requirement},
        "help": {"text": f"{rule.requirement} {rule.why} {source}".strip()},
        "defaultConfiguration": {"level": "warning" if rule.severity == SHOULD else "error"},
        "properties": {"tags": [section_of(rule.id)], "severity": rule.severity},
    }


def _invocation(conformance: Conformance, base: Path) -> dict[str, Any]:
    """What kept a trace from being judged whole stands here: it is about the check, not about the service."""
    notes = []
    for check in conformance.checks:
        for problem in check.judgement.problems:
            place = {"physicalLocation": _physical(check, problem.line, base)}
            notes.append({"level": "error", "message": {"text": plain(problem.text)}, "locations": [place]})
    return {"executionSuccessful": not notes, "toolExecutionNotifications": notes}


def _results(conformance: Conformance, rules: Rules, places: dict[str, int], base: Path) -> Iterator[dict[str, Any]]:
    for rule in conformance.merged:
        for broken in conformance.broken(rule)[:KEPT]:
            yield _result(broken, rules, places[rule], base)
        for check in conformance.checks:
            outcome = check.judgement.outcomes.get(rule)
            if outcome is not None and outcome.verdict is Verdict.UNKNOWN and not outcome.violations:
                text = f"{rule} UNKNOWN  {plain(check.name)}: {plain(outcome.reason or 'no verdict')}"
                yield {
                    "ruleId": rule,
                    "ruleIndex": places[rule],
                    "level": "note",
                    "message": {"text": text},
                    "locations": [{"physicalLocation": _physical(check, 0, base)}],
                    "partialFingerprints": {FINGERPRINT: _hash([rule, "UNKNOWN"])},
                }


def _result(broken: Broken, rules: Rules, place: int, base: Path) -> dict[str, Any]:
    violation, check = broken.violation, broken.check
    records, _ = shown_witness(violation)
    line = violation.guilty or (records[-1].line if records else 0)
    result = {
        "ruleId": violation.rule,
        "ruleIndex": place,
        "level": _LEVELS.get(broken.outcome.verdict, "note"),
        "message": {"text": headline(broken)},
        "locations": [{"physicalLocation": _physical(check, line, base)}],
        "relatedLocations": [{"id": number, **_location(r, check, base)} for number, r in enumerate(records)],
        "partialFingerprints": {FINGERPRINT: fingerprint(broken)},
        "properties": {"trace": plain(check.name), "explanation": explain(broken, rules)},
    }
    flows = _thread_flows(records, check, base)
    if flows:
        result["codeFlows"] = [{"message": {"text": "what each client called and heard"}, "threadFlows": flows}]
    return result


def _thread_flows(records: list[Record], check: Check, base: Path) -> list[dict[str, Any]]:
    """One for each client; executionOrder is the order over all of them."""
    flows: dict[str, list[dict[str, Any]]] = {}
    for number, record in enumerate(records, 1):
        step = {"location": _location(record, check, base), "executionOrder": number}
        flows.setdefault(plain(record.client or "harness"), []).append(step)
    return [{"id": client, "locations": steps} for client, steps in flows.items()]


def _location(record: Record, check: Check, base: Path) -> dict[str, Any]:
    seconds = f"{record.t - check.zero:.3f} s"
    text = f"{seconds}  {plain(record.client or 'harness')}  {gist(record)}"
    return {"physicalLocation": _physical(check, record.line, base), "message": {"text": text}}


def _physical(check: Check, line: int, base: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"artifactLocation": _artifact(check, base)}
    if line > 0:
        found["region"] = {"startLine": line}
    return found


def _artifacts(conformance: Conformance, base: Path) -> list[dict[str, Any]]:
    """The traces, each once."""
    uris = dict.fromkeys(_artifact(check, base)["uri"] for check in conformance.checks)
    return [{"location": {"uri": uri}} for uri in uris]


def _artifact(check: Check, base: Path) -> dict[str, Any]:
    shown = shown_path(check.trace, base)
    return {"uri": ("file://" if shown.startswith("/") else "") + quote(shown)}


def fingerprint(broken: Broken) -> str:
    """Equal for the same fault in another run: the rule and the order of what happened, clients by appearance only."""
    parts = [broken.violation.rule]
    clients: dict[str, int] = {}
    for record in broken.violation.witness:
        client = clients.setdefault(record.client, len(clients))
        guilty = "guilty" if record.line == broken.violation.guilty else ""
        parts.append(f"{record.kind} {record.name} {detail(record)} {client} {guilty}")
    return _hash(parts)


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
