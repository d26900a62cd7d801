"""harness trace schema | import | show."""

from __future__ import annotations

from pathlib import Path

import click

from harness.trace.listing import listing
from harness.trace.schema import trace_schema_text
from harness.trace_import.callback_log import CallbackLog, Imported
from harness.trace_import.mapping_file import load_mapping
from harness.trace_import.trace_file import TraceFile
from harness.trace_import.webrtc_internals import import_dump

MOST_NAMES = 10


@click.group()
def trace() -> None:
    """Print the schema of traces, make them from other logs, look into them."""


@trace.command()
def schema() -> None:
    """Print the JSON Schema of a line of a trace."""
    click.echo(trace_schema_text(), nl=False)


@trace.command("import")
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The trace to write.")
@click.option("--mapping", type=click.Path(path_type=Path), help="How the events of the log map; see docs/trace.md.")
@click.option("--webrtc-internals", is_flag=True, help="LOG is what chrome://webrtc-internals saves.")
@click.option("--service", default="", help="Whose callbacks these are: names the profile to judge by.")
@click.option("--force", is_flag=True, help="Write over an existing file.")
def import_log(
    logs: tuple[Path, ...], output: Path, mapping: Path | None, webrtc_internals: bool, service: str, force: bool
) -> None:
    """Make a trace from callback LOGS, by a mapping, or from a dump of Chrome's."""
    if webrtc_internals is (mapping is not None):
        raise click.UsageError("give either --mapping FILE or --webrtc-internals")
    if webrtc_internals and len(logs) > 1:
        raise click.UsageError("--webrtc-internals takes one dump")
    found = load_mapping(mapping) if mapping is not None else None
    with TraceFile(output, force=force) as file:
        if found is None:
            imported = import_dump(logs[0], file, service)
        else:
            log = CallbackLog(found, file)
            for path in logs:
                log.add(path)
            imported = log.finish(logs, service)
    click.echo(f"{output}: {_summary(imported)}")


def _summary(imported: Imported) -> str:
    text = f"{imported.records} records of {len(imported.clients)} client{'s' * (len(imported.clients) != 1)}"
    if imported.skipped:
        text += f"; {imported.skipped} lines did not fit and were passed over"
    if imported.unknown:
        names = [f"{name} ({count})" for name, count in list(imported.unknown.items())[:MOST_NAMES]]
        more = ", ..." if len(imported.unknown) > MOST_NAMES else ""
        text += f"; not in the mapping, kept as probes: {', '.join(names)}{more}"
    return text


@trace.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--client", default=None, help="Only this client's, or all of this user's.")
@click.option("--room", default=None, help="Only this room's.")
@click.option("--around", type=click.IntRange(1), default=None, help="Only the lines near this one.")
@click.option("--near", type=click.IntRange(0), default=10, show_default=True, help="How near, in lines shown.")
def show(file: Path, client: str | None, room: str | None, around: int | None, near: int) -> None:
    """Print the records of a trace, one a line, in the order of time.

    FILE is a trace, or a run folder.
    """
    for line in listing(file / "trace.jsonl" if file.is_dir() else file, client, room, around, near):
        click.echo(line)
