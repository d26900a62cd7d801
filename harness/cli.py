"""The `harness` command. Each subcommand is imported when it is used: `harness --help` must not load a media stack."""

from __future__ import annotations

import importlib
import logging
import sys

import click

EXIT_USAGE, EXIT_UNREACHABLE = 2, 4
COMMANDS = {
    "run": "Run a scenario and judge it.",
    "serve": "Run the embedded room service alone.",
    "scenario": "List, validate, explain scenarios; print their schema.",
    "report": "Write the reports of a run again.",
    "conform": "Perform the conformance set against a service and judge its callbacks.",
    "check": "Judge the callbacks in a recorded trace.",
    "explore": "Look for conversations that break a rule, and shrink them.",
    "rules": "List the rules of the callback contract; show that each can fail.",
    "trace": "Print the schema of traces; import other logs; look into one.",
    "calibrate": "Measure how many users this machine can simulate.",
}


class LazyCommands(click.Group):
    """Bad input ends in one sentence and the exit code that names its kind, never in a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"harness.commands.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            click.echo(f"harness: {error}", err=True)
            sys.exit(code)


def _exit_code(error: Exception) -> int | None:
    """The exit code of errors that are the user's to mend; None for those that are ours."""
    from harness.contract.catalogue import UnknownRuleError
    from harness.contract.profile import ProfileError
    from harness.scenario.errors import ScenarioError
    from harness.services.service import ServiceUnreachable
    from harness.trace.reader import TraceError
    from harness.trace.run_folder import RunFolderError

    if isinstance(error, ScenarioError | RunFolderError | TraceError | ProfileError | UnknownRuleError):
        return EXIT_USAGE
    return EXIT_UNREACHABLE if isinstance(error, ServiceUnreachable) else None


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="call-harness", prog_name="harness")
def main() -> None:
    """Load, callback order and quality of multi-party calls, measured."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
