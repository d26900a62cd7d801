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

from harness.rtc.conditions import Conditions
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


def measure_pair(
    receiver: str, peers: int, streams: int = STREAMS_PER_PEER, network: Conditions | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Senders in one process, receivers in another, `peers` bundles of `streams` A/V streams. (sent, received)

    network: emulated for every peer of both.
    """
    conditions = network.to_dict() if network is not None else None
    with _roles("sender", receiver) as (sender, taker):
        for _ in range(peers):
            offer = sender.ask({"do": "offer", "streams": streams, "network": conditions})
            answer = taker.ask({"do": "offer", "sdp": offer["sdp"], "streams": streams, "network": conditions})
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


def receive_cost(
    depth: str, peers: int, streams: int = STREAMS_PER_PEER, network: Conditions | None = None
) -> tuple[Cost, Cost]:
    """(per subscription-second, per publisher-second)"""
    sent, received = measure_pair(depth, peers, streams, network)
    seconds = received["wall"]
    notes = {
        "frames_per_second": received["frames"] / seconds / received["subscriptions"],
        "packets_per_second": received["packets"] / seconds / received["subscriptions"],
        "frames_lost": received["frames_lost"],
        "wrong_stamps": received["wrong"],
        "loop_lag_p99_ms": received["lag_p99_ms"],
        "socket_drops": received["drops"],
    }
    subscriptions = received["subscriptions"]
    receiving = Cost(f"receive, {depth}", "subscription", _per(received, "subscriptions"), subscriptions, notes)
    pacing = {"pacing_p99_ms": sent["pacing_p99_ms"]}
    return receiving, Cost("send", "publisher", _per(sent, "streams"), sent["streams"], pacing)


def stock_cost() -> Cost:
    _, received = measure_pair("stock", STOCK_PEERS)
    rate = received["frames"] / received["wall"] / received["subscriptions"]
    cost = _per(received, "subscriptions")
    notes = {"frames_per_second": rate}
    return Cost("receive and decode, stock aiortc", "subscription", cost, received["subscriptions"], notes)


@contextlib.contextmanager
def _room(**order: Any) -> Iterator[tuple[Role, EmbeddedService]]:
    """The embedded service, and users in it."""
    with tempfile.TemporaryDirectory() as folder:
        service = EmbeddedService(Path(folder) / "service.log")
        service.start()
        try:
            with _roles("room") as (users,):
                users.ask({"do": "join", "url": service.url, "secret": service.secret, **order})
                users.ask({"do": "measure", "seconds": order["ramp"] + WARM_UP})
                yield users, service
                users.ask({"do": "leave"})
        finally:
            service.stop()


def _room_measured(users: Role, service: EmbeddedService) -> dict[str, Any]:
    before = _cpu_of(service.pid)
    found = users.ask({"do": "measure", "seconds": WINDOW})
    found["service_cpu"] = _cpu_of(service.pid) - before
    return found


def forward_cost(speakers: int = 8, viewers: int = 20) -> Cost:
    """One room of speakers and viewers; the service's CPU is read from outside, its receiving included."""
    order = {
        "rooms": 1,
        "speakers": speakers,
        "viewers": viewers,
        "play": "none",
        "depth": "packets",
        "ramp": 3,
        "fps": 30,
    }
    with _room(**order) as (users, service):
        found = _room_measured(users, service)
    playing = int(found["playing"])
    notes = {"packets_lost": found["packets_lost"]}
    cost = found["service_cpu"] * 1000 / found["wall"] / playing
    return Cost("forward, embedded service", "forwarded subscription", cost, playing, notes)


def _meeting(rooms: int, members: int = 4) -> dict[str, Any]:
    """Rooms in which everybody plays everybody."""
    return {"rooms": rooms, "speakers": members, "viewers": 0, "play": "all", "depth": "frames", "ramp": 4, "fps": 25}


def room_cost(rooms: int = 5, members: int = 4) -> Cost:
    """Whole simulated users in rooms where everybody plays everybody, every subscription at depth frames."""
    with _room(**_meeting(rooms, members)) as (users, service):
        found = _room_measured(users, service)
    count = int(found["users"])
    notes = {
        "playing": found["playing"],
        "frames_lost": found["frames_lost"],
        "loop_lag_p99_ms": found["lag_p99_ms"],
        "frame_latency_p99_ms": found["latency_p99_ms"],
        "saturated": float(bool(found["limits"])),
        "service_cpu_ms_per_user": found["service_cpu"] * 1000 / found["wall"] / count,
    }
    cost = found["cpu"] * 1000 / found["wall"] / count
    return Cost(f"user in a room of {members}, 25 fps, all at depth frames", "user", cost, count, notes)


def memory_per_user(fewer: int = 2, more: int = 12) -> float:
    """Bytes that one more user of a room of 4 takes in the generator, clips apart: they are the same for both."""
    sizes = {}
    for rooms in (fewer, more):
        with _room(**_meeting(rooms)) as (users, _):
            sizes[rooms] = users.ask({"do": "measure", "seconds": WINDOW})["memory"]
    return float((sizes[more] - sizes[fewer]) / (4 * (more - fewer)))


def _cpu_of(pid: int | None) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
