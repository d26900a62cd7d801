"""Run folders as a swarm leaves them, made by hand through the classes that write real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

from harness.measure.histogram import Histogram
from harness.measure.recorder import Recorder, Tags
from harness.scenario import Scenario, build_plan
from harness.scenario.participant import Participant
from harness.scenario.plan import Plan
from harness.trace.clock import RunClock
from harness.trace.run_folder import RunFolder
from harness.trace.writer import AppendingFile, TraceWriter, header

STARTED = 1000.0  # run clock
JOIN_MS, PUBLISH_MS, FIRST_FRAME_MS = 5.0, 40.0, 80.0
THRESHOLDS = {
    "join_time_ms": ["p(95)<1000"],
    "played_share": ["value>=1"],
    "frame_loss_rate": ["rate<1%"],
    "frame_latency_ms{role:member}": ["p(99)<250"],
}


class FakeRun:
    """A run of a plan: `write` leaves its folder. Change the attributes first for what is to go wrong."""

    def __init__(self, path: Path, rooms: int = 2, users: int = 3, seconds: int = 10) -> None:
        scenario = {
            "name": "team meeting",
            "duration": f"{seconds}s",
            "rooms": rooms,
            "roles": {"member": {"count": users, "camera": True, "play": "all"}},
            "arrival": "at_once",
            "thresholds": THRESHOLDS,
        }
        self.folder = RunFolder(path)
        path.mkdir(parents=True)
        self.plan: Plan = build_plan(Scenario.model_validate(scenario), seed=7)
        self.settings: dict[str, Any] = {
            "scenario": self.plan.scenario_name,
            "file": "team-meeting.yaml",
            "seed": self.plan.seed,
            "service": {"name": "made up", "url": "http://127.0.0.1:8080", "embedded": True},
            "started_unix": 1_800_000_000.0,
            "processes": 1,
            "machine": {"system": "Linux", "release": "6.1", "python": "3.11.7", "cores": 2},
            "ended": "finished",
        }
        self.seconds = seconds
        self.missing_seconds: set[int] = set()
        self.failing_plays: set[tuple[str, str]] = set()
        self.failure_message = "the connection to the service is closed"
        self.lag_ms = 1.0
        self.depth = "frames"

    def rename(self, index: int, **names: str) -> None:
        """Give a participant names that no scenario could."""
        people = list(self.plan.participants)
        people[index] = replace(people[index], **names)
        rooms = tuple(dict.fromkeys(person.room_id for person in people))
        self.plan = replace(self.plan, participants=tuple(people), rooms=rooms)

    def write(self) -> RunFolder:
        self.folder.write_json(self.folder.plan, self.plan.to_dict())
        self.folder.write_json(self.folder.run, self.settings)
        self._write_trace()
        self._write_intervals()
        return self.folder

    def subscriptions(self) -> Iterator[tuple[Participant, Participant]]:
        for members in self.plan.by_room.values():
            yield from permutations(members, 2)

    def _write_trace(self) -> None:
        file = AppendingFile(self.folder.trace)
        lines: list[bytes] = []
        writer = TraceWriter(RunClock(), lines.append)
        writer.write(
            header(
                scenario=self.plan.scenario_name,
                seed=7,
                service="reference",
                started_unix=1_800_000_000.0,
                clock=RunClock(),
                started=STARTED,
            )
        )
        for record in sorted(self._records(), key=lambda record: record["t"]):
            writer.write(record)
        file(b"".join(lines))
        file.close()

    def _records(self) -> Iterator[dict[str, Any]]:
        for i, person in enumerate(self.plan.participants):
            joined = JOIN_MS + 0.01 * i
            yield _record(person, 0.004, "cb", "room.state", state="IN", code=0)
            yield _record(person, 0.005, "probe", "join", due=STARTED + person.arrive_at, join_time_ms=joined)
            yield _record(person, 0.05, "probe", "published", stream=person.stream_id, publish_time_ms=PUBLISH_MS)
            yield _record(person, 0.05, "cb", "pub.state", state="LIVE", code=0, stream=person.stream_id)
            yield _record(person, self.seconds, "cb", "room.state", state="OUT", code=0)
        for i, (person, publisher) in enumerate(self.subscriptions()):
            yield from self._subscription(person, publisher, FIRST_FRAME_MS + 0.1 * i)

    def _subscription(self, person: Participant, publisher: Participant, first: float) -> Iterator[dict[str, Any]]:
        stream = publisher.stream_id
        yield _record(person, 0.06, "cb", "play.state", state="REQ", code=0, stream=stream)
        failed = (person.user_id, publisher.user_id) in self.failing_plays
        if failed:
            error = {"result": "fail", "code": 1900006, "message": self.failure_message}
            yield _record(person, 0.1, "ret", "play", **error)
        else:
            parts = {"signalling": 3.0, "ice": 20.0, "dtls": 4.0, "first_packet": 2.0, "key_frame": first - 29.0}
            at = 0.06 + first / 1000
            yield _record(person, at, "probe", "first_frame", stream=stream, first_frame_ms=first, phases=parts)
        end = {"stream": stream, "depth": self.depth, "codec": "vp8", "first_frame_ms": None if failed else first}
        yield _record(person, self.seconds, "probe", "subscription", **end)

    def _write_intervals(self) -> None:
        file = AppendingFile(self.folder.intervals)
        recorder = Recorder()
        for second in range(self.seconds):
            if second == 0:
                self._count_starts(recorder)
            if second not in self.missing_seconds:
                self._count_media(recorder)
                interval = {**self._interval(second), **recorder.flush()}
                file(json.dumps(interval).encode() + b"\n")
        file.close()

    def _count_starts(self, recorder: Recorder) -> None:
        for i, person in enumerate(self.plan.participants):
            tags = Tags(person.role, person.room_id)
            for name in ("logins", "users_joined", "published"):
                recorder.count(name, tags)
            recorder.trend("join_time_ms", tags, JOIN_MS + 0.01 * i)
            recorder.trend("publish_time_ms", tags, PUBLISH_MS)
        for i, (person, publisher) in enumerate(self.subscriptions()):
            tags = Tags(person.role, person.room_id, "vp8")
            if (person.user_id, publisher.user_id) in self.failing_plays:
                recorder.count("play_failures", tags)
            else:
                recorder.count("played", tags)
                recorder.trend("first_frame_ms", tags, FIRST_FRAME_MS + 0.1 * i)

    def _count_media(self, recorder: Recorder) -> None:
        for person, publisher in self.subscriptions():
            if (person.user_id, publisher.user_id) in self.failing_plays:
                continue
            tags = Tags(person.role, person.room_id, "vp8")
            for name, amount in (("framesCaptured", 25), ("framesAccounted", 25), ("packetsReceived", 100)):
                recorder.count(name, tags, amount)
            recorder.count("packetsExpected", tags, 100)
            recorder.count("watched_seconds", tags, 1)
            recorder.samples("frame_latency_ms", tags).extend(4.0 + 0.1 * frame for frame in range(25))
            recorder.trend("receive_bitrate", tags, 500_000)

    def _interval(self, second: int) -> dict[str, Any]:
        lag = Histogram()
        lag.record_all([self.lag_ms] * 50)
        users, playing = len(self.plan.participants), sum(1 for _ in self.subscriptions())
        health = {
            "cpu_seconds": 0.2,
            "wall_seconds": 1.0,
            "wait_seconds": 0.0,
            "loop_lag_ms": lag.to_dict(),
            "pacing_ms": lag.to_dict(),
            "socket_drops": 0,
        }
        gauges = {"users": users, "publishing": users, "playing": playing, "subscriptions": playing}
        return {"worker": "local", "t": second + 1.0, **gauges, "health": health}


def _record(person: Participant, at: float, kind: str, name: str, **args: Any) -> dict[str, Any]:
    where = {"client": f"{person.user_id}#1", "user": person.user_id, "room": person.room_id, "role": person.role}
    return {"kind": kind, "name": name, **where, "args": args, "t": STARTED + at}
