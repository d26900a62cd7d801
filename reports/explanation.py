"""A violation explained: what came, the lines of the trace that prove it, what must hold, why, and who says so."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from harness.contract.rule import SHOULD
from harness.contract.verdict import Verdict, Violation
from harness.trace.record import Record
from reports.conformance import Broken, Rules, RuleText, rule_of
from reports.gist import LONGEST_NAME, clipped, gist, plain

WIDTH = 100
MOST_LINES = 40  # of a witness; the guilty one is always among them
DUE = "was due by now"
_LABEL = 10


@dataclass(frozen=True)
class Line:
    """One line of the proof as it is shown. at: seconds since the trace began."""

    number: int
    at: float
    client: str
    gist: str
    guilty: bool


def headline(broken: Broken) -> str:
    """`RC-01 FAIL  S09: what was expected, but what came`."""
    verdict = broken.outcome.verdict.value
    return f"{broken.violation.rule} {verdict}  {plain(broken.check.name)}: {breach(broken.violation)}"


def breach(violation: Violation) -> str:
    return f"{sentence(violation.expected)}, but {sentence(violation.came)}"


def sentence(text: str) -> str:
    """Printable, without the full stop, so that it can go on."""
    return plain(text).removesuffix(".")


def at(broken: Broken) -> float:
    """When the breach was certain, in seconds since the trace began."""
    return broken.violation.at - broken.check.zero


def shown_witness(violation: Violation) -> tuple[list[Record], int]:
    """The records to show, in order, and how many are left out: from the middle, never the guilty one."""
    records = list(violation.witness)
    if len(records) <= MOST_LINES:
        return records, 0
    head = records[: MOST_LINES // 2]
    tail = records[-(MOST_LINES - len(head)) :]
    between = [record for record in records[len(head) : -len(tail)] if record.line == violation.guilty]
    if between:
        tail = tail[1:]
    kept = [*head, *between, *tail]
    return kept, len(records) - len(kept)


def proof(broken: Broken) -> list[Line]:
    """The lines shown of the proof."""
    records, _ = shown_witness(broken.violation)
    return [_line(record, broken) for record in records]


def _line(record: Record, broken: Broken) -> Line:
    who = clipped(record.client or record.user or "harness", LONGEST_NAME)
    guilty = record.line == broken.violation.guilty and record.line > 0
    return Line(record.line, record.t - broken.check.zero, who, gist(record), guilty)


def about(violation: Violation) -> str:
    """`room r1, user bob`, or nothing."""
    return ", ".join(f"{key} {clipped(value, LONGEST_NAME)}" for key, value in violation.subject.items() if value)


def explain(broken: Broken, rules: Rules, width: int = WIDTH) -> str:
    """The whole explanation as plain text without control characters, ending in a new line."""
    rule = rule_of(rules, broken.violation.rule)
    lines = _wrapped(headline(broken), width, "", "  ")
    lines += _requirement(rule, severity(broken, rule), width)
    lines += _field("about", about(broken.violation), width)
    lines += ["  let", *_witness_lines(broken)]
    lines += _field("expected", plain(broken.violation.expected), width)
    lines += _field("came", plain(broken.violation.came), width)
    return "\n".join(lines) + "\n"


def severity(broken: Broken, rule: RuleText) -> str:
    """What the profile made of it: a MUST may be a SHOULD for this service."""
    return SHOULD if broken.outcome.verdict is Verdict.NON_STRICT else rule.severity or "rule"


def _requirement(rule: RuleText, label: str, width: int) -> Iterator[str]:
    for name, text in ((label.lower(), rule.requirement), ("why", rule.why), ("source", rule.source)):
        yield from _field(name, plain(text), width)


def _field(label: str, text: str, width: int) -> list[str]:
    if not text:
        return []
    start = f"  {label:<{_LABEL}}"
    return _wrapped(text, max(width, 40), start, " " * len(start))


def _wrapped(text: str, width: int, start: str, indent: str) -> list[str]:
    """Ids such as RC-01 stay whole."""
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)


def _witness_lines(broken: Broken) -> Iterator[str]:
    lines = proof(broken)
    _, left_out = shown_witness(broken.violation)
    digits = max((len(str(line.number)) for line in lines), default=1)
    times = max(len(f"{line.at:.3f}") for line in lines) if lines else len(f"{at(broken):.3f}")
    who = max((len(line.client) for line in lines), default=0)
    for line in lines:
        mark, end = (">", "  <-- breaks it") if line.guilty else (" ", "")
        yield f"  {mark} line {line.number:>{digits}}  {line.at:>{times}.3f} s  {line.client:<{who}}  {line.gist}{end}"
    if left_out:
        yield f"    {left_out} more lines prove it and are not shown"
    if not broken.violation.guilty:
        client = clipped(broken.violation.subject.get("client", ""), LONGEST_NAME)
        yield f"  > {'then':<{5 + digits}}  {at(broken):>{times}.3f} s  {client:<{who}}  {DUE}  <-- breaks it"
