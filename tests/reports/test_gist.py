"""A record in a few words, and names that would do harm."""

from __future__ import annotations

from typing import Any

import pytest
from judged_traces import record

from harness.trace.record import CALLBACKS, CALLS, Fault, Result
from reports.gist import _WORDS, clipped, detail, gist, name, printable

LEFT = {"op": "DEL", "items": [{"id": "s1"}], "reasons": [2]}


def users(count: int) -> list[dict[str, str]]:
    return [{"id": f"user{number}"} for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("kind", "named", "args", "expected"),
    [
        ("call", "publish", {"stream": "s1"}, "call publish s1"),
        ("call", "login", {"room": "r1", "user": "bob"}, "call login r1 as bob"),
        ("call", "login", {"room": "r1", "user_updates": False}, "call login r1 without user updates"),
        ("call", "kick", {"user": "bob"}, "call kick bob"),
        ("call", "mute", {"stream": "s1", "device": "camera", "muted": True}, "call mute s1 camera off"),
        ("call", "set_room_extra", {"key": "topic", "value": "x"}, "call set_room_extra topic=x"),
        ("call", "logout", {}, "call logout"),
        ("ret", "publish", {"result": "ok"}, "publish ok"),
        ("ret", "login", {"result": "fail", "code": 1002033}, "login fail 1002033"),
        ("ret", "login", {"result": "info"}, "login unknown"),
        ("cb", "room.state", {"state": "KICKED", "code": 1002050}, "room.state KICKED 1002050"),
        ("cb", "room.state", {"state": "IN"}, "room.state IN"),
        ("cb", "roster.users", {"op": "ADD", "items": users(25)}, "roster.users ADD user1, user2 (+23)"),
        ("cb", "roster.users", {"op": "ADD", "items": users(3)}, "roster.users ADD user1, user2 (+1)"),
        ("cb", "roster.users", {"op": "ADD", "items": users(2)}, "roster.users ADD user1, user2"),
        ("cb", "roster.users", {"op": "SNAP", "items": []}, "roster.users SNAP an empty list"),
        ("cb", "roster.streams", {"op": "ADD", "items": [{"id": "s", "user": "b"}]}, "roster.streams ADD s of b"),
        ("cb", "roster.streams", LEFT, "roster.streams DEL s1 reason 2"),
        ("cb", "play.quality", {"stream": "s1", "loss": 0.1, "rtt": 20}, "play.quality s1"),
        ("cb", "play.quality", {"stream": "s1", "loss": 1.5, "rtt": -1}, "play.quality s1 loss 1.5 rtt -1 ms"),
        ("cb", "play.stall", {"stream": "s1", "on": True, "media": "video"}, "play.stall s1 video begins"),
        ("cb", "msg", {"id": "m1", "from": "bob"}, "msg m1 from bob"),
        ("fault", "black_hole", {"phase": "begin"}, "fault black_hole begins"),
        ("fault", "black_hole", {"phase": "end"}, "fault black_hole ends"),
        ("fault", "crash", {}, "fault crash"),
        ("mark", "quiescent", {}, "mark quiescent"),
        ("cb", "something.new", {"x": 1}, "something.new"),
    ],
)  # fmt: skip
def test_a_record_reads_as(kind: str, named: str, args: dict[str, Any], expected: str) -> None:
    assert gist(record(2, 0.0, "alice#1", kind, named, **args)) == expected


def test_every_kind_of_arguments_that_is_read_has_its_words() -> None:
    wordless = {kind.__name__ for kind in (*CALLBACKS.values(), *CALLS.values(), Result, Fault) if kind not in _WORDS}
    assert wordless == {"Ready", "RenewToken"}  # nothing to say, and a secret


def test_what_cannot_be_seen_is_escaped() -> None:
    assert printable("a\x1b[31mb\r\n") == r"a\x1b[31mb\r\n"
    assert printable("a\u202eb\u200b\ud800") == r"a\u202eb\u200b\ud800"
    assert printable("caf\u00e9 \u4f1a\u8bae") == "caf\u00e9 \u4f1a\u8bae"


def test_an_id_with_spaces_or_commas_is_quoted_and_a_long_one_is_cut_in_the_middle() -> None:
    assert name("bob, carol") == '"bob, carol"' and name("r1:alice#2") == "r1:alice#2" and name("") == '""'
    cut = name("head" + "x" * 250 + "tail")
    assert cut.startswith('"head') and cut.endswith('tail"') and len(cut) == 42
    assert clipped("abcdef", 5) == "ab\u2026ef"


def test_the_detail_of_a_record_holds_no_id() -> None:
    left = record(2, 0.0, "a#1", "cb", "roster.streams", op="DEL", items=[{"id": "s1", "user": "bob"}], reasons=[2])
    kicked = record(2, 0.0, "a#1", "cb", "room.state", state="KICKED", code=1002050)
    assert detail(left) == "DEL" and detail(kicked) == "KICKED 1002050"
