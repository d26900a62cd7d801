"""The matrix of rules by mutants in the terminal: a line a rule, and whatever is not as it should be."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.conform.mutants.matrix import Result
from reports.formats import counted


def print_matrix(console: Console, results: list[Result]) -> int:
    """The exit code: 0 when every mutant was reported by its rule, and by none that has no business to, else 1."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("rule", "killed", "mutants"):
        table.add_column(heading, no_wrap=heading != "mutants")
    for rule, found in groupby(results, key=lambda result: result.mutant.breaks):
        table.add_row(rule, *_row(list(found)))
    console.print(table)
    wrong = [result for result in results if not result.proven]
    for result in wrong:
        _say(console, f"{result.mutant.name} ({result.mutant.breaks}): {'; '.join(_faults(result))}", "red")
    _totals(console, results)
    return 1 if wrong or not results else 0


def _row(results: list[Result]) -> tuple[Text, Text]:
    killed = sum(result.killed for result in results)
    names = Text()
    for result in results:
        names.append(", " if names else "")
        names.append(result.mutant.name, "" if result.proven else "red")
    return Text(f"{killed}/{len(results)}", "green" if killed == len(results) else "red"), names


def _faults(result: Result) -> Iterable[str]:
    if not result.killed:
        yield "survived"
    if result.unrelated:
        yield f"reported by {', '.join(result.unrelated)} as well, which is not its business"
    if not result.faultless:
        yield "its schedule does not pass while nothing is broken"


def _totals(console: Console, results: list[Result]) -> None:
    rules = len({result.mutant.breaks for result in results})
    killed, origins = sum(result.killed for result in results), sum(bool(result.mutant.origin) for result in results)
    share = f"{100 * killed / len(results):.0f} %" if results else "none"
    head = f"{counted(len(results), 'mutant')} of {counted(rules, 'rule')}: {killed} killed ({share})"
    _say(console, f"{head}; {origins} of them are defects that vendors shipped and fixed", "bold")


def _say(console: Console, text: str, style: str) -> None:
    console.print(Text(text, style), soft_wrap=True)
