"""A trace for a person to read: line, time since the start, client and the gist of each record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.trace.history import open_history
from harness.trace.record import Record

LONGEST = 160  # characters of a gist
_SHORTEST_NAME = 12


def listing(
    path: Path, client: str | None = None, room: str | None = None, around: int | None = None, near: int = 10
) -> Iterator[str]:
    """One line of text for each record in the order of time; then what is wrong with the trace.

    client: an incarnation, or a user, all of whose incarnations are meant. around: only the record of that line and
    `near` ones before and after it. Raises TraceError.
    """
    history = open_history(path)
    started = history.header.get("started")
    chosen = (r for r in history if (client is None or client in (r.client, r.user)) and room in (None, r.room))
    width = _SHORTEST_NAME
    for record in chosen if around is None else _around(chosen, around, near):
        started = record.t if started is None else started
        width = min(40, max(width, len(record.client)))
        yield line_of(record, started, width)
    for line, text in history.problems if around is None else ():
        yield plain(f"{line:>7}  {text}")
    if around is None and history.problem_count > len(history.problems):
        yield f"         and {history.problem_count - len(history.problems)} more of the kind"


def _around(records: Iterator[Record], line: int, near: int) -> Iterator[Record]:
    before: deque[Record] = deque(maxlen=near)
    for record in records:
        if record.line == line:
            yield from before
            yield record
            for _ in range(near):
                following = next(records, None)
                if following is None:
                    return
                yield following
            return
        before.append(record)


def line_of(record: Record, started: float, width: int = _SHORTEST_NAME) -> str:
    """Times are seconds since `started`, a run-clock second."""
    who = plain(record.client) or "-"
    text = f"{record.line:>7}  {record.t - started:>+12.6f}  {who:<{width}}  {record.kind:<5}  {gist(record)}"
    return text.rstrip()


def gist(record: Record) -> str:
    """The record's name and arguments in a few words, safe for a terminal."""
    try:
        args = msgspec.json.decode(record.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        args = {}
    words = [f"{key}={_word(value)}" for key, value in args.items() if not _tells_nothing(key, value)]
    text = plain(" ".join([record.name, *words]))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _tells_nothing(key: str, value: Any) -> bool:
    return value in (None, "", [], {}) or (key == "code" and value == 0)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_word(item) for item in value[:8])}{',...' if len(value) > 8 else ''}]"
    if isinstance(value, dict):
        return str(value["id"]) if "id" in value else f"{{{','.join(str(key) for key in list(value)[:8])}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:LONGEST]


def plain(text: str) -> str:
    """The text with control characters, line ends and what cannot be printed escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
