"""Reads a trace, line by line, from any point of its life: running, finished, or cut off by a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.trace.line import MAX_LINE_BYTES
from harness.trace.writer import FORMAT, VERSION


class TraceError(ValueError):
    """A trace that cannot be read; the message has file, line and reason."""


def open_trace(path: Path) -> BinaryIO:
    """The file, for reading. Raises TraceError when there is none, or none that can be read."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise TraceError(f"{path}: there is no such file; allowed: a trace, such as runs/latest/trace.jsonl") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TraceError(f"{path}: cannot be read ({reason}); allowed: a trace file") from None


def read_header(path: Path) -> dict[str, Any]:
    """The first line. Raises TraceError when it is not the header of a version we know."""
    with open_trace(path) as file:
        return parse_header(_first_line(file, path), str(path))


def parse_header(line: bytes, name: str) -> dict[str, Any]:
    """The header in a first line of a file of that name. Raises TraceError."""
    try:
        found = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise TraceError(f"{name}:1: not a trace: the first line is not JSON") from None
    return check_header(found, name)


def check_header(found: Any, name: str) -> dict[str, Any]:
    """The same header, if it is one. Raises TraceError."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise TraceError(f'{name}:1: not a trace: the first line must have "format": "{FORMAT}"')
    version = found.get("version")
    if version != VERSION or isinstance(version, bool):
        raise TraceError(f"{name}:1: trace version {repr(version)[:40]}; this reads version {VERSION}")
    for key in ("epsilon_us", "started", "started_unix"):
        value = found.get(key, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e15:
            raise TraceError(f"{name}:1: {key} must be a number from 0 on")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _first_line(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.readline(MAX_LINE_BYTES)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error}); allowed: a trace file") from None


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and record of every line after the header. A last line that was cut off is left out.

    Raises TraceError for a line that is not a JSON object or longer than 1 MiB.
    """
    read_header(path)
    with path.open("rb") as file:
        file.readline()
        number = 1
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE_BYTES:
                    raise TraceError(f"{path}:{number}: line of more than {MAX_LINE_BYTES} bytes")
                return
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                raise TraceError(f"{path}:{number}: not JSON") from None
            if not isinstance(record, dict):
                raise TraceError(f"{path}:{number}: a record must be a JSON object")
            yield number, record
