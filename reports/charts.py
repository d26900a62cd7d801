"""The distributions, the run over time, and the generator's health, drawn."""

from __future__ import annotations

import math
from typing import Any

from harness.measure.catalogue import METRICS
from harness.measure.health import CPU_LIMIT, LAG_LIMIT_MS, PACING_LIMIT_MS
from harness.measure.histogram import Histogram, middle
from harness.measure.thresholds import parse_metric_key, parse_threshold
from reports.drawing import (
    BLUE,
    DASHES,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    SERIES,
    Drawing,
    canvas,
    plain_log,
    say,
    tidy,
    to_svg,
)
from reports.formats import NOTHING, THIN, counted, number, percent, quantity
from reports.load import RunData
from reports.over_time import OverTime

_PERCENTILES = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
_MOST_POINTS = 160
_MOST_SERIES = 4
_MOST_PROCESSES = 5
_LEAST_MS = 0.01  # a logarithmic axis has no zero

Curve = tuple[str, str, Histogram, float]  # label, metric, samples, delivered share


def _nines(share: float) -> float:
    """Where a percentile stands: 90 at 1, 99 at 2, 99.9 at 3, so that the tail has room."""
    return -math.log10(max(1 - share, 1e-9))


def starts(data: RunData, results: dict[str, Any]) -> Drawing:
    """Join, publish and first-frame times."""
    named = (
        ("join", "join_time_ms", "login_share"),
        ("publish", "publish_time_ms", "published_share"),
        ("first frame", "first_frame_ms", "played_share"),
    )
    curves = [
        (label, metric, data.measured.totals.trend(metric, {}), _share(results, share))
        for label, metric, share in named
    ]
    return _percentile_curves(data, "starts", "How long joining, publishing and first frames took", curves)


def latency(data: RunData, results: dict[str, Any]) -> Drawing:
    """Frame latency, by codec where there are several, else by role; sound latency beside it."""
    totals = data.measured.totals
    found = [tags for name, tags in totals.trends if name == "frame_latency_ms"]
    tag = "codec" if len({tags.codec for tags in found}) > 1 else "role"
    values = {getattr(tags, tag) for tags in found}
    parts = [(value, totals.trend("frame_latency_ms", {tag: value})) for value in values]
    parts.sort(key=lambda part: (-part[1].count, part[0]))
    shown = results["roles"] if tag == "role" else {}
    curves: list[Curve] = [
        (
            f"frames, {tag} {value}" if len(values) > 1 else "frames",
            "frame_latency_ms",
            histogram,
            shown.get(value, results["metrics"]).get("shown_share", {}).get("value", 1.0),
        )
        for value, histogram in parts[: _MOST_SERIES - 1]
    ]
    curves.append(("sound", "audio_latency_ms", totals.trend("audio_latency_ms", {}), 1.0))
    return _percentile_curves(data, "latency", "End-to-end latency of frames and sound", curves)


def _share(results: dict[str, Any], name: str) -> float:
    value = results["metrics"].get(name, {}).get("value", 1.0)
    return min(1.0, value) if math.isfinite(value) else 1.0


def _percentile_curves(data: RunData, name: str, title: str, curves: list[Curve]) -> Drawing:
    measured = [curve for curve in curves if curve[2].count]
    counts = "; ".join(f"{label} {counted(histogram.count, 'sample')}" for label, _, histogram, _ in measured)
    missing = [(label, share) for label, _, _, share in measured if share < 1]
    caption = f"{title}, percentile by percentile; lower is better. Measured: {counts or 'nothing'}."
    if missing:
        ends = ", ".join(f"{label} at {percent(share)}" for label, share in missing)
        caption += f" What never arrived counts as endlessly late: a curve ends at the share that arrived ({ends})."
    with canvas(name) as make:
        figure = make(6.2, 3.1)
        axes = figure.add_axes((0.1, 0.145, 0.87, 0.755))
        limits = _draw_curves(data, axes, measured)
        if limits:
            caption += " Downward triangles: the limits of the thresholds."
        label = f"{title}. {_spoken(measured)}"
        return Drawing(to_svg(figure, label), label, caption)


def _draw_curves(data: RunData, axes: Any, measured: list[Curve]) -> bool:
    tidy(axes, x="percentile", y="ms", grid="both")
    if not measured:
        say(axes, NOTHING)
        axes.set_xticks([])
        return False
    axes.set_yscale("log")
    right = 1.0
    marked = False
    for i, (label, metric, histogram, share) in enumerate(measured):
        xs, ys = _curve(histogram, share)
        right = max(right, xs[-1])
        axes.plot(xs, ys, color=SERIES[i], ls=DASHES[i], label=label, drawstyle="steps-pre")
        for q, limit in _limits(data, metric):
            marked = True
            right = max(right, _nines(q))
            axes.plot([_nines(q)], [limit], marker="v", ms=6, color=SERIES[i], ls="none", mec=INK, mew=0.5)
    ticks = [p for p in _PERCENTILES if _nines(p / 100) <= right + 0.05]
    axes.set_xticks([_nines(p / 100) for p in ticks], [f"{p:g}" for p in ticks])
    axes.set_xlim(0, right * 1.03)
    plain_log(axes.yaxis)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, handlelength=2.2, columnspacing=1.4)
    return marked


def _curve(histogram: Histogram, share: float) -> tuple[list[float], list[float]]:
    """Points of a percentile curve, thinned to what can be told apart."""
    xs, ys, seen, last = [0.0], [max(_LEAST_MS, histogram.min)], 0, -1.0
    buckets = sorted(histogram.buckets.items())
    end = _nines((1 - 0.5 / histogram.count) * share)
    for bucket, n in buckets:
        seen += n
        x = min(end, _nines(seen / histogram.count * share))
        if x - last >= end / _MOST_POINTS or seen == histogram.count:
            value = min(histogram.max, max(histogram.min, middle(bucket)))
            xs.append(x)
            ys.append(max(_LEAST_MS, histogram.max if seen == histogram.count else value))
            last = x
    return xs, ys


def _limits(data: RunData, metric: str) -> set[tuple[float, float]]:
    """Percentile, as a share, and limit of a metric's thresholds."""
    found = set()
    for key, expression in data.plan.thresholds:
        threshold = parse_threshold(expression, METRICS[parse_metric_key(key)[0]])
        q = 50.0 if threshold.aggregate == "med" else threshold.q
        if parse_metric_key(key)[0] == metric and q is not None and q < 100 and threshold.limit > 0:
            found.add((q / 100, threshold.limit))
    return found


def _spoken(measured: list[Curve]) -> str:
    if not measured:
        return "Nothing was measured."
    return " ".join(
        f"{label}: half within {quantity(histogram.percentile(50), 'ms')}, largest {quantity(histogram.max, 'ms')}."
        for label, _, histogram, _ in measured
    )


# -- over time -------------------------------------------------------------------------------------------------------


def over_time(data: RunData, time: OverTime) -> Drawing:
    """Users, latency, losses and bitrate above each other, second by second."""
    title = "The run over time"
    each = "second" if time.width == 1 else f"{time.width:g} s"
    peak = max((found.gauges["playing"] for found in time.bins), default=0)
    label = f"{title}: users, frame latency, lost frames and freezes, bitrate. At most {counted(peak, 'subscription')}"
    with canvas("over-time") as make:
        figure = make(10.4, 7.4)
        panels = figure.subplots(4, 1, sharex=True)
        figure.subplots_adjust(left=0.075, right=0.985, top=0.955, bottom=0.065, hspace=0.42)
        _population(panels[0], time)
        _latency_over_time(panels[1], time)
        _losses(panels[2], time)
        _bitrate(panels[3], time)
        panels[3].set_xlabel("seconds since the plan's start")
        panels[3].set_xlim(0, max(1.0, data.measured.elapsed))
        _shade(panels, data)
        svg = to_svg(figure, label + " played at once.")
    caption = f"{title}, all generator processes together, one point per {each}."
    return Drawing(svg, label, caption + _events(data), wide=True)


def _shade(panels: Any, data: RunData) -> None:
    """The events that befell networks, behind the lines of every panel, named in the first."""
    for event in data.plan.events:
        if event.at >= data.measured.elapsed:
            continue
        for axes in panels:
            axes.axvspan(event.at, event.until, color=FAINT, alpha=0.18, lw=0, zorder=0)
        place = panels[0].get_xaxis_transform()
        panels[0].text(event.at, -0.05, event.name, transform=place, va="top", color=INK)


def _events(data: RunData) -> str:
    """The caption's words on what is shaded."""
    if not data.plan.events:
        return ""
    words = {f"{event.name} ({counted(event.users, 'user')}: {event.text})": None for event in data.plan.events}
    return f" Shaded: {'; '.join(words)}."


def _series(time: OverTime, values: list[float]) -> tuple[list[float], list[float]]:
    """A line with a break wherever bins are missing."""
    xs: list[float] = []
    ys: list[float] = []
    for found, value in zip(time.bins, values, strict=True):
        x = found.start + time.width / 2
        if xs and x - xs[-1] > 2.5 * time.width:
            xs.append((x + xs[-1]) / 2)
            ys.append(math.nan)
        xs.append(x)
        ys.append(value)
    return xs, ys


def _above(axes: Any) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1.005, 0.96), ncols=4, handlelength=2.2, columnspacing=1.4)


def _population(axes: Any, time: OverTime) -> None:
    tidy(axes, y="count", title="In the room, publishing, playing")
    if not time.bins:
        return say(axes, NOTHING)
    parts = (("users", "users", BLUE), ("publishing", "streams published", RED), ("playing", "subscriptions", GREEN))
    for i, (name, label, colour) in enumerate(parts):
        xs, ys = _series(time, [float(found.gauges[name]) for found in time.bins])
        axes.plot(xs, ys, color=colour, ls=DASHES[i], label=label)
    axes.set_ylim(bottom=0)
    axes.yaxis.get_major_locator().set_params(integer=True)
    return _above(axes)


def _latency_over_time(axes: Any, time: OverTime) -> None:
    tidy(axes, y="ms", title="Frame latency")
    if not any(found.latency.count for found in time.bins):
        return say(axes, NOTHING)
    axes.set_yscale("log")
    for i, (q, colour) in enumerate(((50, BLUE), (99, RED))):
        values = [found.latency.percentile(q) for found in time.bins]
        xs, ys = _series(time, [value if math.isnan(value) else max(_LEAST_MS, value) for value in values])
        axes.plot(xs, ys, color=colour, ls=DASHES[i], label=f"p{q}")
    plain_log(axes.yaxis)
    return _above(axes)


def _losses(axes: Any, time: OverTime) -> None:
    tidy(axes, y="count", title="Frames lost, freezes")
    if not any(found.latency.count or found.lost or found.freezes for found in time.bins):
        return say(axes, NOTHING)
    lost, freezes = sum(found.lost for found in time.bins), sum(found.freezes for found in time.bins)
    for name, values, place, colour in (
        (f"frames lost ({number(lost)})", [found.lost for found in time.bins], 0.1, RED),
        (f"freezes ({number(freezes)})", [found.freezes for found in time.bins], 0.5, BLUE),
    ):
        left = [found.start + place * time.width for found in time.bins]
        axes.bar(left, values, 0.4 * time.width, align="edge", color=colour, label=name)
    axes.set_ylim(0, None if lost or freezes else 1)
    if not lost and not freezes:
        say(axes, "no frame lost, no freeze")
        axes.set_yticks([0])
    return _above(axes)


def _bitrate(axes: Any, time: OverTime) -> None:
    tidy(axes, y="Mbit/s", title="Video received, all subscriptions")
    if not any(found.bits_per_second is not None for found in time.bins):
        return say(axes, NOTHING)
    rates = [math.nan if found.bits_per_second is None else found.bits_per_second / 1e6 for found in time.bins]
    axes.plot(*_series(time, rates), color=PURPLE)
    return axes.set_ylim(bottom=0)  # type: ignore[no-any-return]


# -- generator health ------------------------------------------------------------------------------------------------


def cpu(data: RunData, time: OverTime) -> Drawing:
    """Cores in use per process."""
    title = "CPU of the generator's processes"
    peak = max((cores for points in time.cpu.values() for _, cores in points), default=math.nan)
    label = f"{title}, peak {number(100 * peak)} % of one core" if math.isfinite(peak) else f"{title}: {NOTHING}"
    worst = sorted(time.cpu, key=lambda worker: (-_mean(time.cpu[worker]), worker))[:_MOST_PROCESSES]
    caption = f"{title}, {counted(len(time.cpu), 'process')}"
    if len(time.cpu) > len(worst):
        caption += f", of which the busiest {len(worst)} are drawn"
    with canvas("cpu") as make:
        figure = make(6.2, 2.7)
        axes = figure.add_axes((0.1, 0.18, 0.87, 0.7))
        tidy(axes, x="seconds since the plan's start", y="% of one core")
        for i, worker in enumerate(worst):
            xs, ys = zip(*time.cpu[worker], strict=True)
            points = [100 * cores for cores in ys]
            middles = [x + time.width / 2 for x in xs]
            axes.plot(middles, points, color=SERIES[i], ls=DASHES[i], label=f"process {i + 1}")
        _limit(axes, 100 * CPU_LIMIT, bool(worst))
        return Drawing(to_svg(figure, label), label, caption + f". Dotted: the limit, {CPU_LIMIT:.0%} of one core.")


def punctuality(data: RunData, time: OverTime) -> Drawing:
    """Loop lag and pacing error."""
    title = "How late the generator itself was"
    label = f"{title}: p99 of loop lag and of pacing error"
    with canvas("lag") as make:
        figure = make(6.2, 2.7)
        axes = figure.add_axes((0.1, 0.18, 0.87, 0.7))
        tidy(axes, x="seconds since the plan's start", y="ms")
        parts = (("loop lag p99", "lag", BLUE), ("frames sent late p99", "pacing", ORANGE))
        drawn = False
        for i, (name, field, colour) in enumerate(parts):
            values = [getattr(found, field).percentile(99) for found in time.bins]
            if any(map(math.isfinite, values)):
                drawn = True
                axes.plot(*_series(time, values), color=colour, ls=DASHES[i], label=name)
        _limit(axes, max(LAG_LIMIT_MS, PACING_LIMIT_MS), drawn)
        caption = (
            f"{title}: loop lag (how late its event loop woke) and how late frames were sent, p99. "
            f"Dotted: the limit of {LAG_LIMIT_MS:g}{THIN}ms for the p99 of the whole run."
        )
        return Drawing(to_svg(figure, label), label, caption)


def _limit(axes: Any, limit: float, drawn: bool) -> None:
    if not drawn:
        return say(axes, NOTHING)
    axes.axhline(limit, color=FAINT, ls=":", lw=1.2)
    axes.set_ylim(0, max(axes.get_ylim()[1], limit * 1.12))
    axes.set_xlim(left=0)
    return _above(axes)


def _mean(points: list[tuple[float, float]]) -> float:
    return sum(cores for _, cores in points) / max(1, len(points))
