"""A trace as its judges read it: checked records in the order of time, and whatever kept some of them out.

history = open_history(path)
for record in history: ...
history.problems
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.trace.line import MAX_LINE_BYTES
from harness.trace.order import WINDOW, Orderer
from harness.trace.problems import Problems
from harness.trace.reader import TraceError, check_header, open_trace, read_header
from harness.trace.record import Record, parse_record
from harness.trace.writer import FORMAT, LOST, VERSION

LATEST = 1e10  # seconds: beyond it a time is in another unit, or no time
NEWLINE = 10
_BATCH, _BATCH_BYTES = 512, 1 << 20

Lines = Iterator[tuple[int, bytes]]


class History:
    """header: the first line. Iterating gives each Record once, in the order of time; `problems` (line and sentence,
    the first 20) and `problem_count` are of the last iteration and grow as it goes. Iterating again reads again."""

    def __init__(self, header: dict[str, Any], lines: Callable[[Problems], Lines], window: float = WINDOW) -> None:
        self.header = header
        self.records = 0
        self._lines = lines
        self._window = window
        self._problems = Problems()

    @property
    def problems(self) -> list[tuple[int, str]]:
        return self._problems.found

    @property
    def problem_count(self) -> int:
        return self._problems.count

    @property
    def whole(self) -> bool:
        """Nothing is missing or out of its place but for a last line that was cut off."""
        return self._problems.count == int(self._problems.cut)

    def __iter__(self) -> Iterator[Record]:
        """Raises TraceError when the file can be read no further."""
        problems = self._problems = Problems()
        orderer = Orderer(problems, self._window)
        self.records = 0
        for batch, size in _batches(self._lines(problems), problems):
            ripe = orderer.add(batch, size)
            self.records += len(ripe)
            yield from ripe
        ripe = orderer.rest()
        self.records += len(ripe)
        yield from ripe


def open_history(path: Path, window: float = WINDOW) -> History:
    """The trace in a file. window: seconds by which a line may stand behind earlier ones and still find its place.

    Raises TraceError when it is not a trace of a version we know.
    """
    return History(read_header(path), lambda problems: _file_lines(path, problems), window)


def history_of(
    records: Iterable[dict[str, Any]], header: dict[str, Any] | None = None, window: float = WINDOW
) -> History:
    """A trace that is in memory, under the same checks. The records count from line 2, as below a header in a file.

    header: default is one without a name. Raises TraceError when it is none.
    """
    checked = check_header({"format": FORMAT, "version": VERSION, **(header or {})}, "trace")
    held = list(records)
    return History(checked, lambda problems: _memory_lines(held, problems), window)


def _batches(lines: Lines, problems: Problems) -> Iterator[tuple[list[Record], int]]:
    """Records and their size in bytes, some at a time."""
    batch: list[Record] = []
    size = 0
    for number, line in lines:
        try:
            record = parse_record(line, number)
        except ValueError as error:
            problems.add(number, f"line {number} is not a record: {_reason(line, error)}")
            continue
        if not (0.0 <= record.t <= LATEST and 0.0 <= record.t_wire <= LATEST):
            problems.add(number, _bad_time(record))
            continue
        if record.name == LOST and record.kind == "mark":
            problems.add(number, f"records are missing before line {number}: they could not be written")
        batch.append(record)
        size += len(line)
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            yield batch, size
            batch, size = [], 0
    yield batch, size


def _bad_time(record: Record) -> str:
    key, value = ("t_wire", record.t_wire) if 0.0 <= record.t <= LATEST else ("t", record.t)
    allowed = f"seconds of the run clock, 0 to {LATEST:.0e}"
    return f"line {record.line} is not a record: {key} is {value:g}; allowed: {allowed}"


def _reason(line: bytes, error: ValueError) -> str:
    """What is wrong with it; the words of the parser, unless it is simply empty."""
    return str(error) if line.strip() else "it is empty"


def _file_lines(path: Path, problems: Problems) -> Lines:
    """The whole lines after the header, with their numbers. What is cut off or too long is a problem."""
    with open_trace(path) as file:
        try:
            yield from _whole_lines(file, problems)
        except OSError as error:
            raise TraceError(f"{path}: cannot be read on ({error.strerror or error})") from None


def _whole_lines(file: BinaryIO, problems: Problems) -> Lines:
    number = 0
    readline = file.readline
    while line := readline(MAX_LINE_BYTES):
        number += 1
        if line[-1] != NEWLINE:
            if not _pass_over(file, line, number, problems):
                return
        elif number > 1:
            yield number, line


def _pass_over(file: BinaryIO, line: bytes, number: int, problems: Problems) -> bool:
    """What is left of a line whose end has not been seen, a piece at a time. False when the file ends within it."""
    if len(line) == MAX_LINE_BYTES:
        problems.add(number, f"line {number} is longer than {MAX_LINE_BYTES} bytes; it was passed over")
        while (line := file.readline(MAX_LINE_BYTES)) and not line.endswith(b"\n"):
            pass
    if not line.endswith(b"\n"):
        problems.add_cut(number)
        return False
    return True


def _memory_lines(records: list[dict[str, Any]], problems: Problems) -> Lines:
    for number, record in enumerate(records, 2):
        try:
            line = json.dumps(record, default=str, allow_nan=False).encode()
        except (ValueError, TypeError, RecursionError) as error:
            problems.add(number, f"line {number} is not a record: {error}")
            continue
        yield number, line
