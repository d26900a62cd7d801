"""Starts the embedded room service as a process of its own, and stops it."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

from harness.room_service.process import READY, SECRET_VARIABLE
from harness.services.service import ServiceUnreachable

START_TIMEOUT, STOP_TIMEOUT = 20.0, 10.0


class EmbeddedService:
    """url and secret are known once it is started. It ends with this process, whatever happens to it."""

    def __init__(self, log: Path, *, secret: str | None = None, options: tuple[str, ...] = ()) -> None:
        self.secret = secret or secrets.token_urlsafe(32)
        self.url = ""
        self._log = log
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def death(self) -> str | None:
        """A sentence when the service has ended by itself, or was ended by somebody else; None while it runs."""
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return None
        return f"the embedded service ended during the run (exit code {code}); see {self._log.name}"

    def start(self) -> None:
        """Raises ServiceUnreachable when it does not come up."""
        command = [sys.executable, "-m", "harness", "serve", "--port", "0", "--end-with-parent", *self._options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, SECRET_VARIABLE: self.secret},
                start_new_session=True,  # Ctrl-C is for the run, which still needs the service to log out
            )
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until:
            for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(READY):
                    self.url = line.removeprefix(READY).strip()
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        tail = " ".join(self._log.read_text(encoding="utf-8", errors="replace").split()[-30:])
        raise ServiceUnreachable(f"the embedded service did not start: {tail or 'it said nothing'}")

    def stop(self) -> None:
        """Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
