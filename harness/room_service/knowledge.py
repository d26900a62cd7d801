"""What a client that comes back says it knows, held to the types and sizes that can be true.

Whatever it claims, it is told only what is so in its own room, and that things it named itself are not so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.call import identifiers
from harness.call.errors import CallError, ErrorCode
from harness.room_service.settings import Settings
from harness.room_service.state import IDLE, LIVE, REQUESTING

Texts = dict[str, str]
MOST_EXTRA = 1000  # keys of a room's extra info


@dataclass(frozen=True)
class Knowledge:
    """users: id to name; streams: id to user; devices: stream to kind to whether it is muted.

    published, played: stream to REQ or LIVE. warned: of the end of its present token.
    """

    users: Texts
    streams: Texts
    stream_extra: Texts
    room_extra: Texts
    devices: dict[str, dict[str, bool]]
    published: Texts
    played: Texts
    warned: bool


def read_knowledge(fields: dict[str, Any], settings: Settings) -> Knowledge:
    """Raises CallError 1900001, or the code of an identifier that is none."""
    streams = settings.users_per_room * settings.streams_per_user
    users = _texts(fields, "users", settings.users_per_room)
    for user in users:
        identifiers.check_user_id(user)
    found = {name: _texts(fields, name, streams) for name in ("streams", "stream_extra")}
    found["published"] = _states(fields, "published", settings.streams_per_user)
    found["played"] = _states(fields, "played", settings.plays_per_user)
    devices = _devices(fields, settings.plays_per_user)
    for stream in (*(stream for named in found.values() for stream in named), *devices):
        identifiers.check_stream_id(stream)
    warned = fields.get("warned", False)
    if not isinstance(warned, bool):
        raise _refusal("warned")
    room_extra = _texts(fields, "room_extra", MOST_EXTRA)
    return Knowledge(users=users, room_extra=room_extra, devices=devices, warned=warned, **found)


def _refusal(name: str) -> CallError:
    return CallError(ErrorCode.BAD_REQUEST, f'"{name}" of what the client knows cannot be')


def _mapping(fields: dict[str, Any], name: str, most: int) -> dict[str, Any]:
    found = fields.get(name, {})
    if not isinstance(found, dict) or len(found) > most:
        raise _refusal(name)
    return found


def _texts(fields: dict[str, Any], name: str, most: int) -> Texts:
    found = _mapping(fields, name, most)
    for value in (*found, *found.values()):
        if not isinstance(value, str) or len(value) > identifiers.STREAM_EXTRA_BYTES or not _is_unicode(value):
            raise _refusal(name)
    return found


def _is_unicode(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _states(fields: dict[str, Any], name: str, most: int) -> Texts:
    found = _texts(fields, name, most)
    if not set(found.values()) <= {IDLE, REQUESTING, LIVE}:
        raise _refusal(name)
    return found


def _devices(fields: dict[str, Any], most: int) -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = {}
    for stream, devices in _mapping(fields, "devices", most).items():
        if not isinstance(devices, dict) or not devices.keys() <= {"video", "audio"}:
            raise _refusal("devices")
        if not all(state in ("mute", "open") for state in devices.values()):
            raise _refusal("devices")
        found[stream] = {kind: state == "mute" for kind, state in devices.items()}
    return found
