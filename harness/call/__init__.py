"""The vocabulary of a multi-party call: engine, callbacks, states, error codes, identifiers and their limits."""

from harness.call.callbacks import MediaState, RoomState, RoomStateReason, Stream, UpdateType, User
from harness.call.engine import CallEngine
from harness.call.errors import CallError, ErrorCode
from harness.call.handler import EventHandler

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
