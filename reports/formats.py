"""Numbers as a person reads them: every one with its unit, never rounded into another meaning."""

from __future__ import annotations

import math
from datetime import UTC, datetime

THIN = "\u202f"  # narrow no-break space: groups digits, joins a number to its unit
NOTHING = "nothing measured"
_LARGE_BITS = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"))


def number(value: float) -> str:
    """Three significant digits, whole numbers in full, thousands grouped."""
    if not math.isfinite(value):
        return "not a number"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", THIN)
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    if abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.{decimals}f}"


def percent(share: float) -> str:
    """A share as percent. Only a whole is 100 %, only nothing is 0 %."""
    if not math.isfinite(share):
        return "not a number"
    text = f"{share * 100:.2f}"
    if text == "100.00" and share < 1:
        return f">99.99{THIN}%"
    if text == "0.00" and share > 0:
        return f"<0.01{THIN}%"
    return f"{float(text):g}{THIN}%"


def quantity(value: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "share":
        return percent(value)
    if unit == "bits/s":
        for factor, name in _LARGE_BITS:
            if abs(value) >= factor:
                return f"{number(value / factor)}{THIN}{name}"
    return f"{number(value)}{THIN}{unit}"


def seconds(value: float) -> str:
    """A moment of the run, to the hundredth."""
    return f"{value:.2f}{THIN}s"


def counted(count: int, noun: str) -> str:
    """`1 user`, `2 users`."""
    if count == 1:
        return f"1 {noun}"
    return f"{number(count)} {noun}{'es' if noun.endswith('s') else 's'}"


def moment(unix: float) -> str:
    """A point in time, the same on every machine."""
    try:
        return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"


def shortened(text: str, longest: int) -> str:
    """For a label in a drawing: printable, and cut in the middle, as ids differ at their ends."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    if len(printable) <= longest:
        return printable
    head = (longest - 1) // 2
    return f"{printable[:head]}…{printable[-(longest - 1 - head) :]}"
