"""Schedules on virtual time: the real service, engine and driver, with faults, in a trace that says it all."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from performed import SHIPPED, of, perform, records, rosters, schedule, states, time_of

from harness.conform.argument import Token
from harness.conform.performance import QUIET
from harness.conform.run import virtual_trace, virtual_traces
from harness.conform.schedule import Schedule
from harness.conform.schedule_file import load_schedule
from harness.trace.record import parse_record

A1: dict[str, Any] = {"stream": "a1"}
CALL = (
    ("0s", "alice", "login", {}),
    ("0s", "bob", "login", {}),
    ("0s", "bob", "play", {"stream": "all"}),
    ("0.5s", "alice", "publish", A1),
)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_schedule_performs_and_every_line_of_its_trace_is_a_record(path: Any) -> None:
    performed = load_schedule(path)
    assert performed.about
    lines = virtual_trace(performed)
    header = json.loads(lines[0])
    assert header["schedule"] == performed.name
    parsed = [parse_record(line, number) for number, line in enumerate(lines[1:], 2)]
    assert [r.name for r in parsed if r.kind == "mark" and r.name != "invalid"] == ["quiet", "end"]
    assert parsed[-1].name == "end"
    assert all(earlier.t <= later.t for earlier, later in itertools.pairwise(parsed))
    did = {r.name for r in parsed if r.kind in ("call", "fault")}
    wanted = {step.do for step in performed.steps if step.do != "heal"}
    known = {"unmute": "mute", "stream_extra": "set_stream_extra", "room_extra": "set_room_extra"}
    assert did >= {known.get(do, do) for do in wanted}


@pytest.mark.parametrize("name", ["S05", "S11", "S12", "S20"])
def test_the_same_schedule_gives_the_same_bytes(name: str) -> None:
    performed = load_schedule(next(path for path in SHIPPED if path.name.startswith(name)))
    assert virtual_trace(performed) == virtual_trace(performed)


def test_the_set_leaves_a_trace_for_each_schedule_and_tells_as_it_goes(tmp_path: Any) -> None:
    schedules = [Schedule(name, schedule(*CALL).steps) for name in ("S90 one: a/b", "S91 two")]
    told: list[str] = []
    paths = virtual_traces(schedules, tmp_path, lambda done, path: told.append(f"{done.name} {path.exists()}"))
    assert [path.name for path in paths] == ["S90-one-a-b.jsonl", "S91-two.jsonl"]
    assert told == ["S90 one: a/b True", "S91 two True"]


def test_the_header_says_what_a_judge_has_to_know_of_the_service() -> None:
    lines = virtual_trace(schedule(*CALL, heartbeat_timeout=20.0, heartbeat_interval=5.0, kick_on_token_expiry=True))
    parameters = json.loads(lines[0])["parameters"]
    assert parameters["heartbeat"] == [15.0, 22.5]
    assert parameters["retry_window"] == 1200.0
    assert parameters["settle"] == parameters["propagation"] == 5.0
    assert parameters["token_expiry"] == "kick"


def test_steps_without_a_delay_happen_in_the_same_tick_and_no_call_waits_for_another() -> None:
    found = perform(("0s", "alice", "login", {}), ("0s", "alice", "publish", A1), ("0s", "bob", "login", {}))
    calls = [r for r in found if r["kind"] == "call"][:3]
    assert [r["name"] for r in calls] == ["login", "publish", "login"]
    assert len({r["t"] for r in calls}) == 1
    assert states(found, "alice#1", "pub.state")[:2] == ["REQ", "LIVE"]


def test_a_refused_call_is_part_of_the_trace_and_the_performance_goes_on() -> None:
    bad = {"token": Token("bad")}
    found = perform(("0s", "alice", "publish", A1), ("1s", "alice", "login", bad), ("1s", "alice", "login", {}))
    (publish, *_) = of(found, "alice#1", "publish", "ret")
    assert (publish["args"]["result"], publish["args"]["code"]) == ("fail", 1000002)
    assert [r["args"]["code"] for r in of(found, "alice#1", "login", "ret")] == [1002033, 0]


def test_who_plays_all_plays_what_is_there_and_what_comes_and_stops_what_goes() -> None:
    found = perform(*CALL, ("1s", "alice", "publish", {"stream": "a2"}), ("1s", "alice", "unpublish", A1))
    assert [r["args"]["stream"] for r in of(found, "bob#1", "play", "call")] == ["a1", "a2"]
    assert next(r["args"]["stream"] for r in of(found, "bob#1", "unplay", "call")) == "a1"
    firsts = {(r["args"]["stream"], r["args"]["stage"]) for r in of(found, "bob#1", "play.first")}
    assert firsts == {(stream, stage) for stream in ("a1", "a2") for stage in ("received", "rendered")}


def test_everything_is_healed_and_quiet_before_the_mark_and_everybody_leaves_after_it() -> None:
    found = perform(*CALL, ("1s", "alice", "black_hole", {}))
    quiet = time_of(found, "quiet")
    (begin, end) = of(found, "alice#1", "black_hole", "fault")
    assert (begin["args"]["phase"], end["args"]["phase"]) == ("begin", "end")
    assert (begin["user"], begin["room"]) == ("alice", "room")
    assert quiet == pytest.approx(end["t"] + 5 * QUIET)
    leaving = [r for r in found if r["t"] >= quiet and r["kind"] == "call"]
    assert [(r["client"], r["name"]) for r in leaving if r["name"] in ("logout", "destroy")] == [
        ("alice#1", "logout"),
        ("bob#1", "logout"),
        ("alice#1", "destroy"),
        ("bob#1", "destroy"),
    ]
    assert states(found, "alice#1")[-1] == states(found, "bob#1")[-1] == "OUT"


# -- faults ------------------------------------------------------------------------------------------------------------


def test_of_a_client_that_crashed_there_is_no_further_record_and_the_next_is_another_incarnation() -> None:
    found = perform(*CALL, ("1s", "alice", "crash", {}), ("3s", "alice", "login", {}), ("1s", "alice", "publish", A1))
    (crash,) = of(found, "alice#1", "crash", "fault")
    assert crash["args"]["phase"] == "once"
    assert [r for r in found if r.get("client") == "alice#1"][-1] is crash
    assert states(found, "alice#2") == ["LOGGING_IN", "IN", "OUT"]
    assert rosters(found, "bob#1", "roster.streams")[:3] == [("ADD", ["a1"]), ("DEL", ["a1"]), ("ADD", ["a1"])]


@pytest.mark.parametrize("how", ["kill", "silent"])
def test_a_crashed_user_stays_for_the_others_until_its_heartbeat_times_out(how: str) -> None:
    found = perform(*CALL, ("1s", "alice", "crash", {"how": how}), ("1.5 heartbeat", "bob", "send", {"text": "hm"}))
    gone = next(r for r in of(found, "bob#1", "roster.users") if r["args"]["op"] == "DEL")
    assert 60 <= gone["t"] - time_of(found, "crash") <= 92.5


def test_a_reset_is_repaired_and_nobody_else_notices() -> None:
    found = perform(*CALL, ("1 settle", "alice", "reset", {}), ("1 settle", "alice", "send", {"text": "back"}))
    assert states(found, "alice#1") == ["LOGGING_IN", "IN", "RECONNECTING", "REJOINED", "OUT"]
    quiet = time_of(found, "quiet")
    assert [r["args"]["op"] for r in found if r["name"].startswith("roster.") and r["t"] < quiet].count("DEL") == 0


def test_in_a_black_hole_nobody_is_told_until_a_heartbeat_goes_unanswered() -> None:
    found = perform(*CALL, ("1s", "alice", "black_hole", {}), ("1.2 heartbeat", "alice", "heal", {}))
    began = time_of(found, "black_hole")
    lost = next(r for r in of(found, "alice#1", "room.state") if r["args"]["state"] == "RECONNECTING")
    assert 1 < lost["t"] - began <= 60, "an interval until the heartbeat, and one more until it has no answer"
    assert states(found, "alice#1")[-2:] == ["REJOINED", "OUT"]
    assert rosters(found, "bob#1", "roster.users")[-3:-1] == [("DEL", ["alice"]), ("ADD", ["alice"])]
    assert states(found, "alice#1", "pub.state") == ["REQ", "LIVE", "REQ", "LIVE", "IDLE"]


def test_what_befalls_a_user_whom_nobody_has_seen_is_nothing() -> None:
    faults = [(f"{number}s", "alice", do, {}) for number, do in enumerate(("reset", "crash", "black_hole", "heal"))]
    assert [r["kind"] for r in perform(*faults)] == ["mark", "mark"]


def test_a_destroyed_engine_refuses_calls_and_a_login_makes_a_new_one() -> None:
    found = perform(*CALL, ("1s", "alice", "destroy", {}), ("1s", "alice", "publish", A1), ("1s", "alice", "login", {}))
    last = [r for r in found if r.get("client") == "alice#1"][-1]
    assert (last["name"], last["kind"], last["args"]["code"]) == ("publish", "ret", 1000001)
    assert states(found, "alice#2") == ["LOGGING_IN", "IN", "OUT"]


def test_two_devices_of_a_user_are_two_clients() -> None:
    found = perform(*CALL, ("1s", "alice@phone", "login", {}))
    assert states(found, "alice#1") == ["LOGGING_IN", "IN", "KICKED"]
    assert states(found, "alice#2") == ["LOGGING_IN", "IN", "OUT"]
    assert {r["user"] for r in found if r.get("client") in ("alice#1", "alice#2")} == {"alice"}


# -- media -------------------------------------------------------------------------------------------------------------


def test_media_of_a_stream_that_nobody_sends_any_more_is_heard_no_more() -> None:
    found = perform(*CALL, ("7s", "alice", "crash", {"how": "silent"}), ("20s", "bob", "send", {"text": "hm"}))
    crash = time_of(found, "crash")
    reports = [(r["t"] - crash, r["args"]["kbps"]) for r in of(found, "bob#1", "play.quality")]
    assert all(kbps > 0 for after, kbps in reports if after < 0)
    assert all(kbps == 0 for after, kbps in reports if 3 < after < 20)


def test_a_stopped_publish_leaves_no_first_frame_behind() -> None:
    found = perform(*CALL[:3], ("0.5s", "alice", "publish", A1), ("0.02s", "alice", "unpublish", A1))
    assert states(found, "alice#1", "pub.state")[-1] == "IDLE"
    assert of(found, "bob#1", "play.first") == []


def test_quality_and_counts_come_in_their_periods() -> None:
    found = perform(*CALL, ("65s", "alice", "send", {"text": "hm"}))
    quality = [r["t"] for r in of(found, "bob#1", "play.quality")]
    assert {round(b - a, 3) for a, b in itertools.pairwise(quality)} == {3.0}
    assert [r["args"]["n"] for r in of(found, "bob#1", "room.count")] == [2, 2]


def test_a_schedule_that_takes_an_hour_of_virtual_time_takes_a_moment() -> None:
    lines = virtual_trace(schedule(*CALL[:2], ("1h", "bob", "send", {"text": "still here"})))
    found = records(lines)
    assert time_of(found, "quiet") - found[0]["t"] > 3600
    assert [r["args"]["body"] for r in of(found, "alice#1", "msg")] == ["still here"]
