"""Simulated users on a real embedded service: what the plan says happens, and what happened is measured."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.room_service.media import ForwarderMedia
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.media_loop import MediaLoop
from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.services.reference import ReferenceService
from harness.services.service import Service
from harness.swarm.generator import Generator
from harness.swarm.judgement import Measured, verdict
from harness.swarm.preparation import encode_clips
from harness.trace.clock import RunClock

SECRET = "a secret for tests, long enough to sign with"
CAMERA = {"size": "320x180", "fps": 25, "bitrate": 150_000}


def scenario(**changes: Any) -> Plan:
    found = {
        "name": "test",
        "duration": "5s",
        "roles": {"member": {"count": 3, "camera": CAMERA, "microphone": True}},
        **changes,
    }
    return build_plan(Scenario.model_validate(found))


async def run(
    plan: Plan, *, secret: str = SECRET, settings: Settings | None = None
) -> tuple[Measured, list[dict[str, Any]]]:
    """A whole run in this process: every participant's part, and what was measured and traced."""
    encode_clips(plan, lambda what, done, total: None)
    server = RoomServer(settings or Settings(), SECRET, ForwarderMedia(["127.0.0.1"]))
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lines: list[bytes] = []

    def service(media: MediaLoop) -> Service:
        return ReferenceService(f"http://127.0.0.1:{runner.addresses[0][1]}", secret, media, ["127.0.0.1"])

    clock = RunClock()
    generator = Generator(plan, clock, clock.now_us(), service, lines.append)
    measured = Measured(plan)
    try:
        await asyncio.gather(*(generator.run_participant(p) for p in plan.participants))
        measured.add({"worker": "test", **generator.collect()})
        assert not server.logic.rooms, "everybody has left"
    finally:
        await generator.close()
        await runner.cleanup()
    return measured, [json.loads(line) for line in lines]


def counter(measured: Measured, name: str, **tags: str) -> float:
    return measured.totals.counter([name], tags)


def test_everybody_joins_publishes_plays_everybody_and_leaves() -> None:
    plan = scenario(thresholds={"frame_loss_rate": "rate<=0", "wrong_stamps": "value==0"})
    measured, trace = asyncio.run(run(plan))
    assert measured.observed() == measured.expected() == plan.expected()
    judged = [measured.judge(key, expression) for key, expression in plan.thresholds]
    assert all(threshold["passed"] for threshold in judged), judged
    assert verdict(measured, judged, "finished", 0)[0] in ("pass", "unknown")  # unknown only on a machine too busy
    assert counter(measured, "framesAccounted") > 6 * 25 * 3
    phases = [record["args"]["phases"] for record in trace if record["name"] == "first_frame"]
    totals = [record["args"]["first_frame_ms"] for record in trace if record["name"] == "first_frame"]
    assert len(phases) == 6
    for parts, whole in zip(phases, totals, strict=True):
        assert sum(parts.values()) == pytest.approx(whole, abs=0.01)


def test_a_watcher_publishes_nothing_and_a_policy_limits_what_is_played() -> None:
    roles = {
        "speaker": {"count": 3, "camera": CAMERA, "play": "none"},
        "watcher": {"count": 2, "play": {"roles": ["speaker"], "at_most": 2}},
    }
    measured, trace = asyncio.run(run(scenario(roles=roles)))
    assert counter(measured, "played", role="watcher") == 4
    assert counter(measured, "played", role="speaker") == 0
    publishers = {record["user"] for record in trace if record["name"] == "publish"}
    assert len(publishers) == 3


def test_churn_leaves_rejoins_republishes_and_mutes_without_a_lost_frame() -> None:
    roles = {
        "steady": {"count": 1, "camera": CAMERA, "microphone": True},
        "restless": {
            "count": 2,
            "camera": CAMERA,
            "microphone": True,
            "churn": {
                "republish": {"every": "2s", "away": "500ms"},
                "mute": {"every": "1s", "for": "300ms", "device": "camera"},
            },
        },
        "leaving": {"count": 1, "camera": CAMERA, "churn": {"leave": {"every": "2s", "away": "500ms"}}},
    }
    plan = scenario(roles=roles, duration="7s")
    measured, trace = asyncio.run(run(plan))
    assert measured.series(_metric("login_share"), {}).value == 1.0
    assert measured.series(_metric("played_share"), {}).value == 1.0
    assert counter(measured, "framesLost") == 0
    assert counter(measured, "wrong_stamps") == counter(measured, "disconnects") == 0
    assert counter(measured, "freezeCount", role="steady") == 0, "mutes and republishing are no freezes"
    incarnations = {record["client"] for record in trace if record.get("user", "").endswith("leaving-01")}
    assert len(incarnations) > 1


def test_a_wrong_token_fails_with_the_contract_code_is_counted_and_never_retried() -> None:
    measured, trace = asyncio.run(run(scenario(duration="2s"), secret="not the secret of the service, though long"))
    assert counter(measured, "login_failures") == 3
    assert measured.observed().users == 0
    failures = [record["args"] for record in trace if record["kind"] == "ret" and record["name"] == "login"]
    assert [failure["code"] for failure in failures] == [1002033] * 3
    states = [record["args"]["state"] for record in trace if record["name"] == "room.state"]
    assert states.count("LOGIN_FAILED") == 3
    judged = [measured.judge("login_share", "value>=1")]
    assert verdict(measured, judged, "finished", 0)[0] == "fail"


def test_audio_only_rooms_count_the_first_packet_as_the_first_frame() -> None:
    measured, _ = asyncio.run(run(scenario(roles={"talker": {"count": 3, "microphone": True}}, duration="4s")))
    assert measured.observed().subscriptions == 6
    assert measured.totals.trend("audio_latency_ms", {"codec": "opus"}).count > 6 * 50 * 3
    assert measured.totals.trend("frame_latency_ms", {}).count == 0


def test_a_full_room_refuses_with_1002034() -> None:
    measured, trace = asyncio.run(run(scenario(duration="2s"), settings=Settings(users_per_room=2)))
    failures = [r["args"]["code"] for r in trace if r["kind"] == "ret" and r["args"].get("result") == "fail"]
    assert failures == [1002034]
    assert measured.observed().users == 2


def _metric(name: str) -> Any:
    from harness.measure.catalogue import METRICS

    return METRICS[name]


def test_the_same_seed_gives_the_same_plan_and_the_same_clip_bytes(tmp_path: Path) -> None:
    from harness.swarm.publication import clip_seed
    from synthetic_media.clip import load_audio, load_video
    from synthetic_media.spec import AudioSpec, VideoSpec

    first, second = scenario(seed=5), scenario(seed=5)
    assert first.to_dict() == second.to_dict()
    assert scenario(seed=6).to_dict() != first.to_dict()
    video, audio = VideoSpec(320, 180, 25, 150_000, "vp8", seconds=2), AudioSpec(24_000, seconds=2)
    clips = [
        (load_video(video, clip_seed(5, 1), tmp_path / name), load_audio(audio, clip_seed(5, 1), tmp_path / name))
        for name in ("a", "b")
    ]
    assert clips[0][0].frames == clips[1][0].frames
    assert clips[0][1].packets == clips[1][1].packets
