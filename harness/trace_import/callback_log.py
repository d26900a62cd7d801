"""Callback logs as traces: each event of the log becomes the records that its mapping names, or a probe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.scenario.errors import one_line, shown
from harness.trace_import.errors import LogError
from harness.trace_import.fitting import fitted
from harness.trace_import.mapping import UNITS, Entry, Mapping
from harness.trace_import.source import LogFile
from harness.trace_import.trace_file import TraceFile
from harness.trace_import.value import NoValue, as_text, follow

_DISPATCHED = ("cb", "call", "ret")  # what happens at the application, and so has its order
_ENDS = ("LOGIN_FAILED", "RECONNECT_FAILED", "KICKED", "OUT")
_LATEST_NUMBER = 10**18
SEVERAL_CLOCKS_US = 1_000_000.0  # what clocks of devices may differ by, when the mapping does not say


@dataclass
class Imported:
    """What an import came to. unknown: events that the mapping does not name, kept as probes; by name."""

    records: int = 0
    skipped: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    clients: set[str] = field(default_factory=set)


@dataclass
class _Client:
    """What is derived as a client's events come."""

    base: str
    incarnation: int = 1
    sequence: int = 0
    epoch: int = 0
    logged: bool = False
    room: str = ""

    @property
    def name(self) -> str:
        return self.base if "#" in self.base else f"{self.base}#{self.incarnation}"

    def restart(self) -> None:
        """A new incarnation, unless it is the first, or the log names them itself."""
        if not self.sequence or "#" in self.base:
            return
        self.incarnation += 1
        self.sequence = self.epoch = 0
        self.logged = False
        self.room = ""

    def follow_state(self, state: Any) -> None:
        """An epoch begins with LOGGING_IN; with services that do not say so, with IN."""
        if state == "LOGGING_IN" or (state == "IN" and not self.logged):
            self.epoch += 1
            self.logged = True
        elif state in _ENDS:
            self.logged = False


class CallbackLog:
    """Imports logs into one trace by one mapping."""

    def __init__(self, mapping: Mapping, trace: TraceFile) -> None:
        self._mapping = mapping
        self._trace = trace
        self._clients: dict[str, _Client] = {}
        self.imported = Imported()

    def add(self, path: Path) -> None:
        """Raises LogError: at the first row that gives no valid record, or for the file as a whole."""
        log = LogFile(path, self._mapping.source)
        for number, fields in log.rows():
            try:
                self._add_row(fields)
            except LogError:
                raise
            except ValueError as error:
                raise LogError(one_line(f"{path}:{number}: {error}")) from None
        self.imported.skipped += log.unmatched

    def finish(self, logs: Sequence[Path], service: str) -> Imported:
        """Write the trace. service: instead of the mapping's."""
        self.imported.records = len(self._trace)
        self.imported.clients = {client.name for client in self._clients.values()}
        if not self._trace:
            raise LogError(f"{logs[0]}: holds no event; allowed: a log with at least one")
        started, _ = self._trace.span
        epsilon = self._mapping.epsilon_us
        if epsilon is None:
            epsilon = SEVERAL_CLOCKS_US if len(self._clients) > 1 else 0.0
        self._trace.finish(
            {
                "service": service or self._mapping.service,
                "imported_from": ", ".join(path.name for path in logs),
                "started": started,
                "started_unix": started if started > 1e9 else 0.0,
                "clock": "unix" if started > 1e9 else "log",
                "epsilon_us": epsilon,
            }
        )
        return self.imported

    def _add_row(self, fields: dict[str, Any]) -> None:
        mapping = self._mapping
        event = as_text(self._take("event", mapping.event.of, fields))
        t = seconds(self._take("time", mapping.time.of, fields), mapping.unit)
        client = self._client(as_text(self._take("client", mapping.client.of, fields)))
        client.room = as_text(self._take("room", mapping.room.of, fields, client.room)) or client.room
        user = client.base.partition("#")[0]
        if mapping.user is not None:
            user = as_text(self._take("user", mapping.user.of, fields, user))
        common = {"client": client.name, "user": user, "room": client.room, "t": t}
        entries = mapping.events.get(event)
        if entries is None:
            self._keep_unknown(event, fields, common)
            return
        for entry in entries:
            if all(as_text(follow(fields, path)) in values for path, values in entry.when.items()):
                self._add_entry(event, entry, fields, client, common)

    def _take(self, what: str, of: Any, fields: dict[str, Any], otherwise: str | None = None) -> Any:
        try:
            return of(fields)
        except NoValue as error:
            if otherwise is not None:
                return otherwise
            raise ValueError(f"{what}: {error}") from None

    def _client(self, name: str) -> _Client:
        return self._clients.setdefault(name, _Client(name))

    def _add_entry(
        self, event: str, entry: Entry, fields: dict[str, Any], client: _Client, common: dict[str, Any]
    ) -> None:
        if entry.restarts:
            client.restart()
        try:
            args = fitted(entry.kind, entry.name, {key: value.of(fields) for key, value in entry.args.items()})
            if entry.kind == "cb" and entry.name == "room.state":
                client.follow_state(args.get("state"))
            record = {**common, "client": client.name, "epoch": client.epoch, "kind": entry.kind, "name": entry.name}
            record |= {"args": args, "native": _without_helpers(fields)}
            if entry.op is not None:
                record["op"] = _whole(entry.op.of(fields))
            if entry.kind in _DISPATCHED:
                record["seq"] = client.sequence
                client.sequence += 1
            self._trace.add(record)
        except LogError:
            raise
        except ValueError as error:
            raise ValueError(f"{shown(event)} gives no {entry.name}: {error}") from None

    def _keep_unknown(self, event: str, fields: dict[str, Any], common: dict[str, Any]) -> None:
        self.imported.unknown[event] = self.imported.unknown.get(event, 0) + 1
        self._trace.add({**common, "kind": "probe", "name": event, "args": _without_helpers(fields)})


def _without_helpers(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if not key.startswith("$")}


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"op is {shown(value)}; allowed: a whole number") from None


def seconds(value: Any, unit: str) -> float:
    """A time of a log in seconds; a date and time without a zone is UTC. Raises ValueError."""
    if unit == "iso":
        return _iso_seconds(value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"time is {shown(value)}; allowed: a number of {unit}") from None
    if isinstance(value, bool) or not 0 <= number < _LATEST_NUMBER * 10:
        raise ValueError(f"time is {shown(value)}; allowed: a number of {unit}, from 0 on")
    return round(number * UNITS[unit], 6)


def _iso_seconds(value: Any) -> float:
    text = re.sub(r"(?<=\d),(?=\d)", ".", value.strip()) if isinstance(value, str) else ""
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"time is {shown(value)}; allowed: a date and time such as 2026-01-31T12:30:00.250Z") from None
