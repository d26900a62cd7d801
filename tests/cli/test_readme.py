"""The README is kept true: its library example makes a call, and each of its commands is understood."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.scenario.loader import parse_scenario
from harness.services.embedded import EmbeddedService

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def block(language: str, holding: str) -> str:
    return next(found for found in blocks(language) if holding in found)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line]


def test_the_library_example_makes_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    service = EmbeddedService(tmp_path / "service.log")
    service.start()
    try:
        names: dict[str, Any] = {}
        exec(compile(block("python", "CallEngine"), "README.md", "exec"), names)
        frames = asyncio.run(names["main"](service.url, service.secret))
    finally:
        service.stop()
    assert len(frames) == 2
    assert min(frames) > 30


def test_the_scenario_of_the_readme_is_valid() -> None:
    text = block("yaml", "roles:")
    assert yaml.safe_load(text)["name"] == "team meeting"
    assert parse_scenario(text.encode(), "README.md").rooms == 3


QUICK = ("harness scenario", "harness rules RC", "make")


@pytest.mark.parametrize("line", [c for c in commands() if c.startswith(QUICK)])
def test_quick_commands_do_what_they_say(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        done = subprocess.run(["make", "-n", words[1]], cwd=ROOT, capture_output=True, text=True, check=False)
    else:
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_run_of_the_readme_works_as_written(
    harness: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The longest one as it stands, but short: 24 users in two processes."""
    line = next(c for c in commands() if "--processes 2" in c).replace("-t 1m", "-t 14s")
    words = shlex.split(line)[1:]
    words[1] = str(ROOT / words[1])
    done = harness(*words)
    assert done.returncode in (0, 3), done.stdout + done.stderr  # 3: a machine too busy to be believed
    assert "24 of 24 users" in done.stdout


def test_every_option_the_readme_uses_exists() -> None:
    for line in commands():
        words = shlex.split(line)
        if words[0] != "harness":
            continue
        name = words[1]
        done = subprocess.run(
            [sys.executable, "-m", "harness", name, "--help"], capture_output=True, text=True, check=True
        )
        for option in (word for word in words if word.startswith("-")):
            assert option in done.stdout, f"{line}: {option}"


def test_the_test_of_the_readme_asks_what_the_fixture_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assert_conforms: Callable[..., Any]
) -> None:
    log = ROOT / "docs" / "examples" / "zego-callbacks.jsonl"
    mapping = ROOT / "docs" / "examples" / "zego.yaml"
    monkeypatch.chdir(tmp_path)
    words = ["trace", "import", str(log), "--mapping", str(mapping), "--service", "zego", "-o", "callbacks.jsonl"]
    subprocess.run([sys.executable, "-m", "harness", *words], check=True, capture_output=True)
    names: dict[str, Any] = {}
    exec(compile(block("python", "assert_conforms"), "README.md", "exec"), names)
    names["test_our_callbacks_keep_the_contract"](assert_conforms)
