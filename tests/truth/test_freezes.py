"""Freezes by the W3C rule: a camera hangs at known times; all that counts is found, and nothing else.

One call, a publisher and its viewers per kind of stall. A stall leaves out whole frames of the camera's clock; it lasts
from the capture of the last frame before it to that of the first one behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from small_run import PlayedRun, play

from harness.measure.histogram import middle
from harness.rtc.clip_source import VideoSource
from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.swarm import publication
from harness.swarm.preparation import encode_clips

Truth = Callable[[str, object, object, object], None]
FPS = 30  # here an interval of 200 ms is a freeze by 11 ms; at 25 frames a second it is one by 5
SECONDS, LEAVES = 15, 14  # after which publishers and, before them, viewers leave
FRAME_MS = 1000 / FPS
BEGIN, BETWEEN = 2.5, 1.4  # seconds before the first stall; between two: more than the 30 frames the rule looks back
OPEN_AT = LEAVES - 2.0
ATTEMPTS, DISTURBED_MS = 3, 15  # a source later than that has stalled in a way nobody injected

# Milliseconds, whole frames of the clock. `too short` stays below average + 150 ms, the rule's least at this rate.
STALLS = {
    "freezes": (200, 300, 500, 700, 1000),
    "long freezes": (1500, 2500, 3500),
    "longest freeze": (4800,),
    "pause": (6000,),
    "too short": (67, 100, 133, 167, 100),
    "open": (),
}
DEPTHS = ("frames", "packets")


@dataclass
class Log:
    """What one camera is to do, and did. left_out: frames by their number. stalls_ms: between two frames with others
    left out in between, by their capture. latest_ms: by how much a frame left after it was due, at most."""

    left_out: set[int] = field(default_factory=set)
    stalls_ms: list[float] = field(default_factory=list)
    latest_ms: float = 0.0
    last_due_us: int = 0
    last_sent_us: int = 0


class HangingSource(VideoSource):
    """Captures nothing within its stalls, and goes on with the clip's next frame."""

    def __init__(self, log: Log, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._log = log

    def send_frame(self, due_us: int) -> int:
        log = self._log
        self.muted = self.frame_number in log.left_out
        hung = self.frame_number - 1 in log.left_out
        following = super().send_frame(due_us)
        if not self.muted:
            if hung:
                log.stalls_ms.append((due_us - log.last_due_us) / 1000)
            log.last_due_us, log.last_sent_us = due_us, time.monotonic_ns() // 1000
            log.latest_ms = max(log.latest_ms, (log.last_sent_us - due_us) / 1000)
        return following


def plan() -> Plan:
    roles: dict[str, Any] = {}
    for number, name in enumerate(STALLS):
        codec = "h264" if name == "long freezes" else "vp8"
        camera = {"size": "320x180", "fps": FPS, "bitrate": 150_000, "codec": codec}
        roles[f"camera{number}"] = {"count": 1, "camera": camera, "play": False}
        viewer = {"count": 1, "play": {"roles": [f"camera{number}"]}, "stay": f"{LEAVES}s"}
        roles |= {f"{depth}{number}": {**viewer, "observe": depth} for depth in DEPTHS}
    return build_plan(Scenario.model_validate({"name": "freezes", "duration": f"{SECONDS}s", "roles": roles}))


def injected(name: str) -> Log:
    log, at = Log(), round(BEGIN * FPS)
    for stall in STALLS[name]:
        frames = round(stall / FRAME_MS)
        log.left_out.update(range(at, at + frames - 1))
        at += frames + round(BETWEEN * FPS)
    if name == "open":
        log.left_out.update(range(round(OPEN_AT * FPS), 2 * SECONDS * FPS))
    return log


def one_run() -> tuple[PlayedRun, dict[str, Log]]:
    made = plan()
    encode_clips(made, lambda what, done, total: None)
    logs = {f"camera{number}": injected(name) for number, name in enumerate(STALLS)}
    by_stamp = {p.stamp_id: logs[p.role] for p in made.participants if p.role in logs}

    def source(*args: Any, **named: Any) -> VideoSource:
        return HangingSource(by_stamp[named["publisher"]], *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "VideoSource", source)
        return asyncio.run(play(made)), {name: logs[f"camera{number}"] for number, name in enumerate(STALLS)}


@pytest.fixture(scope="module")
def run() -> tuple[PlayedRun, dict[str, Log]]:
    """A run in which nothing stalled that was not told to: a busy machine gets another chance."""
    for _ in range(ATTEMPTS):
        found = one_run()
        if max(log.latest_ms for log in found[1].values()) < DISTURBED_MS:
            break
    return found


def counted(run: PlayedRun, name: str, depth: str) -> tuple[dict[str, float], list[float]]:
    """Counters of one viewer, and each of its freezes in ms."""
    role = {"role": f"{depth}{list(STALLS).index(name)}"}
    totals = run.measured.totals
    names = ("freezeCount", "totalFreezesDuration", "pauseCount", "totalPausesDuration", "gap200_seconds")
    freezes = totals.trend("freeze_duration_ms", role)
    each = [middle(bucket) for bucket, n in sorted(freezes.buckets.items()) for _ in range(n)]
    return {one: totals.counter([one], role) for one in names}, each


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", ["freezes", "long freezes", "longest freeze"])
def test_every_stall_that_the_rule_calls_a_freeze_is_found_and_as_long_as_it_was(
    name: str, depth: str, run: tuple[PlayedRun, dict[str, Log]], truth: Truth
) -> None:
    stalls = run[1][name].stalls_ms
    assert [round(stall) for stall in stalls] == list(STALLS[name]), "as it was meant to be"
    found, freezes = counted(run[0], name, depth)
    assert found["freezeCount"] == len(freezes) == len(stalls)
    assert found["pauseCount"] == found["totalPausesDuration"] == 0
    errors = [measured - stall for measured, stall in zip(freezes, stalls, strict=True)]
    worst = max(errors, key=abs)
    assert abs(worst) <= FRAME_MS
    whole = found["totalFreezesDuration"] * 1000
    assert abs(whole - sum(stalls)) <= FRAME_MS
    truth(
        f"freezes at depth {depth}, ms",
        " ".join(f"{stall:.0f}" for stall in stalls),
        " ".join(f"{freeze:.0f}" for freeze in freezes),
        f"{worst:+.1f} at most, sum {whole - sum(stalls):+.1f}",
    )


@pytest.mark.parametrize("depth", DEPTHS)
def test_stalls_below_the_rule_are_no_freezes(depth: str, run: tuple[PlayedRun, dict[str, Log]], truth: Truth) -> None:
    found, freezes = counted(run[0], "too short", depth)
    assert found["freezeCount"] == found["totalFreezesDuration"] == found["pauseCount"] == 0 and not freezes
    assert found["gap200_seconds"] == 0
    stalls = run[1]["too short"].stalls_ms
    assert [round(stall) for stall in stalls] == list(STALLS["too short"])
    truth(f"freezes at depth {depth}", f"none: {' '.join(f'{stall:.0f}' for stall in stalls)} ms", "none", 0)


@pytest.mark.parametrize("depth", DEPTHS)
def test_more_than_five_seconds_without_a_frame_are_a_pause_and_no_freeze(
    depth: str, run: tuple[PlayedRun, dict[str, Log]], truth: Truth
) -> None:
    (stall,) = run[1]["pause"].stalls_ms
    found, freezes = counted(run[0], "pause", depth)
    assert found["freezeCount"] == 0 and not freezes
    assert found["pauseCount"] == 1
    error = found["totalPausesDuration"] * 1000 - stall
    assert abs(error) <= FRAME_MS
    assert found["gap200_seconds"] == pytest.approx(found["totalPausesDuration"])
    truth(f"pause at depth {depth}, ms", stall, found["totalPausesDuration"] * 1000, f"{error:+.1f}")


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_picture_that_is_frozen_when_its_viewer_leaves_counts_as_frozen_until_then(
    depth: str, run: tuple[PlayedRun, dict[str, Log]], truth: Truth
) -> None:
    """The W3C counters would say 0: they move only when another frame comes."""
    found, freezes = counted(run[0], "open", depth)
    lasted = (run[0].started_us + LEAVES * 1_000_000 - run[1]["open"].last_sent_us) / 1000
    assert found["freezeCount"] == len(freezes) == 1
    error = found["totalFreezesDuration"] * 1000 - lasted
    assert abs(error) <= FRAME_MS
    truth(f"freeze still open at the end, depth {depth}, ms", lasted, freezes[0], f"{error:+.1f}")
