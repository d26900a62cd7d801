"""One line of a trace, parsed and checked: what kind of record it is, whose, when, and its typed arguments.

`kind` is one of call (the application called), ret (its result), cb (a callback), fault (the harness broke something),
probe (the harness observed something), mark (the harness says where it is). Times are seconds of the run clock.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field


def _only(*allowed: str) -> Meta:
    """Values the published schema allows. The reader takes any: a rule must see what a service really said."""
    return Meta(extra_json_schema={"enum": list(allowed)})


Kind = Literal["call", "ret", "cb", "fault", "probe", "mark"]
Count = int | float
RoomStateName = Annotated[
    str,
    _only(
        "LOGGING_IN", "IN", "LOGIN_FAILED", "RECONNECTING", "REJOINED", "RECONNECT_FAILED", "KICKED", "OUT",
        "LOGOUT_FAILED",
    ),
]  # fmt: skip
MediaStateName = Annotated[str, _only("IDLE", "REQ", "LIVE")]
Media = Annotated[str, _only("audio", "video")]
Stage = Annotated[str, _only("captured", "sent", "previewed", "received", "rendered")]
Reliability = Annotated[str, _only("reliable", "lossy")]


class Arguments(Struct, gc=False):
    """What a record of some name carries. Fields that are not listed are allowed and not read."""


class RoomState(Arguments):
    """cb room.state. state: LOGGING_IN, IN, LOGIN_FAILED, RECONNECTING, REJOINED, RECONNECT_FAILED, KICKED, OUT or
    LOGOUT_FAILED."""

    state: RoomStateName
    code: int = 0
    session: str = ""


class UserItem(Arguments):
    id: str
    name: str = ""


class StreamItem(Arguments):
    id: str
    user: str = ""
    extra: str = ""


class Users(Arguments):
    """cb roster.users. A delta (ADD, DEL) or the whole list (SNAP)."""

    op: Literal["SNAP", "ADD", "DEL"]
    items: list[UserItem]
    src_seq: int | None = None


class Streams(Arguments):
    """cb roster.streams. reasons: one per deleted item; 1 stopped, 2 heartbeat, 3 repeated login, 4 kicked,
    5 disconnected, 6 removed by the server."""

    op: Literal["SNAP", "ADD", "DEL"]
    items: list[StreamItem]
    reasons: list[int] | None = None
    src_seq: int | None = None


class Ready(Arguments):
    """cb roster.ready: the first roster is complete, from services that say so."""


class RoomCount(Arguments):
    """cb room.count."""

    n: int


class RoomExtra(Arguments):
    """cb room.extra. at: milliseconds of the service's clock."""

    key: str
    value: str
    by: str = ""
    at: Count = 0


class StreamExtra(Arguments):
    """cb stream.extra."""

    items: list[StreamItem]


class TokenExpiring(Arguments):
    """cb room.token_expiring. remain: seconds."""

    remain: Count


class MediaState(Arguments):
    """cb pub.state, cb play.state. state: IDLE, REQ or LIVE."""

    stream: str
    state: MediaStateName
    code: int = 0


class FirstFrame(Arguments):
    """cb pub.first (stage captured, sent or previewed), cb play.first (stage received or rendered)."""

    media: Media
    stage: Stage
    stream: str = ""


class Quality(Arguments):
    """cb pub.quality, cb play.quality. rtt: ms; loss: 0 to 1; level: 0 (best) to 5; bytes: since the start."""

    stream: str
    fps: Count | None = None
    kbps: Count | None = None
    rtt: Count | None = None
    loss: Count | None = None
    level: int | None = None
    mos: Count | None = None
    bytes: int | None = None


class NetworkQuality(Arguments):
    """cb net.quality. up, down: 0 (best) to 5."""

    user: str = ""
    up: int = 0
    down: int = 0


class Stall(Arguments):
    """cb play.stall."""

    stream: str
    on: bool
    media: str = ""


class RemoteDevice(Arguments):
    """cb remote.device. device: camera or microphone; state: open or mute."""

    stream: str
    device: str
    state: str


class Message(Arguments):
    """cb msg."""

    id: str
    sender: str = field(name="from", default="")
    body: str = ""
    reliability: Reliability = field(name="class", default="reliable")


class Failure(Arguments):
    """cb error."""

    code: int
    func: str = ""


class Result(Arguments):
    """ret. result: ok, fail, or info when it is not known whether the call took effect. value: what it returned."""

    result: Literal["ok", "fail", "info"]
    code: int = 0
    message: str = ""
    value: Any = None


class Login(Arguments):
    """call login, call switch. token_expires: Unix seconds, where the application can tell."""

    room: str = ""
    user: str = ""
    user_updates: bool = True
    token_expires: Count | None = None


class RenewToken(Arguments):
    """call renew_token."""

    token_expires: Count | None = None


class StreamCall(Arguments):
    """call publish, unpublish, play, unplay, remove_stream. kinds: codec by medium."""

    stream: str
    kinds: dict[str, str] = field(default_factory=dict)


class Mute(Arguments):
    """call mute."""

    stream: str
    device: str
    muted: bool


class SetStreamExtra(Arguments):
    """call set_stream_extra."""

    stream: str
    extra: str


class SetRoomExtra(Arguments):
    """call set_room_extra."""

    key: str
    value: str


class Send(Arguments):
    """call send."""

    body: str = ""
    reliability: Reliability = field(name="class", default="reliable")


class Kick(Arguments):
    """call kick: an administrator puts `user` out of the room."""

    user: str


class Fault(Arguments):
    """fault. begin or end of something that lasts, or at once. name: crash, reset (of the signalling socket),
    black_hole (nothing passes, both ways), service_restart, conditions, ...

    conditions: the network of a client's media is from now on as this says (once: as it was when the client began).
    media: carried, if it can be expected to come in time, or impaired, as it is taken to be until the end where nothing
    is said. signalling: the client is cut off from the room as well."""

    phase: Literal["begin", "end", "once"] = "once"
    media: Annotated[str, _only("carried", "impaired")] | None = None
    signalling: bool = False

    @property
    def impairs_media(self) -> bool:
        """Whether media that does not come in time may be the network's doing, from now on."""
        return self.phase != "end" if self.media is None else self.media != "carried"


class Invalid(Arguments):
    """mark invalid: the next call of this name by this client must be refused. codes: with one of these; none: any."""

    call: str
    codes: list[int] = field(default_factory=list)
    why: str = ""


class Other(Arguments):
    """A record whose arguments no rule reads."""


CALLBACKS: dict[str, type[Arguments]] = {
    "room.state": RoomState,
    "roster.users": Users,
    "roster.streams": Streams,
    "roster.ready": Ready,
    "room.count": RoomCount,
    "room.extra": RoomExtra,
    "stream.extra": StreamExtra,
    "room.token_expiring": TokenExpiring,
    "pub.state": MediaState,
    "play.state": MediaState,
    "pub.first": FirstFrame,
    "play.first": FirstFrame,
    "pub.quality": Quality,
    "play.quality": Quality,
    "net.quality": NetworkQuality,
    "play.stall": Stall,
    "remote.device": RemoteDevice,
    "msg": Message,
    "error": Failure,
}
CALLS: dict[str, type[Arguments]] = {
    "login": Login,
    "switch": Login,
    "publish": StreamCall,
    "unpublish": StreamCall,
    "play": StreamCall,
    "unplay": StreamCall,
    "remove_stream": StreamCall,
    "mute": Mute,
    "set_stream_extra": SetStreamExtra,
    "set_room_extra": SetRoomExtra,
    "send": Send,
    "kick": Kick,
    "renew_token": RenewToken,
}
MARKS: dict[str, type[Arguments]] = {"invalid": Invalid}
CONDITIONS = "conditions"  # the fault that a change of the network's conditions is


class Record(Struct, gc=False):
    """client: the incarnation ("alice#2"); user: the account; seq: order of dispatch at that client; op: joins a call
    and its result; t_wire: when the bytes were read, 0 if nothing was. `line` is the record's address."""

    kind: Kind
    name: str
    t: float
    client: str = ""
    user: str = ""
    room: str = ""
    seq: int = -1
    epoch: int = 0
    op: int = 0
    t_wire: float = 0.0
    raw: Raw = field(name="args", default_factory=lambda: Raw(b"{}"))
    line: int = 0
    args: Any = field(name="", default=None)  # set after decoding: an Arguments of the record's name


def _decoders() -> dict[tuple[str, str], msgspec.json.Decoder[Any]]:
    found: dict[tuple[str, str], msgspec.json.Decoder[Any]] = {}
    for kind, names in (("cb", CALLBACKS), ("call", CALLS), ("mark", MARKS)):
        for name, arguments in names.items():
            found[kind, name] = msgspec.json.Decoder(arguments)
    return found


_RECORD = msgspec.json.Decoder(Record)
_ARGUMENTS = _decoders()
_RESULT, _FAULT, _OTHER = (msgspec.json.Decoder(found) for found in (Result, Fault, Other))


def parse_record(line: bytes, number: int) -> Record:
    """The record of one line; `number` is its address. Raises ValueError with one sentence on what is wrong with it."""
    try:
        record = _RECORD.decode(line)
        decoder = _ARGUMENTS.get((record.kind, record.name))
        if decoder is None:
            decoder = _RESULT if record.kind == "ret" else _FAULT if record.kind == "fault" else _OTHER
        record.args = decoder.decode(record.raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    record.line = number
    return record


def record_schema() -> dict[str, Any]:
    """The JSON Schema of a line, and of the arguments by name."""
    everything = dict.fromkeys((Record, *CALLBACKS.values(), *CALLS.values(), *MARKS.values(), Result, Fault))
    (_, definitions) = msgspec.json.schema_components(everything, ref_template="#/$defs/{name}")
    for name in ("line", ""):  # what the reader adds, no line has
        del definitions["Record"]["properties"][name]
    return definitions
