"""From intervals to a verdict: what passes, what fails, and what proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from harness.measure.catalogue import METRICS
from harness.measure.histogram import Histogram
from harness.measure.recorder import Recorder, Tags
from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.swarm.judgement import Measured, results, verdict
from reports.finish import _finite


def plan(**changes: Any) -> Plan:
    roles = {"member": {"count": 3, "camera": True}, "guest": {"count": 1, "play": "all"}}
    found = {"name": "x", "duration": "20s", "roles": roles, **changes}
    return build_plan(Scenario.model_validate(found))


def health(lag: float = 1.0) -> dict[str, Any]:
    histogram = Histogram()
    histogram.record_all([lag] * 100)
    return {
        "loop_lag_ms": histogram.to_dict(),
        "pacing_ms": None,
        "socket_drops": 0,
        "cpu_seconds": 0.1,
        "wall_seconds": 1.0,
        "wait_seconds": 0.0,
    }


def measured(
    events: list[tuple[str, str, float]], *, at: float = 20.0, lag: float = 1.0, of: Plan | None = None
) -> Measured:
    """events: (counter or trend, role, value); trends end in _ms."""
    recorder = Recorder()
    for name, role, value in events:
        add = recorder.trend if name.endswith("_ms") else recorder.count
        add(name, Tags(role, "x-r01", "vp8"), value)
    found = Measured(of or plan())
    found.add({"worker": "w", "t": at, "playing": 9, "health": health(lag), **recorder.flush()})
    return found


ALL_WELL = [("logins", "member", 3), ("logins", "guest", 1), ("played", "member", 6), ("played", "guest", 3)]


def judged(found: Measured) -> list[dict[str, Any]]:
    return [found.judge(key, expression) for key, expression in found.plan.thresholds]


def test_a_run_in_which_everybody_came_and_played_passes() -> None:
    found = measured([*ALL_WELL, ("users_joined", "member", 4), ("published", "member", 3)])
    assert verdict(found, judged(found), "finished", 0) == ("pass", [])
    assert found.observed() == found.expected()


def test_one_that_did_not_play_fails_and_the_reason_says_so() -> None:
    found = measured([*ALL_WELL[:3], ("played", "guest", 2)])
    outcome, reasons = verdict(found, judged(found), "finished", 0)
    assert outcome == "fail"
    assert "played_share" in reasons[0]
    assert found.series(METRICS["played_share"], {"role": "guest"}).value == pytest.approx(2 / 3)
    assert found.series(METRICS["played_share"], {"role": "member"}).value == 1.0


@pytest.mark.parametrize(
    ("lag", "ended", "lost", "word"),
    [
        (50.0, "finished", 0, "loop lag"),
        (1.0, "interrupted", 0, "interrupted"),
        (1.0, "killed", 0, "ended early"),
        (1.0, "finished", 1, "process died"),
    ],
)
def test_a_generator_at_its_limit_or_a_run_cut_short_proves_nothing_even_if_thresholds_fail(
    lag: float, ended: str, lost: int, word: str
) -> None:
    for events in (ALL_WELL, ALL_WELL[:2]):
        found = measured(events, lag=lag)
        outcome, reasons = verdict(found, judged(found), ended, lost)
        assert outcome == "unknown"
        assert word in reasons[0]


def test_a_threshold_that_was_allowed_to_end_the_run_fails_it() -> None:
    found = measured(ALL_WELL[:2])
    assert verdict(found, judged(found), "aborted: played_share value>=1 failed", 0)[0] == "fail"


def test_nothing_measured_is_never_a_pass() -> None:
    empty = measured([])
    assert verdict(empty, judged(empty), "finished", 0)[0] == "fail"
    assert verdict(empty, [], "finished", 0)[0] == "unknown"
    for name in ("join_time_ms", "frame_loss_rate", "freezeCount", "wrong_stamps", "disconnects"):
        kind = METRICS[name].kind
        aggregate = {"trend": "p(95)", "rate": "rate", "counter": "count", "value": "value"}[kind]
        result = empty.judge(name, f"{aggregate}<=5")
        assert not result["passed"], name
        assert result["reason"] == "nothing was measured"


def test_zero_of_something_is_a_measurement() -> None:
    found = measured([("watched_seconds", "guest", 30.0), ("framesAccounted", "guest", 700)])
    assert found.judge("freezeCount", "count<1")["passed"]
    assert found.judge("wrong_stamps", "value==0")["passed"]
    assert not found.judge("freezeCount{role:member}", "count<1")["passed"]


def test_a_run_that_ended_early_is_held_only_to_what_was_due_by_then() -> None:
    ramp = plan(arrival={"ramp": "16s"})  # one user every 4 s
    found = measured([("logins", "member", 2)], at=6.0, of=ramp)
    assert found.expected().users == 2
    assert found.series(METRICS["login_share"], {}).count == 2


def test_results_are_plain_json_without_numbers_that_are_none() -> None:
    import json

    found = measured([])
    run = {"service": {"name": "reference"}, "started_unix": 0.0, "ended": "finished"}
    text = json.dumps(_finite(results(found, run, 0)), allow_nan=False)
    back = json.loads(text)
    assert set(back) >= {
        "verdict",
        "reasons",
        "scenario",
        "seed",
        "service",
        "expected",
        "observed",
        "metrics",
        "thresholds",
        "generator",
    }
    assert back["generator"]["saturated"] is False


DECODING = {"psnr_db": ["p(5)>=30"], "intact_share": ["rate>=99%"], "framesDecoded": ["count>=1"]}


def test_quality_of_pictures_that_nobody_decoded_was_not_measured() -> None:
    found = measured([*ALL_WELL, ("packetsReceived", "member", 1000)], of=plan(thresholds=DECODING))
    quality = [one for one in judged(found) if one["metric"] in DECODING]
    assert [one["reason"] for one in quality] == ["nothing was measured"] * 3
    assert verdict(found, judged(found), "finished", 0)[0] == "fail"


def test_intact_pictures_count_on_those_decoded() -> None:
    events = [("framesDecoded", "member", 200), ("picturesIntact", "member", 150), ("framesUndecodable", "member", 3)]
    found = measured([*ALL_WELL, *events], of=plan(thresholds=DECODING))
    assert found.series(METRICS["intact_share"], {}).value == 0.75
    assert found.series(METRICS["black_share"], {}).value == 0.0
    assert found.series(METRICS["framesUndecodable"], {}).count == 203


def test_decoders_that_fell_behind_give_no_verdict() -> None:
    found = measured(ALL_WELL)
    found.health.frames_undecoded = 5
    word, reasons = verdict(found, judged(found), "finished", 0)
    assert word == "unknown" and "5 frames were not decoded" in reasons[0]
