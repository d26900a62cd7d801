"""harness run: a scenario, from preparation to verdict."""

from __future__ import annotations

import signal
from pathlib import Path

import click
from rich.console import Console

from harness.scenario.errors import ImpossibleError, ScenarioError
from harness.scenario.model import LONGEST_RUN
from harness.scenario.quantity import parse_duration
from harness.swarm.preparation import Request, prepare
from harness.swarm.supervisor import join_swarm, run_swarm
from reports.console import LiveProgress, print_results
from reports.finish import EXIT_CODES, finish


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("-u", "--users", type=int, default=None, help="How many users; rooms are added or left out.")
@click.option("-t", "--run-time", default=None, help="Length of the run instead of the scenario's, such as 1m.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Generator processes.")
@click.option("--seed", type=int, default=None, help="Instead of the scenario's.")
@click.option(
    "--url", default=None, help="A running room service, such as http://127.0.0.1:8080; its secret from HARNESS_SECRET."
)
@click.option("--runs-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--master", is_flag=True, help="Wait for workers on other machines (--expect-workers).")
@click.option("--worker", is_flag=True, help="Simulate users for a master elsewhere; takes no scenario.")
@click.option("--master-host", default="127.0.0.1", show_default=True, help="Where the master is, for --worker.")
@click.option("--master-port", type=int, default=5557, show_default=True)
@click.option("--master-bind-host", default="127.0.0.1", show_default=True, help="Where --master listens for workers.")
@click.option("--expect-workers", type=click.IntRange(1, 1000), default=1, show_default=True, help="For --master.")
@click.option("--csv", "csv_prefix", default=None, help="Locust's own statistics as CSV files of this prefix.")
@click.pass_context
def run(
    ctx: click.Context,
    file: Path | None,
    users: int | None,
    run_time: str | None,
    processes: int,
    seed: int | None,
    url: str | None,
    runs_dir: Path,
    master: bool,
    worker: bool,
    master_host: str,
    master_port: int,
    master_bind_host: str,
    expect_workers: int,
    csv_prefix: str | None,
) -> None:
    """Run the scenario in FILE and judge it.

    Exit codes: 0 passed, 1 failed, 2 usage or scenario error, 3 no verdict, 4 the service could not be reached.
    """
    forks = ["--processes", str(processes)] if processes > 1 else []
    if worker:
        if master or file is not None:
            raise click.UsageError("--worker takes neither --master nor a scenario: its master has it")
        ctx.exit(join_swarm(["--master-host", master_host, "--master-port", str(master_port), *forks]))
    if file is None:
        raise click.UsageError("a scenario file is missing; see harness scenario list")
    if master and processes > 1:
        raise click.UsageError("--processes is for one machine; with --master, give it to the workers")
    options = list(forks)
    if master:
        options += ["--master", "--master-bind-host", master_bind_host, "--master-bind-port", str(master_port)]
        options += ["--expect-workers", str(expect_workers)]
    if csv_prefix:
        options += ["--csv", csv_prefix]
    request = Request(file, runs_dir, url, seed, users, _seconds(run_time), expect_workers if master else processes)
    ctx.exit(run_scenario(request, options))


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text, 1, LONGEST_RUN)
    except ImpossibleError as error:
        raise ScenarioError(f"--run-time: {error}") from None


def run_scenario(request: Request, locust_options: list[str]) -> int:
    """The whole of a run; returns its exit code."""
    console = Console()
    for number in (signal.SIGINT, signal.SIGTERM):  # both end it as Ctrl-C does: with a report
        signal.signal(number, signal.default_int_handler)
    with LiveProgress(console) as progress:
        prepared = prepare(request, progress.preparing)
        try:
            progress.begin(prepared.plan)
            ended = run_swarm(prepared, locust_options, progress.watch)
            death = prepared.embedded.death() if prepared.embedded is not None else None
        finally:
            prepared.release()
        data, results = finish(prepared.folder, ended, death, progress.preparing)
    print_results(console, results, prepared.folder, data.conformance)
    return EXIT_CODES[results["verdict"]]
