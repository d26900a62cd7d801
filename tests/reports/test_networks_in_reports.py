"""Networks and what befell them, in the report and in junit.xml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fake_run import FakeRun
from page import Page

from harness.rtc.presets import PRESETS
from harness.scenario.event import PlannedEvent
from harness.scenario.window import Window
from reports.finish import write_reports

MakeRun = Callable[..., FakeRun]


def with_networks(run: FakeRun) -> FakeRun:
    people = [replace(person, network="4g" if i % 2 else "wifi") for i, person in enumerate(run.plan.participants)]
    changes: dict[str, Any] = {
        "participants": (*people[:-1], replace(people[-1], network=None)),
        "networks": {name: PRESETS[name] for name in ("wifi", "4g")},
        "events": (PlannedEvent("tunnel", 3.0, 6.0, 2, "nothing passes"),),
        "windowed": (
            ("frame_latency_ms{role:member}", "p(99)<250", Window("during", "tunnel")),
            ("packetsReceived", "count<1", Window("after", "tunnel", 1.0)),
        ),
    }
    run.plan = replace(run.plan, **changes)
    return run


def test_windowed_thresholds_name_their_window_wherever_they_are_told(make_run: MakeRun) -> None:
    folder = with_networks(make_run()).write()
    write_reports(folder)
    page = Page(folder.report.read_text(encoding="utf-8"))
    thresholds = page.section("thresholds")
    assert "frame_latency_ms (role member, during tunnel)" in thresholds
    assert "packetsReceived (after tunnel+1s)" in thresholds
    junit = folder.junit.read_text(encoding="utf-8")
    assert "frame_latency_ms{role:member} p(99)&lt;250 (during tunnel)" in junit
    assert "count of packetsReceived (after tunnel+1s) was" in page.text, "the reason for a failure names it too"


def test_events_are_shaded_and_named_and_users_stand_beside_their_network(make_run: MakeRun) -> None:
    folder = with_networks(make_run()).write()
    write_reports(folder)
    page = Page(folder.report.read_text(encoding="utf-8"))
    over_time = page.section("over-time")
    assert "Shaded: tunnel (2 users: nothing passes)." in over_time
    assert ">tunnel<" in folder.report.read_text(encoding="utf-8").replace("\n", ""), "the drawing names it"
    assert "3 users on wifi, 2 users on 4g, 1 user not emulated" in page.section("ran")
    starts = page.section("starts")
    assert "Network" in starts
    assert "wifi" in starts and "4g" in starts and "not emulated" in starts


def test_a_run_without_networks_says_nothing_of_them(make_run: MakeRun) -> None:
    folder = make_run().write()
    write_reports(folder)
    page = Page(folder.report.read_text(encoding="utf-8"))
    assert "Shaded" not in page.text
    assert "Network" not in page.section("starts") + page.section("ran")
