"""The arguments of a step: what each may be, what it is when it is left out, how a file writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.conform.delay import Delay, parse_delay
from harness.scenario.errors import ImpossibleError, shown

LONGEST_TEXT = 4000  # characters; more than any limit of the contract, so that every limit can be exceeded
TOKENS = ("good", "admin", "bad", "expired")


@dataclass(frozen=True, slots=True)
class Token:
    """kind: good, admin (may kick), bad (signed by somebody else) or expired; a good one may be for another user or
    expire after some time."""

    kind: str = "good"
    user: str = ""
    expires_in: Delay | None = None

    def written(self) -> Any:
        if self.expires_in is not None:
            return {"expires_in": str(self.expires_in)}
        return {"for": self.user} if self.user else self.kind


def text(value: object) -> str:
    """Text as it is, or `{repeat: x, times: 257}`. Raises ImpossibleError."""
    if isinstance(value, dict):
        return _repeated(value)
    if not isinstance(value, str):
        raise ImpossibleError(f"{shown(value)} is not text; allowed: text, in quotes if it looks like a number")
    if len(value) > LONGEST_TEXT:
        raise ImpossibleError(f"has {len(value)} characters; allowed: up to {LONGEST_TEXT}")
    return value


def _repeated(value: dict[str, Any]) -> str:
    piece, times = value.get("repeat"), value.get("times")
    if set(value) != {"repeat", "times"} or not isinstance(piece, str) or isinstance(times, bool):
        raise ImpossibleError("is not text; allowed: text, or such as {repeat: x, times: 257}")
    if not isinstance(times, int) or not 0 <= times * max(1, len(piece)) <= LONGEST_TEXT:
        raise ImpossibleError(f"is out of range; allowed: up to {LONGEST_TEXT} characters in all", "times")
    return piece * times


def flag(value: object) -> bool:
    """Raises ImpossibleError."""
    if not isinstance(value, bool):
        raise ImpossibleError(f"{shown(value)} is not a switch; allowed: true, false")
    return value


def word(*allowed: str) -> Callable[[object], str]:
    """One of a few words."""

    def check(value: object) -> str:
        if value not in allowed:
            raise ImpossibleError(f"{shown(value)} is not possible here; allowed: {', '.join(allowed)}")
        return str(value)

    return check


def token(value: object) -> Token:
    """Raises ImpossibleError."""
    if isinstance(value, str) and value in TOKENS:
        return Token(value)
    if isinstance(value, dict) and set(value) == {"expires_in"}:
        try:
            return Token(expires_in=parse_delay(value["expires_in"]))
        except ImpossibleError as error:
            raise ImpossibleError(str(error), "expires_in") from None
    if isinstance(value, dict) and set(value) == {"for"} and isinstance(value["for"], str) and value["for"]:
        return Token(user=text(value["for"]))
    allowed = f"{', '.join(TOKENS)}, {{expires_in: 35s}}, {{for: another user}}"
    raise ImpossibleError(f"{shown(value)} is not a token; allowed: {allowed}")


@dataclass(frozen=True, slots=True)
class Argument:
    """check turns what a file says into the value, or raises ImpossibleError. needed: may not be left out."""

    check: Callable[[object], Any]
    default: Any = None
    needed: bool = False


def written(value: Any) -> Any:
    """A value as a file writes it."""
    return value.written() if isinstance(value, Token) else value
