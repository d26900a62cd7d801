"""harness rules: the catalogue, and the proof that each rule can fail."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.contract.catalogue import RULES, promised, select
from harness.contract.profile import Profile, load_profile, profile_names
from harness.contract.rule import Rule
from reports.conformance import section_title


@click.command()
@click.argument("selection", nargs=-1, metavar="[ID OR SECTION]...")
@click.option(
    "--mutants", is_flag=True, help="Break the embedded service in every way we know, and see which rules notice."
)
@click.pass_context
def rules(ctx: click.Context, selection: tuple[str, ...], mutants: bool) -> None:
    """List the rules of the callback contract; with an id, all there is to say about it."""
    chosen = [RULES[rule] for rule in select(selection)]
    console = Console()
    if mutants:
        ctx.exit(_mutants(console, [rule.id for rule in chosen]))
    profiles = {name: load_profile(name) for name in profile_names()}
    if selection and len(chosen) <= 3:
        for rule in chosen:
            _whole(console, rule, profiles)
    else:
        _list(console, chosen)


def _list(console: Console, chosen: list[Rule]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("rule", "severity", "requirement"):
        table.add_column(heading, no_wrap=heading != "requirement")
    section = ""
    for rule in chosen:
        if rule.section != section:
            section = rule.section
            table.add_row(Text(section_title(rule.id), "bold"))
        table.add_row(f"  {rule.id}", rule.severity, rule.requirement)
    console.print(table)


def _promising(rule: Rule, profiles: dict[str, Profile]) -> list[str]:
    found = []
    for name, profile in profiles.items():
        stands = promised(profile)
        if rule.id in stands:
            found.append(f"{name} (SHOULD)" if stands[rule.id] and rule.severity == "MUST" else name)
    return found


def _whole(console: Console, rule: Rule, profiles: dict[str, Profile]) -> None:
    console.print(Text(f"{rule.id}  {rule.severity}  ({section_title(rule.id)})", "bold"))
    for label, text in (
        ("requirement", rule.requirement),
        ("why", rule.why),
        ("source", rule.source),
        ("promised by", ", ".join(_promising(rule, profiles)) or "no shipped profile"),
    ):
        table = Table.grid(padding=(0, 2))
        table.add_column(min_width=12, style="dim")
        table.add_column()
        table.add_row(f"  {label}", Text(text))
        console.print(table)


def _mutants(console: Console, chosen: list[str]) -> int:
    from harness.conform.mutants.matrix import run_matrix
    from reports.mutant_matrix import print_matrix

    with console.status("breaking the service") as status:
        results = run_matrix(chosen, lambda done, total: status.update(f"mutant {done} of {total}"))
    return print_matrix(console, results)
