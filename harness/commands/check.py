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
    """Judge the callbacks in TRACE: a trace file, or a folder of a run or a conformance set (default: runs/latest).

    Exit codes: 0 passed, 1 failed, 2 usage, not a trace, unknown profile or rule, 3 no verdict.
    """
    paths = _traces(trace)
    headers = [read_header(path) for path in paths]
    services = sorted({str(header.get("service") or "") for header in headers})
    if profile is None and (len(services) > 1 or not services[0]):
        raise click.UsageError(f"{trace} does not name one service; give --profile")
    promises = load_profile(profile or services[0])
    checks = [
        Check(str(header.get("scenario") or path.stem), path, judge_file(path, promises, rules=rules, strict=strict))
        for path, header in zip(paths, headers, strict=True)
    ]
    conformance = Conformance(services[0] or "a recorded trace", promises.name, strict, "recorded", checks)
    print_conformance(Console(), conformance, RULES)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        write_conformance(conformance, RULES, report)
        click.echo(f"report: {report / 'conformance.html'}")
    ctx.exit(conformance.exit_code)


def _traces(given: Path) -> list[Path]:
    if not given.is_dir():
        return [given]
    found = [given / "trace.jsonl"] if (given / "trace.jsonl").exists() else sorted(given.glob("*.jsonl"))
    if not found:
        raise click.UsageError(f"{given}: there is no trace in this folder")
    return found
