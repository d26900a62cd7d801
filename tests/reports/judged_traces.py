"""Judged sets of traces, made by hand; their records come from the parser that reads real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from harness.contract.rule import MUST, SHOULD
from harness.contract.verdict import Judgement, Problem, RuleOutcome, Verdict, Violation
from harness.trace.record import Record, parse_record
from reports.conformance import Check, Conformance, Mode


class RuleText(NamedTuple):
    id: str
    severity: str
    requirement: str
    why: str
    source: str


STARTED = 1000.0  # run clock
RULES = {
    rule.id: rule
    for rule in (
        RuleText(
            "RS-02",
            MUST,
            "Every two room states that follow each other are an edge of the room machine. No state follows itself.",
            "An application that keeps its own state would be in one the service does not know.",
            "core",
        ),
        RuleText(
            "RS-06",
            SHOULD,
            "A session id comes with IN and is the same for all who are in the room.",
            "Logs of several users could not be joined.",
            "vendor A, room state",
        ),
        RuleText(
            "RO-03",
            MUST,
            "Nothing is added that is already there.",
            "A tile is drawn twice.",
            "core",
        ),
        RuleText(
            "LV-03",
            MUST,
            "A stream that is live is announced to all others in the room.",
            "Somebody talks and is not seen.",
            "vendor A, publishing",
        ),
        RuleText(
            "LV-08",
            MUST,
            "A token's end is told of 30 s before.",
            "The call would end without a warning.",
            "vendor A, tokens",
        ),
        RuleText("TD-01", MUST, "After OUT nothing comes.", "Callbacks meet an object that is gone.", "core"),
        RuleText(
            "RC-01",
            MUST,
            "An outage shorter than the heartbeat is not told to others.",
            "Tiles blink at every lost packet of somebody else.",
            "vendor A, reconnecting, case 1",
        ),
    )
}


def record(line: int, at: float, client: str, kind: str, name: str, **args: Any) -> Record:
    """at: seconds after the trace began."""
    written = {"kind": kind, "name": name, "t": STARTED + at, "client": client, "room": "r1", "args": args}
    written["user"] = client.partition("#")[0]
    return parse_record(json.dumps(written).encode(), line)


def outage(others: str = "carol#1", stream: str = "s_bob") -> Violation:
    """A short outage of bob that another hears of."""
    return Violation(
        "RC-01",
        STARTED + 12.402,
        "an outage of less than 90 s is not seen by the others",
        "DEL of s_bob in one of 41.20 s",
        (
            record(190, 10.0, "bob#1", "fault", "black_hole", phase="begin"),
            record(191, 10.001, "bob#1", "cb", "room.state", state="RECONNECTING", code=1002051),
            record(214, 12.402, others, "cb", "roster.streams", op="DEL", items=[{"id": stream}], reasons=[2]),
            record(236, 51.2, "bob#1", "fault", "black_hole", phase="end"),
        ),
        214,
        {"room": "r1", "user": "bob"},
    )


def unannounced() -> Violation:
    """Nothing came."""
    return Violation(
        "LV-03",
        STARTED + 8.0,
        "the others hear of a live stream within 5 s",
        "carol did not",
        (
            record(20, 2.5, "alice#1", "call", "publish", stream="s_alice"),
            record(22, 2.9, "alice#1", "ret", "publish", result="ok"),
            record(23, 3.0, "alice#1", "cb", "pub.state", stream="s_alice", state="LIVE"),
        ),
        0,
        {"client": "carol#1", "room": "r1", "stream": "s_alice"},
    )


def sessionless() -> Violation:
    witness = (record(9, 0.4, "alice#1", "cb", "room.state", state="IN"),)
    return Violation("RS-06", STARTED + 0.4, "a session id", "none", witness, 9, {"room": "r1"})


def outcome(rule: str, *violations: Violation, exercised: int = 3, verdict: Verdict | None = None) -> RuleOutcome:
    """FAIL or NON-STRICT with violations, PASS without, unless a verdict is given."""
    found = Verdict.PASS
    if violations:
        found = Verdict.FAIL if RULES[rule].severity == MUST else Verdict.NON_STRICT
    return RuleOutcome(rule, verdict or found, exercised, len(violations), list(violations))


def silent(rule: str, verdict: Verdict, reason: str = "") -> RuleOutcome:
    return RuleOutcome(rule, verdict, 0, 0, [], reason)


def clean(**changed: RuleOutcome) -> dict[str, RuleOutcome]:
    """All rules passed, but for those given with an underscore for the hyphen."""
    found = {rule: outcome(rule) for rule in RULES}
    found["LV-08"] = silent("LV-08", Verdict.NOT_EXERCISED, "nothing in the trace called for it")
    return found | {rule.replace("_", "-"): given for rule, given in changed.items()}


def check(name: str, outcomes: dict[str, RuleOutcome], *problems: Problem, path: Path = Path("trace.jsonl")) -> Check:
    judgement = Judgement("vendor-a", outcomes, list(problems), records=240, epsilon_us=120)
    return Check(name, path, judgement, started=STARTED)


def conformance(*checks: Check, strict: bool = False, mode: Mode = "virtual") -> Conformance:
    return Conformance("reference", "vendor-a", strict, mode, list(checks))


def faulty() -> Conformance:
    """Two traces: all well in one; three rules broken in the other."""
    broken = clean(RC_01=outcome("RC-01", outage()), LV_03=outcome("LV-03", unannounced(), unannounced()))
    broken["RS-06"] = outcome("RS-06", sessionless())
    broken["LV-08"] = silent("LV-08", Verdict.UNIMPLEMENTED)
    found = conformance(check("S01 two users", clean()), check("S09 short outage", broken))
    found.checks[0].judgement.propagation = {
        "users": {"count": 12, "p50": 31.25, "p95": 80.0, "max": 93.0},
        "lost": 0,
        "stale": 2,
    }
    return found
