"""How deep subscriptions are looked into: packets, frames or decode, for all of them or in shares."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.part import nearest
from harness.scenario.quantity import PERCENT_PATTERN, format_share, parse_share

DEPTHS = ("packets", "frames", "decode")
_ALLOWED = ", ".join(DEPTHS)


@dataclass(frozen=True)
class ObserveShares:
    """Which share of a role's subscriptions is observed how deep: (depth, share) pairs that sum to 1."""

    shares: tuple[tuple[str, float], ...]

    def pick(self, point: float) -> str:
        """The depth for a point in [0, 1): the shares laid end to end, in the order of the file."""
        reached = 0.0
        for depth, share in self.shares:
            reached += share
            if point < reached:
                return depth
        return self.shares[-1][0]

    def share_of(self, depth: str) -> float:
        """The share of a depth, 0 when it is not asked for."""
        return sum(share for name, share in self.shares if name == depth)

    def to_file(self) -> str | dict[str, str]:
        """The shares as a scenario file writes them."""
        if len(self.shares) == 1:
            return self.shares[0][0]
        return {depth: format_share(share) for depth, share in self.shares}

    def __str__(self) -> str:
        if len(self.shares) == 1:
            return self.shares[0][0]
        return " and ".join(f"{format_share(share)} {depth}" for depth, share in self.shares)


def parse_observe(value: object) -> ObserveShares:
    """`frames` or `{frames: 50%, packets: 50%}` to shares. Raises ImpossibleError."""
    if isinstance(value, ObserveShares):
        return value
    if isinstance(value, str):
        return ObserveShares(((_depth(value), 1.0),))
    if not isinstance(value, dict) or not value:
        raise ImpossibleError(f"{shown(value)} is not a depth; allowed: {_ALLOWED}, or shares as {{frames: 100%}}")
    shares = []
    for depth, share in value.items():
        try:
            shares.append((_depth(str(depth)), parse_share(share)))
        except ImpossibleError as error:
            raise ImpossibleError(str(error), str(depth)) from None
    total = sum(share for _, share in shares)
    if abs(total - 1) > 1e-6:
        raise ImpossibleError(f"the shares sum to {total * 100:g}%; allowed: 100%")
    return ObserveShares(tuple(shares))


def _depth(depth: str) -> str:
    if depth not in DEPTHS:
        raise ImpossibleError(f"{shown(depth)} is not a depth{nearest(depth, list(DEPTHS))}; allowed: {_ALLOWED}")
    return depth


_SHARE = {"anyOf": [{"type": "string", "pattern": f"^{PERCENT_PATTERN}$"}, {"type": "number", "maximum": 1}]}
ObserveField = Annotated[
    ObserveShares,
    PlainValidator(parse_observe),
    PlainSerializer(ObserveShares.to_file, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(DEPTHS)},
                {
                    "type": "object",
                    "properties": dict.fromkeys(DEPTHS, _SHARE),
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }
    ),
]
