"""What it costs to judge a trace: records a second, in a line with its length, in memory that stays flat."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.contract.judge import judge_file
from harness.contract.profile import load_profile
from harness.contract.verdict import Verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
from made_trace import made_lines

ROOT = Path(__file__).parents[2]
LEAST = 100_000  # records a second
JUDGE = """
import json, resource, sys, time
from pathlib import Path
from harness.contract.judge import judge_file
from harness.contract.profile import load_profile
profile = load_profile("reference")
before = time.process_time()
judgement = judge_file(Path(sys.argv[1]), profile)
print(json.dumps({
    "verdict": judgement.verdict.value,
    "records": judgement.records,
    "seconds": time.process_time() - before,
    "rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
"""


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("traces")
    found = {}
    for count in (10_000, 100_000, 1_000_000):
        found[count] = folder / f"{count}.jsonl"
        with found[count].open("wb") as file:
            file.writelines(made_lines(count))
    return found


def judged(path: Path) -> dict[str, Any]:
    """In a process of its own, which has done nothing else."""
    done = subprocess.run([sys.executable, "-c", JUDGE, str(path)], cwd=ROOT, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.benchmark(timer=time.process_time)  # of one core, whatever else the machine has to do
def test_records_judged_a_second(benchmark: Any, traces: dict[int, Path]) -> None:
    profile = load_profile("reference")
    gc.collect()
    gc.freeze()  # what pytest holds is not the judge's to look through
    judgement = benchmark.pedantic(judge_file, (traces[100_000], profile), rounds=5, warmup_rounds=1)
    gc.unfreeze()
    assert judgement.verdict is Verdict.PASS
    rate = 100_000 / benchmark.stats["median"]
    print(f"\n{rate:,.0f} records judged a second of CPU, parsing included")
    assert rate >= LEAST


def test_time_grows_in_a_line_and_memory_stays_flat(benchmark: Any, traces: dict[int, Path]) -> None:
    found = {count: judged(path) for count, path in traces.items()}
    benchmark.pedantic(lambda: None)
    for count, figures in found.items():
        rate = figures["records"] / figures["seconds"]
        print(f"\n{count:>9} records: {rate:,.0f} a second, {figures['rss_kb'] / 1024:.1f} MiB at most", end="")
        assert figures["verdict"] == "PASS" and figures["records"] == count
    rates = {count: figures["records"] / figures["seconds"] for count, figures in found.items()}
    assert rates[1_000_000] >= 0.8 * rates[100_000]
    assert found[1_000_000]["rss_kb"] <= 1.1 * found[100_000]["rss_kb"]


def test_judging_a_load_run_costs_little_beside_generating_it(benchmark: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", "scenarios/team-meeting.yaml", "--runs-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    results = json.loads((tmp_path / "latest" / "results.json").read_text(encoding="utf-8"))
    profile, trace = load_profile("reference"), tmp_path / "latest" / "trace.jsonl"
    before = time.process_time()
    judgement = benchmark.pedantic(judge_file, (trace, profile))
    cost, generating = time.process_time() - before, results["generator"]["cpu_seconds"]
    share = cost / generating
    print(f"\n{judgement.records} records: {cost:.3f} CPU-s, {share:.2%} of the generator's {generating:.1f}")
    assert judgement.verdict is Verdict.PASS and judgement.records > 1000
    assert share < 0.05
