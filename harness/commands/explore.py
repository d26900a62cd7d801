"""harness explore: conversations nobody thought of, and the shortest of them that breaks a rule."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.commands.check import selecting, strictly
from harness.conform.choice import FEWEST_USERS, LONGEST, MOST_USERS, Choice
from harness.conform.examination import CRASH
from harness.conform.mutants.catalogue import MUTANTS
from harness.conform.run import Sabotage
from harness.conform.schedule_file import dump_schedule
from harness.contract.catalogue import RULES, select
from harness.scenario.errors import ScenarioError
from harness.scenario.part import nearest
from harness.trace.run_folder import RunFolder
from reports.conformance import Check, Conformance
from reports.conformance_files import write_conformance
from reports.explanation import explain

if TYPE_CHECKING:
    from harness.conform.explorer import Found

INSTALL = "pip install 'call-harness[explore]'"


@click.command()
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=60.0, show_default=True, help="How long to look.")
@click.option("--schedules", type=click.IntRange(1, 10_000_000), help="Stop after so many; then --seconds is no limit.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, help="The same seed tries the same schedules.")
@click.option("--users", type=click.IntRange(FEWEST_USERS, MOST_USERS), default=3, show_default=True)
@click.option("--steps", type=click.IntRange(1, LONGEST), default=LONGEST, show_default=True, help="At most, of each.")
@click.option("--no-faults", is_flag=True, help="Nobody crashes, and no network fails.")
@click.option("--findings", type=click.IntRange(1, 60), default=3, show_default=True, help="Stop after so many.")
@selecting
@strictly
@click.option("--mutant", help="Against a service broken on purpose: a name of harness rules --mutants.")
@click.option("--runs-dir", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True)
@click.pass_context
def explore(
    ctx: click.Context,
    seconds: float,
    schedules: int | None,
    seed: int,
    users: int,
    steps: int,
    no_faults: bool,
    findings: int,
    rules: tuple[str, ...],
    strict: bool,
    mutant: str | None,
    runs_dir: Path,
) -> None:
    """Make up schedules, perform them on a virtual clock, and shrink what breaks a rule.

    Exit codes: 0 nothing was found, 1 something was, 2 usage.
    """
    try:
        from harness.conform.explorer import Explorer, Progress, Search
    except ImportError:
        raise click.UsageError(f"exploring needs Hypothesis: {INSTALL}") from None
    select(rules)
    search = Search(
        seconds=None if schedules else seconds,
        schedules=schedules,
        findings=findings,
        seed=seed,
        choice=Choice(users, steps, not no_faults),
        rules=rules,
        strict=strict,
        sabotage=_sabotage(mutant) if mutant else None,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console, saved = Console(), _Saved(runs_dir, strict)
    with Live(Text(""), console=console, transient=True, refresh_per_second=4) as live:

        def on_progress(progress: Progress) -> None:
            shrinking = f", making a breach of {progress.shrinking} smaller" if progress.shrinking else ""
            live.update(Text(f"{progress.tried} schedules, {progress.per_minute:,.0f} a minute{shrinking}"))

        def on_found(found: Found) -> None:
            saved.keep(found)
            saved.show(live.console, found)

        explorer = Explorer(search, on_progress, on_found)
        with suppress(KeyboardInterrupt):
            explorer.run()
    per_minute = 60 * explorer.tried / max(explorer.seconds, 1e-9)
    found = f"{len(explorer.found)} found" if explorer.found else "nothing found"
    console.print(
        f"{explorer.tried} schedules tried, {per_minute:,.0f} a minute, seed {seed}: {found}", highlight=False
    )
    ctx.exit(1 if explorer.found else 0)


def _sabotage(name: str) -> Sabotage:
    known = {mutant.name: mutant for mutant in MUTANTS if mutant.stage is not None}
    if name not in known:
        raise ScenarioError(
            f"--mutant: there is no {name!r} that breaks the service{nearest(name, list(known))}; "
            "harness rules --mutants lists them"
        )
    stage = known[name].stage
    assert stage is not None
    return stage


class _Saved:
    """What was found, in a run folder that is made with the first finding."""

    def __init__(self, runs: Path, strict: bool) -> None:
        self._runs, self._strict = runs, strict
        self._folder: Path | None = None
        self._paths: dict[str, Path] = {}
        self._checks: list[Check] = []

    def keep(self, found: Found) -> None:
        if self._folder is None:
            self._folder = RunFolder.create(self._runs, "explore").path
        name = re.sub(r"\W+", "-", f"{found.rule}-{len(self._paths) + 1}").strip("-").lower()
        path = self._paths[found.rule] = self._folder / f"{name}.yaml"
        path.write_text(dump_schedule(found.schedule), encoding="utf-8")
        if found.examined.lines and found.examined.judgement is not None:
            trace = self._folder / f"{name}.jsonl"
            trace.write_bytes(b"".join(found.examined.lines))
            self._checks.append(Check(name, trace, found.examined.judgement))
            write_conformance(self._set(), RULES, self._folder)

    def _set(self) -> Conformance:
        return Conformance("reference", "reference", self._strict, "virtual", self._checks)

    def show(self, console: Console, found: Found) -> None:
        """The proof, the schedule and how to see it again."""
        steps = len(found.schedule.steps)
        console.print(
            Text(
                f"\n{found.rule} after {found.tried} schedules and {found.seconds:.1f} s, shrunk to {steps} steps",
                "bold",
            )
        )
        if found.rule == CRASH:
            console.print(Text(found.examined.error, "red"), soft_wrap=True)
        else:
            conformance = self._set()
            broken = next(b for b in conformance.broken(found.rule) if b.check is self._checks[-1])
            console.print(Text(explain(broken, RULES, console.width)), soft_wrap=True)
        console.print(Text(dump_schedule(found.schedule)))
        console.print(f"again: harness conform --virtual --schedule {self._paths[found.rule]}", soft_wrap=True)
