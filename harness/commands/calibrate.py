"""harness calibrate: how many users this machine can simulate, and what one costs."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from harness.swarm import calibration
from harness.swarm.calibration import Cost

COMFORT = 0.6  # share of a core to plan with; above it loop lag grows


@click.command()
@click.option("--quick", is_flag=True, help="Only whole users in rooms of 4, without the comparison (half a minute).")
def calibrate(quick: bool) -> None:
    """Measure what a simulated user costs here, and how many this machine can simulate.

    Everything runs on loopback: 640x360 VP8 at 500 kbps and 30 fps with Opus, feedback (RR, NACK, PLI, transport-wide)
    included. CPU is each process's own; the machine should otherwise be idle.
    """
    console = Console()
    costs: list[Cost] = []

    def add(what: str, *found: Cost) -> None:
        costs.extend(found)
        console.print(f"measured: {what}", style="dim")

    with console.status("measuring"):
        if not quick:
            frames, sending = calibration.receive_cost("frames", 10)
            packets, _ = calibration.receive_cost("packets", 10)
            add("receiving and sending", packets, frames, sending)
            add("forwarding", calibration.forward_cost())
            add("stock aiortc", calibration.stock_cost())
        user = calibration.room_cost()
        add("whole users", user)
    console.print(_table(costs))
    if not quick:
        ratio = costs[-2].cpu_ms / costs[1].cpu_ms
        console.print(f"depth frames costs 1/{ratio:.0f} of stock aiortc with decoding, measured in this run")
    users = int(COMFORT * 1000 / user.cpu_ms)
    console.print(
        f"One core simulates about [bold]{users} users[/] of rooms of 4 at {COMFORT:.0%} load "
        f"(the embedded service beside them needs {user.notes['service_cpu_ms_per_user'] * users / 1000:.2f} cores)."
    )


def _table(costs: list[Cost]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, justify in (("what", "left"), ("CPU-ms per second", "right"), ("measured on", "left"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for cost in costs:
        notes = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in cost.notes.items())
        table.add_row(cost.what, f"{cost.cpu_ms:.2f}", f"{cost.units} {cost.unit}s", notes)
    return table
