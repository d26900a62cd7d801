"""Schedules against a service that really runs: sockets, media, faults by proxy, and nothing left behind."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import psutil
from performed import SHIPPED, of, records, rosters, states

from harness.conform.live_run import live_traces
from harness.conform.live_stage import SETTINGS
from harness.conform.schedule import Schedule
from harness.conform.schedule_file import load_schedule, parse_schedule
from harness.services.embedded import EmbeddedService
from harness.trace.record import parse_record

OUTAGE = """
name: outage
about: shorter and longer than the heartbeat timeout, and a crash
steps:
  - {alice: login}
  - {bob: login}
  - {bob: play, stream: all}
  - {after: 0.3s, alice: publish, stream: a1}
  - {after: 1 settle, alice: reset}
  - {after: 1 settle, alice: black_hole}
  - {after: 2.5 heartbeat, alice: heal}
  - {after: 2 settle, alice: crash, how: silent}
  - {after: 0.2s, alice: login}
  - {after: 0.3s, alice: publish, stream: a1}
"""


def shipped(name: str) -> Schedule:
    return load_schedule(next(path for path in SHIPPED if path.name.startswith(name)))


def test_the_seed_flow_and_an_outage_at_the_same_time_leave_their_traces_and_nothing_else(tmp_path: Path) -> None:
    me = psutil.Process()
    threads = threading.active_count()
    told: list[str] = []
    both = [shipped("S01"), parse_schedule(OUTAGE.encode(), "outage.yaml")]
    paths = live_traces("reference", both, tmp_path, lambda done, path: told.append(done.name))
    assert sorted(told) == ["S01 seed flow", "outage"]
    assert me.children() == []
    assert [c for c in me.net_connections() if c.status == psutil.CONN_LISTEN] == []
    assert threading.active_count() <= threads + 1  # the loop's own executor may idle
    for path in paths:
        for number, line in enumerate(path.read_bytes().splitlines()[1:], 2):
            parse_record(line, number)
    _check_seed_flow(paths[0])
    _check_outage(paths[1])


def _check_seed_flow(path: Path) -> None:
    found = records(path.read_bytes().splitlines())
    assert [r["name"] for r in found if r["kind"] == "mark"] == ["quiet", "end"]
    assert states(found, "alice#1") == states(found, "bob#1") == ["LOGGING_IN", "IN", "OUT"]
    assert rosters(found, "bob#1", "roster.streams") == [("ADD", ["s01-a1"]), ("DEL", ["s01-a1"])]
    firsts = {(r["args"]["media"], r["args"]["stage"]) for r in of(found, "bob#1", "play.first")}
    assert firsts == {(media, stage) for media in ("video", "audio") for stage in ("received", "rendered")}
    assert len(of(found, "bob#1", "play.quality")) >= 2
    assert max(r["args"]["kbps"] for r in of(found, "bob#1", "play.quality")) > 10
    assert of(found, "alice#1", "room.count")


def _check_outage(path: Path) -> None:
    found = records(path.read_bytes().splitlines())
    header = json.loads(path.read_bytes().splitlines()[0])
    assert header["parameters"]["retry_window"] == SETTINGS.retry_window
    assert states(found, "alice#1") == ["LOGGING_IN", "IN", *["RECONNECTING", "REJOINED"] * 2]
    assert states(found, "alice#2") == ["LOGGING_IN", "IN", "OUT"]
    streams = [op for op, _ in rosters(found, "bob#1", "roster.streams")]
    # At the end all leave at once: bob may be out before he hears of the last.
    assert streams[:5] == ["ADD", "DEL", "ADD", "DEL", "ADD"], "the reset goes unnoticed; outage and crash do not"
    crash = of(found, "alice#1", "crash", "fault")
    assert [r for r in found if r.get("client") == "alice#1"][-1] is crash[0]


def test_a_service_that_runs_is_called_by_its_address_and_schedules_it_is_not_set_for_are_left_out(
    tmp_path: Path,
) -> None:
    service = EmbeddedService(tmp_path / "service.log", options=("--setting", "users_per_room=2"))
    service.start()
    try:
        small = Schedule("small", shipped("S04").steps[:1], settings={"users_per_room": 2})
        other = replace(small, name="other", settings={"users_per_room": 3})
        settings = replace(SETTINGS, users_per_room=2)
        paths = live_traces(service.url, [small, other], tmp_path, secret=service.secret, settings=settings)
    finally:
        service.stop()
    assert [path.name for path in paths] == ["small.jsonl"]
    assert states(records(paths[0].read_bytes().splitlines()), "bob#1") == ["LOGGING_IN", "IN", "OUT"]
