"""Reads a trace, line by line, from any point of its life: running, finished, or cut off by a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.trace.writer import FORMAT, VERSION

MAX_LINE_BYTES = 1 << 20


class TraceError(ValueError):
    """A trace that cannot be read; the message has file, line and reason."""


def read_header(path: Path) -> dict[str, Any]:
    """The first line. Raises TraceError when it is not the header of a version we know."""
    with path.open("rb") as file:
        line = file.readline(MAX_LINE_BYTES)
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        raise TraceError(f"{path}:1: not a trace: the first line is not JSON") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TraceError(f'{path}:1: not a trace: the first line must have "format": "{FORMAT}"')
    if header.get("version") != VERSION:
        raise TraceError(f"{path}:1: trace version {header.get('version')!r}; this reads version {VERSION}")
    return header


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
