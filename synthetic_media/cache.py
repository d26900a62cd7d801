"""The clip cache: what took a second to encode is read back in a few milliseconds.

A file is: magic, length of the header (u32, big-endian), header (JSON), blobs one after the other, SHA-256 of all
before it. Nothing in it is ever executed. Whatever is wrong with a file, it counts as absent.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_MAGIC = b"CALLCLIP"
_DIGEST_SIZE = 32


def default_folder() -> Path:
    """`call-harness/clips` in $XDG_CACHE_HOME, or in ~/.cache when that is unset or not absolute (as XDG demands)."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "call-harness" / "clips"


def fingerprint(identity: Mapping[str, Any]) -> str:
    """The key of a clip: SHA-256, as hex, of everything that decides its bytes."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def read_entry(path: Path, key: str) -> tuple[dict[str, Any], list[bytes]] | None:
    """(header, blobs) that `write_entry` stored under this key; None when absent, damaged, or another clip's."""
    try:
        return _parse(path.read_bytes(), key)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_entry(path: Path, key: str, header: Mapping[str, Any], blobs: Sequence[bytes]) -> None:
    """Store header and blobs. Readers and other writers see the old file or the new one, never a part of one.

    A cache that cannot be written (full disk, read-only home) costs time, not the run: such errors are ignored.
    """
    text = json.dumps({**header, "key": key, "blobs": [len(blob) for blob in blobs]}).encode()
    content = b"".join((_MAGIC, len(text).to_bytes(4), text, *blobs))
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content + hashlib.sha256(content).digest())


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=path.stem[:16], suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _parse(content: bytes, key: str) -> tuple[dict[str, Any], list[bytes]]:
    body, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        raise ValueError("not an intact clip file")
    start = len(_MAGIC) + 4
    position = start + int.from_bytes(body[len(_MAGIC) : start])
    header = json.loads(body[start:position])
    if header["key"] != key:
        raise ValueError("another clip's file")
    blobs = []
    for size in header["blobs"]:
        blobs.append(body[position : position + size])
        position += size
    if position != len(body):
        raise ValueError("the blobs do not fill the file")
    return header, blobs
