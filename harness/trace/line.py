"""A record as its line: JSON that every reader takes, whatever a service put into a message."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_LINE_BYTES = 1 << 20  # readers pass over what is longer
_DEEPEST = 40
_SHORT = 1000  # characters that are kept of a text in a line that would be too long
_compact = json.JSONEncoder(separators=(",", ":"), default=str, allow_nan=False)  # ASCII: no line ends but our own


def trace_line(record: dict[str, Any]) -> bytes:
    """One line with its newline. Values that JSON does not know become text: a record is never lost for its content.

    Of a line that would be longer than readers take, the service's own message is left out.
    """
    text = _encoded(record)
    if len(text) < MAX_LINE_BYTES:
        return text + b"\n"
    if "native" in record:
        return trace_line({**record, "native": {"omitted_bytes": len(_encoded(record["native"]))}})
    return _encoded(_plain(record, 0, _SHORT)) + b"\n"


def _encoded(value: Any) -> bytes:
    try:
        text = _compact.encode(value)
        if "\\ud" not in text:
            return text.encode()
    except Exception:  # NaN, circles, depths, a __str__ that raises: none of it may cost the record
        pass
    return _compact.encode(_plain(value, 0, None)).encode()  # or half a surrogate pair, which no reader takes


def _plain(value: Any, depth: int, most: int | None) -> Any:
    """The same in plain JSON values; texts of at most that many characters."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < _DEEPEST:
        if isinstance(value, dict):
            return {_text(key, most): _plain(item, depth + 1, most) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [_plain(item, depth + 1, most) for item in value]
    return _text(value, most)


def _text(value: Any, most: int | None) -> str:
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text[:most].encode("utf-8", "backslashreplace").decode()
