"""Ways to tamper with a recorded trace, for defects that neither the service nor its client can be made to have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from harness.conform.mutants.change import Change, Edit, Pick
from harness.conform.mutants.mutant import Records, Tampering


def recorded(client: str, name: str, change: Change, *, has: str = "", nth: int = 0, **fields: Any) -> Tampering:
    """Records of a client ("alice#1", or everybody for "") by kind and name ("cb room.state") are changed."""

    def tamper(records: Records) -> Records:
        pick = Pick(name, client, has, nth, fields)
        found: Records = []
        for record in records:
            if not pick(f"{record['kind']} {record['name']}", str(record.get("client", "")), record["args"]):
                found.append(record)
                continue
            found += [_moved(changed, seconds) for seconds, changed in change(record)]
        return numbered(found)

    return tamper


def chained(*tamperings: Tampering) -> Tampering:
    def tamper(records: Records) -> Records:
        for each in tamperings:
            records = each(records)
        return records

    return tamper


def _moved(record: dict[str, Any], seconds: float) -> dict[str, Any]:
    if seconds:
        record["t"] = round(record["t"] + seconds, 6)
        record.pop("t_wire", None)
    return record


def numbered(records: Records) -> Records:
    """In order of time, each client's records numbered anew."""
    last: defaultdict[str, int] = defaultdict(int)
    found = sorted(records, key=lambda record: float(record["t"]))
    for record in found:
        if "seq" in record:
            record["seq"] = last[record["client"]]
            last[record["client"]] += 1
    return found


def arguments(**changed: Any) -> Edit:
    """A record with other arguments."""

    def change(record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "args": {**record["args"], **changed}}

    return change


def callback(name: str, args: Mapping[str, Any], **more: Any) -> Edit:
    """A callback of this name at the client of the record it is made of."""

    def change(record: dict[str, Any]) -> dict[str, Any]:
        names = ("client", "user", "room", "epoch", "t", "seq")
        kept: dict[str, Any] = {key: record[key] for key in names if key in record}
        return {**kept, "kind": "cb", "name": name, "args": dict(args), **more}

    return change
