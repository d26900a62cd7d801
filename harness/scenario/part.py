"""The base of every mapping in a scenario, and the field types they share."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.quantity import (
    BITRATE_PATTERN,
    DURATION_PATTERN,
    OFFSET_PATTERN,
    RATE_PATTERN,
    Span,
    format_bitrate,
    format_duration,
    format_offset,
    format_rate,
    parse_bitrate,
    parse_duration,
    parse_offset,
    parse_rate,
    parse_span,
)


def nearest(word: str, allowed: list[str]) -> str:
    """`, did you mean X?` for the allowed word closest to this one, or nothing when none is close."""
    close = difflib.get_close_matches(word[:100].lower(), allowed, n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


class Part(BaseModel):
    """A mapping of a scenario: frozen, no unknown keys, and its complaints name the keys it allows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def keys(cls) -> list[str]:
        """The keys a file may use here, in the order they are documented."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: object) -> object:
        if isinstance(data, cls):
            return data
        keys = cls.keys()
        if not isinstance(data, dict):
            raise ImpossibleError(f"{shown(data)} is not a mapping; allowed: a mapping with {', '.join(keys)}")
        for key in data:
            if key not in keys:
                guess = nearest(str(key), keys)
                raise ImpossibleError(f"unknown key{guess}; allowed: {', '.join(keys)}", str(key))
        needed = [field.alias or name for name, field in cls.model_fields.items() if field.is_required()]
        for key in needed:
            if key not in data:
                raise ImpossibleError(f"is missing; needed: {', '.join(needed)}", key)
        return data


@dataclass(frozen=True)
class AlsoAccepts:
    """Adds to a field's JSON Schema the short forms its validator accepts beside the mapping."""

    short_forms: tuple[dict[str, Any], ...]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the mapping, or any of the short forms."""
        full = handler(schema)
        forms = [form for form in full.get("anyOf", [full]) if form != {"type": "null"}]
        return {"anyOf": [*self.short_forms, *forms]}


def whole(low: int, high: int) -> Callable[[object], int]:
    """A validator for whole numbers from low to high."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ImpossibleError(f"{shown(value)} is not a whole number; allowed: {low} to {high}")
        if not low <= value <= high:
            raise ImpossibleError(f"{shown(value)} is out of range; allowed: {low} to {high}")
        return value

    return check


def one_of(*allowed: str) -> Callable[[object], str]:
    """A validator for one of a few words."""

    def check(value: object) -> str:
        if value not in allowed:
            raise ImpossibleError(f"{shown(value)} is not possible here; allowed: {', '.join(allowed)}")
        return str(value)

    return check


def text(longest: int, *, lines: bool) -> Callable[[object], str]:
    """A validator for text of 1 to `longest` characters that can be printed, with line breaks or without."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise ImpossibleError(f"{shown(value)} is not text; allowed: text, in quotes if it looks like a number")
        if not 0 < len(value.strip()) <= len(value) <= longest:
            raise ImpossibleError(f"has {len(value)} characters; allowed: 1 to {longest}, not only blanks")
        printed = value.replace("\n", " ").replace("\t", " ") if lines else value
        if not printed.isprintable():
            raise ImpossibleError(f"{shown(value)} has control characters; allowed: text that can be printed")
        return value

    return check


def text_schema(longest: int) -> WithJsonSchema:
    """The schema of a text field."""
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": longest})


def _duration(low: float, high: float) -> Callable[[object], float]:
    return lambda value: parse_duration(value, low, high)


def _span(low: float, high: float) -> Callable[[object], Span]:
    return lambda value: parse_span(value, low, high)


def _bitrate(low: int, high: int) -> Callable[[object], int]:
    return lambda value: parse_bitrate(value, low, high)


def _rate(low: float, high: float) -> Callable[[object], float]:
    return lambda value: parse_rate(value, low, high)


def _pattern(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


_BITRATE_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": f"^{BITRATE_PATTERN}$", "examples": ["24k", "1.5M"]}, {"type": "integer"}]}
)
_SPAN_SCHEMA = _pattern(rf"{DURATION_PATTERN}(\.\.{DURATION_PATTERN})?", "40s", "40s..60s")
_DURATION_SCHEMA = _pattern(DURATION_PATTERN, "500ms", "40s", "2m")
_AS_DURATION = PlainSerializer(format_duration, return_type=str, when_used="json")
_AS_BITRATE = PlainSerializer(format_bitrate, return_type=str, when_used="json")
_AS_TEXT = PlainSerializer(str, return_type=str, when_used="json")

RunDuration = Annotated[float, PlainValidator(_duration(1, 86_400)), _AS_DURATION, _DURATION_SCHEMA]
Pause = Annotated[float, PlainValidator(_duration(0.1, 86_400)), _AS_DURATION, _DURATION_SCHEMA]
LongSpan = Annotated[Span, PlainValidator(_span(1, 3_600_000)), _AS_TEXT, _SPAN_SCHEMA]
ShortSpan = Annotated[Span, PlainValidator(_span(0.1, 86_400)), _AS_TEXT, _SPAN_SCHEMA]
VideoBitrate = Annotated[int, PlainValidator(_bitrate(50_000, 8_000_000)), _AS_BITRATE, _BITRATE_SCHEMA]
SoundBitrate = Annotated[int, PlainValidator(_bitrate(6_000, 128_000)), _AS_BITRATE, _BITRATE_SCHEMA]
MediaOffset = Annotated[
    float,
    PlainValidator(lambda value: parse_offset(value, -0.5, 0.5)),
    PlainSerializer(format_offset, return_type=str, when_used="json"),
    _pattern(OFFSET_PATTERN, "45ms", "-200ms"),
]
ArrivalRate = Annotated[
    float,
    PlainValidator(_rate(1 / 3600, 10_000)),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
    _pattern(RATE_PATTERN, "2/s", "30/min"),
]


def whole_field(low: int, high: int) -> Any:
    """The annotations of a whole-number field: its validator and its schema."""
    return PlainValidator(whole(low, high)), WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})
