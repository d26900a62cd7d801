"""A part of a run that a threshold looks at: while an event lasts, or after it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.event import NAME_PATTERN, PlannedEvent
from harness.scenario.part import nearest
from harness.scenario.quantity import DURATION_PATTERN, format_duration, parse_duration

SHORTEST = 2.0  # seconds: what is measured comes by the second, and a window needs a whole one
AFTER_PATTERN = rf"{NAME_PATTERN}(\+{DURATION_PATTERN})?"
# Counted over a whole run against its plan, or from its trace: a part of the run has no such figure.
WHOLE_RUN = (
    "login_share", "published_share", "played_share", "login_failures", "publish_failures", "play_failures",
    "user_added_ms", "stream_added_ms", "user_deleted_ms", "stream_deleted_ms", "roster_lost", "roster_stale",
)  # fmt: skip


@dataclass(frozen=True)
class Window:
    """kind: during or after. offset: seconds after the event's end."""

    kind: str
    event: str
    offset: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.event}" + (f"+{format_duration(self.offset)}" if self.offset else "")

    def spans(self, events: Sequence[PlannedEvent], duration: float) -> list[tuple[float, float]]:
        """From and to, in seconds of the run: of each time the event happens. After an event, until the next of any."""
        found = []
        for event in events:
            if event.name != self.event:
                continue
            if self.kind == "during":
                found.append((event.at, event.until))
                continue
            begin = event.until + self.offset
            end = min((other.at for other in events if other.at >= event.until - 1e-9), default=duration)
            if begin < end:
                found.append((begin, end))
        return found


def parse_after(value: object) -> Window:
    """`outage` or `outage+5s`. Raises ImpossibleError."""
    if not isinstance(value, str) or len(value) > 80 or not re.fullmatch(AFTER_PATTERN, value):
        raise ImpossibleError(f"{shown(value)} is not a window; allowed: an event with a time, such as outage+5s")
    name, plus, offset = value.partition("+")
    return Window("after", name, parse_duration(offset, 0, 86_400) if plus else 0.0)


def parse_window(text: str) -> Window:
    """What str() of a window gave."""
    kind, _, rest = text.partition(" ")
    return parse_after(rest) if kind == "after" else Window("during", rest)


def check_window(window: Window, metric: str, events: Sequence[PlannedEvent], duration: float) -> None:
    """Raises ImpossibleError unless the metric can be measured within the window."""
    names = list(dict.fromkeys(event.name for event in events))
    if window.event not in names:
        allowed = f"allowed: {', '.join(names)}" if names else "allowed: none, as the scenario has no events"
        raise ImpossibleError(f"{shown(window.event)} is not an event{nearest(window.event, names)}; {allowed}")
    if metric in WHOLE_RUN:
        raise ImpossibleError(f"{metric} counts over the whole run; allowed: no window, or another metric")
    if max((end - begin for begin, end in window.spans(events, duration)), default=0.0) < SHORTEST:
        raise ImpossibleError(
            f"the time {window} is too short to be measured; allowed: windows of {format_duration(SHORTEST)} or more"
        )
