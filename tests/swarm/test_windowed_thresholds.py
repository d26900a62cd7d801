"""A threshold with a window looks at the seconds of that window, and at nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.scenario.window import Window
from harness.swarm.judgement import Measured, results, threshold_text, verdict

DURING, AFTER = Window("during", "outage"), Window("after", "outage", 2.0)


def plan(*thresholds: tuple[str, dict[str, Any]]) -> Plan:
    entries: dict[str, list[dict[str, Any]]] = {}
    for key, entry in thresholds:
        entries.setdefault(key, []).append(entry)
    return build_plan(
        Scenario.model_validate(
            {
                "name": "windows",
                "duration": "30s",
                "roles": {"m": {"count": 2, "camera": True}},
                "events": [
                    {"at": "10s", "name": "outage", "for": "4s", "network": {"outage": True}},
                    {"at": "20s", "name": "outage", "for": "4s", "network": {"outage": True}},
                ],
                "thresholds": entries,
            }
        )
    )


def second(t: float, *, lost: float = 0.0, watched: float = 1.0) -> dict[str, Any]:
    """An interval of one process that ends at `t`: 100 packets expected, of which `lost` were lost."""
    counters = [["packetsLost", "m", "r", "vp8", lost], ["packetsExpected", "m", "r", "vp8", 100]]
    counters += [["packetsReceived", "m", "r", "vp8", 100 - lost], ["watched_seconds", "m", "r", "vp8", watched]]
    health = {"wall_seconds": 1.0, "cpu_seconds": 0.1, "wait_seconds": 0.0, "socket_drops": 0}
    return {"t": t, "worker": "w", "playing": 2, "health": health, "counters": counters, "trends": []}


def measured(made: Plan) -> Measured:
    """Half of all packets are lost in the seconds of the outages."""
    found = Measured(made)
    for end in range(1, 31):
        out = 10 < end <= 14 or 20 < end <= 24
        found.add(second(float(end), lost=50.0 if out else 0.0))
    return found


def test_only_the_seconds_of_the_window_count() -> None:
    made = plan(
        ("packet_loss_rate", {"threshold": "rate<0.1", "during": "outage"}),
        ("packet_loss_rate", {"threshold": "rate<0.1", "after": "outage+2s"}),
        ("packet_loss_rate", {"threshold": "rate<0.2"}),
    )
    found = measured(made)
    whole = found.judge("packet_loss_rate", "rate<0.2")
    during, after = (found.judge("packet_loss_rate", "rate<0.1", window) for window in (DURING, AFTER))
    assert whole["observed"] == pytest.approx(400 / 3000)
    assert (during["observed"], during["passed"], during["window"]) == (0.5, False, "during outage")
    assert (after["observed"], after["passed"], after["window"]) == (0.0, True, "after outage+2s")


def test_an_interval_belongs_to_the_window_that_holds_its_middle() -> None:
    made = plan(("packetsReceived", {"threshold": "count>0", "during": "outage"}))
    found = Measured(made)
    for end in (10.4, 10.6, 11.6, 14.4, 14.6, 24.4):
        found.add(second(end))
    assert found.judge("packetsReceived", "count>0", DURING)["observed"] == 400


def test_a_rate_of_a_counter_is_per_second_of_the_window_as_far_as_the_run_has_come() -> None:
    made = plan(("packetsReceived", {"threshold": "rate>0", "during": "outage"}))
    found = Measured(made)
    for end in range(1, 13):
        found.add(second(float(end)))
    assert found.judge("packetsReceived", "rate>0", DURING)["observed"] == pytest.approx(100)


def test_a_window_in_which_nothing_was_measured_does_not_hold() -> None:
    made = plan(("frame_latency_ms", {"threshold": "p(99)<100", "during": "outage"}))
    assert measured(made).judge("frame_latency_ms", "p(99)<100", DURING)["reason"] == "nothing was measured"


def test_results_name_the_window_and_so_does_the_verdict() -> None:
    made = plan(("packet_loss_rate", {"threshold": "rate<0.1", "during": "outage"}))
    found = measured(made)
    run = {"service": {"name": "reference"}, "started_unix": 0.0, "ended": "finished"}
    thresholds = results(found, run, 0)["thresholds"]
    assert [threshold["window"] for threshold in thresholds] == [None, None, "during outage"]
    assert threshold_text(thresholds[-1]) == "packet_loss_rate rate<0.1 (during outage)"
    _, reasons = verdict(found, thresholds, "finished", 0)
    assert "packet_loss_rate rate<0.1 (during outage): 0.5 < 0.1 does not hold" in reasons
