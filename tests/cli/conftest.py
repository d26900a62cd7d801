"""The `harness` command as a person runs it: a process of its own in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SMALL = """\
name: small call
duration: {duration}
roles:
  member:
    count: 2
    camera: {{size: 320x180, fps: 25, bitrate: 150k}}
    microphone: true
thresholds:
  frame_loss_rate: ["rate<=0"]
"""


@pytest.fixture
def harness(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `harness ...` to its end."""

    def run(*arguments: str, timeout: float = 100, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def small_scenario(tmp_path: Path) -> Callable[[str], Path]:
    """A call of two users with small cameras, of a given length."""

    def make(duration: str = "5s") -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(SMALL.format(duration=duration), encoding="utf-8")
        return path

    return make


def strays(folder: Path) -> list[str]:
    """Processes of ours that still work in a test's folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(folder) and any("harness" in part for part in command):
            found.append(" ".join(command))
    return found


@pytest.fixture
def no_strays(tmp_path: Path) -> Callable[[], None]:
    """Fail if a process of the run is still there a few seconds later."""

    def check() -> None:
        left = [p for p in psutil.process_iter() if _works_in(p, tmp_path)]
        _, alive = psutil.wait_procs(left, timeout=10)
        assert not alive, strays(tmp_path)

    return check


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder) and "harness" in " ".join(process.cmdline())
    except psutil.Error:
        return False
