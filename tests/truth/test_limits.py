"""The instrument knows its limits: with the CPU stolen there is no verdict, and no figure passes for the service's."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.swarm.judgement import CAUTION

Truth = Callable[[str, object, object, object], None]
# Calls for about a third of a core; a generator of a call or two gets by on what burners leave it, and rightly so.
SCENARIO = """\
name: stolen
rooms: 8
duration: 6s
roles:
  member:
    count: 4
    camera: {size: 320x180, fps: 25, bitrate: 150k}
    microphone: true
thresholds:
  frame_latency_ms: ["p(99)<100000"]
  frame_loss_rate: ["rate<=1"]
"""
COMMAND = [sys.executable, "-m", "harness", "run", "stolen.yaml"]


@contextmanager
def stolen_cpu() -> Iterator[int]:
    """Two burners a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * cores)]
    try:
        yield len(burners)
    finally:
        for burner in burners:
            burner.kill()
        for burner in burners:
            burner.wait()


def test_with_the_cpu_stolen_the_verdict_is_unknown_and_no_figure_is_the_services(tmp_path: Path, truth: Truth) -> None:
    (tmp_path / "stolen.yaml").write_text(SCENARIO, encoding="utf-8")
    environment = {**os.environ, "COLUMNS": "200"}
    with stolen_cpu() as burners:
        done = subprocess.run(
            COMMAND, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
    run = tmp_path / "runs" / "latest"
    found = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert found["verdict"] == "unknown" and found["generator"]["saturated"]
    assert any("the generator" in reason and "limit" in reason for reason in found["reasons"])
    assert "others had the CPU" in " ".join(found["reasons"])
    assert found["caution"] == CAUTION

    shown = done.stdout
    assert "UNKNOWN" in shown and all(reason in shown for reason in found["reasons"])
    assert f"The figures below are {CAUTION}." in shown
    assert shown.index(CAUTION) < shown.index("frame_latency_ms  ")
    assert not re.search(r"^(ok|no) ", shown, re.MULTILINE), "no threshold held or did not"

    page = (run / "report.html").read_text(encoding="utf-8")
    assert "No figure of this page is the service's" in page.replace("&#39;", "'")
    for section in ("thresholds", "percentiles", "over-time", "starts", "counts", "roles"):
        text = re.search(f'<section id="{section}".*?</section>', page, re.DOTALL)
        assert text is not None and 'class="doubt"' in text[0], section
    assert "✓ held" not in page and "✗ did not hold" not in page
    assert not re.search(r'<li class="(good|bad)"><div class="name">', page), "no figure is called good or bad"

    for name in ("metrics.csv", "seconds.csv"):
        with (run / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows and all(row["caution"] == CAUTION for row in rows)

    (suite,) = [s for s in ET.parse(run / "junit.xml").iter("testsuite") if s.get("name") == "stolen"]
    assert {p.get("name"): p.get("value") for p in suite.iter("property")}["figures"] == CAUTION
    cases = list(suite.iter("testcase"))
    assert cases and all(case.find("error") is not None for case in cases)
    truth("CPU stolen", f"{burners} burners", f"{found['verdict']}: {'; '.join(found['reasons'])}", "none")
