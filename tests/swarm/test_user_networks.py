"""Simulated users on emulated networks, on a real embedded service: what the plan says befalls them, and is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import web

from harness.contract.judge import judge_history
from harness.contract.profile import load_profile
from harness.room_service.media import ForwarderMedia
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.media_loop import MediaLoop
from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.scenario.window import Window
from harness.services.reference import ReferenceService
from harness.services.service import Service
from harness.swarm.generator import Generator
from harness.swarm.judgement import Measured
from harness.swarm.preparation import encode_clips
from harness.trace.clock import RunClock
from harness.trace.history import history_of

SECRET = "a secret for tests, long enough to sign with"
CAMERA = {"size": "320x180", "fps": 25, "bitrate": 150_000}


def plan(**changes: Any) -> Plan:
    made = {
        "name": "networks",
        "duration": "10s",
        "roles": {
            "far": {"count": 1, "camera": CAMERA, "network": {"delay": "100ms"}},
            "near": {"count": 1, "camera": CAMERA},
        },
        "events": [{"at": "4s", "name": "outage", "for": "3s", "roles": ["far"], "network": {"outage": True}}],
        "thresholds": {
            "packetsReceived{role:far}": [
                {"threshold": "count>=0", "during": "outage"},
                {"threshold": "count>100", "after": "outage"},
            ],
        },
    }
    return build_plan(Scenario.model_validate({**made, **changes}))


async def run(made: Plan) -> tuple[Measured, list[dict[str, Any]]]:
    encode_clips(made, lambda what, done, total: None)
    runner = web.AppRunner(RoomServer(Settings(), SECRET, ForwarderMedia(["127.0.0.1"])).application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lines: list[bytes] = []

    def service(media: MediaLoop) -> Service:
        return ReferenceService(f"http://127.0.0.1:{runner.addresses[0][1]}", SECRET, media, ["127.0.0.1"])

    clock = RunClock()
    generator = Generator(made, clock, clock.now_us(), service, lines.append)
    measured = Measured(made)

    async def collect() -> None:
        while True:
            await asyncio.sleep(0.5)
            measured.add({"worker": "test", **generator.collect()})

    collecting = asyncio.create_task(collect())
    try:
        await asyncio.gather(*(generator.run_participant(person) for person in made.participants))
        measured.add({"worker": "test", **generator.collect()})
    finally:
        collecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await collecting
        await generator.close()
        await runner.cleanup()
    return measured, [json.loads(line) for line in lines]


def test_an_outage_befalls_whom_it_should_when_it_should_and_the_trace_and_the_windows_show_it() -> None:
    made = plan()
    measured, trace = asyncio.run(run(made))

    faults = [record for record in trace if record["kind"] == "fault"]
    far = made.participants[0].user_id
    assert {record["name"] for record in faults} == {"conditions"}
    assert {record["client"] for record in faults} == {f"{far}#1"}, "who has no network has no conditions"
    told = [(record["args"]["phase"], record["args"]["name"], record["args"]["media"]) for record in faults]
    assert told == [
        ("once", "far's own", "carried"),
        ("begin", "outage", "impaired"),
        ("end", "outage", "carried"),
    ]
    assert faults[1]["args"]["network"]["up"] == {"delay": 0.1, "outage": True}
    assert 2.95 < faults[2]["t"] - faults[1]["t"] < 3.1

    latency = measured.totals.trend("frame_latency_ms", {"role": "near"})
    assert latency.percentile(50) > 99, "near watches far, whose packets take 100 ms to leave"
    during, after = Window("during", "outage"), Window("after", "outage")
    packets = {
        window: measured.judge("packetsReceived{role:far}", "count>=0", window)["observed"]
        for window in (during, after)
    }
    assert packets[during] is None or packets[during] <= 40, "what had arrived before the outage, at the most"
    assert packets[after] > 60
    assert measured.judge("packetsReceived{role:far}", "count>=0", after)["window"] == "after outage"

    dropped = measured.totals.counter(["emulated_packets_dropped"], {})
    assert dropped == measured.totals.counter(["emulated_packets_dropped"], {"role": "far"}) > 150
    assert measured.totals.counter(["emulated_packets"], {}) > dropped

    judgement = judge_history(history_of(trace, {"service": "reference"}), load_profile("reference"))
    assert not {outcome.rule for outcome in judgement.outcomes.values() if outcome.count}


def test_who_comes_during_an_event_finds_it_and_tells_so() -> None:
    roles = {"late": {"count": 1, "camera": CAMERA, "play": "none", "churn": {"leave": {"every": "2s", "away": "1s"}}}}
    events = [
        {"at": "0s", "name": "slow", "for": "4s", "network": {"delay": "40ms"}},
        {"at": "5500ms", "name": "bad", "network": {"loss": "50%"}},
    ]
    made = plan(roles=roles, events=events, duration="8s", thresholds={"login_share": "value>=1"})
    _, trace = asyncio.run(run(made))
    told = [
        (record["client"].partition("#")[2], record["args"]["phase"], record["args"]["name"])
        for record in trace
        if record["kind"] == "fault"
    ]
    assert told == [
        ("1", "once", "direct + slow"),
        ("2", "once", "direct + slow"),
        ("2", "end", "slow"),
        ("3", "once", "direct + bad"),
    ]
