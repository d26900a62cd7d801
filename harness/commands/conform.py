"""harness conform: the minimum set of conversations, performed and judged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from harness.commands.check import selecting, strictly
from harness.conform.live_run import live_traces
from harness.conform.run import virtual_traces
from harness.conform.schedule import Schedule
from harness.conform.schedule_file import load_schedule
from harness.contract.catalogue import RULES, select
from harness.contract.judge import judge_file
from harness.contract.profile import load_profile
from harness.room_service.process import SECRET_VARIABLE
from harness.scenario.errors import ScenarioError
from harness.trace.run_folder import RunFolder
from reports.conformance import Check, Conformance
from reports.conformance_console import print_conformance
from reports.conformance_files import write_conformance

SET = Path(__file__).resolve().parents[2] / "scenarios" / "conformance"
SERVICES = ("reference",)


@click.command()
@click.option("--service", type=click.Choice(SERVICES), default="reference", show_default=True)
@click.option(
    "--url", help="A service that runs (http://host:port); its secret is in HARNESS_SECRET. Default: start one."
)
@click.option("--virtual", is_flag=True, help="On a virtual clock, with the service's real windows of 90 s and 20 min.")
@click.option("--scenario", "names", multiple=True, help="Only these of the set, such as S09; may be repeated.")
@click.option(
    "--schedule", "files", multiple=True, type=click.Path(path_type=Path), help="A schedule of your own instead."
)
@click.option("--profile", help="What the service promises; default: the profile of its name.")
@selecting
@strictly
@click.option("--runs-dir", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True)
@click.pass_context
def conform(
    ctx: click.Context,
    service: str,
    url: str | None,
    virtual: bool,
    names: tuple[str, ...],
    files: tuple[Path, ...],
    profile: str | None,
    rules: tuple[str, ...],
    strict: bool,
    runs_dir: Path,
) -> None:
    """Perform the conformance set S1 to S20 against a service and judge every callback by the rules.

    Exit codes: 0 passed, 1 failed, 2 usage, 3 no verdict, 4 the service could not be reached or started.
    """
    if virtual and url is not None:
        raise click.UsageError("--virtual is for the embedded service: leave --url out")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as Ctrl-C does: nothing is left running
    promises = load_profile(profile or service)
    select(rules)  # an unknown one is said before anything starts
    schedules = _schedules(names, files)
    folder = RunFolder.create(runs_dir, f"conform-{service}").path
    console = Console()
    paths = _perform(console, schedules, folder, url, virtual)
    checks = [Check(name, path, judge_file(path, promises, rules=rules, strict=strict)) for name, path in paths.items()]
    conformance = Conformance(service, promises.name, strict, "virtual" if virtual else "live", checks)
    write_conformance(conformance, RULES, folder)
    print_conformance(console, conformance, RULES)
    console.print(f"report: {folder / 'conformance.html'}", soft_wrap=True)
    ctx.exit(conformance.exit_code)


def _schedules(names: tuple[str, ...], files: tuple[Path, ...]) -> list[Schedule]:
    if files:
        return [load_schedule(path) for path in files]
    shipped = {path.stem.partition("-")[0].upper(): path for path in sorted(SET.glob("*.yaml"))}
    chosen = shipped
    for name in names:
        if not any(_matches(name, number) for number in shipped):
            raise ScenarioError(f"--scenario: there is no {name!r} in the set; there are {', '.join(shipped)}")
    if names:
        chosen = {number: path for number, path in shipped.items() if any(_matches(name, number) for name in names)}
    return [load_schedule(path) for path in chosen.values()]


def _matches(name: str, number: str) -> bool:
    """S9 and S09 are S09; S15 is both S15A and S15B."""
    wanted = name.upper()
    digits = wanted.removeprefix("S")
    wanted = f"S{int(digits):02d}" if digits.isdecimal() else wanted
    return number == wanted or number.rstrip("AB") == wanted


def _perform(
    console: Console, schedules: list[Schedule], folder: Path, url: str | None, virtual: bool
) -> dict[str, Path]:
    """Schedule, by name, to the trace of its performance."""
    done: dict[str, Path] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("performing", total=len(schedules))

        def on_done(schedule: Schedule, path: Path) -> None:
            done[schedule.name] = path
            progress.update(task, advance=1, description=f"performed {schedule.name}")

        if virtual:
            virtual_traces(schedules, folder, on_done)
        else:
            secret = os.environ.get(SECRET_VARIABLE, "")
            live_traces(url or "reference", schedules, folder, on_done, secret=secret)
    names = [schedule.name for schedule in schedules]
    left_out = [name for name in names if name not in done]
    if left_out:
        console.print(f"left out, the service is set otherwise: {', '.join(left_out)}", soft_wrap=True)
    return {name: done[name] for name in names if name in done}
