"""harness scenario list | validate | schema | explain."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from harness.scenario.errors import ScenarioError
from harness.scenario.loader import load_scenario
from harness.scenario.plan import build_plan
from harness.scenario.quantity import format_duration
from harness.scenario.schema import scenario_schema_text


@click.group()
def scenario() -> None:
    """Look at scenario files without running them."""


@scenario.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("scenarios"))
def list_scenarios(folder: Path) -> None:
    """List the scenarios of a folder (default: scenarios/)."""
    if not folder.is_dir():
        raise ScenarioError(f"{folder}: is not a folder; allowed: a folder with scenario files")
    table = Table(box=None, pad_edge=False)
    for heading in ("file", "name", "users", "duration", "what for"):
        table.add_column(heading)
    for path in sorted(folder.glob("*.yaml")):
        try:
            found = load_scenario(path)
        except ScenarioError as error:
            table.add_row(str(path), "[red]not valid[/red]", "", "", str(error))
            continue
        users = str(len(build_plan(found).participants))
        table.add_row(str(path), found.name, users, format_duration(found.duration), found.description or "")
    Console().print(table)


@scenario.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check scenario files; the first error ends it with exit code 2."""
    for path in files:
        build_plan(load_scenario(path))
        click.echo(f"{path}: valid")


@scenario.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    click.echo(scenario_schema_text(), nl=False)


@scenario.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-u", "--users", type=int, default=None, help="As for harness run.")
@click.option("--seed", type=int, default=None, help="Instead of the scenario's.")
@click.option("--most", type=int, default=200, show_default=True, help="How many actions to list.")
def explain(file: Path, users: int | None, seed: int | None, most: int) -> None:
    """Print who does what when, without running it."""
    plan = build_plan(load_scenario(file), seed=seed, users=users)
    for line in plan.explain(most):
        click.echo(line)
