"""harness check: the rules over a recorded trace, ours or somebody else's."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from harness.contract.catalogue import RULES
from harness.contract.judge import judge_file
from harness.contract.profile import load_profile
from harness.trace.reader import read_header
from reports.conformance import Check, Conformance
from reports.conformance_console import print_conformance
from reports.conformance_files import write_conformance

selecting = click.option(
    "--rule", "rules", multiple=True, help="A rule (RO-03) or section (roster, RO); may be repeated."
)
strictly = click.option("--strict", is_flag=True, help="Broken SHOULD rules fail too.")


@click.command()
@click.argument("trace", type=click.Path(path_type=Path, exists=True), default=Path("runs/latest"))
@click.option(
    "--profile", help="What the service promises: a shipped profile or a .yaml file; default: the trace's own."
)
@selecting
@strictly
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Write HTML, JUnit, SARIF and JSON here."
)
@click.pass_context
def check(
    ctx: click.Context, trace: Path, profile: str | None, rules: tuple[str, ...], strict: bool, report: Path | None
) -> None:
    """Judge the callbacks in TRACE: a trace.jsonl, or a run folder with one (default: runs/latest).

    Exit codes: 0 passed, 1 failed, 2 usage, not a trace, unknown profile or rule, 3 no verdict.
    """
    path = trace / "trace.jsonl" if trace.is_dir() else trace
    header = read_header(path)
    promises = load_profile(profile or str(header.get("service") or ""))
    judgement = judge_file(path, promises, rules=rules, strict=strict)
    name = str(header.get("scenario") or path.stem)
    service = str(header.get("service") or "a recorded trace")
    conformance = Conformance(service, promises.name, strict, "recorded", [Check(name, path, judgement)])
    print_conformance(Console(), conformance, RULES)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        write_conformance(conformance, RULES, report)
        click.echo(f"report: {report / 'conformance.html'}")
    ctx.exit(conformance.exit_code)
