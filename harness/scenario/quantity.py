"""Quantities with units: durations, bitrates, rates and shares, and the spans between two durations.

Every parser takes what YAML gave (any type) and raises ImpossibleError with a sentence that says what is allowed.
"""

import math
import random
import re
from dataclasses import dataclass
from decimal import Decimal

from harness.scenario.errors import ImpossibleError, shown

DURATION_PATTERN = r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+"
OFFSET_PATTERN = rf"-?{DURATION_PATTERN}"
BITRATE_PATTERN = r"[0-9]+(\.[0-9]+)?[kM]?"
RATE_PATTERN = r"[0-9]+(\.[0-9]+)?/(s|min|h)"
PERCENT_PATTERN = r"[0-9]+(\.[0-9]+)?%"

_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_BITS = {"": 1, "k": 1000, "M": 1_000_000}
_PER_SECOND = {"s": 1, "min": 60, "h": 3600}
_LONGEST = 40  # characters; no honest quantity needs more, and digits without end cost time


def _matches(pattern: str, value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST and re.fullmatch(pattern, value) is not None


def format_duration(seconds: float) -> str:
    """Seconds as a scenario writes them: `500ms`, `40s`, `2m`, `1h`; reads back as the very same number."""
    whole = round(seconds)
    if seconds == whole and whole >= 60:
        for unit, size in (("h", 3600), ("m", 60)):
            if whole % size == 0:
                return f"{whole // size}{unit}"
    if seconds == whole:
        return f"{whole}s"
    milliseconds = round(seconds * 1000)
    if 0 < seconds < 1 and milliseconds / 1000 == seconds:
        return f"{milliseconds}ms"
    return f"{seconds!r}s"


def parse_duration(value: object, low: float, high: float) -> float:
    """`500ms`, `40s`, `1m30s`, `1h` to seconds, from low to high. A bare number has no unit and is refused."""
    allowed = f"{format_duration(low)} to {format_duration(high)}"
    if not _matches(DURATION_PATTERN, value):
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ImpossibleError(f"{shown(value)} has no unit; allowed: a number with ms, s, m or h, from {allowed}")
        raise ImpossibleError(
            f"{shown(value)} is not a duration; allowed: a number with ms, s, m or h such as 40s, from {allowed}"
        )
    parts = _DURATION_PART.findall(str(value))
    seconds = float(sum((Decimal(number) * _SECONDS[unit] for number, unit in parts), Decimal(0)))
    if not low <= seconds <= high:
        raise ImpossibleError(f"{shown(value)} is out of range; allowed: {allowed}")
    return seconds


def format_offset(seconds: float) -> str:
    """Seconds, which may be negative, as a scenario writes them: `-200ms`."""
    return f"-{format_duration(-seconds)}" if seconds < 0 else format_duration(seconds)


def parse_offset(value: object, low: float, high: float) -> float:
    """`45ms` or `-200ms` to seconds, from low to high."""
    allowed = f"{format_offset(low)} to {format_offset(high)}"
    negative = isinstance(value, str) and value.startswith("-")
    size = value[1:] if isinstance(value, str) and negative else value
    try:
        seconds = parse_duration(size, 0, max(-low, high))
    except ImpossibleError:
        raise ImpossibleError(f"{shown(value)} is not an offset that can be had; allowed: {allowed}") from None
    seconds = -seconds if negative else seconds
    if not low <= seconds <= high:
        raise ImpossibleError(f"{shown(value)} is out of range; allowed: {allowed}")
    return seconds


def format_bitrate(bits: int) -> str:
    """Bits per second as a scenario writes them: `24k`, `2M`."""
    if bits % 1_000_000 == 0:
        return f"{bits // 1_000_000}M"
    return f"{bits // 1000}k" if bits % 1000 == 0 else str(bits)


def parse_bitrate(value: object, low: int, high: int) -> int:
    """`24k`, `1.5M` or a plain whole number to bits per second, from low to high."""
    allowed = f"{format_bitrate(low)} to {format_bitrate(high)}"
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not _matches(BITRATE_PATTERN, text):
        raise ImpossibleError(f"{shown(value)} is not a bitrate; allowed: bits per second such as 500k, from {allowed}")
    number = str(text)
    unit = number[-1] if number[-1] in "kM" else ""
    bits = Decimal(number.removesuffix(unit)) * _BITS[unit]
    if not low <= bits <= high:
        raise ImpossibleError(f"{shown(value)} is out of range; allowed: {allowed}")
    if bits != int(bits):
        raise ImpossibleError(f"{shown(value)} is not a whole number of bits per second; allowed: {allowed}")
    return int(bits)


def parse_rate(value: object, low: float, high: float) -> float:
    """`2/s`, `30/min` or `100/h` to events per second, from low to high."""
    if not _matches(RATE_PATTERN, value):
        raise ImpossibleError(f"{shown(value)} is not a rate; allowed: a number per s, min or h such as 2/s or 30/min")
    number, _, unit = str(value).partition("/")
    rate = float(number) / _PER_SECOND[unit]
    if not low <= rate <= high:
        raise ImpossibleError(f"{shown(value)} is out of range; allowed: {low:g}/s to {high:g}/s")
    return rate


def format_rate(per_second: float) -> str:
    """Events per second as a scenario writes them, or the nearest such text that reads back the same."""
    for unit, seconds in _PER_SECOND.items():
        number = per_second * seconds
        if number == round(number) and round(number) / seconds == per_second:
            return f"{round(number)}/{unit}"
    return f"{per_second:f}/s" if float(f"{per_second:f}") == per_second else f"{Decimal(per_second):.20f}/s"


def parse_share(value: object) -> float:
    """`50%` or 0.5 to a share above 0 and up to 1."""
    share = math.nan
    if _matches(PERCENT_PATTERN, value):
        share = float(Decimal(str(value)[:-1]) / 100)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1:
        share = float(value)
    if not 0 < share <= 1:
        raise ImpossibleError(f"{shown(value)} is not a share; allowed: above 0% up to 100%, such as 50%")
    return share


def format_share(share: float) -> str:
    """A share as a percentage: `50%`, `0.1%`."""
    return f"{Decimal(repr(share)) * 100:f}".rstrip("0").rstrip(".") + "%" if share != 1 else "100%"


@dataclass(frozen=True)
class Span:
    """From low to high seconds, both included; low equals high when the file names one duration."""

    low: float
    high: float

    def draw(self, rng: random.Random) -> float:
        """One duration in seconds, uniform over the span."""
        return rng.uniform(self.low, self.high)

    def __str__(self) -> str:
        if self.low == self.high:
            return format_duration(self.low)
        return f"{format_duration(self.low)}..{format_duration(self.high)}"


def parse_span(value: object, low: float, high: float) -> Span:
    """`40s` or `40s..60s` to a Span; each end from low to high seconds, the first not above the second."""
    if isinstance(value, Span):
        return value
    first, dots, last = value.partition("..") if isinstance(value, str) else (value, "", "")
    start = parse_duration(first, low, high)
    end = parse_duration(last, low, high) if dots else start
    if start > end:
        raise ImpossibleError(f"{shown(value)} runs backwards; allowed: the shorter duration first, as {last}..{first}")
    return Span(start, end)
