"""The `harness` command."""

from __future__ import annotations

import logging
import sys

import click

from harness.commands.calibrate import calibrate
from harness.commands.report import report
from harness.commands.run import run
from harness.commands.scenario import scenario
from harness.commands.serve import serve
from harness.scenario.errors import ScenarioError
from harness.services.service import ServiceUnreachable
from harness.trace.run_folder import RunFolderError

EXIT_USAGE, EXIT_UNREACHABLE = 2, 4


class OneLineErrors(click.Group):
    """Bad input ends in one sentence and the exit code that names its kind, never in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (ScenarioError, RunFolderError) as error:
            fail(str(error), EXIT_USAGE)
        except ServiceUnreachable as error:
            fail(str(error), EXIT_UNREACHABLE)
        return None


def fail(message: str, code: int) -> None:
    click.echo(f"harness: {message}", err=True)
    sys.exit(code)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="call-harness", prog_name="harness")
def main() -> None:
    """Load, callback order and quality of multi-party calls, measured."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


for command in (run, serve, scenario, report, calibrate):
    main.add_command(command)
