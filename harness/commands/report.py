"""harness report: the reports of a run again, from its folder."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from harness.trace.run_folder import RunFolder
from reports.console import print_results
from reports.finish import EXIT_CODES, write_reports


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True), default=Path("runs/latest"))
@click.pass_context
def report(ctx: click.Context, run: Path) -> None:
    """Write the reports of a run again, finished or killed, and print its verdict.

    RUN is a run folder or a file in it (default: runs/latest).
    """
    folder = RunFolder.open(run)
    data, results = write_reports(folder)
    print_results(Console(), results, folder, data.conformance)
    ctx.exit(EXIT_CODES[results["verdict"]])
