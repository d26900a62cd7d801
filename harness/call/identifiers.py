"""Identifiers and their limits, in bytes and by character set (ZEGO Express, limits of rooms and streams)."""

from __future__ import annotations

import re

from harness.call.errors import CallError, ErrorCode

ROOM_ID_BYTES, USER_ID_BYTES, USER_NAME_BYTES, STREAM_ID_BYTES = 128, 64, 256, 256
STREAM_EXTRA_BYTES, ROOM_EXTRA_KEY_BYTES, ROOM_EXTRA_VALUE_BYTES, MESSAGE_BYTES = 1024, 128, 128, 1024

# Digits, letters and these; % is left out because the web SDK cannot use it.
_NAME = re.compile(r"[0-9A-Za-z~!@#$^&*()_+=\-`;',.<>\\]+")
_STREAM = re.compile(r"[0-9A-Za-z_-]+")


def _size(kind: str, value: str, illegal: int) -> int:
    """Bytes on the wire. Raises CallError `illegal` for half a surrogate pair, which has none."""
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise CallError(illegal, f"the {kind} is not valid Unicode") from None


def _check(kind: str, value: str, limit: int, pattern: re.Pattern[str], codes: tuple[int, int, int]) -> None:
    if not value:
        raise CallError(codes[0], f"the {kind} is empty")
    size = _size(kind, value, codes[1])
    if size > limit:
        raise CallError(codes[2], f"the {kind} has {size} bytes; at most {limit} are allowed")
    if not pattern.fullmatch(value):
        raise CallError(codes[1], f"the {kind} has a character that is not allowed")


def check_room_id(value: str) -> None:
    """Raise CallError 1002011, 1002012 or 1002013 when the room id is empty, illegal or too long."""
    codes = (ErrorCode.ROOM_ID_EMPTY, ErrorCode.ROOM_ID_ILLEGAL, ErrorCode.ROOM_ID_TOO_LONG)
    _check("room id", value, ROOM_ID_BYTES, _NAME, codes)


def check_user_id(value: str) -> None:
    """Raise CallError 1002005, 1002006 or 1002007."""
    codes = (ErrorCode.USER_ID_EMPTY, ErrorCode.USER_ID_ILLEGAL, ErrorCode.USER_ID_TOO_LONG)
    _check("user id", value, USER_ID_BYTES, _NAME, codes)


def check_user_name(value: str) -> None:
    """Raise CallError 1002008, 1002009 or 1002010. A name may hold any character."""
    if not value:
        raise CallError(ErrorCode.USER_NAME_EMPTY, "the user name is empty")
    if _size("user name", value, ErrorCode.USER_NAME_ILLEGAL) > USER_NAME_BYTES:
        raise CallError(ErrorCode.USER_NAME_TOO_LONG, f"the user name has more than {USER_NAME_BYTES} bytes")


def check_stream_id(value: str) -> None:
    """Raise CallError 1000015, 1000016 or 1000014."""
    codes = (ErrorCode.STREAM_ID_EMPTY, ErrorCode.STREAM_ID_ILLEGAL, ErrorCode.STREAM_ID_TOO_LONG)
    _check("stream id", value, STREAM_ID_BYTES, _STREAM, codes)


def check_stream_extra(value: str) -> None:
    """Raise CallError 1003050: the extra info of a stream must stay below 1024 bytes."""
    if _size("stream extra info", value, ErrorCode.BAD_REQUEST) >= STREAM_EXTRA_BYTES:
        raise CallError(ErrorCode.STREAM_EXTRA_TOO_LONG, f"stream extra info must be under {STREAM_EXTRA_BYTES} bytes")


def check_room_extra(key: str, value: str) -> None:
    """Raise CallError 1002015 or 1002016."""
    if not key or _size("room extra key", key, ErrorCode.EXTRA_KEY_ILLEGAL) >= ROOM_EXTRA_KEY_BYTES:
        raise CallError(ErrorCode.EXTRA_KEY_ILLEGAL, f"a room extra key has 1 to {ROOM_EXTRA_KEY_BYTES - 1} bytes")
    if _size("room extra value", value, ErrorCode.BAD_REQUEST) > ROOM_EXTRA_VALUE_BYTES:
        raise CallError(
            ErrorCode.EXTRA_VALUE_TOO_LONG, f"a room extra value has at most {ROOM_EXTRA_VALUE_BYTES} bytes"
        )


def check_message(text: str) -> None:
    """Raise CallError 1009001."""
    if not text or _size("message", text, ErrorCode.BAD_REQUEST) > MESSAGE_BYTES:
        raise CallError(ErrorCode.MESSAGE_TOO_LONG, f"a message has 1 to {MESSAGE_BYTES} bytes")
