"""The head of a report: the verdict in words, what ran, how complete it is, the figures that matter most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from harness.measure.health import BUSY_SHARE, CPU_LIMIT, LAG_LIMIT_MS, PACING_LIMIT_MS
from reports.formats import THIN, counted, moment, number, percent, quantity
from reports.history import History
from reports.load import RunData
from reports.over_time import OverTime
from reports.resampling import samples_needed

_DEPTHS = {
    "packets": "packet headers and counters only; no frame latency",
    "frames": "every frame decrypted, reassembled and identified by its stamp; pictures not decoded",
    "decode": "every frame decoded and compared with its reference",
}
_WORDS = {"pass": "PASS", "fail": "FAIL", "unknown": "UNKNOWN"}
_MOST_GAPS = 5


@dataclass(frozen=True)
class Tile:
    """One figure at the head. state: "", "good", "bad"."""

    name: str
    value: str
    note: str
    state: str = ""


@dataclass(frozen=True)
class Limit:
    """One sign of the generator's health against its limit. over: None when nothing was measured."""

    name: str
    observed: str
    limit: str
    basis: str
    over: bool | None


def verdict_words(results: dict[str, Any]) -> tuple[str, str]:
    """The word, and one sentence."""
    thresholds = results["thresholds"]
    failed = sum(not threshold["passed"] for threshold in thresholds)
    outcome = results["verdict"]
    if outcome == "pass":
        sentence = f"{_all(len(thresholds))} held, and the load generator kept up."
    elif outcome == "fail":
        sentence = f"{failed} of {counted(len(thresholds), 'threshold')} did not hold."
    elif results["generator"]["saturated"]:
        sentence = "No verdict: the load generator was at its own limit, so its figures say little about the service."
    else:
        sentence = "No verdict can be given."
    return _WORDS.get(outcome, str(outcome).upper()), sentence


def _all(count: int) -> str:
    return "The only threshold" if count == 1 else f"All {count} thresholds"


def notices(data: RunData, results: dict[str, Any], time: OverTime) -> list[str]:
    """How the folder falls short of a whole run; empty when it does not."""
    found = []
    length = f"{number(results['elapsed_seconds'])} s of {number(results['planned_seconds'])} s were measured"
    if "ended" not in data.settings:
        found.append(f"The run was killed, or is still running: its folder records no end; {length}.")
    if data.lost_workers:
        found.append(
            f"{counted(data.lost_workers, 'generator process')} died; what its users measured last is missing."
        )
    if not data.intervals:
        found.append("No interval was written: nothing was measured.")
    for worker, since, until in time.gaps[:_MOST_GAPS]:
        found.append(f"No interval of process {worker} covers seconds {since:.0f} to {until:.0f}.")
    if len(time.gaps) > _MOST_GAPS:
        found.append(f"{len(time.gaps) - _MOST_GAPS} more gaps between intervals are not listed.")
    if data.trace_error:
        found.append(f"The trace can be read only in part ({counted(data.records, 'record')}): {data.trace_error}.")
    elif not data.records:
        found.append("There is no trace: starts, timelines and failures are not known.")
    return found


def facts(data: RunData, results: dict[str, Any], found: History) -> list[tuple[str, str]]:
    """What ran: names and values."""
    service, machine = results["service"], results["generator"]["machine"]
    where = ", embedded on the generator's machine" if service.get("embedded") else ""
    plan = data.plan
    length = f"{number(plan.duration)} s planned, {number(results['elapsed_seconds'])} s measured"
    return [
        ("Scenario", str(results["scenario"])),
        ("File", str(data.settings.get("file", "not recorded"))),
        ("Seed", str(results["seed"])),
        ("Service", f"{service.get('name', 'not recorded')} at {service.get('url', 'not recorded')}{where}"),
        ("Started", moment(results["started_unix"])),
        ("Duration", length),
        ("Plan", f"{counted(len(plan.participants), 'user')} in {counted(len(plan.rooms), 'room')}"),
        ("Generator", _machine(machine, results["generator"]["processes"])),
        ("Observed", _observed(data, found)),
        ("Codecs", _counts(found.codecs) or "no subscription came to its recorded end"),
        *_networks(data),
    ]


def _networks(data: RunData) -> list[tuple[str, str]]:
    """Who was on which emulated network; nothing where nobody was."""
    plan = data.plan
    if not plan.networks:
        return []
    counts = Counter(f"on {person.network}" if person.network else "not emulated" for person in plan.participants)
    return [("Networks", ", ".join(f"{counted(n, 'user')} {where}" for where, n in counts.most_common()))]


def _machine(machine: dict[str, Any], processes: int) -> str:
    system = f"{machine.get('system', 'unknown system')} {machine.get('release', '')}".strip()
    cores = f"{machine['cores']} cores" if "cores" in machine else "number of cores not recorded"
    return f"{counted(processes, 'process')} on {system}, {cores}, Python {machine.get('python', 'not recorded')}"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {counted(n, 'subscription')}" for name, n in counter.most_common())


def _observed(data: RunData, found: History) -> str:
    if not found.depths:
        asked = sorted({str(participant.depths) for participant in data.plan.participants})
        return f"no subscription came to its recorded end; the plan asks for {', '.join(asked)}"
    parts = [
        f"{counted(n, 'subscription')} at depth {depth} ({_DEPTHS.get(depth, 'unknown depth')})"
        for depth, n in found.depths.most_common()
    ]
    return "; ".join(parts)


def tiles(data: RunData, results: dict[str, Any]) -> list[Tile]:
    """Observed against expected, then the figures people ask for first."""
    found = _tiles(data, results)
    # No colour says good or bad of figures that are not the service's.
    return [replace(tile, state="") for tile in found] if results["caution"] else found


def _tiles(data: RunData, results: dict[str, Any]) -> list[Tile]:
    whole = data.plan.expected()
    planned = {"users": whole.users, "streams": whole.streams, "subscriptions": whole.subscriptions}
    names = (("users", "users joined"), ("streams", "streams published"), ("subscriptions", "subscriptions played"))
    return [
        *(_share_tile(name, results["observed"][key], results["expected"][key], planned[key]) for key, name in names),
        _percentile_tile(results, "join_time_ms", 95, "join time"),
        _percentile_tile(results, "first_frame_ms", 95, "first frame"),
        _percentile_tile(results, "frame_latency_ms", 99, "frame latency"),
        _rate_tile(results, "frame_loss_rate", "frames lost", "captured frames"),
        _rate_tile(results, "freeze_time_share", "time frozen", "s subscribed"),
    ]


def _share_tile(name: str, observed: int, expected: int, planned: int) -> Tile:
    """expected: what was due while the run lasted; planned: what the whole plan asks for."""
    if not planned:
        return Tile(name, "none planned", "")
    if not expected:
        return Tile(
            name, "nothing measured" if not observed else number(observed), f"{number(planned)} planned, none due yet"
        )
    note = "observed of expected" if expected == planned else f"observed of due so far; {number(planned)} planned"
    return Tile(name, f"{number(observed)} of {number(expected)}", note, "good" if observed >= expected else "bad")


def _percentile_tile(results: dict[str, Any], metric: str, q: int, name: str) -> Tile:
    found = results["metrics"].get(metric)
    if not found:
        return Tile(name, "nothing measured", metric)
    if found["count"] < samples_needed(q):
        note = f"slowest of {counted(found['count'], 'sample')}; too few for p{q}"
        return Tile(name, quantity(found["max"], "ms"), note)
    return Tile(f"{name}, p{q}", quantity(found[f"p{q}"], "ms"), f"of {counted(found['count'], 'sample')}")


def _rate_tile(results: dict[str, Any], metric: str, name: str, of: str) -> Tile:
    found = results["metrics"].get(metric)
    if not found:
        return Tile(name, "nothing measured", metric)
    return Tile(name, percent(found["value"]), f"of {number(found['count'])} {of}")


def limits(data: RunData, results: dict[str, Any]) -> list[Limit]:
    """What decides whether the generator was saturated."""
    health = data.measured.health
    busy = health.busy_intervals / health.intervals if health.intervals else None
    return [
        Limit(
            f"Intervals with more than {CPU_LIMIT:.0%} of a core in use".replace("%", f"{THIN}%"),
            "nothing measured" if busy is None else percent(busy),
            f"below {percent(BUSY_SHARE)}",
            _measured_on(health.intervals, "interval"),
            None if busy is None else busy >= BUSY_SHARE,
        ),
        _lateness(
            "Loop lag, p99: how late its event loop woke",
            results["generator"]["loop_lag_p99_ms"],
            LAG_LIMIT_MS,
            _measured_on(health.lag.count, "sample"),
        ),
        _lateness(
            "Pacing error, p99: how late frames were sent",
            results["generator"]["pacing_p99_ms"],
            PACING_LIMIT_MS,
            _measured_on(health.pacing.count, "frame"),
        ),
        Limit(
            "Datagrams its sockets dropped",
            number(health.socket_drops) if health.intervals else "nothing measured",
            "none",
            _measured_on(health.intervals, "interval"),
            bool(health.socket_drops) if health.intervals else None,
        ),
    ]


def _measured_on(count: int, noun: str) -> str:
    return counted(count, noun) if count else "none"


def _lateness(name: str, observed: float | None, limit: float, basis: str) -> Limit:
    allowed = f"at most {quantity(limit, 'ms')}"
    if observed is None:
        return Limit(name, "nothing measured", allowed, basis, None)
    return Limit(name, quantity(observed, "ms"), allowed, basis, observed > limit)


def cost(results: dict[str, Any]) -> str:
    """What the generator spent, in one sentence."""
    generator = results["generator"]
    spent, seconds = generator["cpu_ms_per_subscription_second"], generator["subscription_seconds"]
    if spent is None:
        return "No subscription played, so no cost per subscription can be given."
    sentence = (
        f"It spent {quantity(spent, 'ms')} of CPU per subscription and second "
        f"({quantity(generator['cpu_seconds'], 's')} of CPU over {quantity(seconds, 's')} of subscriptions, "
        f"sending and receiving together)"
    )
    waited = generator["wait_for_core_share"]
    return sentence + (f", and waited for a free core {percent(waited)} of the time." if waited is not None else ".")
