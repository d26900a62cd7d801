"""The access network of a user as a file writes it: a preset, or what a link does, up and down."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from harness.rtc.conditions import DISTRIBUTIONS, BurstLoss, Conditions, Link
from harness.rtc.presets import PRESETS
from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.part import AlsoAccepts, Part, nearest, one_of
from harness.scenario.quantity import (
    BITRATE_PATTERN,
    DURATION_PATTERN,
    PERCENT_PATTERN,
    format_bitrate,
    format_duration,
    format_share,
    parse_bitrate,
    parse_duration,
)

LONGEST_DELAY = 10.0  # seconds
LOWEST_RATE, HIGHEST_RATE = 8_000, 1_000_000_000  # bits/s
LONGEST_BURST = 10_000.0  # packets
PERFECT = "perfect"
_BYTES_PATTERN = r"[0-9]+(\.[0-9]+)?[kM]?B"
_BYTES = {"": 1, "k": 1000, "M": 1_000_000}


def parse_portion(value: object) -> float:
    """`2%` or 0.02 to a share from 0 to 1."""
    if isinstance(value, str) and re.fullmatch(PERCENT_PATTERN, value) and len(value) <= 40:
        share = float(Decimal(value[:-1]) / 100)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
    else:
        raise ImpossibleError(f"{shown(value)} is not a share; allowed: 0% to 100%, such as 2%")
    if not 0 <= share <= 1:
        raise ImpossibleError(f"{shown(value)} is out of range; allowed: 0% to 100%")
    return share


def _delay(value: object) -> float:
    if isinstance(value, str) and value.startswith("-"):
        raise ImpossibleError(f"{shown(value)} is below zero; allowed: 0s to {format_duration(LONGEST_DELAY)}")
    return parse_duration(value, 0, LONGEST_DELAY)


def _number(low: float, high: float) -> Callable[[object], float]:
    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ImpossibleError(f"{shown(value)} is out of range; allowed: {low:g} to {high:g}")
        return float(value)

    return check


def _queue(value: object) -> tuple[float, int]:
    """`200ms` or `64kB` to (seconds, bytes), one of which is 0."""
    if isinstance(value, str) and re.fullmatch(_BYTES_PATTERN, value) and len(value) <= 40:
        number = value.removesuffix("B")
        unit = number[-1] if number[-1] in "kM" else ""
        size = int(Decimal(number.removesuffix(unit)) * _BYTES[unit])
        if not 1500 <= size <= 100_000_000:
            raise ImpossibleError(f"{shown(value)} is out of range; allowed: 1.5kB to 100MB")
        return 0.0, size
    try:
        return parse_duration(value, 0.001, LONGEST_DELAY), 0
    except ImpossibleError as error:
        raise ImpossibleError(f"{error}, or bytes such as 64kB") from None


def _format_queue(queue: tuple[float, int]) -> str:
    return f"{queue[1]}B" if queue[1] else format_duration(queue[0])


def _on(value: object) -> bool:
    if not isinstance(value, bool):
        raise ImpossibleError(f"{shown(value)} is not possible here; allowed: true, false")
    return value


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


_PORTION: dict[str, Any] = {
    "anyOf": [{"type": "string", "pattern": f"^{PERCENT_PATTERN}$"}, {"type": "number", "minimum": 0, "maximum": 1}]
}
_BOOLEAN = WithJsonSchema({"type": "boolean"})
_AS_SHARE = PlainSerializer(format_share, return_type=str, when_used="json")
Portion = Annotated[float, PlainValidator(parse_portion), _AS_SHARE, WithJsonSchema(_PORTION)]
_Delay = Annotated[
    float,
    PlainValidator(_delay),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _text(DURATION_PATTERN, "50ms"),
]
_Rate = Annotated[
    int,
    PlainValidator(lambda value: parse_bitrate(value, LOWEST_RATE, HIGHEST_RATE)),
    PlainSerializer(format_bitrate, return_type=str, when_used="json"),
    _text(BITRATE_PATTERN, "2M", "500k"),
]
_Queue = Annotated[
    tuple[float, int],
    PlainValidator(_queue),
    PlainSerializer(_format_queue, return_type=str, when_used="json"),
    _text(rf"({DURATION_PATTERN}|{_BYTES_PATTERN})", "200ms", "64kB"),
]
_Burst = Annotated[
    float,
    PlainValidator(_number(1, LONGEST_BURST)),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": LONGEST_BURST}),
]
_Distribution = Annotated[str, PlainValidator(one_of(*DISTRIBUTIONS)), WithJsonSchema({"enum": list(DISTRIBUTIONS)})]
_Flag = Annotated[bool, PlainValidator(_on), _BOOLEAN]


class LossSpec(Part):
    """Loss: a mean share, at random or in bursts of a mean length, or the four numbers of Gilbert and Elliott."""

    mean: Portion | None = Field(default=None, description="Share of packets lost, in the long run.")
    burst: _Burst | None = Field(default=None, description="Packets lost in a row, on average; absent: at random.")
    p: Portion | None = Field(default=None, description="Chance that a good link turns bad, at each packet.")
    r: Portion | None = Field(default=None, description="Chance that a bad link turns good, at each packet.")
    good: Portion | None = Field(default=None, description="Share of packets that a good link loses; 0% if absent.")
    bad: Portion | None = Field(default=None, description="Share of packets that a bad link loses; 100% if absent.")

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        gilbert = {"p", "r", "good", "bad"} & self.model_fields_set
        if gilbert and {"mean", "burst"} & self.model_fields_set:
            raise ImpossibleError("names loss in two ways; allowed: mean with burst, or p with r, good and bad")
        wanted = ("p", "r") if gilbert else ("mean",)
        for key in wanted:
            if getattr(self, key) is None:
                raise ImpossibleError(f"is missing; needed: {' and '.join(wanted)}", key)
        if self.mean == 1 and self.burst is not None:
            raise ImpossibleError("100% is no burst; allowed: below 100%, or outage: true", "mean")
        return self

    def resolve(self) -> dict[str, Any]:
        """What it changes of a Link."""
        if self.mean is not None:
            burst = None if self.burst is None else BurstLoss.of(self.mean, self.burst)
            return {"loss": 0.0 if burst else self.mean, "burst": burst}
        bad = 1.0 if self.bad is None else self.bad
        return {"loss": 0.0, "burst": BurstLoss(self.p or 0.0, self.r or 0.0, self.good or 0.0, bad)}

    def to_file(self) -> Any:
        """The loss as a scenario file writes it."""
        if self.model_fields_set == {"mean"} and self.mean is not None:
            return format_share(self.mean)
        return self.model_dump(mode="json", exclude_none=True)


def _loss(value: object) -> object:
    return value if isinstance(value, dict | LossSpec) else {"mean": parse_portion(value)}


class LinkSpec(Part):
    """What one direction does; what is not named stays as it is."""

    delay: _Delay | None = Field(default=None, description="Time that every packet takes, one way.")
    jitter: _Delay | None = Field(default=None, description="What that time varies by; see distribution.")
    distribution: _Distribution | None = Field(
        default=None,
        description="Of the jitter: normal (its standard deviation; the default), uniform (half its width) or "
        "exponential (the mean of what it adds).",
    )
    reorder: _Flag | None = Field(
        default=None, description="Whether packets may overtake each other; if not, a late one holds up the next."
    )
    loss: Annotated[
        LossSpec | None,
        BeforeValidator(_loss),
        PlainSerializer(lambda loss: loss and loss.to_file(), when_used="json"),
        AlsoAccepts((_PORTION,)),
    ] = Field(default=None, description="Packets lost: 2% at random, or in bursts as {mean: 2%, burst: 5}.")
    duplicate: Portion | None = Field(default=None, description="Share of packets that come twice.")
    rate: _Rate | None = Field(default=None, description="Bits per second of IP packets that pass at the most.")
    queue: _Queue | None = Field(
        default=None, description="What may wait before the rate, as time or as bytes (64kB); the rest is dropped."
    )
    outage: _Flag | None = Field(default=None, description="Nothing passes.")

    def over(self, link: Link) -> Link:
        """The link with what is named here in the place of its own."""
        changed: dict[str, Any] = {}
        for key in ("delay", "jitter", "distribution", "reorder", "duplicate", "rate", "outage"):
            if getattr(self, key) is not None:
                changed[key] = getattr(self, key)
        if self.loss is not None:
            changed |= self.loss.resolve()
        if self.queue is not None:
            changed |= {"queue": self.queue[0], "queue_bytes": self.queue[1]}
        return replace(link, **changed)


def _preset(value: object) -> str:
    names = list(PRESETS)
    if value not in names:
        guess = nearest(str(value), names)
        raise ImpossibleError(f"{shown(value)} is not a preset{guess}; allowed: {', '.join(names)}")
    return str(value)


class NetworkSpec(LinkSpec):
    """A network: a preset, then what both directions do, then what one of them does."""

    preset: Annotated[str, PlainValidator(_preset), WithJsonSchema({"enum": list(PRESETS)})] | None = Field(
        default=None, description="Begin with the numbers of a known kind of network."
    )
    up: LinkSpec | None = Field(default=None, description="What leaves the user.")
    down: LinkSpec | None = Field(default=None, description="What arrives at the user.")

    @model_validator(mode="after")
    def _check_not_empty(self) -> Self:
        if not self.model_fields_set:
            raise ImpossibleError(
                f"names nothing; allowed: a preset ({', '.join(PRESETS)}), or {', '.join(self.keys())}"
            )
        return self

    @property
    def plain_preset(self) -> str | None:
        """The preset's name, where nothing of it is changed."""
        return self.preset if self.model_fields_set == {"preset"} else None

    def over_both(self, conditions: Conditions) -> Conditions:
        """These conditions with what is named here; a preset replaces all of them."""
        base = PRESETS[self.preset] if self.preset is not None else conditions
        up, down = self.over(base.up), self.over(base.down)
        return Conditions(
            self.up.over(up) if self.up is not None else up, self.down.over(down) if self.down is not None else down
        )


def read_network(value: object) -> object:
    """A preset's name stands for the mapping with it."""
    return {"preset": value} if isinstance(value, str) else value


PRESET_NAME: dict[str, Any] = {"enum": list(PRESETS)}
OneNetwork = Annotated[NetworkSpec, BeforeValidator(read_network), AlsoAccepts((PRESET_NAME,))]


def describe(link: Link) -> str:
    """A link in a few words, as a file would name its numbers."""
    if link.outage:
        return "nothing passes"
    words = [f"delay {format_duration(link.delay)}"] if link.delay else []
    if link.jitter:
        words.append(f"jitter {format_duration(link.jitter)} ({link.distribution}{', reordering' * link.reorder})")
    if link.burst is not None:
        words.append(f"{round(link.burst.mean * 100, 3):g}% lost in bursts")
    elif link.loss:
        words.append(f"{format_share(link.loss)} lost")
    if link.duplicate:
        words.append(f"{format_share(link.duplicate)} doubled")
    if link.rate:
        queue = f"{link.queue_bytes}B" if link.queue_bytes else format_duration(link.queue)
        words.append(f"{format_bitrate(link.rate)}bit/s with a queue of {queue}")
    return ", ".join(words) or PERFECT


def describe_network(conditions: Conditions) -> str:
    """Both directions, once when they are alike, and of a perfect one only what the other does."""
    up, down = describe(conditions.up), describe(conditions.down)
    if up == down:
        return up if conditions.outage else f"both ways {up}"
    parts = [f"{way} {words}" for way, words in (("up", up), ("down", down)) if words != PERFECT]
    return "; ".join(parts)
