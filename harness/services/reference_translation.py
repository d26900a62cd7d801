"""What the embedded service says, in the vocabulary; and what a client knows of its room by all it was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.call.callbacks import (
    Callback,
    MediaState,
    MessageReceived,
    OnlineUserCountUpdated,
    PlayerStateUpdated,
    PublisherStateUpdated,
    RemoteDeviceUpdated,
    RoomExtraInfoUpdated,
    RoomStreamsUpdated,
    RoomUsersUpdated,
    Stream,
    StreamExtraInfoUpdated,
    TokenWillExpire,
    UpdateType,
    User,
)

DEVICES = {"video": "camera", "audio": "microphone"}


def translate(room: str, event: dict[str, Any]) -> Callback | None:
    """The callback of an event; None for one that is between driver and service."""
    translation = _TRANSLATIONS.get(event["event"])
    return translation(room, event) if translation is not None else None


def _users(room: str, event: dict[str, Any]) -> Callback:
    users = tuple(User(item["user"], item["name"]) for item in event["users"])
    return RoomUsersUpdated(room, UpdateType(event["op"]), users, event["seq"])


def _stream(item: dict[str, Any]) -> Stream:
    user = User(item["user"], item.get("name", ""))
    return Stream(item["stream"], user, item.get("extra", ""), item.get("reason", 0))


def _streams(room: str, event: dict[str, Any]) -> Callback:
    streams = tuple(map(_stream, event["streams"]))
    return RoomStreamsUpdated(room, UpdateType(event["op"]), streams, event["seq"])


_TRANSLATIONS: dict[str, Callable[[str, dict[str, Any]], Callback]] = {
    "user_update": _users,
    "stream_update": _streams,
    "count": lambda room, e: OnlineUserCountUpdated(room, e["users"]),
    "publisher_state": lambda room, e: PublisherStateUpdated(room, e["stream"], MediaState(e["state"]), e["code"]),
    "player_state": lambda room, e: PlayerStateUpdated(room, e["stream"], MediaState(e["state"]), e["code"]),
    "device": lambda room, e: RemoteDeviceUpdated(room, e["stream"], DEVICES[e["kind"]], e["state"]),
    "room_extra": lambda room, e: RoomExtraInfoUpdated(room, e["key"], e["value"], e["by"], e["at"]),
    "stream_extra": lambda room, e: StreamExtraInfoUpdated(room, tuple(map(_stream, e["streams"]))),
    "token_expiring": lambda room, e: TokenWillExpire(room, e["remain"]),
    "message": lambda room, e: MessageReceived(room, e["id"], e["from"], e["body"], e["reliable"]),
}


class ClientKnowledge:
    """The fold of a session's events, which a resume reports, so that the service tells what got lost on the way."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}  # id: name
        self.streams: dict[str, str] = {}  # id: user
        self.stream_extra: dict[str, str] = {}
        self.room_extra: dict[str, str] = {}
        self.devices: dict[str, dict[str, str]] = {}  # stream: kind: state
        self.warned = False  # of the end of the present token

    def follow(self, event: dict[str, Any]) -> None:
        fold = getattr(self, f"_{event['event']}", None)
        if fold is not None:
            fold(event)

    def _user_update(self, event: dict[str, Any]) -> None:
        for item in event["users"]:
            if event["op"] == UpdateType.ADD.value:
                self.users[item["user"]] = item["name"]
            else:
                self.users.pop(item["user"], None)

    def _stream_update(self, event: dict[str, Any]) -> None:
        for item in event["streams"]:
            stream = item["stream"]
            if event["op"] == UpdateType.ADD.value:
                self.streams[stream], self.stream_extra[stream] = item["user"], item.get("extra", "")
            else:
                self.streams.pop(stream, None)
                self.stream_extra.pop(stream, None)

    def _stream_extra(self, event: dict[str, Any]) -> None:
        for item in event["streams"]:
            self.stream_extra[item["stream"]] = item.get("extra", "")

    def _room_extra(self, event: dict[str, Any]) -> None:
        self.room_extra[event["key"]] = event["value"]

    def _device(self, event: dict[str, Any]) -> None:
        self.devices.setdefault(event["stream"], {})[event["kind"]] = event["state"]

    def _token_expiring(self, event: dict[str, Any]) -> None:
        self.warned = True

    def reported(self) -> dict[str, Any]:
        return {
            "users": self.users,
            "streams": self.streams,
            "stream_extra": self.stream_extra,
            "room_extra": self.room_extra,
            "devices": self.devices,
            "warned": self.warned,
        }
