"""The callbacks of a call: states, and one small record per callback, past tense.

Names follow the vendor guide's callbacks in Python case; the `event` and `fields` of each are the neutral vocabulary
that the trace and the rules use.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from typing import Any, ClassVar


class RoomState(Enum):
    """The guide's three states."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"


class RoomStateReason(Enum):
    """Why the room state changed; nine reasons, by their neutral names."""

    LOGGING_IN = "LOGGING_IN"
    IN = "IN"
    LOGIN_FAILED = "LOGIN_FAILED"
    RECONNECTING = "RECONNECTING"
    REJOINED = "REJOINED"
    RECONNECT_FAILED = "RECONNECT_FAILED"
    KICKED = "KICKED"
    OUT = "OUT"
    LOGOUT_FAILED = "LOGOUT_FAILED"

    @property
    def state(self) -> RoomState:
        if self in (RoomStateReason.LOGGING_IN, RoomStateReason.RECONNECTING):
            return RoomState.CONNECTING
        if self in (RoomStateReason.IN, RoomStateReason.REJOINED, RoomStateReason.LOGOUT_FAILED):
            return RoomState.CONNECTED
        return RoomState.DISCONNECTED


class MediaState(Enum):
    """Publisher and player states: NO_PUBLISH / PUBLISH_REQUESTING / PUBLISHING, and the same for playing."""

    IDLE = "IDLE"
    REQUESTING = "REQ"
    LIVE = "LIVE"


class UpdateType(Enum):
    ADD = "ADD"
    DELETE = "DEL"


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    user_name: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    stream_id: str
    user: User
    extra_info: str = ""
    delete_reason: int = 0  # 1 stopped, 2 heartbeat, 3 repeated login, 4 kicked, 5 disconnected, 6 by the server


@dataclass(frozen=True, slots=True)
class Callback:
    """room_id and what happened. `event` names it in the trace."""

    event: ClassVar[str] = ""
    handler: ClassVar[str] = ""
    room_id: str

    def fields(self) -> dict[str, Any]:
        """The record's `args`: JSON values only. Of fields that hold more than one, the class has to make them."""
        found = {}
        kind: type = type(self)
        for name in _names(kind):
            value = getattr(self, name)
            found[name] = value.value if isinstance(value, Enum) else value
        return found


@cache
def _names(callback: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(callback) if field.name != "room_id")


@dataclass(frozen=True, slots=True)
class RoomStateUpdated(Callback):
    """extended: what the service adds, such as the room's session id."""

    event = "room.state"
    handler = "on_room_state_update"
    reason: RoomStateReason
    error_code: int = 0
    session: str = ""

    def fields(self) -> dict[str, Any]:
        return {"state": self.reason.value, "code": self.error_code, "session": self.session}


@dataclass(frozen=True, slots=True)
class RoomUsersUpdated(Callback):
    """A delta: users who came or left, never the whole list."""

    event = "roster.users"
    handler = "on_room_user_update"
    update_type: UpdateType
    users: tuple[User, ...]
    sequence: int | None = None

    def fields(self) -> dict[str, Any]:
        items = [{"id": user.user_id, "name": user.user_name} for user in self.users]
        return {"op": self.update_type.value, "items": items, "src_seq": self.sequence}


@dataclass(frozen=True, slots=True)
class RoomStreamsUpdated(Callback):
    """A delta: streams that were added or deleted."""

    event = "roster.streams"
    handler = "on_room_stream_update"
    update_type: UpdateType
    streams: tuple[Stream, ...]
    sequence: int | None = None

    def fields(self) -> dict[str, Any]:
        items = [{"id": s.stream_id, "user": s.user.user_id, "extra": s.extra_info} for s in self.streams]
        found: dict[str, Any] = {"op": self.update_type.value, "items": items, "src_seq": self.sequence}
        if self.update_type is UpdateType.DELETE:
            found["reasons"] = [stream.delete_reason for stream in self.streams]
        return found


@dataclass(frozen=True, slots=True)
class OnlineUserCountUpdated(Callback):
    """n: users in the room, this one included."""

    event = "room.count"
    handler = "on_room_online_user_count_update"
    n: int


@dataclass(frozen=True, slots=True)
class PublisherStateUpdated(Callback):
    event = "pub.state"
    handler = "on_publisher_state_update"
    stream: str
    state: MediaState
    code: int = 0


@dataclass(frozen=True, slots=True)
class PlayerStateUpdated(Callback):
    event = "play.state"
    handler = "on_player_state_update"
    stream: str
    state: MediaState
    code: int = 0


@dataclass(frozen=True, slots=True)
class PublisherFirstFrame(Callback):
    """media: "video" or "audio"; stage: "captured" or "sent"."""

    event = "pub.first"
    handler = "on_publisher_first_frame"
    stream: str
    media: str
    stage: str


@dataclass(frozen=True, slots=True)
class PlayerFirstFrame(Callback):
    """media: "video" or "audio"; stage: "received" (a packet) or "rendered" (a whole frame that can be shown)."""

    event = "play.first"
    handler = "on_player_first_frame"
    stream: str
    media: str
    stage: str


@dataclass(frozen=True, slots=True)
class StreamQuality(Callback):
    """What was sent or received since the last report.

    fps: video frames a second, None without video; rtt: ms, None when nobody measures it; loss: 0 to 1;
    level: see call.quality; bytes: since the publish or play call.
    """

    stream: str
    fps: float | None
    kbps: float
    rtt: float | None
    loss: float
    level: int
    bytes: int

    def fields(self) -> dict[str, Any]:  # by name: most records of a long trace are of this kind
        return {
            "stream": self.stream,
            "fps": self.fps,
            "kbps": self.kbps,
            "rtt": self.rtt,
            "loss": self.loss,
            "level": self.level,
            "bytes": self.bytes,
        }


@dataclass(frozen=True, slots=True)
class PublisherQualityUpdated(StreamQuality):
    event = "pub.quality"
    handler = "on_publisher_quality_update"


@dataclass(frozen=True, slots=True)
class PlayerQualityUpdated(StreamQuality):
    event = "play.quality"
    handler = "on_player_quality_update"


@dataclass(frozen=True, slots=True)
class NetworkQualityUpdated(Callback):
    """user: this user; up, down: levels, see call.quality."""

    event = "net.quality"
    handler = "on_network_quality"
    user: str
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class RemoteDeviceUpdated(Callback):
    """device: "camera" or "microphone"; state: "open" or "mute"."""

    event = "remote.device"
    handler = "on_remote_device_update"
    stream: str
    device: str
    state: str


@dataclass(frozen=True, slots=True)
class RoomExtraInfoUpdated(Callback):
    event = "room.extra"
    handler = "on_room_extra_info_update"
    key: str
    value: str
    by: str
    at: int  # milliseconds of the service's clock


@dataclass(frozen=True, slots=True)
class StreamExtraInfoUpdated(Callback):
    event = "stream.extra"
    handler = "on_room_stream_extra_info_update"
    streams: tuple[Stream, ...]

    def fields(self) -> dict[str, Any]:
        return {"items": [{"id": s.stream_id, "user": s.user.user_id, "extra": s.extra_info} for s in self.streams]}


@dataclass(frozen=True, slots=True)
class TokenWillExpire(Callback):
    event = "room.token_expiring"
    handler = "on_room_token_will_expire"
    remain: int  # seconds


@dataclass(frozen=True, slots=True)
class MessageReceived(Callback):
    event = "msg"
    handler = "on_message"
    id: str
    sender: str
    body: str
    reliable: bool = True

    def fields(self) -> dict[str, Any]:
        kind = "reliable" if self.reliable else "lossy"
        return {"class": kind, "id": self.id, "from": self.sender, "body": self.body}
