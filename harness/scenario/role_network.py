"""The networks that the users of a role are on: one for all, or presets in shares."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from harness.rtc.conditions import Conditions
from harness.rtc.presets import PRESETS
from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.network import PRESET_NAME, NetworkSpec, describe_network, read_network
from harness.scenario.part import AlsoAccepts, nearest
from harness.scenario.quantity import PERCENT_PATTERN, format_share, parse_share


def _mix(value: object) -> tuple[tuple[str, float], ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, dict) or not value:
        raise ImpossibleError(f"{shown(value)} names no shares; allowed: presets with shares as {{4g: 50%, wifi: 50%}}")
    shares = []
    for name, share in value.items():
        if name not in PRESETS:
            guess = nearest(str(name), list(PRESETS))
            raise ImpossibleError(f"is not a preset{guess}; allowed: {', '.join(PRESETS)}", str(name))
        try:
            shares.append((str(name), parse_share(share)))
        except ImpossibleError as error:
            raise ImpossibleError(str(error), str(name)) from None
    total = sum(share for _, share in shares)
    if abs(total - 1) > 1e-6:
        raise ImpossibleError(f"the shares sum to {total * 100:g}%; allowed: 100%")
    return tuple(shares)


_SHARE = {"anyOf": [{"type": "string", "pattern": f"^{PERCENT_PATTERN}$"}, {"type": "number", "maximum": 1}]}
_SHARES: dict[str, Any] = {
    "type": "object",
    "properties": dict.fromkeys(PRESETS, _SHARE),
    "additionalProperties": False,
    "minProperties": 1,
}
_Mix = Annotated[
    tuple[tuple[str, float], ...],
    PlainValidator(_mix),
    PlainSerializer(lambda mix: {name: format_share(share) for name, share in mix}, when_used="json"),
    WithJsonSchema(_SHARES),
]


class RoleNetwork(NetworkSpec):
    """A network, or a mix of them: which user is on which is drawn from the seed."""

    mix: _Mix | None = Field(default=None, description="Presets with the shares of users that are on them.")

    @model_validator(mode="after")
    def _check_mix(self) -> Self:
        if self.mix is not None and self.model_fields_set != {"mix"}:
            raise ImpossibleError("names a mix and numbers beside it; allowed: either", "mix")
        return self

    def pick(self, point: float) -> tuple[str, Conditions]:
        """The network for a point in [0, 1), and what it is called: its preset, or "own" where the file has numbers."""
        if self.mix is None:
            return self.plain_preset or "own", self.over_both(Conditions())
        reached = 0.0
        for name, share in self.mix:
            reached += share
            if point < reached:
                return name, PRESETS[name]
        return self.mix[-1][0], PRESETS[self.mix[-1][0]]

    def __str__(self) -> str:
        if self.mix is not None:
            return " and ".join(f"{format_share(share)} {name}" for name, share in self.mix)
        name, conditions = self.pick(0)
        return f"{name} ({describe_network(conditions)})"


def _read(value: object) -> object:
    if isinstance(value, dict) and value and any(key in PRESETS for key in value):
        return {"mix": value}
    return read_network(value)


NetworkField = Annotated[RoleNetwork | None, BeforeValidator(_read), AlsoAccepts((PRESET_NAME, _SHARES))]
