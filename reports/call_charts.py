"""Calls drawn: each room's timeline, and the slowest starts by what they waited for."""

from __future__ import annotations

from typing import Any

from reports.drawing import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    PURPLE,
    RED,
    SERIES,
    Drawing,
    canvas,
    say,
    tidy,
    to_svg,
)
from reports.formats import NOTHING, counted, quantity, shortened
from reports.history import Course, Room, Span, Start

PHASES = (
    ("signalling", "signalling"),
    ("ice", "ICE"),
    ("dtls", "DTLS"),
    ("first_packet", "first packet"),
    ("key_frame", "key frame"),
)
_MOST_MARKS = 150  # of one kind for one user
_ROW = 0.3  # inches
_UPPER, _LOWER = -0.1, 0.18  # where in a row first frames and the published stream are


def waterfall(slowest: list[Start], count: int) -> Drawing:
    """slowest: those to draw, the slowest first. count: first frames in all."""
    title = f"The slowest {len(slowest)} of {counted(count, 'start')}, by what they waited for"
    if not slowest:
        title = "The slowest starts"
    label = title + (f"; the slowest took {quantity(slowest[0].total_ms, 'ms')}" if slowest else f": {NOTHING}")
    with canvas("waterfall") as make:
        height = 0.95 + 0.3 * max(3, len(slowest))
        figure = make(10.4, height)
        axes = figure.add_axes((0.36, 0.5 / height, 0.57, 1 - 0.95 / height))
        tidy(axes, x="ms from the play call to the first complete key frame", grid="x")
        if not slowest:
            say(axes, NOTHING)
        else:
            _stack(axes, slowest)
        svg = to_svg(figure, label)
    return Drawing(svg, label, title + ". Left: who waited, for which stream.", wide=True)


def _stack(axes: Any, slowest: list[Start]) -> None:
    rows = range(len(slowest))
    left = [0.0] * len(slowest)
    for i, (name, label) in enumerate(PHASES):
        widths = [start.phases.get(name, 0.0) for start in slowest]
        axes.barh(rows, widths, 0.68, left=left, color=SERIES[i], ec=PAPER, lw=0.8, label=label)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    longest = max(start.total_ms for start in slowest)
    for row, start in enumerate(slowest):
        axes.text(start.total_ms + longest * 0.01, row, quantity(start.total_ms, "ms"), va="center", fontsize=8.5)
    names = [f"{shortened(start.user, 24)} ← {shortened(start.stream, 28)}" for start in slowest]
    axes.set_yticks(rows, names)
    axes.set_ylim(len(slowest) - 0.4, -0.6)
    axes.set_xlim(0, longest * 1.02)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=5, handlelength=1, columnspacing=1.4)


def room_timeline(room: Room, end: float) -> Drawing:
    """end: the last second to draw."""
    label = f"Timeline of room {room.name}: {counted(room.users, 'user')}; {room.why}"
    with canvas(f"room-{room.name}") as make:
        height = 1.0 + _ROW * len(room.courses)
        figure = make(10.4, height)
        axes = figure.add_axes((0.19, 0.48 / height, 0.79, 1 - 0.86 / height))
        tidy(axes, x="seconds since the plan's start", grid="x")
        _bars(axes, room.courses, end)
        _marks(axes, room.courses)
        axes.set_yticks(range(len(room.courses)), [shortened(course.user, 26) for course in room.courses])
        axes.set_ylim(len(room.courses) - 0.4, -0.6)
        axes.set_xlim(0, max(1.0, end) * 1.005)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncols=7,
            handlelength=1.1,
            columnspacing=1.3,
            handletextpad=0.5,
        )
        return Drawing(to_svg(figure, label), label, room.why, wide=True)


def _bars(axes: Any, courses: list[Course], end: float) -> None:
    for label, name, height, below, alpha in (
        ("in the room", "inside", 0.64, 0.0, 0.22),
        ("publishing", "published", 0.18, _LOWER, 1.0),
    ):
        spans: list[tuple[int, Span]] = [(row, s) for row, course in enumerate(courses) for s in getattr(course, name)]
        left = [since for _, (since, _) in spans]
        width = [max(0.0, (end if until is None else until) - since) for _, (since, until) in spans]
        rows = [row + below for row, _ in spans]
        axes.barh(rows, width, height, left=left, color=BLUE, alpha=alpha, lw=0, label=label)


def _marks(axes: Any, courses: list[Course]) -> None:
    kinds = (
        ("joins", "joined", "|", INK, 10, 0.0),
        ("first_frames", "first frame of a stream", "o", GREEN, 4.2, _UPPER),
        ("leaves", "left", "|", PURPLE, 10, 0.0),
        ("never_played", "ended without a first frame", "D", RED, 4.2, _UPPER),
        ("lost", "room lost", "s", ORANGE, 6, 0.0),
        ("failures", "call failed", "X", RED, 6.5, 0.0),
    )
    for name, label, marker, colour, size, off in kinds:
        points = [(at, row + off) for row, course in enumerate(courses) for at in getattr(course, name)[:_MOST_MARKS]]
        if points:
            xs, ys = zip(*points, strict=True)
            edge = 1.5 if marker == "|" else 0
            axes.plot(xs, ys, marker, ms=size, color=colour, mew=edge, label=label, clip_on=False)
