"""The statistics of a peer connection in a Chrome dump: series by report and name, gathered by transceiver."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.trace_import.chrome_time import iso_seconds

FULL_BUFFER = 1000  # samples that Chrome keeps; a series as long as this has lost its beginning
_LARGEST = 2**63  # of a counter; also keeps out infinities and what is no number
_RTP = {"inbound-rtp": "in", "outbound-rtp": "out"}
_OLD_PREFIXES = {"RTCInboundRTP": "inbound-rtp", "RTCInboundRtp": "inbound-rtp", "RTCOutboundRTP": "outbound-rtp"}


@dataclass(frozen=True)
class Series:
    """Samples of one number; times in Unix seconds."""

    times: tuple[float, ...]
    values: tuple[Any, ...]

    def at(self, t: float) -> float | None:
        """The last number at or before t."""
        place = bisect_right(self.times, t)
        value = self.values[place - 1] if place else None
        if not isinstance(value, int | float) or isinstance(value, bool) or not -_LARGEST < value < _LARGEST:
            return None
        return float(value)

    def first_above_zero(self) -> float | None:
        """When it was first seen above 0; None if never, or if that was before the samples that were kept."""
        for at, value in enumerate(self.values):
            if isinstance(value, int | float) and value > 0:
                return None if at == 0 and len(self.values) >= FULL_BUFFER else self.times[at]
        return None


NOTHING = Series((), ())


@dataclass(frozen=True)
class RtpStream:
    """One transceiver's media in one direction ("in", "out"); several reports when it is simulcast."""

    direction: str
    identity: str
    media: str
    reports: list[dict[str, Series]] = field(default_factory=list)

    @property
    def begin(self) -> float:
        return min(series.times[0] for report in self.reports for series in report.values())

    @property
    def times(self) -> tuple[float, ...]:
        """Of its samples; of the report that has most, where there are several."""
        return max((series.times for report in self.reports for series in report.values()), key=len)

    def total(self, name: str, t: float) -> float | None:
        """The sum over its reports at that time; None if none has the number."""
        found = [value for report in self.reports if (value := report.get(name, NOTHING).at(t)) is not None]
        return sum(found) if found else None

    def most(self, name: str, t: float) -> float | None:
        """The largest among its reports at that time."""
        found = [value for report in self.reports if (value := report.get(name, NOTHING).at(t)) is not None]
        return max(found, default=None)

    def first(self, name: str) -> float | None:
        """When that number was first above 0."""
        found = [report.get(name, NOTHING).first_above_zero() for report in self.reports]
        return min((t for t in found if t is not None), default=None)


def rtp_streams(stats: Any) -> list[RtpStream]:
    """The RTP streams of one peer connection's `stats`. What cannot be read of it is left out."""
    reports: dict[tuple[str, str], dict[str, Series]] = {}
    for key, raw in stats.items() if isinstance(stats, dict) else ():
        report, _, name = key.rpartition("-")
        kind = _kind(report, raw)
        if kind is not None and (series := _series(raw, stats.get(f"{report}-timestamp"))) is not None:
            reports.setdefault((kind, report), {})[name] = series
    found: dict[tuple[str, str], RtpStream] = {}
    for (kind, report), numbers in sorted(reports.items()):
        media = str(_constant(numbers, "kind") or _constant(numbers, "mediaType") or _media_of(report))
        identity = str(_constant(numbers, "mid") or _constant(numbers, "ssrc") or report)
        place = (_RTP[kind], identity)
        found.setdefault(place, RtpStream(*place, media)).reports.append(numbers)
    return list(found.values())


def _kind(report: str, raw: Any) -> str | None:
    kind = raw.get("statsType") if isinstance(raw, dict) else None
    if kind is None:
        kind = next((kind for prefix, kind in _OLD_PREFIXES.items() if report.startswith(prefix)), None)
    return kind if isinstance(kind, str) and kind in _RTP else None


def _media_of(report: str) -> str:
    return "video" if "video" in report.lower() else "audio"


def _constant(numbers: Mapping[str, Series], name: str) -> Any:
    values = numbers.get(name, NOTHING).values
    return values[-1] if values else None


def _series(raw: Any, stamps: Any) -> Series | None:
    """values: a list, or the text of one; times: of the report's own stamps, else evenly from start to end."""
    values = _values(raw)
    if not values:
        return None
    times = _values(stamps)
    if len(times) == len(values) and all(isinstance(t, int | float) and 1e11 < t < 1e14 for t in times):
        return Series(tuple(t / 1000 for t in times), tuple(values))
    begin, end = iso_seconds(raw.get("startTime")), iso_seconds(raw.get("endTime"))
    if begin is None or end is None or end < begin:
        return None
    step = (end - begin) / max(1, len(values) - 1)
    return Series(tuple(begin + at * step for at in range(len(values))), tuple(values))


def _values(raw: Any) -> list[Any]:
    values = raw.get("values") if isinstance(raw, dict) else None
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except (ValueError, RecursionError):
            return []
    return values if isinstance(values, list) else []
