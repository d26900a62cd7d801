"""A file that a person wrote: its bytes, its document, and complaints about it in one sentence with their place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath

from harness.scenario.document import Document, DocumentError, read_document
from harness.scenario.errors import Path, ScenarioError, one_line

MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Format:
    """What a kind of file is called, one that ships, and the keys that it must have."""

    noun: str
    example: str
    keys: str


def read_source(name: str, form: Format) -> bytes:
    """The bytes of a file, one more at the most than are allowed. Raises ScenarioError."""
    try:
        with FilePath(name).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        allowed = f"allowed: a {form.noun} file, such as {form.example}"
        raise complaint(name, f"there is no such file; {allowed}") from None
    except IsADirectoryError:
        raise complaint(name, f"is a directory; allowed: a {form.noun} file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise complaint(name, f"cannot be read ({reason}); allowed: a readable {form.noun} file") from None


def parse_source(raw: bytes, name: str, form: Format) -> Document:
    """The document in the bytes of a file of that name. Raises ScenarioError."""
    if len(raw) > MOST_BYTES:
        raise complaint(name, f"is larger than {MOST_BYTES} bytes; allowed: up to {MOST_BYTES}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise complaint(f"{name}:{line}", "is not UTF-8 text; allowed: YAML in UTF-8") from None
    try:
        return read_document(text, form.keys)
    except DocumentError as error:
        raise complaint(f"{name}:{error.line}", str(error), error.path) from None


def complaint(where: str, message: str, path: Path = ()) -> ScenarioError:
    """where: the file, or file and line. path: the keys and indexes that lead to what is wrong."""
    key = ""
    for step in path:
        key += f"[{step}]" if isinstance(step, int) else f".{_short(step)}" if key else _short(step)
    return ScenarioError(one_line(f"{where}: {key}: {message}" if key else f"{where}: {message}"))


def _short(key: str) -> str:
    return key if len(key) <= 80 else key[:77] + "..."
