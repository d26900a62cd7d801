"""The vocabulary of a multi-party call: engine, callbacks, states, error codes, identifiers and their limits."""

from .callbacks import MediaState, RoomState, RoomStateReason, Stream, UpdateType, User
from .engine import CallEngine
from .errors import CallError, ErrorCode
from .handler import EventHandler

__all__ = [
    "CallEngine",
    "CallError",
    "ErrorCode",
    "EventHandler",
    "MediaState",
    "RoomState",
    "RoomStateReason",
    "Stream",
    "UpdateType",
    "User",
]
