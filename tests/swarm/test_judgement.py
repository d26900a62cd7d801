"""Intervals of several processes, tags and plans cut short: what is counted, what was due, and what that proves."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.catalogue import METRICS
from harness.measure.histogram import Histogram
from harness.measure.recorder import Recorder, Tags
from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.swarm.judgement import Measured, results, verdict
from reports.finish import _finite

RUN = {"service": {"name": "reference"}, "started_unix": 0.0, "ended": "finished"}
ROOMS = ("x-r01", "x-r02")


def make_plan(**changes: Any) -> Plan:
    """Two rooms of three who publish and one who watches: 3 logins + 1, 3 streams, 6 + 3 subscriptions a room."""
    roles = {"member": {"count": 3, "camera": True}, "guest": {"count": 1, "play": "all"}}
    found = {"name": "x", "duration": "20s", "rooms": 2, "roles": roles, **changes}
    return build_plan(Scenario.model_validate(found))


PLAN = make_plan()


def health(**changes: Any) -> dict[str, Any]:
    found = {"cpu_seconds": 0.1, "wall_seconds": 1.0, "wait_seconds": 0.0, "socket_drops": 0}
    return {**found, "loop_lag_ms": None, "pacing_ms": None, **changes}


def milliseconds(value: float) -> dict[str, Any]:
    histogram = Histogram()
    histogram.record_all([value] * 100)
    return histogram.to_dict()


SATURATED: dict[str, dict[str, Any]] = {
    "loop lag": {"loop_lag_ms": milliseconds(50)},
    "sent frames late": {"pacing_ms": milliseconds(50)},
    "dropped 3 datagrams": {"socket_drops": 3},
    "of a core": {"cpu_seconds": 0.99},
}


def add(
    measured: Measured,
    events: list[tuple[str, float]],
    *,
    role: str = "member",
    room: str = ROOMS[0],
    at: float = 20.0,
    worker: str = "w",
    **others: Any,
) -> None:
    """One interval of one process; names in _ms are trends."""
    recorder = Recorder()
    for name, value in events:
        (recorder.trend if name.endswith("_ms") else recorder.count)(name, Tags(role, room, "vp8"), value)
    interval = {"worker": worker, "t": at, "playing": 0, "health": health(), **others, **recorder.flush()}
    measured.add(json.loads(json.dumps(interval)))


def complete(plan: Plan = PLAN, **others: Any) -> Measured:
    """Everybody came, published and played."""
    measured = Measured(plan)
    for room in plan.rooms:
        add(measured, [("logins", 3), ("published", 3), ("played", 6)], room=room, **others)
        add(measured, [("logins", 1), ("played", 3)], role="guest", room=room, **others)
    return measured


def judged(measured: Measured) -> list[dict[str, Any]]:
    return [measured.judge(key, expression) for key, expression in measured.plan.thresholds]


@pytest.mark.parametrize("reason", SATURATED)
@pytest.mark.parametrize("passes", [True, False])
def test_each_limit_of_the_generator_makes_the_verdict_unknown_whatever_the_thresholds_say(
    reason: str, passes: bool
) -> None:
    measured = complete() if passes else Measured(PLAN)
    for worker in ("a", "b"):
        add(measured, [], worker=worker, health=health(**SATURATED[reason]))
    outcome, reasons = verdict(measured, judged(measured), "finished", 0)
    assert outcome == "unknown"
    assert any(word in reasons[0] for word in (reason, "dropped 6 datagrams"))
    assert len(reasons) == (1 if passes else 1 + len(PLAN.thresholds)), "what failed is told all the same"
    assert verdict(measured, judged(measured), "aborted: a threshold", 0)[0] == "unknown"
    assert results(measured, RUN, 0)["generator"]["saturated"] is True


outcomes = st.lists(st.booleans(), max_size=4)
endings = st.sampled_from(["finished", "aborted: x", "interrupted", "killed", "users did not come to an end in time"])


@settings(deadline=None, max_examples=150)
@given(outcomes, endings, st.integers(0, 2), st.sampled_from(["", *SATURATED]))
def test_a_pass_takes_everything_and_a_fail_takes_a_run_that_proves_it(
    held: list[bool], ended: str, lost: int, saturated: str
) -> None:
    measured = Measured(PLAN)
    add(measured, [], health=health(**SATURATED.get(saturated, {})))
    thresholds = [{"metric": "m", "expression": "e", "reason": "r", "passed": passed} for passed in held]
    outcome, reasons = verdict(measured, thresholds, ended, lost)
    sound = not saturated and not lost and (ended == "finished" or ended.startswith("aborted"))
    aborted = ended.startswith("aborted")
    assert (outcome == "pass") == (sound and not aborted and all(held) and bool(held))
    assert (outcome == "fail") == (sound and (aborted or not all(held)))
    assert bool(reasons) == (outcome != "pass"), "every other verdict has its reason"
    assert sum(reason.startswith("m e: r") for reason in reasons) == held.count(False)


def test_what_a_process_did_to_get_ready_says_nothing_of_the_run() -> None:
    measured = complete()
    add(measured, [("logins", 0)], at=0.5, health=health(wall_seconds=4.0, **SATURATED["loop lag"]))
    assert measured.health.reasons() == []
    add(measured, [], at=1.5, health=health(wall_seconds=1.5, **SATURATED["loop lag"]))
    assert len(measured.health.reasons()) == 1


def test_shares_are_of_what_the_plan_expects_of_that_role_and_room() -> None:
    measured = complete()
    add(measured, [("logins", -1), ("played", -2)], room=ROOMS[1])
    for tags, logins, subscriptions in (
        ({}, (7, 8), (16, 18)),
        ({"role": "member"}, (5, 6), (10, 12)),
        ({"role": "guest"}, (2, 2), (6, 6)),
        ({"room": ROOMS[0]}, (4, 4), (9, 9)),
        ({"room": ROOMS[1], "role": "member"}, (2, 3), (4, 6)),
    ):
        login, played = (measured.series(METRICS[name], tags) for name in ("login_share", "played_share"))
        assert (login.value, login.count) == (pytest.approx(logins[0] / logins[1]), logins[1]), tags
        assert (played.value, played.count) == (pytest.approx(subscriptions[0] / subscriptions[1]), subscriptions[1])
    assert measured.judge("login_share{role:guest}", "rate>=1")["passed"]
    assert not measured.judge("login_share{role:member}", "rate>=1")["passed"]
    assert measured.judge("published_share{role:guest}", "rate>=1")["reason"] == "nothing was measured"


def test_intervals_of_several_processes_add_up_and_the_latest_dates_the_run() -> None:
    measured = Measured(PLAN)
    for worker, at, latency in (("a", 3.0, 10.0), ("b", 4.0, 30.0), ("a", 3.5, 20.0)):
        events = [("framesReceived", 5), ("watched_seconds", 0.5), ("frame_latency_ms", latency)]
        add(measured, events, worker=worker, at=at, playing=2, clock_uncertainty_us=int(latency))
    assert (measured.elapsed, measured.clock_uncertainty_us, measured.subscription_seconds) == (4.0, 30, 6.0)
    assert measured.series(METRICS["framesReceived"], {}).value == 15
    assert measured.judge("frame_latency_ms", "max<=30")["observed"] == 30
    assert measured.judge("frame_latency_ms", "count==3")["passed"]
    assert measured.judge("framesReceived", "rate>=3")["observed"] == pytest.approx(15 / 4)


def test_a_run_cut_short_expects_what_was_due_and_no_share_passes_one() -> None:
    ramp = make_plan(rooms=1, arrival={"ramp": "16s"})  # one user every 4 s
    measured = Measured(ramp)
    add(measured, [("logins", 3)], at=6.0)
    assert measured.expected().users == 2, "the third came within the last second: not due, but welcome"
    assert measured.series(METRICS["login_share"], {}).value == 1.0
    add(measured, [("logins", -2)], at=6.0)
    assert measured.series(METRICS["login_share"], {}).value == 0.5
    add(measured, [], at=19.5)
    assert measured.expected() == ramp.expected()
    assert measured.series(METRICS["login_share"], {}).value == 0.25


SEEN = {
    "login_failures": None,
    "publish_failures": None,
    "play_failures": None,
    "disconnects": "logins",
    "freezeCount": "watched_seconds",
    "pauseCount": "watched_seconds",
    "framesReceived": "watched_seconds",
    "frames_doubled": "framesAccounted",
    "frames_reordered": "framesAccounted",
    "wrong_stamps": "framesAccounted",
    "absent_stamps": "framesAccounted",
    "damaged_stamps": "framesAccounted",
    "packetsLost": "packetsReceived",
    "nackCount": "packetsReceived",
}


@pytest.mark.parametrize("name", SEEN)
def test_none_of_something_is_a_finding_only_where_there_was_something_to_count_on(name: str) -> None:
    expression = "count<1" if METRICS[name].kind == "counter" else "value<1"
    measured = Measured(PLAN)
    add(measured, [])
    basis = SEEN[name]
    if basis is None:
        assert measured.judge(name, expression)["passed"], "the plan is what there is to count on"
        nobody = measured.judge(f"{name}{{role:nobody}}", expression)
        assert nobody["reason"] == "nothing was measured"
        return
    assert measured.judge(name, expression)["reason"] == "nothing was measured"
    add(measured, [(basis, 0.25 if basis == "watched_seconds" else 1)])
    assert measured.judge(name, expression)["passed"]
    assert measured.judge(f"{name}{{role:guest}}", expression)["reason"] == "nothing was measured"
    add(measured, [(name, 2)])
    assert not measured.judge(name, expression)["passed"]


def test_a_service_that_died_turns_a_pass_into_a_fail_and_a_doubt_stays_a_doubt() -> None:
    run = {**RUN, "service_death": "the service died"}
    for lost, outcome in ((0, "fail"), (1, "unknown")):
        found = results(complete(), run, lost)
        assert (found["verdict"], found["reasons"][0]) == (outcome, "the service died")
    assert results(complete(), RUN, 0)["verdict"] == "pass"
    without_an_end = {key: value for key, value in RUN.items() if key != "ended"}
    assert results(complete(), without_an_end, 0)["verdict"] == "unknown", "nobody wrote down how it ended"


AGGREGATE = {"trend": "p(95)", "rate": "rate", "counter": "count", "value": "value"}
figures = st.lists(
    st.tuples(st.sampled_from([*METRICS, "framesCaptured", "framesLost", "watched_seconds"]), st.floats(0, 1e6)),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(figures, st.floats(0, 25))
def test_whatever_was_measured_results_are_plain_json_without_nan(events: list[tuple[str, float]], at: float) -> None:
    thresholds = {name: [f"{AGGREGATE[metric.kind]}<=5"] for name, metric in METRICS.items()}
    measured = Measured(make_plan(thresholds=thresholds))
    add(measured, events, at=at)
    found = _finite(results(measured, RUN, 0))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert len(found["thresholds"]) == len(METRICS)
    for metric in (*found["metrics"].values(), *(m for role in found["roles"].values() for m in role.values())):
        assert metric["count"] > 0
        assert all(value is not None and (isinstance(value, str) or math.isfinite(value)) for value in metric.values())
    assert found["verdict"] != "pass", "some of the metrics have nothing behind them"
