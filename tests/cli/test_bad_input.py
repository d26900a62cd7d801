"""Each kind of bad input is one sentence on standard error, the exit code that names it, and nothing started."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Harness = Callable[..., "subprocess.CompletedProcess[str]"]

SCENARIOS = {
    "unknown key": ("name: x\nduration: 5s\nroles: {m: {count: 2, camra: true}}\n", "camra"),
    "wrong type": ("name: x\nduration: 5s\nrooms: many\nroles: {m: {count: 2}}\n", "rooms"),
    "zero users": ("name: x\nduration: 5s\nroles: {m: {count: 0}}\n", "count"),
    "ramp after the end": ("name: x\nduration: 5s\narrival: {ramp: 10s}\nroles: {m: {count: 2}}\n", "ramp"),
    "unknown metric": (
        "name: x\nduration: 5s\nroles: {m: {count: 2}}\nthresholds: {join_tme_ms: ['p(95)<1']}\n",
        "join_tme_ms",
    ),
    "tag": ("name: !!python/object/apply:os.system ['echo boo']\n", "tag"),
    "bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
        "alias",
    ),
}


@pytest.mark.parametrize(("text", "names"), SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_bad_scenario_is_one_line_with_file_and_line_and_starts_nothing(
    harness: Harness, tmp_path: Path, text: str, names: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    done = harness("run", "bad.yaml")
    assert done.returncode == 2
    assert done.stdout.strip() == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("harness: bad.yaml:")
    assert names in lines[0]
    assert not (tmp_path / "runs").exists()


def test_a_missing_scenario_file_is_named(harness: Harness, tmp_path: Path) -> None:
    done = harness("run", "nowhere.yaml")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
    assert "nowhere.yaml" in done.stderr


def test_a_service_that_does_not_answer_is_exit_code_4_and_leaves_no_run(
    harness: Harness, small_scenario: Callable[[str], Path], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = harness("run", str(small_scenario("5s")), "--url", f"http://127.0.0.1:{port}")
    assert done.returncode == 4
    assert done.stderr.strip().startswith(f"harness: http://127.0.0.1:{port} does not answer")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "x.yaml", "-t", "20"), "not a duration"),
        (("run", "x.yaml", "-t", "20x"), "not a duration"),
        (("run", "x.yaml", "--processes", "0"), "--processes"),
        (("run", "x.yaml", "--worker"), "--worker"),
        (("run",), "scenario file is missing"),
        (("rnu",), "rnu"),
        (("report", "."), "not a run folder"),
        (("scenario", "list", "nowhere"), "nowhere"),
        (("serve", "--heartbeat-timeout", "0"), "--heartbeat-timeout"),
    ],
)
def test_a_mistyped_command_is_told_what_is_allowed(
    harness: Harness, small_scenario: Callable[[str], Path], arguments: tuple[str, ...], says: str
) -> None:
    small_scenario("5s").rename(small_scenario("5s").with_name("x.yaml"))
    done = harness(*arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_too_short_for_signing_is_refused(harness: Harness) -> None:
    done = harness("serve", HARNESS_SECRET="short")
    assert done.returncode == 2
    assert "HARNESS_SECRET" in done.stderr
    assert "short" not in done.stderr.replace("shorter", ""), "a secret is never printed"


def test_a_port_in_use_is_one_sentence(harness: Harness) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = harness("serve", "--port", str(taken.getsockname()[1]), HARNESS_SECRET="s" * 40)
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_explains_itself_and_starts_quickly(harness: Harness) -> None:
    for command in ((), ("run",), ("serve",), ("scenario",), ("report",), ("calibrate",)):
        done = harness(*command, "--help")
        assert done.returncode == 0
        assert "Usage:" in done.stdout
