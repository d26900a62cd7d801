"""The mapping from a callback log to a trace: what it says, once it is read. docs/trace.md describes the file."""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import dataclass, field

from harness.trace_import.value import Constant, Value

FORMATS = ("jsonl", "csv", "text")
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}  # seconds; "iso" is a date and time as text
_NOWHERE = Constant("")
KINDS = ("cb", "call", "ret", "fault", "probe", "mark")


@dataclass(frozen=True)
class Source:
    """pattern: a regular expression with named groups, for text. json: fields whose text is JSON itself.
    skip: lines that do not fit are passed over instead of refused."""

    format: str = "jsonl"
    pattern: str = ""
    delimiter: str = ","
    json: tuple[str, ...] = ()
    skip: bool = False


@dataclass(frozen=True)
class Entry:
    """One record for one event of the log. when: by path, the values (as text) that it is for.
    restarts: the client's application starts again here, under a new name."""

    kind: str
    name: str
    args: Table[str, Value] = field(default_factory=dict)
    when: Table[str, tuple[str, ...]] = field(default_factory=dict)
    op: Value | None = None
    restarts: bool = False


@dataclass(frozen=True)
class Mapping:
    """unit: of the time, a key of UNITS or "iso". epsilon_us: how far the clocks of different clients may be apart."""

    source: Source
    event: Value
    time: Value
    unit: str
    client: Value
    events: Table[str, tuple[Entry, ...]]
    user: Value | None = None
    room: Value = _NOWHERE
    service: str = ""
    epsilon_us: float | None = None
