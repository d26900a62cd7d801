"""A rule: data, and the check that watches a trace for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.contract.check import Check

MUST, SHOULD = "MUST", "SHOULD"

SECTIONS = {
    "RS": "room_state",
    "RO": "roster",
    "PB": "publish",
    "PL": "play",
    "XC": "cross_client",
    "LV": "deadlines",
    "TD": "teardown",
    "RC": "reconnect",
    "QM": "periodic",
    "MD": "metadata",
    "IN": "bad_input",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """id: section and number, never used again for something else. requirement: what must hold. why: what breaks in an
    application when it does not. source: where the promise is written, or "core" when it follows from the meaning of a
    delta list. check: makes the check of one run over one trace."""

    id: str
    severity: str
    requirement: str
    why: str
    source: str
    check: type[Check]

    @property
    def section(self) -> str:
        return SECTIONS[self.id.partition("-")[0]]
