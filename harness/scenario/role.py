"""What the users of one role do: what they send, what they play, how long they stay, what they interrupt."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from harness.scenario.count import CountField
from harness.scenario.errors import ImpossibleError, shown
from harness.scenario.observe import ObserveField
from harness.scenario.part import (
    AlsoAccepts,
    LongSpan,
    MediaOffset,
    Part,
    ShortSpan,
    SoundBitrate,
    VideoBitrate,
    one_of,
    whole,
    whole_field,
)
from harness.scenario.quantity import format_bitrate, format_offset
from harness.scenario.role_network import NetworkField

SIZES = ("320x180", "640x360", "1280x720")
CODECS = ("vp8", "h264")
DEVICES = ("camera", "microphone")
_OFF = ("off", "none", "no")
_ON = ("on", "yes")


def _size(value: object) -> str:
    if value not in SIZES:
        raise ImpossibleError(f"{shown(value)} is not a size; allowed: {', '.join(SIZES)}")
    return str(value)


class CameraSpec(Part):
    """A simulated camera: what a publisher sends as video."""

    size: Annotated[str, PlainValidator(_size), WithJsonSchema({"enum": list(SIZES)})] = Field(
        default="640x360", description="Width x height in pixels."
    )
    fps: Annotated[int, *whole_field(5, 60)] = Field(default=25, description="Frames per second, 5 to 60.")
    bitrate: VideoBitrate = Field(default=500_000, description="Target of the encoder in bits/s: 50k to 8M.")
    codec: Annotated[str, PlainValidator(one_of(*CODECS)), WithJsonSchema({"enum": list(CODECS)})] = Field(
        default="vp8", description="The codec this role publishes with."
    )

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.size.partition("x")[0])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.size.partition("x")[2])

    def __str__(self) -> str:
        return f"{self.size} {self.fps} fps {self.codec} {format_bitrate(self.bitrate)}"


class MicrophoneSpec(Part):
    """A simulated microphone: what a publisher sends as sound (Opus, 20 ms)."""

    bitrate: SoundBitrate = Field(default=24_000, description="Opus bitrate in bits/s: 6k to 128k.")
    delay: MediaOffset = Field(
        default=0.0,
        description="How much later than the picture the sound leaves its publisher, -500ms to 500ms: lips out of "
        "sync at the source. Below 0 it is the picture that is held back.",
    )

    def __str__(self) -> str:
        late = f" {format_offset(self.delay)} after the picture" if self.delay else ""
        return f"opus {format_bitrate(self.bitrate)}{late}"


def _role_list(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(role, str) for role in value):
        raise ImpossibleError(f"{shown(value)} is not a list of roles; allowed: a list such as [speaker]")
    return tuple(value)


class PlayPolicy(Part):
    """Which of the room's other streams a user plays."""

    roles: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(_role_list),
        AlsoAccepts(()),
    ] = Field(default=None, description="Only streams of these roles; absent: of every role.")
    at_most: Annotated[
        int | None,
        PlainValidator(lambda value: None if value is None else whole(0, 1000)(value)),
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 1000}),
    ] = Field(default=None, description="No more than this many streams at a time; absent: no limit.")

    def allows(self, role: str) -> bool:
        """Whether a stream of this role is wanted at all (at_most apart)."""
        return self.at_most != 0 and (self.roles is None or role in self.roles)

    def to_file(self) -> str | dict[str, int | list[str]]:
        """The policy as a scenario file writes it."""
        if self.at_most == 0:
            return "none"
        keys: dict[str, int | list[str]] = {} if self.roles is None else {"roles": list(self.roles)}
        if self.at_most is not None:
            keys["at_most"] = self.at_most
        return keys or "all"

    def __str__(self) -> str:
        if self.at_most == 0:
            return "nothing"
        whose = "all" if self.roles is None else "streams of " + ", ".join(self.roles)
        return whose if self.at_most is None else f"{whose}, at most {self.at_most}"


def _play(value: object) -> object:
    if value == "all" or value is True:
        return {}
    if value is False or (isinstance(value, str) and value in _OFF):
        return {"at_most": 0}
    if value == {} or not isinstance(value, dict | PlayPolicy):
        raise ImpossibleError(
            f"{shown(value)} is not possible here; allowed: all, none, {{at_most: 6}}, {{roles: [speaker]}}"
        )
    return value


def _device(keys: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value is False or (isinstance(value, str) and value in _OFF):
            return None
        if value is True or (isinstance(value, str) and value in _ON):
            return {}
        if not isinstance(value, dict | Part):
            raise ImpossibleError(f"{shown(value)} is not possible here; allowed: true, off, or a mapping with {keys}")
        return value

    return BeforeValidator(check)


# `off` is a boolean to YAML 1.1 and a word to 1.2, which editors follow: the schema takes both.
_SWITCH: tuple[dict[str, Any], ...] = ({"type": "boolean"}, {"enum": [*_OFF, *_ON]})
_PLAY_WORDS: tuple[dict[str, Any], ...] = ({"enum": ["all", *_OFF]}, {"type": "boolean"})


class Leave(Part):
    """Leave the room and come back."""

    every: LongSpan = Field(description="Time in the room before leaving: a duration or a range, drawn each time.")
    away: ShortSpan = Field(description="Time outside before logging in again.")


class Republish(Part):
    """Stop publishing and publish the same stream again."""

    every: LongSpan = Field(description="Time published before stopping: a duration or a range, drawn each time.")
    away: ShortSpan = Field(description="Time unpublished before publishing again.")


class Mute(Part):
    """Mute a device and unmute it."""

    every: LongSpan = Field(description="Time unmuted before muting: a duration or a range, drawn each time.")
    muted: ShortSpan = Field(alias="for", description="Time muted.")
    device: Annotated[str, PlainValidator(one_of(*DEVICES)), WithJsonSchema({"enum": list(DEVICES)})] = Field(
        default="microphone", description="Which device is muted."
    )


class Churn(Part):
    """What users of a role interrupt during their stay; each kind runs on its own clock."""

    leave: Leave | None = Field(default=None, description="Leave the room and rejoin.")
    republish: Republish | None = Field(default=None, description="Unpublish and publish again.")
    mute: Mute | None = Field(default=None, description="Mute and unmute a device.")

    @model_validator(mode="after")
    def _check_not_empty(self) -> Self:
        if self.leave is None and self.republish is None and self.mute is None:
            raise ImpossibleError(f"names nothing to do; allowed: {', '.join(self.keys())}")
        return self


class Role(Part):
    """A kind of user; every room has some of each. Without camera and microphone it is a watcher."""

    count: CountField = Field(description="Users of this role per room: 4, a range 2..5, or choices with shares.")
    camera: Annotated[CameraSpec | None, _device(", ".join(CameraSpec.keys())), AlsoAccepts(_SWITCH)] = Field(
        default=None, description="The camera; `true` for the defaults, `off` or absent for none."
    )
    microphone: Annotated[MicrophoneSpec | None, _device(", ".join(MicrophoneSpec.keys())), AlsoAccepts(_SWITCH)] = (
        Field(default=None, description="The microphone; `true` for the defaults, `off` or absent for none.")
    )
    play: Annotated[
        PlayPolicy,
        BeforeValidator(_play),
        PlainSerializer(PlayPolicy.to_file, when_used="json"),
        AlsoAccepts(_PLAY_WORDS),
    ] = Field(
        default=PlayPolicy(),
        description="What is played: all, none, {at_most: 6}, {roles: [speaker]}.",
        json_schema_extra={"default": "all"},
    )
    stay: LongSpan | None = Field(
        default=None, description="Time from arrival to leaving: a duration or a range; absent: until the end."
    )
    observe: ObserveField | None = Field(default=None, description="How deep its subscriptions are looked into.")
    churn: Churn | None = Field(default=None, description="Interruptions during the stay.")
    network: NetworkField = Field(
        default=None, description="The access network of its users: a preset, shares of presets, or numbers."
    )

    @property
    def publishes(self) -> bool:
        """Whether users of this role publish a stream."""
        return self.camera is not None or self.microphone is not None

    @model_validator(mode="after")
    def _check_delay(self) -> Self:
        if self.camera is None and self.microphone is not None and self.microphone.delay < 0:
            raise ImpossibleError("this role has no picture to hold back; allowed: 0ms to 500ms", "microphone", "delay")
        return self

    @model_validator(mode="after")
    def _check_churn(self) -> Self:
        churn = self.churn
        if churn is None:
            return self
        if churn.republish is not None and not self.publishes:
            raise ImpossibleError(
                "this role publishes nothing; allowed: republish on roles with a camera or a microphone",
                "churn",
                "republish",
            )
        if churn.mute is not None and getattr(self, churn.mute.device) is None:
            has = " or ".join(device for device in DEVICES if getattr(self, device) is not None) or "no mute at all"
            raise ImpossibleError(f"this role has no {churn.mute.device}; allowed: {has}", "churn", "mute", "device")
        return self
