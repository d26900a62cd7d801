"""The trace that an import writes: whole or not at all, in the order of time, and never over a file by accident."""

from __future__ import annotations

import contextlib
import os
import tempfile
from array import array
from pathlib import Path
from typing import Any, BinaryIO

from harness.scenario.errors import one_line
from harness.trace.history import LATEST
from harness.trace.line import trace_line
from harness.trace.record import parse_record
from harness.trace.schema import closed_values
from harness.trace.writer import FORMAT, VERSION
from harness.trace_import.errors import LogError

_COPY_BYTES = 1 << 20


class TraceFile:
    """Use as a context: `add` records in any order, then `finish`. Without `finish` nothing is left behind.

    Raises LogError at the start when there is a file already and `force` is not set.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        self._path = path
        self._force = force
        self._times = array("d")
        self._ends = array("q", [0])
        if path.exists() and not force:
            raise self._exists()
        try:
            self._spool: BinaryIO = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed by __exit__
        except (OSError, ValueError) as error:
            raise self._unwritable(error) from None

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def __len__(self) -> int:
        return len(self._times)

    @property
    def span(self) -> tuple[float, float]:
        """Seconds of the first and last record; (0, 0) without any."""
        return (min(self._times), max(self._times)) if self._times else (0.0, 0.0)

    def add(self, record: dict[str, Any]) -> None:
        """Raises ValueError, with one sentence, when it is no record that the schema allows."""
        line = trace_line(record)
        parsed = parse_record(line, 0)
        if not 0 <= parsed.t <= LATEST:
            raise ValueError(f"t is {parsed.t:g}; allowed: seconds, 0 to {LATEST:.0e}: is the unit of the time right?")
        for key, allowed in closed_values(parsed.kind, parsed.name).items():
            value = record["args"].get(key)
            if value is not None and value not in allowed:
                raise ValueError(f"{key} is {str(value)[:60]!r}; allowed: {', '.join(allowed)}")
        try:
            self._spool.write(line)
        except OSError as error:
            raise self._unwritable(error) from None
        self._times.append(parsed.t)
        self._ends.append(self._ends[-1] + len(line))

    def finish(self, header: dict[str, Any]) -> None:
        """Write it: the header, then the records by time, in the order of adding where times are equal."""
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            with temporary.open("xb") as file:
                file.write(trace_line({"format": FORMAT, "version": VERSION, **header}))
                self._copy(file)
                file.flush()
                os.fsync(file.fileno())
            self._place(temporary)
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _copy(self, file: BinaryIO) -> None:
        times, ends = self._times, self._ends
        if all(times[at] <= times[at + 1] for at in range(len(times) - 1)):
            self._spool.seek(0)
            while piece := self._spool.read(_COPY_BYTES):
                file.write(piece)
            return
        for at in sorted(range(len(times)), key=times.__getitem__):
            self._spool.seek(ends[at])
            file.write(self._spool.read(ends[at + 1] - ends[at]))

    def _place(self, temporary: Path) -> None:
        if self._force:
            temporary.replace(self._path)
            return
        try:
            self._path.hardlink_to(temporary)  # unlike a rename it refuses a file that has come meanwhile
        except FileExistsError:
            raise self._exists() from None
        except OSError:  # a file system without links
            if self._path.exists():
                raise self._exists() from None
            temporary.replace(self._path)

    def _exists(self) -> LogError:
        return LogError(f"{self._path}: is there already; allowed: a new file, or --force to write over it")

    def _unwritable(self, error: Exception) -> LogError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return LogError(one_line(f"{self._path}: cannot be written ({reason})"))
