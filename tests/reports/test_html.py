"""report.html: what a reader must find in it, whatever state the run ended in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from fake_run import FakeRun
from page import Page

from harness.trace.run_folder import RunFolder
from reports.finish import write_reports

MakeRun = Callable[..., FakeRun]


def report(folder: RunFolder) -> Page:
    write_reports(folder)
    return Page(folder.report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of a run in which all went well: 2 rooms of 3 users."""
    return report(FakeRun(tmp_path_factory.mktemp("ordinary") / "run").write())


def test_verdict_and_every_threshold_stand_in_the_report(ordinary: Page) -> None:
    assert "PASS All 5 thresholds held" in ordinary.text
    thresholds = ordinary.section("thresholds")
    assert thresholds.count("✓ held") == 5
    for expected in ("join_time_ms", "p95 below 1 000 ms", "played_share", "at least 100 %", "frame_loss_rate"):
        assert expected in thresholds
    assert "frame_latency_ms (role member)" in thresholds and "p99 below 250 ms" in thresholds
    assert "12 of 12 observed of expected" in ordinary.text
    assert not ordinary.open


def test_a_failed_threshold_is_told_in_a_sentence(make_run: MakeRun) -> None:
    run = make_run()
    one, other = run.plan.by_room[run.plan.rooms[0]][:2]
    run.failing_plays = {(one.user_id, other.user_id)}
    page = report(run.write())
    assert "FAIL 1 of 5 thresholds did not hold." in page.text
    assert "played_share was 91.67 %; it has to be at least 100 %." in page.text
    failures = page.section("failures")
    assert "play failed 1 1900006 SERVICE_CLOSED the connection to the service is closed" in failures
    assert "no first frame 1" in failures


def test_a_saturated_generator_gives_no_verdict_and_says_why(make_run: MakeRun) -> None:
    run = make_run()
    run.lag_ms = 80.0
    page = report(run.write())
    assert "UNKNOWN No verdict: the load generator was at its own limit" in page.text
    assert "loop lag p99 was 80.0 ms (limit 20 ms)" in page.text
    assert "The generator was saturated." in page.section("generator")
    assert page.section("generator").count("✗ past it") == 2
    assert '<body class="doubtful">' in page.source
    assert "No figure of this page is the service's" in page.text
    assert page.section("thresholds").count("? not judged") == 5 and "✓ held" not in page.text
    for section in ("percentiles", "over-time", "counts", "roles"):
        assert "Measured by a generator at its limit: not the service's." in page.section(section)


def test_figures_of_a_generator_that_kept_up_carry_no_caution(ordinary: Page) -> None:
    assert "not the service's" not in ordinary.text


HOSTILE = '<script>alert("$x^{2$")</script>&amp;<!--'


def test_hostile_names_show_as_text(make_run: MakeRun) -> None:
    run = make_run()
    run.rename(0, user_id=HOSTILE, stream_id=f"s{HOSTILE}", room_id=f"r{HOSTILE}")
    run.rename(2, room_id=f"r{HOSTILE}")
    run.failing_plays = {(HOSTILE, run.plan.participants[2].user_id)}
    run.failure_message = f"refused: {HOSTILE}\x00"
    run.settings["service"]["name"] = HOSTILE
    page = report(run.write())
    assert "<script" not in page.source and "<!--" not in page.source
    assert not any(tag == "script" for tag, _ in page.elements)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert HOSTILE in page.section("starts")
    assert f"r{HOSTILE}" in page.section("rooms")
    assert f"refused: {HOSTILE}" in page.section("failures")
    assert not page.open


def test_nothing_is_fetched_from_anywhere(ordinary: Page) -> None:
    for _, attributes in ordinary.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert not re.match(r"(https?:)?//", attributes.get(name) or "")
    targets = re.findall(r"url\(([^)]*)\)", ordinary.source)
    assert targets and all(target.strip("'\"").startswith("#") for target in targets)
    assert "@import" not in ordinary.source and '<link rel="stylesheet' not in ordinary.source


def test_ids_are_unique_and_every_reference_resolves(ordinary: Page) -> None:
    source = ordinary.source
    ids = re.findall(r'\bid="([^"]+)"', source)
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', source))
    assert {one or other for one, other in used} <= set(ids)
    sections = [name for name in ids if len(set(name)) > 1 and name.isalpha()]
    assert len(sections) == len(set(sections))


def test_every_drawing_has_a_label_and_follows_the_colour_scheme(ordinary: Page) -> None:
    drawings = [attributes for tag, attributes in ordinary.elements if tag == "svg"]
    assert 6 <= len(drawings) <= 10
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    assert ordinary.source.count("var(--s1)") > 5
    assert not re.findall(r"#0102[0-9a-f]{2}", ordinary.source)


def test_a_killed_run_is_readable_and_says_so(make_run: MakeRun) -> None:
    run = make_run(seconds=30)
    del run.settings["ended"]
    run.missing_seconds = {4, 5, 6, 7, 8, *range(20, 30)}
    folder = run.write()
    whole = folder.trace.read_bytes()
    folder.trace.write_bytes(whole[: len(whole) * 2 // 3])
    with folder.intervals.open("ab") as file:
        file.write(b'{"worker":"local","t":20.9,"use')
    page = report(folder)
    assert "UNKNOWN" in page.text
    assert (
        "The run was killed, or is still running: its folder records no end; 20 s of 30 s were measured." in page.text
    )
    assert "No interval of process local covers seconds 4 to 9." in page.text
    assert "Slowest joins The slowest 6 of 6 joins" in page.section("starts")
    assert not page.open


def test_a_broken_trace_is_told_of(make_run: MakeRun) -> None:
    folder = make_run().write()
    with folder.trace.open("ab") as file:
        file.write(b"not json\n")
    assert "The trace can be read only in part" in report(folder).text


def test_nothing_measured_reads_so_and_never_as_zero(make_run: MakeRun) -> None:
    run = make_run()
    run.settings["ended"] = "the swarm died (exit code 1); see swarm.log"
    folder = run.write()
    folder.trace.unlink()
    folder.intervals.unlink()
    page = report(folder)
    assert "UNKNOWN No verdict can be given." in page.text and "PASS" not in page.text
    assert "the swarm died (exit code 1)" in page.text
    assert "No interval was written: nothing was measured." in page.text
    thresholds = page.section("thresholds")
    assert thresholds.count("✗ not measured") == 5 and "✓" not in thresholds
    assert "no failure" not in page.text and "no freeze" not in page.text
    for name in ("percentiles", "over-time", "counts", "roles", "generator"):
        section = page.section(name)
        assert "nothing measured" in section.lower()
        assert not re.search(r"\b0 (ms|%|frames|packets|freezes)", section)
    for name in ("starts", "rooms", "failures"):
        assert "Not known: there is no trace." in page.section(name)
    assert "not saturated" not in page.section("generator")


def test_too_few_samples_for_a_percentile_are_named(ordinary: Page) -> None:
    row = re.search(r'<th scope="row">join_time_ms<small>.*?</tr>', ordinary.section_source("percentiles"), re.S)
    assert row is not None
    assert 'title="p99 needs 368 samples; there are 6">too few</abbr>' in row[0]
    assert 'title="p90 needs 36 samples; there are 6">too few</abbr>' in row[0]
    assert "p50 from 6 samples, p90 from 36 samples, p95 from 72 samples, p99 from 368 samples" in ordinary.text
    assert "6 samples for p95: too few to be sure (72 needed)" in ordinary.section("thresholds")


def test_observation_depth_and_number_of_subscriptions_are_stated(make_run: MakeRun) -> None:
    run = make_run()
    run.depth = "packets"
    assert "12 subscriptions at depth packets" in report(run.write()).section("ran")


def test_the_same_folder_gives_the_same_bytes(make_run: MakeRun) -> None:
    folder = make_run().write()
    first = report(folder).source
    assert report(folder).source == first


def test_a_thousand_users_stay_under_the_size_cap(make_run: MakeRun) -> None:
    run = make_run(rooms=100, users=10, seconds=3)
    folder = run.write()
    page = report(folder)
    assert folder.report.stat().st_size < 1_500_000
    assert "1 000 of 1 000" in page.text
    assert "96 rooms are not shown" in page.section("rooms")
    assert "The slowest 15 of 9 000 starts" in page.section("starts")


def test_one_large_room_shows_a_few_of_its_users_and_says_how_many_not(make_run: MakeRun) -> None:
    page = report(make_run(rooms=1, users=40, seconds=2).write())
    assert "24 users of this room are not shown." in page.section("rooms")


@pytest.mark.parametrize("module", ["matplotlib", "locust"])
def test_importing_the_report_does_not_import(module: str) -> None:
    code = f"import sys, reports.html; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
