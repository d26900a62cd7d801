"""A wrong stream is caught by name: at depth frames where the bitstream shows it, at decode where the picture does.

One run, a room per fault: two members publish, a viewer looks at frames, a critic decodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from sabotaged import PUBLISHER_FAULTS, MutantMedia, Sabotage, clip_that_shows

from harness.measure.catalogue import METRICS
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.clip_source import VideoSource
from harness.rtc.media_loop import MediaLoop
from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.services.reference import ReferenceService
from harness.swarm import publication
from harness.swarm.generator import Generator
from harness.swarm.judgement import Measured
from harness.swarm.preparation import encode_clips
from harness.trace.clock import RunClock

Truth = Callable[[str, object, object, object], None]
SECRET = "a secret for tests, long enough to sign with"
SECONDS = 6
FAULTS = ("none", "swap", "freeze", "replay", "thin", *PUBLISHER_FAULTS)
AT_FRAMES = ("wrong_stamps", "absent_stamps", "damaged_stamps", "frames_doubled")
AT_DECODE = ("wrong_picture_share", "old_picture_share", "frozen_picture_share", "black_share")


def plan() -> Plan:
    camera = {"size": "320x180", "fps": 25, "bitrate": 200_000, "codec": "vp8"}
    watcher = {"count": 1, "play": {"roles": ["member"]}}
    roles = {
        "member": {"count": 2, "camera": camera, "play": False},
        "viewer": {**watcher, "observe": "frames"},
        "critic": {**watcher, "observe": "decode"},
    }
    found = {"name": "wrong", "rooms": len(FAULTS), "duration": f"{SECONDS}s", "filling": "one_by_one", "roles": roles}
    return build_plan(Scenario.model_validate(found))


async def run(plan: Plan, sabotage: Sabotage) -> Measured:
    server = RoomServer(Settings(), SECRET, MutantMedia(["127.0.0.1"], sabotage))
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    clock = RunClock()

    def service(media: MediaLoop) -> ReferenceService:
        return ReferenceService(url, SECRET, media, ["127.0.0.1"])

    generator = Generator(plan, clock, clock.now_us(), service, lambda line: None)
    measured = Measured(plan)
    try:
        await asyncio.gather(*(generator.run_participant(participant) for participant in plan.participants))
        measured.add(generator.collect())
    finally:
        await generator.close()
        await runner.cleanup()
    return measured


@pytest.fixture(scope="module")
def measured() -> Measured:
    """The whole run, and who was told to do what."""
    made = plan()
    encode_clips(made, lambda what, done, total: None)
    sabotage, shows = Sabotage(), {}
    for room, fault in zip(made.rooms, FAULTS, strict=True):
        first, second = [p for p in made.by_room[room] if p.role == "member"]
        sabotage.partners |= {first.stamp_id: second.stamp_id, second.stamp_id: first.stamp_id}
        for member in (first, second):
            if fault in PUBLISHER_FAULTS:
                clip = publication.video_clip(member, made.seed)
                assert clip is not None
                shows[member.stamp_id] = clip_that_shows(PUBLISHER_FAULTS[fault], clip)
            elif fault != "none":
                sabotage.faults[member.stamp_id] = fault

    def source(clip: Any, *args: Any, **named: Any) -> VideoSource:
        return VideoSource(shows.get(named["publisher"], clip), *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "VideoSource", source)
        return asyncio.run(run(made, sabotage))


def found(measured: Measured, fault: str, role: str, names: tuple[str, ...]) -> dict[str, float]:
    tags = {"room": measured.plan.rooms[FAULTS.index(fault)], "role": role}
    series = {name: measured.series(METRICS[name], tags) for name in names}
    return {name: one.value for name, one in series.items() if one.count}  # what counted on nothing is no figure


def told(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if value) or "nothing"


@pytest.mark.parametrize(
    ("fault", "frames", "decode"),
    [
        ("none", None, None),
        ("swap", "wrong_stamps", "wrong_picture_share"),
        ("freeze", "frames_doubled", None),
        ("replay", "frames_doubled", None),
        ("another's picture", None, "wrong_picture_share"),
        ("a second old", None, "old_picture_share"),
        ("frozen", None, "frozen_picture_share"),
        ("black", None, "black_share"),
    ],
)
def test_a_wrong_stream_is_caught_by_name(
    fault: str, frames: str | None, decode: str | None, measured: Measured, truth: Truth
) -> None:
    for role in ("viewer", "critic"):
        stamps = found(measured, fault, role, AT_FRAMES)
        if frames is None:
            assert stamps == dict.fromkeys(AT_FRAMES, 0.0), "the bitstream is right, and looked at"
        else:
            assert stamps.pop(frames) >= 40
            assert not any(stamps.values())
    pictures = found(measured, fault, "critic", (*AT_DECODE, "intact_share", "framesDecoded"))
    assert pictures["framesDecoded"] > 150
    if decode is not None:
        assert pictures[decode] > 0.97
        assert pictures["intact_share"] < 0.02, "the frozen picture itself is intact once a loop"
    elif fault == "none":
        assert pictures["intact_share"] == 1.0
    accused = {name for name in AT_DECODE if pictures[name]}
    # A black picture stands still as well; of a frozen one, the first that is seen can only be called old.
    beside = {"black": "frozen_picture_share", "frozen": "old_picture_share"}.get(fault)
    assert accused <= {decode, beside}
    assert fault != "frozen" or pictures["old_picture_share"] < 0.02
    seen = told(found(measured, fault, "viewer", AT_FRAMES))
    shown = told({name: pictures[name] for name in (*AT_DECODE, "intact_share")})
    truth("wrong stream", fault, f"frames: {seen}; decode: {shown}", "none")


def test_a_wrong_picture_is_scored_and_not_left_out(measured: Measured) -> None:
    right = measured.totals.trend("psnr_db", {"room": measured.plan.rooms[0]})
    wrong = measured.totals.trend("psnr_db", {"room": measured.plan.rooms[FAULTS.index("another's picture")]})
    assert right.count > 150 < wrong.count
    assert wrong.max < 25 < right.min


def test_a_frame_left_out_behind_the_receivers_back_is_counted_and_what_it_broke_is_scored(
    measured: Measured, truth: Truth
) -> None:
    """One frame in 25 left out and the packet numbers closed up: 19 of 25 pictures stand on a reference they lack."""
    room = {"room": measured.plan.rooms[FAULTS.index("thin")]}
    loss = measured.series(METRICS["frame_loss_rate"], room).value
    critic = {**room, "role": "critic"}
    intact, decoded = (measured.series(METRICS[name], critic) for name in ("intact_share", "framesDecoded"))
    scores, network = (measured.totals.trend(name, critic) for name in ("psnr_db", "network_psnr_db"))
    assert loss == pytest.approx(1 / 25, abs=0.012)
    assert intact.value == pytest.approx(5 / 24, abs=0.1)  # groups that a key frame request cut short are in it
    assert scores.count == decoded.value, "a damaged picture is scored, never dropped"
    assert network.count == pytest.approx(decoded.value * (1 - intact.value))
    assert network.max < 60
    truth("frames left out, numbers closed up", "4.0 % lost", f"{loss:.1%}", loss - 1 / 25)
    said = f"{intact.value:.1%}; damaged: {network.mean:.1f} dB against the sender's decode"
    truth("pictures still intact then", f"{5 / 24:.1%}", said, intact.value - 5 / 24)
