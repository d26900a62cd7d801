"""What a run shows in the terminal: progress while it lasts, the verdict and its figures at the end."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from harness.contract.catalogue import RULES
from harness.measure.recorder import Totals
from harness.scenario.plan import Plan
from harness.sound.full_reference import not_installed
from harness.sound.sample_folder import SampleFolder
from harness.swarm.judgement import threshold_text
from harness.trace.run_folder import RunFolder
from reports.conformance import Conformance
from reports.conformance_console import print_run_conformance
from reports.formats import percent
from reports.resampling import samples_needed
from reports.tables import DELIVERED

COLOURS = {"pass": "green", "fail": "red", "unknown": "yellow"}
SHOWN = ("join_time_ms", "publish_time_ms", "first_frame_ms", "frame_latency_ms", "audio_latency_ms")
QUALITY = ("audio_mos", "video_delivery_score", "av_arrival_offset_ms", "av_offset_ms")
PLAIN_EVERY = 10.0  # seconds between progress lines where the output is not a terminal


class LiveProgress:
    """A context manager; `watch` reads what has been appended to the run's intervals since the last call."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), console=console
        )
        self._task = self._bar.add_task("preparing", total=1, note="")
        self._live = Live(self._render(), console=console, refresh_per_second=4, transient=True)
        self._plan: Plan | None = None
        self._offset = 0
        self._latest: dict[str, dict[str, Any]] = {}
        self._recent = Totals()
        self._totals = Totals()
        self._printed = 0.0

    def __enter__(self) -> LiveProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def preparing(self, what: str, done: int, total: int) -> None:
        self._bar.update(self._task, description=what, completed=done, total=total, note=f"{done}/{total}")
        self._show(f"{what} {done}/{total}")

    def begin(self, plan: Plan) -> None:
        self._plan = plan
        self._bar.update(self._task, description=escape(plan.scenario_name), completed=0, total=plan.duration, note="")

    def watch(self, folder: RunFolder) -> None:
        if self._plan is None or not folder.intervals.exists():
            return
        with folder.intervals.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._take(json.loads(line))
        if self._latest:
            elapsed = max(interval["t"] for interval in self._latest.values())
            elapsed = max(0.0, min(elapsed, self._plan.duration))
            self._bar.update(self._task, completed=elapsed, note=f"{elapsed:.0f} of {self._plan.duration:.0f} s")
            self._show(f"{elapsed:.0f}/{self._plan.duration:.0f} s  {self._line()}")

    def _take(self, interval: dict[str, Any]) -> None:
        if "t" in interval:
            self._latest[interval["worker"]] = interval
            self._totals.add(interval)
            self._recent = Totals()
            for latest in self._latest.values():
                self._recent.add(latest)

    def _line(self) -> str:
        gauges = {
            n: sum(i[n] for i in self._latest.values()) for n in ("users", "publishing", "playing", "subscriptions")
        }
        latency = self._recent.trend("frame_latency_ms", {})
        parts = [
            f"{gauges['users']} users",
            f"{gauges['publishing']} publishing",
            f"{gauges['playing']} of {gauges['subscriptions']} subscriptions playing",
        ]
        if latency.count:
            parts.append(f"frame latency p50 {latency.percentile(50):.1f} p99 {latency.percentile(99):.1f} ms")
        parts.append(f"{int(self._totals.counter(['framesLost'], {}))} frames lost")
        failures = int(self._totals.counter(["login_failures", "publish_failures", "play_failures"], {}))
        if failures:
            parts.append(f"{failures} failures")
        return ", ".join(parts)

    def _render(self) -> Group:
        return Group(self._bar, Text(self._line() if getattr(self, "_latest", None) else ""))

    def _show(self, line: str) -> None:
        if self._console.is_terminal:
            self._live.update(self._render())
        elif time.monotonic() - self._printed >= PLAIN_EVERY:
            self._printed = time.monotonic()
            self._console.print(line, markup=False, highlight=False)


def print_results(
    console: Console, results: dict[str, Any], folder: RunFolder, callbacks: Conformance | None = None
) -> None:
    """The verdict first, then thresholds, figures, what the rules say of the callbacks, and where the report is."""
    colour = COLOURS[results["verdict"]]
    expected, observed = results["expected"], results["observed"]
    console.print(
        f"\n[bold {colour}]{results['verdict'].upper()}[/]  {escape(results['scenario'])}, seed {results['seed']}"
    )
    for reason in results["reasons"]:
        console.print(f"  [{colour}]{escape(reason)}[/]", highlight=False)
    console.print(
        f"  {observed['users']} of {expected['users']} users, {observed['streams']} of {expected['streams']} streams, "
        f"{observed['subscriptions']} of {expected['subscriptions']} subscriptions",
        highlight=False,
    )
    # Figures that are not the service's are grey, under a line that says so.
    style = "dim" if results["caution"] else ""
    console.print(_thresholds(results), style=style)
    if results["caution"]:
        console.print(f"[bold {colour}]The figures below are {escape(results['caution'])}.[/]", highlight=False)
    console.print(_figures(results), style=style)
    console.print(_quality(results), style=style)
    for method in not_installed(SampleFolder(folder.sound)):
        console.print(f"{method.metric} was not measured: {method.how_to_get}", markup=False, highlight=False)
    generator = results["generator"]
    cost = generator["cpu_ms_per_subscription_second"]
    lag = generator["loop_lag_p99_ms"]
    console.print(
        "generator: "
        + (f"{cost:.2f} CPU-ms per subscription-second, " if cost is not None else "")
        + (f"loop lag p99 {lag:.1f} ms, " if lag is not None else "")
        + ("[yellow]saturated[/]" if generator["saturated"] else "not saturated"),
        highlight=False,
    )
    if callbacks is not None:
        print_run_conformance(console, callbacks, RULES)
    console.print(f"report: {folder.report}", highlight=False, soft_wrap=True)


def _thresholds(results: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "threshold", "observed"):
        table.add_column(heading)
    for threshold in results["thresholds"]:
        mark = "[green]ok[/]" if threshold["passed"] else "[red]no[/]"
        if results["caution"]:
            mark = "?"
        observed = threshold["observed"]
        shown = threshold["reason"] if observed is None else f"{observed:.6g} {_unit(threshold['unit'])}"
        table.add_row(mark, escape(threshold_text(threshold)), escape(shown))
    return table


def _unit(unit: str) -> str:
    return "" if unit == "share" else unit


def _figures(results: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("ms")
    for heading in ("count", "delivered", "p50", "p95", "p99", "max"):
        table.add_column(heading, justify="right")
    for name in SHOWN:
        found = results["metrics"].get(name)
        if found:
            shown = [_percentile(found, q) for q in (50, 95, 99)]
            table.add_row(name, str(found["count"]), _delivered(results, name), *shown, f"{found['max']:.1f}")
    return table


def _quality(results: dict[str, Any]) -> Table:
    """Scores from their low end, and how far the sound is from the picture: late above 0, early below."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("quality")
    for heading in ("seconds", "lowest", "p5", "p50", "p95"):
        table.add_column(heading, justify="right")
    for name in QUALITY:
        found = results["metrics"].get(name)
        if found:
            shown = [_percentile(found, q) for q in (5, 50, 95)]
            table.add_row(name, str(found["count"]), f"{found['min']:.1f}", *shown)
    return table


def _delivered(results: dict[str, Any], name: str) -> str:
    """The share that arrived at all: percentiles are of that only."""
    value = results["metrics"].get(DELIVERED.get(name, ""), {}).get("value", math.nan)
    return percent(value) if math.isfinite(value) else ""


def _percentile(found: dict[str, Any], q: int) -> str:
    """Below the number of samples that bounds it, a percentile says more about chance than about the service."""
    return f"{found[f'p{q}']:.1f}" if found["count"] >= samples_needed(q) else "too few"
