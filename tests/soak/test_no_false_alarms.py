"""Twenty load runs of the shipped scenarios: a service that keeps the contract is never accused. Run by `make soak`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 25
SCENARIOS = ("two-party-call", "team-meeting", "audio-room", "churn", "mixed-codecs")
RUNS = [(name, seed) for name in SCENARIOS for seed in (1, 2, 3, 4)]


@pytest.mark.parametrize(("name", "seed"), RUNS)
def test_no_rule_fails_in_a_load_run(name: str, seed: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", f"scenarios/{name}.yaml", "--seed", str(seed)]
    command += ["-t", f"{SECONDS}s", "--runs-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    results = json.loads((tmp_path / "latest" / "results.json").read_text(encoding="utf-8"))
    callbacks = results["callbacks"]
    print(
        f"\n{name} {seed}: {callbacks['records']} records, {callbacks['rules_exercised']} rules, {callbacks['verdict']}"
    )
    assert callbacks["broken"] == {}, done.stdout
    assert callbacks["verdict"] == "PASS" and callbacks["rules_exercised"] >= 25
