"""What this machine can simulate, and what one user costs: senders, receivers, forwarder and stock aiortc, in turn."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.services.embedded import EmbeddedService

STREAMS_PER_PEER = 8
WARM_UP, WINDOW = 2.0, 6.0  # seconds
STOCK_PEERS = 1  # 8 subscriptions already take most of half a core
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Cost:
    """cpu_ms: CPU milliseconds per unit and second. units: how many were measured. notes: figures that qualify it."""

    what: str
    unit: str
    cpu_ms: float
    units: int
    notes: dict[str, float]


class Role:
    """One process of calibration_roles."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, "-m", "harness.swarm.calibration_roles", name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._read()

    def send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a calibration process died; its error is above")
        return dict(json.loads(line))

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        self.send(order)
        return self._read()

    answer = _read

    def close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def _roles(*names: str) -> Iterator[list[Role]]:
    roles: list[Role] = []
    try:
        for name in names:
            roles.append(Role(name))
        yield roles
    finally:
        for role in roles:
            role.close()


def measure_pair(receiver: str, peers: int, streams: int = STREAMS_PER_PEER) -> tuple[dict[str, Any], dict[str, Any]]:
    """Senders in one process, receivers in another, `peers` bundles of `streams` A/V streams. (sent, received)"""
    with _roles("sender", receiver) as (sender, taker):
        for _ in range(peers):
            offer = sender.ask({"do": "offer", "streams": streams})
            answer = taker.ask({"do": "offer", "sdp": offer["sdp"], "streams": streams})
            sender.ask({"do": "answer", "sdp": answer["sdp"]})
        for role in (sender, taker):
            role.send({"do": "measure", "seconds": WARM_UP})
        for role in (sender, taker):
            role.answer()
        for role in (sender, taker):
            role.send({"do": "measure", "seconds": WINDOW})
        return sender.answer(), taker.answer()


def _per(found: dict[str, Any], units: str) -> float:
    return float(found["cpu"] * 1000 / found["wall"] / found[units])


def receive_cost(depth: str, peers: int) -> tuple[Cost, Cost]:
    """(per subscription-second, per publisher-second)"""
    sent, received = measure_pair(depth, peers)
    seconds = received["wall"]
    notes = {
        "frames_per_second": received["frames"] / seconds / received["subscriptions"],
        "packets_per_second": received["packets"] / seconds / received["subscriptions"],
        "frames_lost": received["frames_lost"],
        "wrong_stamps": received["wrong"],
        "loop_lag_p99_ms": received["lag_p99_ms"],
        "socket_drops": received["drops"],
    }
    receiving = Cost(f"receive, {depth}", "subscription", _per(received, "subscriptions"), received["subscriptions"], notes)
    pacing = {"pacing_p99_ms": sent["pacing_p99_ms"]}
    return receiving, Cost("send", "publisher", _per(sent, "streams"), sent["streams"], pacing)


def stock_cost() -> Cost:
    _, received = measure_pair("stock", STOCK_PEERS)
    rate = received["frames"] / received["wall"] / received["subscriptions"]
    cost = _per(received, "subscriptions")
    return Cost("receive and decode, stock aiortc", "subscription", cost, received["subscriptions"], {"frames_per_second": rate})


def forward_cost(publishers: int, watchers: int, run: Callable[[str, str, int, int, float], dict[str, Any]]) -> Cost:
    """The embedded service with `publishers` streams to `watchers` users, its CPU read from outside."""
    with tempfile.TemporaryDirectory() as folder:
        service = EmbeddedService(Path(folder) / "service.log")
        service.start()
        try:
            found = run(service.url, service.secret, publishers, watchers, service.pid or 0)
        finally:
            service.stop()
    forwarded = publishers * watchers
    notes = {"frames_lost": found["frames_lost"], "playing": found["playing"]}
    return Cost("forward", "forwarded subscription", found["cpu"] * 1000 / found["wall"] / forwarded, forwarded, notes)


def cpu_of(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
