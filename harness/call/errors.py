"""Error codes of the call contract, by the numbers ZEGO Express publishes for them (ZegoExpressErrorCode.h)."""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """0 is success. The names are ours; the numbers are the vendor's, so that traces compare."""

    OK = 0
    NO_ENGINE = 1000001
    NOT_LOGGED_IN = 1000002
    STREAM_ID_TOO_LONG = 1000014
    STREAM_ID_EMPTY = 1000015
    STREAM_ID_ILLEGAL = 1000016
    ALREADY_LOGGED_IN = 1002001  # also: in as many rooms as a user may be in
    NOT_IN_THIS_ROOM = 1002002
    USER_ID_EMPTY = 1002005
    USER_ID_ILLEGAL = 1002006
    USER_ID_TOO_LONG = 1002007
    USER_NAME_EMPTY = 1002008
    USER_NAME_ILLEGAL = 1002009
    USER_NAME_TOO_LONG = 1002010
    ROOM_ID_EMPTY = 1002011
    ROOM_ID_ILLEGAL = 1002012
    ROOM_ID_TOO_LONG = 1002013
    EXTRA_KEY_ILLEGAL = 1002015
    EXTRA_VALUE_TOO_LONG = 1002016
    TOKEN_INVALID = 1002033
    ROOM_FULL = 1002034
    KICKED_SAME_USER = 1002050
    NETWORK_INTERRUPTED = 1002051
    LOGIN_TIMED_OUT = 1002053
    KICKED_BY_SERVER = 1002055
    KICKED_TOKEN_EXPIRED = 1002056
    SESSION_EXCEPTION = 1002057
    TOO_MANY_LOGINS = 1002071
    RECONNECT_REFUSED = 1002086
    PUBLISH_INTERRUPTED = 1003020
    PUBLISH_RETRY_TIMED_OUT = 1003021
    CHANNEL_ALREADY_PUBLISHING = 1003023
    PUBLISH_FORBIDDEN = 1003025
    STREAM_ID_TAKEN = 1003028
    STREAM_EXTRA_TOO_LONG = 1003050
    STREAM_NOT_FOUND = 1004002
    TOO_MANY_PLAYS = 1004010
    PLAY_INTERRUPTED = 1004020
    PLAY_FORBIDDEN = 1004025
    MESSAGE_TOO_LONG = 1009001
    MESSAGE_REFUSED = 1009010
    # Ours: what a service answers that the vendor's list has no number for.
    BAD_REQUEST = 1900001
    BAD_DESCRIPTION = 1900002
    TOO_MANY_REQUESTS = 1900003
    MEDIA_FAILED = 1900004
    SERVICE_UNREACHABLE = 1900005
    SERVICE_CLOSED = 1900006


class CallError(Exception):
    """A call of the engine that failed: `code` by the contract (0 when the service named none), one sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = int(code)

    def __str__(self) -> str:
        return f"{self.args[0]} (code {self.code})"
