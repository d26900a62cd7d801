"""conformance.html: what a judged set of traces came to. One self-contained page that needs no script.

The same parts stand, shorter, in the report of a load run.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harness.contract.verdict import Judgement, Verdict
from reports.conformance import MODES, Broken, Check, Conformance, Merged, Rules, RuleText, rule_of, section_title
from reports.drawing import Drawing
from reports.explanation import Line, about, at, proof, sentence, severity, shown_witness
from reports.formats import counted, number, quantity
from reports.gist import clipped, plain
from reports.pages import page_environment, style_sheet
from reports.sequence import sequence

MOST_OF_A_RULE = 3  # violations drawn
MOST_VIOLATIONS = 40
MOST_IN_A_RUN = 10  # broken rules in the report of a load run
MOST_PROBLEMS = 20
_QUANTILES = ("p50", "p95", "p99", "max")
_STATES = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.NON_STRICT: "non-strict",
    Verdict.UNKNOWN: "unknown",
    Verdict.NOT_EXERCISED: "not-exercised",
    Verdict.UNIMPLEMENTED: "unimplemented",
}
# A cell of the matrix: the mark, and what it says to those who point at it or cannot see it.
_MARKS = {
    Verdict.PASS: ("✓", "passed"),
    Verdict.FAIL: ("✗", "failed"),
    Verdict.NON_STRICT: ("~", "broke a SHOULD"),
    Verdict.UNKNOWN: ("?", "no verdict"),
    Verdict.NOT_EXERCISED: ("·", "not exercised"),
    Verdict.UNIMPLEMENTED: ("n/p", "not promised by the profile"),
}
LEGEND = (
    ("✓ 12", "passed, judged 12 times"),
    ("✗ 3", "failed, 3 violations of a MUST"),
    ("~ 1", "non-strict: 1 violation of a SHOULD"),
    ("?", "no verdict"),
    ("·", "not exercised: nothing in the trace called for it"),
    ("n/p", "not promised by the profile"),
)


@dataclass(frozen=True)
class Cell:
    mark: str
    state: str
    words: str
    link: str


@dataclass(frozen=True)
class Row:
    """A rule in the matrix."""

    rule: str
    merged: Merged
    state: str
    cells: list[Cell]


@dataclass(frozen=True)
class Shown:
    """A violation on the page."""

    anchor: str
    rule: RuleText
    severity: str
    verdict: Verdict
    state: str
    name: str
    trace: str
    came: str
    expected: str
    about: str
    at: float
    lines: list[Line]
    left_out: int
    drawing: Drawing


@dataclass(frozen=True)
class Propagation:
    """How long news took to reach the others. name: of the trace and what was told."""

    name: str
    count: str
    values: list[str]
    lost: str
    stale: str


def write_conformance_html(conformance: Conformance, rules: Rules, path: Path) -> None:
    """Equal sets give equal bytes."""
    path.write_text(render_conformance(conformance, rules), encoding="utf-8", errors="replace")


def render_conformance(conformance: Conformance, rules: Rules) -> str:
    environment = page_environment()
    style = style_sheet(environment, "report.css", "conformance.css")
    shown = _violations(conformance, rules)
    context = {
        **head(conformance),
        "style": style,
        "conformance": conformance,
        "mode": MODES[conformance.mode],
        "legend": LEGEND,
        "matrix": _matrix(conformance, {found.anchor for found in shown}),
        "violations": shown,
        "not_shown": sum(merged.count for merged in conformance.merged.values()) - len(shown),
        "rules": [(rule_of(rules, rule), merged) for rule, merged in conformance.merged.items()],
        "traces": [(check, _size(check.judgement), _state(check.judgement.verdict)) for check in conformance.checks],
        "section_title": section_title,
        "plain": plain,
    }
    return environment.get_template("conformance.html").render(**context)


def run_section(conformance: Conformance, rules: Rules) -> dict[str, Any]:
    """What the report of a load run says of its callbacks: the context of `conformance_run.html`."""
    telling = islice(conformance.telling(), min(MOST_IN_A_RUN, len(conformance.worst_first)))
    shown = [_shown(broken, conformance, rules) for broken in telling]
    return {
        **head(conformance),
        "broken": [(conformance.merged[found.rule.id], found) for found in shown],
        "more_rules": len(conformance.worst_first) - len(shown),
        "silent": _silent(conformance),
    }


def head(conformance: Conformance) -> dict[str, Any]:
    """What both pages begin with."""
    verdict = conformance.verdict
    return {
        "word": verdict.value,
        "state": _band(conformance),
        "summary": _summary(conformance),
        "reasons": _reasons(conformance),
        "verdicts": [
            ("Behaviour", conformance.behaviour.value, _state(conformance.behaviour)),
            ("Teardown", conformance.teardown.value, _state(conformance.teardown)),
        ],
        "tiles": [(v.value, len(conformance.with_verdict(v)), _state(v)) for v in Verdict],
        "quantiles": _QUANTILES,
        "propagation": [row for check in conformance.checks for row in _propagation(check, len(conformance.checks))],
        "problems": _problems(conformance),
        "problem_count": sum(len(check.judgement.problems) for check in conformance.checks),
    }


def _state(verdict: Verdict) -> str:
    return _STATES[verdict]


def _band(conformance: Conformance) -> str:
    """The colour of the header: by what the exit code would be."""
    return {0: "pass", 1: "fail", 3: "unknown"}[conformance.exit_code]


def _summary(conformance: Conformance) -> str:
    judged = [m for m in conformance.merged.values() if m.verdict not in (Verdict.NOT_EXERCISED, Verdict.UNIMPLEMENTED)]
    broken = conformance.worst_first
    traces = counted(len(conformance.checks), "trace")
    if broken:
        total = sum(merged.count for merged in broken)
        return f"{counted(total, 'violation')} of {counted(len(broken), 'rule')}, in {traces}."
    if not judged:
        return f"No rule had anything to judge in {traces}."
    return f"None of {counted(len(judged), 'judged rule')} was broken, in {traces}."


def _reasons(conformance: Conformance) -> list[str]:
    """Why there is no verdict, or why broken rules do not fail the run."""
    found = [
        f"No verdict on {merged.rule}: {plain(reason)}."
        for merged in conformance.with_verdict(Verdict.UNKNOWN)
        for reason in merged.reasons[:2]
    ]
    found += [f"In {plain(name)} no rule had anything to judge." for name in conformance.unjudged]
    if conformance.problems:
        found.append("A trace has problems, so that what was not found is not proven absent.")
    if conformance.verdict is Verdict.NON_STRICT:
        found.append("Only SHOULDs were broken: " + ("strict, so it fails." if conformance.strict else "it passes."))
    return found


def _silent(conformance: Conformance) -> list[tuple[str, list[Merged]]]:
    return [
        ("Not exercised", conformance.with_verdict(Verdict.NOT_EXERCISED)),
        ("Not promised by the profile", conformance.with_verdict(Verdict.UNIMPLEMENTED)),
        ("No verdict", conformance.with_verdict(Verdict.UNKNOWN)),
    ]


def _problems(conformance: Conformance) -> list[str]:
    found = []
    for check in conformance.checks:
        for problem in check.judgement.problems:
            where = f", line {problem.line}" if problem.line else ""
            found.append(f"{plain(check.name)}{where}: {plain(problem.text)}")
    return found[:MOST_PROBLEMS]


def _size(judgement: Judgement) -> str:
    epsilon = f", clocks within {quantity(judgement.epsilon_us / 1000, 'ms')}" if judgement.epsilon_us else ""
    return counted(judgement.records, "record") + epsilon


# -- the matrix ------------------------------------------------------------------------------------------------------


def _matrix(conformance: Conformance, anchors: set[str]) -> list[tuple[str, list[Row]]]:
    """By section, rules against traces."""
    sections: dict[str, list[Row]] = {}
    for rule, merged in conformance.merged.items():
        cells = [_cell(rule, number, check, anchors) for number, check in enumerate(conformance.checks)]
        row = Row(rule, merged, _state(merged.verdict), cells)
        sections.setdefault(section_title(rule), []).append(row)
    return list(sections.items())


def _cell(rule: str, number: int, check: Check, anchors: set[str]) -> Cell:
    outcome = check.judgement.outcomes.get(rule)
    if outcome is None:
        return Cell("", "not-exercised", "not judged", f"#{rule}")
    mark, words = _MARKS[outcome.verdict]
    if outcome.count:
        mark = f"{mark} {outcome.count}"
    elif outcome.verdict is Verdict.PASS:
        mark = f"{mark} {outcome.exercised}"
    link = _anchor(rule, number, 1)
    title = f"{rule} in {plain(check.name)}: {words}"
    return Cell(mark, _state(outcome.verdict), title, f"#{link if link in anchors else rule}")


# -- violations ------------------------------------------------------------------------------------------------------


def _anchor(rule: str, trace: int, number: int) -> str:
    """The place on the page of the nth violation of a rule in a trace."""
    return f"{rule}-in-{trace + 1}-{number}"


def _violations(conformance: Conformance, rules: Rules) -> list[Shown]:
    """In the order of the rules, chosen by how telling they are."""
    taken: dict[str, int] = {}
    chosen: list[Broken] = []
    for broken in conformance.telling():
        rule = broken.violation.rule
        if taken.get(rule, 0) < MOST_OF_A_RULE and len(chosen) < MOST_VIOLATIONS:
            taken[rule] = taken.get(rule, 0) + 1
            chosen.append(broken)
    order = [merged.rule for merged in conformance.worst_first]
    chosen.sort(key=lambda broken: order.index(broken.violation.rule))
    return [_shown(broken, conformance, rules) for broken in chosen]


def _shown(broken: Broken, conformance: Conformance, rules: Rules) -> Shown:
    violation = broken.violation
    place = next(number for number, check in enumerate(conformance.checks) if check is broken.check)
    return Shown(
        anchor=_anchor(violation.rule, place, broken.number),
        rule=rule_of(rules, violation.rule),
        severity=severity(broken, rule_of(rules, violation.rule)).title(),
        verdict=broken.outcome.verdict,
        state=_state(broken.outcome.verdict),
        name=plain(broken.check.name),
        trace=plain(broken.check.trace.name),
        came=sentence(violation.came),
        expected=sentence(violation.expected),
        about=about(violation),
        at=at(broken),
        lines=proof(broken),
        left_out=shown_witness(violation)[1],
        drawing=sequence(broken),
    )


# -- propagation -----------------------------------------------------------------------------------------------------


def _propagation(check: Check, traces: int) -> list[Propagation]:
    """A row for each kind of news, and one for what is counted over all kinds."""
    measured = check.judgement.propagation
    rows = [_news(name, figures) for name, figures in measured.items() if isinstance(figures, dict)]
    counts = {name: figure for name, figure in measured.items() if not isinstance(figure, dict)}
    if counts:
        rows.append(_news("all", counts))
    if traces == 1:
        return rows
    prefix = clipped(check.name, 40)
    return [Propagation(f"{prefix}: {row.name}", row.count, row.values, row.lost, row.stale) for row in rows]


def _news(name: str, figures: dict[str, Any]) -> Propagation:
    values = [quantity(figures[q], "ms") if _is_number(figures.get(q)) else "" for q in _QUANTILES]
    count, lost, stale = (number(figures[k]) if _is_number(figures.get(k)) else "" for k in ("count", "lost", "stale"))
    return Propagation(clipped(name.removesuffix("_ms").replace("_", " "), 40), count, values, lost, stale)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
