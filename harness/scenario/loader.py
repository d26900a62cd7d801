"""Scenario files to scenarios. Whatever is wrong with a file is said in one sentence: where, what, what is allowed."""

import os
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from harness.scenario.document import Document, DocumentError, read_document
from harness.scenario.errors import ImpossibleError, Path, ScenarioError, one_line
from harness.scenario.model import Scenario

MOST_BYTES = 1_000_000


def load_scenario(path: str | os.PathLike[str]) -> Scenario:
    """The scenario in a file. Raises ScenarioError, such as
    `x.yaml:12: roles.member.camera.size: 641x360 is not a size; allowed: 320x180, 640x360, 1280x720`.
    """
    name = os.fspath(path)
    return parse_scenario(_read(name), name)


def parse_scenario(raw: bytes, name: str) -> Scenario:
    """The scenario in the bytes of a file of that name. Raises ScenarioError."""
    if len(raw) > MOST_BYTES:
        raise _error(name, f"is larger than {MOST_BYTES} bytes; allowed: up to {MOST_BYTES}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _error(f"{name}:{line}", "is not UTF-8 text; allowed: YAML in UTF-8") from None
    try:
        document = read_document(text)
    except DocumentError as error:
        raise _error(f"{name}:{error.line}", str(error), error.path) from None
    try:
        return Scenario.model_validate(document.data)
    except ValidationError as error:
        raise _first_complaint(error, document, name) from None


def _read(name: str) -> bytes:
    try:
        with FilePath(name).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        allowed = "allowed: a scenario file, such as scenarios/two-party-call.yaml"
        raise _error(name, f"there is no such file; {allowed}") from None
    except IsADirectoryError:
        raise _error(name, "is a directory; allowed: a scenario file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _error(name, f"cannot be read ({reason}); allowed: a readable scenario file") from None


def _first_complaint(error: ValidationError, document: Document, name: str) -> ScenarioError:
    """The complaint that stands first in the file: a person mends one line at a time."""
    complaints = []
    for detail in error.errors(include_url=False, include_input=False):
        path: Path = detail["loc"]
        message = detail["msg"]
        cause: Any = detail.get("ctx", {}).get("error")
        if isinstance(cause, ImpossibleError):
            path, message = (*path, *cause.where), str(cause)
        complaints.append((document.line_of(path), path, message))
    line, path, message = min(complaints, key=lambda complaint: complaint[0])
    return _error(f"{name}:{line}", message, path)


def _error(where: str, message: str, path: Path = ()) -> ScenarioError:
    key = ""
    for step in path:
        key += f"[{step}]" if isinstance(step, int) else f".{_short(step)}" if key else _short(step)
    return ScenarioError(one_line(f"{where}: {key}: {message}" if key else f"{where}: {message}"))


def _short(key: str) -> str:
    return key if len(key) <= 80 else key[:77] + "..."
