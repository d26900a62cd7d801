"""How many users of a role a room has: a number, a range, or choices with their shares."""

import random
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.part import whole
from harness.scenario.quantity import PERCENT_PATTERN, format_share, parse_share

MOST_PER_ROOM = 1000
_ALLOWED = f"a number such as 4, a range such as 2..5, or {{choices: {{2: 50%, 4: 50%}}}}, each 1 to {MOST_PER_ROOM}"
_number = whole(1, MOST_PER_ROOM)


@dataclass(frozen=True)
class Count:
    """The numbers a room may draw from, each with its share; the shares sum to 1.

    A range is kept as its two ends, so that `1..1000` stays two numbers.
    """

    low: int
    high: int
    choices: tuple[tuple[int, float], ...] = ()

    def draw(self, rng: random.Random) -> int:
        """One number of users, by the shares (uniform over a range)."""
        if not self.choices:
            return rng.randint(self.low, self.high)
        return rng.choices([number for number, _ in self.choices], [share for _, share in self.choices])[0]

    def to_file(self) -> int | str | dict[str, dict[str, str]]:
        """The count as a scenario file writes it."""
        if self.choices:
            return {"choices": {str(number): format_share(share) for number, share in self.choices}}
        return self.low if self.low == self.high else f"{self.low}..{self.high}"

    def __str__(self) -> str:
        if self.choices:
            return " or ".join(f"{number} ({format_share(share)})" for number, share in self.choices)
        return str(self.to_file())


def parse_count(value: object) -> Count:
    """`4`, `2..5` or `{choices: {2: 50%, 4: 50%}}` to a Count. Raises ImpossibleError."""
    if isinstance(value, Count):
        return value
    if isinstance(value, dict):
        return _parse_choices(value)
    if isinstance(value, str) and (ends := re.fullmatch(r"([0-9]{1,9})\.\.([0-9]{1,9})", value)):
        low, high = _number(int(ends[1])), _number(int(ends[2]))
        if low > high:
            raise ImpossibleError(f"{shown(value)} runs backwards; allowed: the smaller number first, as {high}..{low}")
        return Count(low, high)
    if isinstance(value, int) and not isinstance(value, bool):
        return Count(_number(value), _number(value))
    raise ImpossibleError(f"{shown(value)} is not a count; allowed: {_ALLOWED}")


def _parse_choices(value: dict[Any, Any]) -> Count:
    for key in value:
        if key != "choices":
            raise ImpossibleError("unknown key; allowed: choices", str(key))
    given = value.get("choices")
    if not isinstance(given, dict) or not given:
        raise ImpossibleError(f"{shown(given)} names no choices; allowed: numbers with shares as {{2: 50%, 4: 50%}}")
    choices: dict[int, float] = {}
    for key, share in given.items():
        try:
            number = _number(int(key) if re.fullmatch(r"[0-9]{1,9}", str(key)) else key)
            if number in choices:
                raise ImpossibleError(f"{number} is named twice; allowed: each number once")
            choices[number] = parse_share(share)
        except ImpossibleError as error:
            raise ImpossibleError(str(error), "choices", str(key)) from None
    total = sum(choices.values())
    if abs(total - 1) > 1e-6:
        raise ImpossibleError(f"the shares sum to {total * 100:g}%; allowed: 100%", "choices")
    return Count(min(choices), max(choices), tuple(choices.items()))


_NUMBER = {"type": "integer", "minimum": 1, "maximum": MOST_PER_ROOM}
_SHARES = {"anyOf": [{"type": "string", "pattern": f"^{PERCENT_PATTERN}$"}, {"type": "number", "maximum": 1}]}
_CHOICES = {
    "type": "object",
    "properties": {
        "choices": {
            "type": "object",
            "patternProperties": {"^[0-9]+$": _SHARES},
            "additionalProperties": False,
            "minProperties": 1,
        }
    },
    "required": ["choices"],
    "additionalProperties": False,
}
CountField = Annotated[
    Count,
    PlainValidator(parse_count),
    PlainSerializer(Count.to_file, when_used="json"),
    WithJsonSchema({"anyOf": [_NUMBER, {"type": "string", "pattern": r"^[0-9]+\.\.[0-9]+$"}, _CHOICES]}),
]
