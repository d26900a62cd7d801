"""Whole runs by the command line: what they leave behind when they end well, are interrupted, or are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

Harness = Callable[..., "subprocess.CompletedProcess[str]"]
Small = Callable[[str], Path]
ROOT = Path(__file__).parents[2]


def results(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "runs" / "latest" / "results.json").read_text(encoding="utf-8")))


def test_a_run_passes_and_leaves_a_folder_of_reports(
    harness: Harness, small_scenario: Small, tmp_path: Path, no_strays: Callable[[], None]
) -> None:
    done = harness("run", str(small_scenario("5s")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    run = tmp_path / "runs" / "latest"
    assert run.is_symlink()
    assert run.resolve().parent.name == "small-call"
    names = {path.name for path in run.iterdir()}
    assert names >= {"scenario.yaml", "trace.jsonl", "results.json", "intervals.jsonl", "report.html", "junit.xml"}
    assert names >= {"conformance.html", "conformance.json", "conformance.sarif"}
    found = results(tmp_path)
    assert found["verdict"] == "pass"
    assert found["expected"] == found["observed"] == {"users": 2, "streams": 2, "subscriptions": 2}
    assert set(found["metrics"]["frame_latency_ms"]) >= {"count", "min", "mean", "p50", "p90", "p95", "p99", "max"}
    assert set(found["generator"]) >= {"cpu_ms_per_subscription_second", "loop_lag_p99_ms", "saturated"}
    suites = list(ET.parse(run / "junit.xml").iter("testsuite"))
    assert [len(list(suite.iter("testcase"))) for suite in suites] == [len(found["thresholds"]), 60] == [3, 60]
    assert found["callbacks"]["verdict"] == "PASS" and found["callbacks"]["rules_exercised"] >= 30
    assert (run / "report.html").read_text(encoding="utf-8").count("PASS") >= 1
    again = harness("report", "runs/latest")
    assert again.returncode == 0
    assert results(tmp_path)["metrics"] == found["metrics"], "reports follow from the folder alone"
    no_strays()


def test_a_threshold_that_does_not_hold_fails_the_run_with_exit_code_1(
    harness: Harness, small_scenario: Small, tmp_path: Path
) -> None:
    path = small_scenario("3s")
    path.write_text(path.read_text(encoding="utf-8") + '  join_time_ms: ["max<0.001"]\n', encoding="utf-8")
    done = harness("run", str(path))
    assert done.returncode == 1, done.stdout
    failures = list(ET.parse(tmp_path / "runs" / "latest" / "junit.xml").iter("failure"))
    assert len(failures) == 1


def test_a_wrong_secret_is_counted_and_the_run_ends_with_a_verdict(
    harness: Harness, small_scenario: Small, tmp_path: Path
) -> None:
    environment = {**os.environ, "HARNESS_SECRET": "the secret of the service, long enough"}
    command = [sys.executable, "-m", "harness", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as service:
        assert service.stdout is not None
        url = service.stdout.readline().split()[-1]
        wrong = "another secret, as long as it must be"
        done = harness("run", str(small_scenario("3s")), "--url", url, HARNESS_SECRET=wrong)
        right = harness("run", str(small_scenario("4s")), "--url", url, HARNESS_SECRET=environment["HARNESS_SECRET"])
        service.terminate()
    assert done.returncode == 1, done.stdout
    assert right.returncode == 0, right.stdout
    runs = sorted((tmp_path / "runs" / "small-call").iterdir())
    first = json.loads((runs[0] / "results.json").read_text(encoding="utf-8"))
    assert first["metrics"]["login_failures"]["value"] == 2
    assert "1002033" in (runs[0] / "trace.jsonl").read_text(encoding="utf-8")
    for file in runs[0].iterdir():
        text = file.read_text(encoding="utf-8")
        assert wrong not in text, f"a secret stands in {file.name}"


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", *arguments]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_playing(tmp_path: Path, count: int) -> None:
    """Until the run's intervals say that so many subscriptions play."""
    intervals = tmp_path / "runs" / "latest" / "intervals.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if intervals.exists():
            latest: dict[str, int] = {}
            for line in intervals.read_text(encoding="utf-8").splitlines():
                interval = json.loads(line)
                if "playing" in interval:
                    latest[interval["worker"]] = interval["playing"]
            if sum(latest.values()) >= count:
                return
        time.sleep(0.1)
    raise AssertionError("the run did not come to play")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_has_its_report_and_no_verdict(
    harness: Harness, small_scenario: Small, tmp_path: Path, no_strays: Callable[[], None], number: int
) -> None:
    run = start(tmp_path, str(small_scenario("60s")))
    wait_for_playing(tmp_path, 2)
    run.send_signal(number)
    output, _ = run.communicate(timeout=40)
    assert run.returncode == 3, output
    found = results(tmp_path)
    assert found["verdict"] == "unknown"
    assert "interrupted" in found["reasons"][0]
    assert found["observed"]["users"] == 2
    assert found["metrics"]["frame_latency_ms"]["count"] > 10
    no_strays()


def test_a_killed_worker_leaves_a_readable_run_without_a_verdict(
    harness: Harness, small_scenario: Small, tmp_path: Path, no_strays: Callable[[], None]
) -> None:
    run = start(tmp_path, str(small_scenario("12s")), "-u", "4", "--processes", "2")
    wait_for_playing(tmp_path, 4)
    swarm = next(p for p in psutil.Process(run.pid).children() if "harness.swarm.entry" in " ".join(p.cmdline()))
    swarm.children()[-1].send_signal(signal.SIGKILL)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 3, output
    found = results(tmp_path)
    assert "1 generator process died" in found["reasons"][0]
    assert found["observed"]["users"] == 4
    no_strays()


def test_a_killed_harness_takes_its_processes_with_it_and_its_folder_is_readable(
    harness: Harness, small_scenario: Small, tmp_path: Path, no_strays: Callable[[], None]
) -> None:
    run = start(tmp_path, str(small_scenario("60s")))
    wait_for_playing(tmp_path, 2)
    run.kill()
    run.wait()
    no_strays()
    done = harness("report", "runs/latest")
    assert done.returncode == 3, done.stderr
    assert "killed" in done.stdout
    assert results(tmp_path)["metrics"]["frame_latency_ms"]["count"] > 10


def test_a_service_that_dies_in_mid_run_is_named_and_fails_the_run(
    harness: Harness, small_scenario: Small, tmp_path: Path, no_strays: Callable[[], None]
) -> None:
    run = start(tmp_path, str(small_scenario("10s")))
    wait_for_playing(tmp_path, 2)
    service = next(p for p in psutil.Process(run.pid).children() if "serve" in p.cmdline())
    service.kill()
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 1, output
    found = results(tmp_path)
    assert "embedded service ended" in found["reasons"][0]
    assert found["metrics"]["disconnects"]["value"] == 2
    assert found["metrics"]["frame_loss_rate"]["value"] > 0.3, "what was captured and never came is lost"
    no_strays()


def test_plain_locust_runs_the_scenario_and_reports_it(small_scenario: Small, tmp_path: Path) -> None:
    locust = Path(sys.executable).with_name("locust")
    command = [str(locust), "-f", str(ROOT / "harness" / "swarm" / "locustfile.py"), "--scenario", "small.yaml"]
    small_scenario("5s")
    done = subprocess.run(
        [*command, "--headless", "-u", "2", "-r", "2", "--only-summary", "--csv", "stats"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(tmp_path)["verdict"] == "pass"
    statistics = (tmp_path / "stats_stats.csv").read_text(encoding="utf-8")
    for step in ("login", "publish", "first_frame", "logout"):
        assert f"CALL,{step},2,0" in statistics


def test_a_master_and_a_worker_started_by_hand_share_a_run(
    harness: Harness, small_scenario: Small, tmp_path: Path, no_strays: Callable[[], None]
) -> None:
    port = "15557"
    master = start(tmp_path, str(small_scenario("5s")), "--master", "--master-port", port)
    worker = start(tmp_path, "--worker", "--master-port", port)
    output, _ = master.communicate(timeout=90)
    assert master.returncode == 0, output
    worker.communicate(timeout=30)
    assert worker.returncode == 0
    assert results(tmp_path)["observed"]["users"] == 2
    no_strays()
