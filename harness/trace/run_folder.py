"""A run is a folder: runs/<scenario>/<time>/, and a `latest` link beside the scenarios. What is in it, and where."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any


class RunFolderError(OSError):
    """A run folder that cannot be made or read; one sentence."""


class RunFolder:
    """Paths of one run. Everything in it is written as it happens, so that a killed run leaves what it had."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scenario = path / "scenario.yaml"
        self.plan = path / "plan.json"
        self.run = path / "run.json"
        self.trace = path / "trace.jsonl"
        self.intervals = path / "intervals.jsonl"
        self.results = path / "results.json"
        self.pictures = path / "pictures.json"
        self.sound = path / "sound"
        self.report = path / "report.html"
        self.junit = path / "junit.xml"
        self.log = path / "swarm.log"
        self.service_log = path / "service.log"

    @classmethod
    def create(cls, runs: Path, slug: str) -> RunFolder:
        """A new folder, and `latest` pointing at it. Raises RunFolderError when it cannot be written."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        try:
            for suffix in ("", *(f"-{number}" for number in range(2, 100))):
                path = runs / slug / f"{stamp}{suffix}"
                with contextlib.suppress(FileExistsError):
                    path.mkdir(parents=True)
                    break
            else:
                raise RunFolderError(f"{runs / slug}: too many runs within a second")
            _point(runs / "latest", path)
        except OSError as error:
            raise RunFolderError(f"{runs}: cannot write the run folder: {error.strerror or error}") from None
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run, by its folder or any file in it. Raises RunFolderError when it is not one."""
        folder = path if path.is_dir() else path.parent
        found = cls(folder.resolve())
        if not found.run.exists():
            raise RunFolderError(f"{path}: not a run folder: there is no run.json in it")
        return found

    def write_json(self, path: Path, data: Any) -> None:
        """Whole or not at all."""
        temporary = path.with_suffix(path.suffix + ".part")
        temporary.write_text(json.dumps(data, indent=1, allow_nan=False, default=str) + "\n", encoding="utf-8")
        temporary.replace(path)

    def read_json(self, path: Path) -> Any:
        """Raises RunFolderError when the file is missing or not JSON."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunFolderError(f"{path}: cannot be read: {error}") from None


def _point(link: Path, target: Path) -> None:
    temporary = link.with_name(f".latest-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(os.path.relpath(target, link.parent))
    temporary.replace(link)


def complete_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file that is written line by line; a last line that was cut off is left out."""
    found: list[dict[str, Any]] = []
    if not path.exists():
        return found
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                with contextlib.suppress(ValueError, RecursionError):
                    value = json.loads(line)
                    if isinstance(value, dict):
                        found.append(value)
    return found
