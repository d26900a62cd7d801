"""From what was measured to a verdict: series for thresholds, results.json, and why the verdict is what it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.contract.propagation import NAMES as NEWS
from harness.contract.verdict import Judgement, Verdict
from harness.measure.catalogue import METRICS, Kind, Metric
from harness.measure.health import HealthTotals
from harness.measure.histogram import Histogram
from harness.measure.recorder import Tags, Totals
from harness.measure.thresholds import evaluate, parse_metric_key, parse_threshold
from harness.scenario.participant import Participant
from harness.scenario.plan import Expected, Plan
from harness.scenario.window import Window
from harness.sound.sample_folder import KeptSample

# A share is one counter over another; where the plan is the denominator it stands as None.
_SHARES: dict[str, tuple[str, str | None]] = {
    "login_share": ("logins", None),
    "published_share": ("published", None),
    "played_share": ("played", None),
    "shown_share": ("framesAccounted", "framesCaptured"),
    "frame_loss_rate": ("framesLost", "framesCaptured"),
    "packet_loss_rate": ("packetsLost", "packetsExpected"),
    "freeze_time_share": ("totalFreezesDuration", "watched_seconds"),
    "gap200_share": ("gap200_seconds", "watched_seconds"),
    "gap500_share": ("gap500_seconds", "watched_seconds"),
    "frames_late_rate": ("frames_late", "framesAccounted"),
    "intact_share": ("picturesIntact", "framesDecoded"),
    "wrong_picture_share": ("picturesWrong", "framesDecoded"),
    "old_picture_share": ("picturesOld", "framesDecoded"),
    "frozen_picture_share": ("picturesFrozen", "framesDecoded"),
    "black_share": ("picturesBlack", "framesDecoded"),
    "concealed_share": ("soundConcealed", "soundFrames"),
    "speech_activity_share": ("soundActiveFrames", "soundJudgedFrames"),
    "audio_gap_share": ("soundGapSeconds", "soundHeardSeconds"),
    "silent_audio_share": ("soundSilentSeconds", "soundSpokenSeconds"),
    "wrong_speaker_share": ("soundWrongSeconds", "soundJudgedSeconds"),
    "unsure_speaker_share": ("soundUnsureSeconds", "soundSeconds"),
    "quiet_sound_share": ("soundQuietSeconds", "soundSeconds"),
}
_DECODED = ("framesDecoded", "framesUndecodable", "framesUndecoded")
_STAMPED = ("framesAccounted", "wrong_stamps", "absent_stamps", "damaged_stamps")
# What only a watched picture can show: where there is none, 0 freezes are no finding.
_WATCHED = ("framesReceived", "freezeCount", "totalFreezesDuration", "pauseCount", "totalPausesDuration")
START_TOLERANCE = 0.1  # seconds
CAUTION = "measured by a generator at its limit: not the service's"
SETTLING = 1.0  # seconds before the end of a run cut short in which nothing new is expected any more


@dataclass(frozen=True)
class MetricSeries:
    """See measure.thresholds.Series."""

    kind: Kind
    count: int
    value: float
    histogram: Histogram | None = None

    @property
    def mean(self) -> float:
        return self.histogram.mean if self.histogram else math.nan

    @property
    def min(self) -> float:
        return self.histogram.min if self.histogram else math.nan

    @property
    def max(self) -> float:
        return self.histogram.max if self.histogram else math.nan

    def percentile(self, q: float) -> float:
        return self.histogram.percentile(q) if self.histogram else math.nan


class Measured:
    """A run's figures so far. elapsed: seconds of the plan that have passed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.totals = Totals()
        self.health = HealthTotals()
        self.elapsed = 0.0
        self.subscription_seconds = 0.0
        self.clock_uncertainty_us = 0
        self.decoded: set[tuple[str, str]] = set()  # subscriber and stream
        self._last: dict[str, float] = {}
        # What the windows of thresholds look at: the intervals whose middle lies in one of the window's stretches.
        windows = dict.fromkeys(window for _, _, window in plan.windowed)
        self._windows = {window: (window.spans(plan.events, plan.duration), Totals()) for window in windows}

    def add(self, interval: dict[str, Any]) -> None:
        """One process's interval, as Generator.collect made it."""
        self.totals.add(interval)
        worker, t = str(interval.get("worker", "")), float(interval["t"])
        middle = t - interval["health"]["wall_seconds"] / 2
        for spans, totals in self._windows.values():
            if any(begin <= middle < end for begin, end in spans):
                totals.add(interval)
        if t - interval["health"]["wall_seconds"] >= -START_TOLERANCE:
            self.health.add(interval["health"])  # what a process did to get ready says nothing of the run
        self.subscription_seconds += interval["playing"] * max(0.0, interval["health"]["wall_seconds"])
        self._last[worker] = t
        self.decoded |= {(row["subscriber"], row["publisher"]) for row in interval.get("decoded", ())}
        self.clock_uncertainty_us = max(self.clock_uncertainty_us, interval.get("clock_uncertainty_us", 0))
        self.elapsed = max(self.elapsed, t)

    def add_callbacks(self, judgement: Judgement) -> None:
        """What the trace's judge measured on the way."""
        for (name, room), histogram in judgement.news.items():
            self.totals.trends[name, Tags(room=room)] = histogram
        for name, value in (("roster_lost", judgement.lost), ("roster_stale", judgement.stale)):
            self.totals.counters[name, Tags()] = value

    def add_sound_scores(self, samples: list[KeptSample]) -> None:
        """What the sound kept by the run was found to be worth, where that could be said."""
        for sample in samples:
            for name, score in sample.scores.items():
                key = (name, Tags(sample.role, sample.room, sample.codec))
                self.totals.trends.setdefault(key, Histogram()).record(score)

    def series(self, metric: Metric, tags: dict[str, str], window: Window | None = None) -> MetricSeries:
        totals = self.totals if window is None else self._windows[window][1]
        if metric.kind == "trend":
            histogram = totals.trend(metric.name, tags)
            return MetricSeries("trend", histogram.count, math.nan, histogram)
        if metric.kind == "rate":
            over, under = _SHARES[metric.name]
            numerator = totals.counter([over], tags)
            denominator = self._due(metric.name, tags) if under is None else totals.counter([under], tags)
            share = numerator / denominator if denominator else math.nan
            if under is None and self._until() is not None:
                share = min(1.0, share)  # cut short, the plan expects less than may already have come about
            return MetricSeries("rate", math.ceil(denominator), share)
        return MetricSeries(metric.kind, self._basis(metric.name, tags, totals), totals.counter([metric.name], tags))

    def _basis(self, name: str, tags: dict[str, str], totals: Totals) -> int:
        """How much a counter had to count on: 0 failures of 12 logins is a measurement, 0 of none is not."""
        if name == "login_failures":
            return self._due("login_share", tags)
        if name == "publish_failures":
            return self._due("published_share", tags)
        if name == "play_failures":
            return self._due("played_share", tags)
        if name == "disconnects":
            return int(self.totals.counter(["logins"], tags))
        if name in _WATCHED:
            return math.ceil(totals.counter(["watched_seconds"], tags))
        if name in ("frames_doubled", "frames_reordered"):
            return int(totals.counter(["framesAccounted"], tags))
        if name in _DECODED:
            return int(totals.counter(_DECODED, tags))
        if name.startswith("roster_"):
            return sum(h.count for (of, _), h in self.totals.trends.items() if of in NEWS)
        if name.endswith("_stamps"):
            return int(totals.counter(_STAMPED, tags))
        if name.startswith("emulated_"):
            return int(totals.counter(["emulated_packets"], tags))
        return int(totals.counter(["packetsReceived"], tags))

    def _until(self) -> float | None:
        """Where the plan was cut short, or None when it ran to its end."""
        return None if self.elapsed >= self.plan.duration - SETTLING else max(0.0, self.elapsed - SETTLING)

    def expected(self, tags: dict[str, str] | None = None) -> Expected:
        wanted = tags or {}

        def chosen(participant: Participant) -> bool:
            role, room = wanted.get("role"), wanted.get("room")
            return role in (None, participant.role) and room in (None, participant.room_id)

        return self.plan.expected_of(chosen, self._until())

    def _due(self, name: str, tags: dict[str, str]) -> int:
        if name == "login_share":
            until = self._until()
            return sum(
                action.kind == "login" and (until is None or action.at < until)
                for participant in self.plan.participants
                if tags.get("role") in (None, participant.role) and tags.get("room") in (None, participant.room_id)
                for action in participant.actions
            )
        expected = self.expected(tags)
        return expected.streams if name == "published_share" else expected.subscriptions

    def judge(self, key: str, expression: str, window: Window | None = None) -> dict[str, Any]:
        """One threshold, as results.json holds it; over the whole run or a window that the plan has."""
        name, tags = parse_metric_key(key)
        metric = METRICS[name]
        seconds = self.elapsed
        if window is not None:
            spans = self._windows[window][0]
            seconds = sum(max(0.0, min(end, self.elapsed) - begin) for begin, end in spans)
        result = evaluate(parse_threshold(expression, metric), self.series(metric, tags, window), max(seconds, 1e-9))
        return {
            "metric": key,
            "expression": expression,
            "window": None if window is None else str(window),
            "observed": result.observed,
            "passed": result.passed,
            "reason": result.reason,
            "unit": metric.unit,
        }

    def observed(self) -> Expected:
        count = self.totals.counter
        return Expected(int(count(["users_joined"], {})), int(count(["published"], {})), int(count(["played"], {})))

    def metrics(self, tags: dict[str, str] | None = None) -> dict[str, Any]:
        """Every metric that was measured: a trend's summary, else its value and the count behind it."""
        found: dict[str, Any] = {}
        for name, metric in METRICS.items():
            series = self.series(metric, tags or {})
            if not series.count:
                continue
            if series.histogram is not None:
                found[name] = {**series.histogram.summary(), "unit": metric.unit}
            else:
                found[name] = {"count": series.count, "value": series.value, "unit": metric.unit}
        return found


def threshold_text(threshold: dict[str, Any]) -> str:
    """A threshold of results.json as people name it: metric, expression, and the window it looks at."""
    window = threshold.get("window")
    return f"{threshold['metric']} {threshold['expression']}" + (f" ({window})" if window else "")


def verdict(
    measured: Measured,
    thresholds: list[dict[str, Any]],
    ended: str,
    lost_workers: int,
    callbacks: Judgement | None = None,
) -> tuple[str, list[str]]:
    """pass, fail or unknown, and the reasons. ended: "finished", "aborted: ...", or how else the run came to its end.
    callbacks: what the rules say of the run's trace.

    A generator at its limit never blames the service; a run that did not finish proves nothing, unless a threshold
    that was allowed to end it did.
    """
    failed = [f"{threshold_text(t)}: {t['reason']}" for t in thresholds if not t["passed"]]
    if callbacks is not None:
        failed += [f"callbacks: {line}" for line in _broken_rules(callbacks)]
    doubts = measured.health.reasons()
    if lost_workers:
        doubts.append(f"{lost_workers} generator process{'es' if lost_workers > 1 else ''} died during the run")
    if ended.startswith("aborted"):
        return ("unknown", doubts + failed) if doubts else ("fail", [ended, *failed])
    if ended != "finished":
        doubts.append(f"the run ended early, {measured.elapsed:.0f} s into {measured.plan.duration:.0f} s: {ended}")
    if doubts:
        return "unknown", doubts + failed
    if not thresholds:
        return "unknown", ["nothing was judged: the scenario has no thresholds"]
    return ("fail", failed) if failed else ("pass", [])


def _broken_rules(callbacks: Judgement) -> list[str]:
    broken = [outcome for outcome in callbacks.outcomes.values() if outcome.verdict is Verdict.FAIL]
    return [f"{found.rule} is broken {found.count} time{'s' if found.count > 1 else ''}" for found in broken]


def _callbacks(found: Judgement) -> dict[str, Any]:
    """The rules' verdict, as results.json holds it."""
    return {
        "verdict": found.verdict.value,
        "behaviour": found.behaviour.value,
        "teardown": found.teardown.value,
        "profile": found.profile,
        "records": found.records,
        "rules_exercised": sum(outcome.exercised > 0 for outcome in found.outcomes.values()),
        "broken": {outcome.rule: outcome.count for outcome in found.outcomes.values() if outcome.count},
        "problems": [f"line {problem.line}: {problem.text}" for problem in found.problems],
        "lost": found.lost,
        "stale": found.stale,
    }


def results(
    measured: Measured, run: dict[str, Any], lost_workers: int, callbacks: Judgement | None = None
) -> dict[str, Any]:
    """results.json. run: what run.json holds; callbacks: the run's trace judged."""
    plan, health = measured.plan, measured.health
    thresholds = [measured.judge(key, expression) for key, expression in plan.thresholds]
    thresholds += [measured.judge(key, expression, window) for key, expression, window in plan.windowed]
    ended = run.get("ended", "killed")
    outcome, reasons = verdict(measured, thresholds, ended, lost_workers, callbacks)
    if run.get("service_death"):
        outcome, reasons = ("fail" if outcome == "pass" else outcome), [run["service_death"], *reasons]
    expected, observed = measured.expected(), measured.observed()
    seconds = measured.subscription_seconds
    return {
        "verdict": outcome,
        "reasons": reasons,
        "caution": CAUTION if health.reasons() else None,
        "scenario": plan.scenario_name,
        "seed": plan.seed,
        "service": run["service"],
        "started_unix": run["started_unix"],
        "ended": ended,
        "elapsed_seconds": measured.elapsed,
        "planned_seconds": plan.duration,
        "expected": _counts(expected),
        "observed": _counts(observed),
        "decoded": {"subscriptions": len(measured.decoded), "planned": sum(1 for _ in plan.decoded())},
        "metrics": measured.metrics(),
        "roles": {role: measured.metrics({"role": role}) for role in sorted({p.role for p in plan.participants})},
        "thresholds": thresholds,
        "callbacks": _callbacks(callbacks) if callbacks is not None else None,
        "generator": {
            "cpu_ms_per_subscription_second": health.cpu_seconds * 1000 / seconds if seconds else None,
            "cpu_seconds": health.cpu_seconds,
            "subscription_seconds": seconds,
            "loop_lag_p99_ms": _number(health.lag.percentile(99)),
            "pacing_p99_ms": _number(health.pacing.percentile(99)),
            "socket_drops": health.socket_drops,
            "decode_cpu_seconds": health.decode_cpu_seconds,
            "frames_undecoded": health.frames_undecoded,
            "clock_uncertainty_ms": measured.clock_uncertainty_us / 1000,
            "wait_for_core_share": health.wait_seconds / health.wall_seconds if health.wall_seconds else None,
            "processes": run.get("processes", 1),
            "saturated": bool(health.reasons()),
            "machine": run.get("machine", {}),
        },
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _counts(found: Expected) -> dict[str, int]:
    return {"users": found.users, "streams": found.streams, "subscriptions": found.subscriptions}
