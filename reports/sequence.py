"""A proof drawn: a lane for each client and one for the service, an arrow for each call and callback, time downwards.

Plain SVG by hand: nothing is to scale but the order, and a page may hold dozens of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup, escape

from harness.contract.verdict import Violation
from harness.trace.record import Record
from reports.conformance import Broken
from reports.drawing import Drawing
from reports.explanation import DUE, at, sentence, shown_witness
from reports.formats import counted
from reports.gist import clipped, detail, gist

MOST_LANES = 7  # of clients
_SERVICE = "service"
_ARROWS = ("call", "ret", "cb")
_LEFT, _HEAD, _ROW = 96, 46, 40  # pixels
_LEAST_LANE, _MOST_LANE = 190, 300
_CHARACTER = 7.3  # of a label, on average
_BOLD = 8.1
_TICK = 7


@dataclass
class _Lanes:
    """Where each client's lane is: those who caused it left of the service, those it reached right."""

    left: list[str]
    right: list[str]
    gap: float
    places: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [*self.left, "", *self.right]
        self.places = {name: _LEFT + self.gap * (number + 0.5) for number, name in enumerate(names)}

    @property
    def service(self) -> float:
        return self.places[""]

    @property
    def width(self) -> float:
        return _LEFT + self.gap * len(self.places)


def sequence(broken: Broken) -> Drawing:
    """The diagram of one violation."""
    records, left_out = shown_witness(broken.violation)
    lanes, hidden = _lanes(records, broken.violation)
    drawn = [record for record in records if record.client in lanes.places]
    missing = not broken.violation.guilty
    rows = len(drawn) + missing
    height = _HEAD + _ROW * rows + 22
    parts = [*_columns(lanes, height), *_faults(drawn, lanes, height)]
    for row, record in enumerate(drawn):
        parts += _event(record, broken, lanes, row)
    if missing:
        parts += _absence(broken, lanes, len(drawn))
    label = f"{broken.violation.rule}: {sentence(broken.violation.came)}"
    opening = (
        f'<svg viewBox="0 0 {lanes.width:g} {height:g}" role="img" aria-label="{escape(label)}" '
        f'style="width:{lanes.width:g}px">'
    )
    left = len(records) - len(drawn) + left_out
    return Drawing(Markup(opening + "\n" + "\n".join(parts) + "\n</svg>"), label, _caption(drawn, hidden, left))


def _caption(drawn: list[Record], hidden: int, left_out: int) -> str:
    caption = f"{counted(len(drawn), 'line')} of the trace, in order; distances are not to scale."
    if hidden:
        caption += f" {counted(hidden, 'more client')} not drawn."
    if left_out:
        caption += f" {counted(left_out, 'line')} left out."
    return caption


def _lanes(records: list[Record], violation: Violation) -> tuple[_Lanes, int]:
    """The lanes in order of appearance, that of the breach last; and how many do not fit."""
    clients = list(dict.fromkeys(record.client for record in records if record.client))
    last = _last(records, violation)
    if last in clients:
        clients.remove(last)
    kept = clients[: MOST_LANES - 1] + ([last] if last else [])
    half = (len(kept) + 1) // 2
    longest = max((len(gist(record)) + 2 for record in records if record.kind in _ARROWS), default=0)
    gap = min(_MOST_LANE, max(_LEAST_LANE, 24 + longest * _BOLD))
    return _Lanes(kept[:half], kept[half:], gap), len(clients) + bool(last) - len(kept)


def _last(records: list[Record], violation: Violation) -> str:
    """The client at which the rule was broken: it heard what is wrong, or ought to have heard something."""
    if violation.guilty:
        return next((record.client for record in records if record.line == violation.guilty), "")
    return violation.subject.get("client", "")


def _columns(lanes: _Lanes, height: float) -> list[str]:
    parts = []
    for name, x in lanes.places.items():
        shown = clipped(name, 24) if name else _SERVICE
        kind = "lane" if name else "lane service"
        parts.append(f'<line class="{kind}" x1="{x:g}" x2="{x:g}" y1="{_HEAD - 12}" y2="{height - 8:g}"/>')
        parts.append(f'<text class="who" x="{x:g}" y="22" text-anchor="middle">{escape(shown)}</text>')
    return parts


def _y(row: int) -> float:
    return _HEAD + _ROW * (row + 0.7)


def _faults(records: list[Record], lanes: _Lanes, height: float) -> list[str]:
    """A bar along a lane for as long as something was broken there."""
    parts: list[str] = []
    begun: dict[tuple[str, str], float] = {}
    for row, record in enumerate(records):
        if record.kind != "fault":
            continue
        key, phase = (record.client, record.name), detail(record).split(" ")[0]
        if phase == "begin":
            begun[key] = _y(row)
        elif phase == "end":
            parts.append(_bar(lanes.places[record.client], begun.pop(key, _HEAD - 12), _y(row)))
    parts += [_bar(lanes.places[client], since, height - 8) for (client, _), since in begun.items()]
    return parts


def _bar(x: float, since: float, until: float) -> str:
    return f'<rect class="fault" x="{x - 5:g}" y="{since:g}" width="10" height="{max(2.0, until - since):g}"/>'


def _event(record: Record, broken: Broken, lanes: _Lanes, row: int) -> list[str]:
    y, x = _y(row), lanes.places[record.client]
    guilty = record.line == broken.violation.guilty
    text = gist(record) + (" ✗" if guilty else "")
    parts = [_time(record.t - broken.check.zero, f"line {record.line}", y)]
    if record.kind not in _ARROWS or not record.client:
        parts.append(f'<circle class="{_css("note", guilty)}" cx="{x:g}" cy="{y:g}" r="4.5"/>')
        parts.append(_note(text, lanes, x, y, guilty))
        return [*_group(parts, record, guilty)]
    ends = (x, lanes.service) if record.kind == "call" else (lanes.service, x)
    parts += _arrow(*ends, y, _css("answer" if record.kind == "ret" else "arrow", guilty))
    parts.append(_label(text, *ends, y, guilty))
    return [*_group(parts, record, guilty)]


def _group(parts: list[str], record: Record, guilty: bool) -> list[str]:
    title = f"line {record.line}: {gist(record)}" + (" (breaks the rule)" if guilty else "")
    return [f"<g><title>{escape(title)}</title>", *parts, "</g>"]


def _css(kind: str, guilty: bool) -> str:
    return f"{kind} guilty" if guilty else kind


def _time(seconds: float, line: str, y: float) -> str:
    return (
        f'<text class="time" x="8" y="{y - 2:g}">{seconds:.3f} s</text>'
        f'<text class="line" x="8" y="{y + 11:g}">{escape(line)}</text>'
    )


def _arrow(start: float, end: float, y: float, css: str) -> list[str]:
    way = 1 if end > start else -1
    tip = end - way * 1.5
    head = f"M{tip:g} {y:g}l{-way * _TICK * 1.4:g} {-_TICK * 0.62:g}v{_TICK * 1.24:g}z"
    return [
        f'<line class="{css}" x1="{start:g}" x2="{end - way * _TICK:g}" y1="{y:g}" y2="{y:g}"/>',
        f'<path class="{css} head" d="{head}"/>',
    ]


def _label(text: str, start: float, end: float, y: float, guilty: bool) -> str:
    shown = clipped(text, int((abs(end - start) - 16) / (_BOLD if guilty else _CHARACTER)))
    middle = (start + end) / 2
    css = _css("label", guilty)
    return f'<text class="{css}" x="{middle:g}" y="{y - 6:g}" text-anchor="middle">{escape(shown)}</text>'


def _note(text: str, lanes: _Lanes, x: float, y: float, guilty: bool) -> str:
    """Beside the lane, on the side with more room."""
    leftwards = x > lanes.width / 2
    room = (x - _LEFT if leftwards else lanes.width - x) - 14
    shown = clipped(text, max(12, int(room / _CHARACTER)))
    anchor, offset = ("end", -10) if leftwards else ("start", 10)
    css = _css("label", guilty)
    return f'<text class="{css}" x="{x + offset:g}" y="{y + 4:g}" text-anchor="{anchor}">{escape(shown)}</text>'


def _absence(broken: Broken, lanes: _Lanes, row: int) -> list[str]:
    """Nothing came: a broken arrow to the one who waited for it, or a line across all lanes."""
    y, client = _y(row), _last([], broken.violation)
    start, end = (lanes.service, lanes.places[client]) if client else (_LEFT, lanes.width - 8)
    arrow = _arrow(start, end, y, "answer guilty")
    return [
        "<g>",
        _time(at(broken), "", y),
        *(arrow if client else arrow[:1]),
        _label(f"✗ {DUE}", start, end, y, True),
        "</g>",
    ]
