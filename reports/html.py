"""report.html: one self-contained page. No request leaves it, and it needs no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.contract.catalogue import RULES
from reports import call_charts, charts
from reports.conformance_html import run_section
from reports.formats import moment
from reports.history import History, history, telling_rooms
from reports.load import RunData
from reports.over_time import OverTime, over_time
from reports.pages import page_environment, style_sheet
from reports.picture_charts import quality_over_time
from reports.pictures import QUANTILES as PICTURE_QUANTILES
from reports.pictures import pictures
from reports.resampling import CONFIDENCE, LEAST_ROOMS, samples_needed
from reports.sound import QUANTILES as SOUND_QUANTILES
from reports.sound import sound
from reports.summary import cost, facts, limits, notices, tiles, verdict_words
from reports.tables import (
    QUANTILES,
    ROLE_FIGURES,
    count_rows,
    reason_sentences,
    role_rows,
    threshold_rows,
    trend_rows,
)

MOST_ROOMS = 4
MOST_USERS = 16  # per room drawn
MOST_STARTS = 15
MOST_JOINS = 10
MOST_FAILURES = 30

FILES = (
    ("scenario.yaml", "the scenario, with every default written out"),
    ("plan.json", "who does what, when: follows from scenario and seed"),
    ("run.json", "service, machine, start and end"),
    ("results.json", "the verdict and every figure of this page, for programs"),
    ("intervals.jsonl", "counters and histograms, one line per process and second"),
    ("trace.jsonl", "every call, callback and observation of every user"),
    ("conformance.html", "every rule on the callbacks, every violation with its proof"),
    ("conformance.json", "the same, for programs"),
    ("conformance.sarif", "the violations, for code scanning tools"),
    ("pictures.json", "the worst of the decoded pictures, as on this page"),
    ("sound", "seconds of decoded sound, received and sent, and their scores"),
    ("metrics.csv", "one row per metric"),
    ("seconds.csv", "one row per second"),
    ("junit.xml", "one test case per threshold, and per rule on the callbacks"),
    ("swarm.log", "the generator's log"),
    ("service.log", "the embedded service's log"),
)


def write_html(data: RunData, results: dict[str, Any], path: Path) -> None:
    """Writes the report of a run, finished or not. Equal folders give equal bytes."""
    path.write_text(render(data, results), encoding="utf-8", errors="replace")


def render(data: RunData, results: dict[str, Any]) -> str:
    environment = page_environment()
    style = style_sheet(environment, "report.css", *(["conformance.css"] if data.conformance else []))
    time, found = over_time(data.intervals), history(data)
    context = {**_head(data, results, time, found), **_body(data, results, time, found)}
    return environment.get_template("report.html").render(style=style, **context)


def _head(data: RunData, results: dict[str, Any], time: OverTime, found: History) -> dict[str, Any]:
    word, sentence = verdict_words(results)
    thresholds = threshold_rows(data, results)
    return {
        "results": results,
        "caution": results["caution"],
        "verdict": results["verdict"],
        "word": word,
        "sentence": sentence,
        "reasons": reason_sentences(results, thresholds),
        "notices": notices(data, results, time),
        "started": moment(results["started_unix"]),
        "tiles": tiles(data, results),
        "facts": facts(data, results, found),
        "thresholds": thresholds,
    }


def _body(data: RunData, results: dict[str, Any], time: OverTime, found: History) -> dict[str, Any]:
    rooms = telling_rooms(data, found, MOST_ROOMS, MOST_USERS)
    return {
        "quantiles": QUANTILES,
        "needed": {q: samples_needed(q) for q in QUANTILES},
        "confidence": round(CONFIDENCE * 100),
        "least_rooms": LEAST_ROOMS,
        "trends": trend_rows(data, results),
        "counts": count_rows(results),
        "role_headings": [heading for _, _, heading in ROLE_FIGURES],
        "roles": role_rows(data, results),
        "distributions": [charts.starts(data, results), charts.latency(data, results)],
        "over_time": charts.over_time(data, time),
        "pictures": pictures(data),
        "picture_quantiles": PICTURE_QUANTILES,
        "quality_over_time": quality_over_time(data, time),
        "sound": sound(data),
        "sound_quantiles": SOUND_QUANTILES,
        "waterfall": call_charts.waterfall(found.starts[:MOST_STARTS], len(found.starts)),
        "starts": found.starts[:MOST_STARTS],
        "phases": call_charts.PHASES,
        "joins": found.joins[:MOST_JOINS],
        "network_of": {person.user_id: person.network or "not emulated" for person in data.plan.participants}
        if data.plan.networks
        else None,
        "join_count": len(found.joins),
        "rooms": [(room, call_charts.room_timeline(room, found.end)) for room in rooms],
        "rooms_left": len(data.plan.rooms) - len(rooms),
        "failures": found.failures[:MOST_FAILURES],
        "failures_left": len(found.failures) - MOST_FAILURES,
        "failed": sum(failure.count for failure in found.failures),
        "overdue": _overdue(results, found),
        "interruptions": found.notices[:MOST_FAILURES],
        "has_trace": data.records > 0,
        "conformance": run_section(data.conformance, RULES) if data.conformance else None,
        "records": data.records,
        "limits": limits(data, results),
        "saturated": results["generator"]["saturated"],
        "health_measured": data.measured.health.intervals > 0,
        "cost": cost(results),
        "health": [charts.cpu(data, time), charts.punctuality(data, time)],
        "folder": str(data.folder.path),
        "files": [(name, what) for name, what in FILES if name == "results.json" or (data.folder.path / name).exists()],
    }


def _overdue(results: dict[str, Any], found: History) -> int:
    """Plays counted as failed that no call returned an error for: their first frame did not come in time."""
    counted_failures = results["metrics"].get("play_failures", {}).get("value", 0)
    returned = sum(failure.count for failure in found.failures if failure.what == "play failed")
    return max(0, int(counted_failures) - returned)
