"""Conformance in the terminal: rule by rule, the first violations explained, and the verdicts last."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.contract.verdict import Verdict
from reports.conformance import MODES, Broken, Conformance, Merged, Rules, rule_of, section_title
from reports.explanation import explain, headline
from reports.formats import counted
from reports.gist import plain

MOST_EXPLAINED = 5
MOST_PROBLEMS = 10
MOST_REASONS = 2
MOST_BROKEN = 8  # at the end of a load run
COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "red",
    Verdict.NON_STRICT: "yellow",
    Verdict.UNKNOWN: "yellow",
    Verdict.NOT_EXERCISED: "dim",
    Verdict.UNIMPLEMENTED: "dim",
}
_SILENT = ((Verdict.NOT_EXERCISED, "not exercised"), (Verdict.UNIMPLEMENTED, "not promised by the profile"))
_COLUMNS = (("rule", 12), ("verdict", 15), ("exercised", 9), ("traces", 8))
_NARROW = 72  # columns under which the requirement has a line of its own


def print_conformance(console: Console, conformance: Conformance, rules: Rules) -> None:
    """The whole: for `check` and `conform`."""
    traces = counted(len(conformance.checks), "trace")
    head = f"{conformance.service} against profile {conformance.profile}, {traces} {MODES[conformance.mode]}"
    _say(console, plain(head))
    judged = [m for m in conformance.merged.values() if m.verdict not in dict(_SILENT)]
    if judged:
        console.print(_table(console, conformance, rules, judged))
    for verdict, words in _SILENT:
        found = conformance.with_verdict(verdict)
        if found:
            _say(console, f"{words} ({len(found)}): {', '.join(merged.rule for merged in found)}", "dim")
    _explanations(console, conformance, rules)
    _problems(console, conformance)
    _verdicts(console, conformance)


def print_run_conformance(console: Console, conformance: Conformance, rules: Rules) -> None:
    """Three lines for the end of a load run, then what was broken, a line each."""
    verdict = conformance.verdict
    line = Text("callbacks: ")
    line.append(_word(verdict, conformance), COLOURS[verdict])
    line.append(f"  profile {plain(conformance.profile)}, {_counts(conformance)}")
    console.print(line)
    parts = f"behaviour {conformance.behaviour.value}, teardown {conformance.teardown.value}"
    _say(console, f"  {parts}; {_size(conformance)}")
    broken = conformance.worst_first
    if not broken:
        _say(console, "  no rule was broken" + ("; the trace has problems" if conformance.problems else ""))
    else:
        total = sum(merged.count for merged in broken)
        _say(console, f"  {counted(total, 'violation')} of {counted(len(broken), 'rule')}")
    for found in islice(conformance.telling(), min(MOST_BROKEN, len(broken))):
        count = conformance.merged[found.violation.rule].count
        times = f" (and {count - 1} more)" if count > 1 else ""
        _say(console, f"  {headline(found)}{times}", COLOURS[found.outcome.verdict])
    _problems(console, conformance)


def _table(console: Console, conformance: Conformance, rules: Rules, judged: list[Merged]) -> Table:
    narrow = console.width < _NARROW
    taken = sum(width + 2 for _, width in _COLUMNS)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, width in _COLUMNS:
        table.add_column(heading, min_width=width, no_wrap=True)
    if not narrow:
        table.add_column("requirement", no_wrap=True, overflow="ellipsis", max_width=console.width - taken)
    for _, group in groupby(judged, key=lambda merged: section_title(merged.rule)):
        members = list(group)
        table.add_row(Text(section_title(members[0].rule), "bold"))
        for merged in members:
            table.add_row(*_row(merged, conformance, rules, narrow))
    return table


def _row(merged: Merged, conformance: Conformance, rules: Rules, narrow: bool) -> Iterator[Text]:
    times = f" x{merged.count}" if merged.count else ""
    yield Text(f"  {plain(merged.rule)}")
    yield Text(merged.verdict.value + times, COLOURS[merged.verdict])
    yield Text(str(merged.exercised))
    yield Text(f"{merged.traces} of {len(conformance.checks)}")
    if not narrow:
        yield Text(plain(rule_of(rules, merged.rule).requirement))


def _explanations(console: Console, conformance: Conformance, rules: Rules) -> None:
    shown = list(islice(conformance.telling(), MOST_EXPLAINED))
    for broken in shown:
        console.print()
        console.print(_coloured(broken, explain(broken, rules, console.width)), soft_wrap=True)
    total = sum(merged.count for merged in conformance.merged.values())
    if total > len(shown):
        console.print()
        _say(console, f"{counted(total, 'violation')} in all: {_broken_rules(conformance)}")


def _broken_rules(conformance: Conformance) -> str:
    return ", ".join(f"{merged.rule} ({merged.count})" for merged in conformance.worst_first)


def _coloured(broken: Broken, explanation: str) -> Text:
    """Colour on top of marks that say the same."""
    text = Text()
    for number, line in enumerate(explanation.splitlines()):
        guilty = line.startswith("  > ")
        style = COLOURS[broken.outcome.verdict] if guilty else "bold" if number == 0 else ""
        text.append(line + "\n", style)
    text.rstrip()
    return text


def _problems(console: Console, conformance: Conformance) -> None:
    found = [(check.name, problem) for check in conformance.checks for problem in check.judgement.problems]
    for name, problem in found[:MOST_PROBLEMS]:
        where = f" line {problem.line}" if problem.line else ""
        _say(console, f"  problem: {plain(name)}{where}: {plain(problem.text)}", "yellow")
    if len(found) > MOST_PROBLEMS:
        _say(console, f"  {counted(len(found) - MOST_PROBLEMS, 'more problem')}", "yellow")


def _verdicts(console: Console, conformance: Conformance) -> None:
    console.print()
    for merged in conformance.with_verdict(Verdict.UNKNOWN):
        for reason in merged.reasons[:MOST_REASONS]:
            _say(console, f"  no verdict on {merged.rule}: {plain(reason)}", "yellow")
    for name in conformance.unjudged:
        _say(console, f"  no verdict: in {plain(name)} no rule had anything to judge", "yellow")
    for label, verdict in (("behaviour", conformance.behaviour), ("teardown", conformance.teardown)):
        console.print(Text(f"{label:<10}").append(verdict.value, COLOURS[verdict]))
    verdict = conformance.verdict
    line = Text(f"{'run':<10}").append(_word(verdict, conformance), f"bold {COLOURS[verdict]}")
    console.print(line.append(f"  {_counts(conformance)}; {_size(conformance)}"))


def _word(verdict: Verdict, conformance: Conformance) -> str:
    """A SHOULD that was broken fails only a strict run."""
    if verdict is Verdict.NON_STRICT:
        return "NON-STRICT (fails: --strict)" if conformance.strict else "NON-STRICT (passes without --strict)"
    return str(verdict.value)


def _counts(conformance: Conformance) -> str:
    """`52 PASS, 1 FAIL of 60 rules`."""
    counts = {verdict: len(conformance.with_verdict(verdict)) for verdict in Verdict}
    shown = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return f"{shown or 'none'} of {counted(len(conformance.merged), 'rule')}"


def _size(conformance: Conformance) -> str:
    return counted(sum(check.judgement.records for check in conformance.checks), "record")


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style))
