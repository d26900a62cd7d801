"""`harness run`: prepares a run, starts the swarm's processes, shows what happens, and reports what came of it.

The swarm runs in processes of its own, so that however it ends there is somebody left to write the report.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from harness.room_service.process import SECRET_VARIABLE
from harness.swarm import locustfile_path
from harness.swarm.environment import PARENT_VARIABLE, RUN_VARIABLE
from harness.swarm.preparation import Prepared
from harness.trace.run_folder import RunFolder, complete_lines

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 15.0  # for the swarm to end after it was asked to
OVERTIME_SECONDS = 120.0  # beyond the planned end, for a swarm that hangs

Watch = Callable[[RunFolder], None]


def swarm_command(prepared: Prepared, locust_options: list[str]) -> list[str]:
    users = str(len(prepared.plan.participants))
    command = [sys.executable, "-m", "harness.swarm.entry", "-f", str(locustfile_path())]
    return [*command, "--headless", "--only-summary", "-u", users, "-r", users, *locust_options]


def run_swarm(prepared: Prepared, locust_options: list[str], watch: Watch) -> str:
    """Run the swarm to its end, or until interrupted. Returns how it ended, as run.json records it."""
    reader, writer = os.pipe()
    environment = {
        **os.environ,
        SECRET_VARIABLE: prepared.secret,
        RUN_VARIABLE: str(prepared.folder.path.resolve()),
        PARENT_VARIABLE: str(reader),
    }
    with prepared.folder.log.open("wb") as log:
        process = subprocess.Popen(
            swarm_command(prepared, locust_options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(reader,),
            start_new_session=True,
        )
    os.close(reader)
    interrupted = False
    limit = time.monotonic() + prepared.plan.duration + OVERTIME_SECONDS
    try:
        while process.poll() is None:
            try:
                watch(prepared.folder)
                time.sleep(POLL_SECONDS)
                if time.monotonic() > limit:
                    break
            except KeyboardInterrupt:
                if interrupted:
                    break
                interrupted = True
                limit = time.monotonic() + PATIENCE_SECONDS
                process.send_signal(signal.SIGINT)
    finally:
        _end(process)
        os.close(writer)
    watch(prepared.folder)
    return _how_it_ended(prepared.folder, interrupted=interrupted, code=process.returncode)


def _end(process: subprocess.Popen[bytes]) -> None:
    """No process of the swarm outlives the run."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _how_it_ended(folder: RunFolder, *, interrupted: bool, code: int) -> str:
    notes = [line for line in complete_lines(folder.intervals) if line.get("event") == "ended"]
    if notes:
        return str(notes[0]["reason"])
    if interrupted:
        return "interrupted"
    return f"the swarm died (exit code {code}); see {folder.log.name}"


def join_swarm(locust_options: list[str]) -> int:
    """`harness run --worker`: take part in a run whose master is elsewhere."""
    command = [sys.executable, "-m", "harness.swarm.entry", "-f", str(locustfile_path()), "--worker", *locust_options]
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
