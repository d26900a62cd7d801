"""A trace as a person reads it: line, time, client and gist; chosen by client, room or place; safe for a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.trace.listing import LONGEST, listing
from harness.trace.reader import TraceError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    def record(t: float, client: str, room: str, name: str, **args: Any) -> dict[str, Any]:
        user = client.partition("#")[0]
        return {"kind": "cb", "name": name, "t": t, "client": client, "user": user, "room": room, "args": args}

    rows = [
        {"format": "call-trace", "version": 1, "started": 10},
        record(11, "alice#1", "r1", "room.state", state="IN", code=0, session="x"),
        record(10.5, "bob#1", "r1", "roster.users", op="ADD", items=[{"id": "alice", "name": "A"}], src_seq=None),
        record(12, "alice#2", "r2", "room.state", state="KICKED", code=1002050),
        record(13, "carol#1", "r2", "msg", id="m", body="\x1b[2J\u202e\n" + "x" * 500),
    ]
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "rubbish\n")
    return path


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split()[0]) for line in lines]


def test_records_are_one_line_each_in_the_order_of_time_with_what_is_wrong_at_the_end(path: Path) -> None:
    found = list(listing(path))
    assert found[0] == "      3     +0.500000  bob#1         cb     roster.users op=ADD items=[alice]"
    assert found[1] == "      2     +1.000000  alice#1       cb     room.state state=IN session=x"
    assert found[2].endswith("room.state state=KICKED code=1002050")
    assert numbers(found) == [3, 2, 4, 5, 6]
    assert "line 6 is not a record" in found[4]


def test_what_could_drive_a_terminal_is_escaped_and_long_texts_are_cut(path: Path) -> None:
    line = list(listing(path))[3]
    assert line.isprintable()
    assert "\\x1b[2J\\u202e\\n" in line
    assert len(line) < LONGEST + 60


def test_a_client_is_an_incarnation_or_a_user_and_a_room_is_a_room(path: Path) -> None:
    assert numbers(list(listing(path, client="alice")))[:-1] == [2, 4]
    assert numbers(list(listing(path, client="alice#2")))[:-1] == [4]
    assert numbers(list(listing(path, room="r2")))[:-1] == [4, 5]
    assert numbers(list(listing(path, client="alice", room="r1")))[:-1] == [2]


def test_around_a_line_are_its_neighbours_in_time(path: Path) -> None:
    assert numbers(list(listing(path, around=2, near=1))) == [3, 2, 4]
    assert numbers(list(listing(path, around=5, near=2))) == [2, 4, 5]
    assert list(listing(path, around=99)) == []


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such file"):
        list(listing(tmp_path / "nowhere"))
