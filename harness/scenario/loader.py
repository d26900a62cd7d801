"""Scenario files to scenarios. Whatever is wrong with a file is said in one sentence: where, what, what is allowed."""

import os
from typing import Any

from pydantic import ValidationError

from harness.scenario.document import Document
from harness.scenario.errors import ImpossibleError, Path, ScenarioError
from harness.scenario.model import Scenario
from harness.scenario.source import Format, complaint, parse_source, read_source

SCENARIO = Format("scenario", "scenarios/two-party-call.yaml", "name, roles, duration")


def load_scenario(path: str | os.PathLike[str]) -> Scenario:
    """The scenario in a file. Raises ScenarioError, such as
    `x.yaml:12: roles.member.camera.size: 641x360 is not a size; allowed: 320x180, 640x360, 1280x720`.
    """
    name = os.fspath(path)
    return parse_scenario(read_source(name, SCENARIO), name)


def parse_scenario(raw: bytes, name: str) -> Scenario:
    """The scenario in the bytes of a file of that name. Raises ScenarioError."""
    document = parse_source(raw, name, SCENARIO)
    try:
        return Scenario.model_validate(document.data)
    except ValidationError as error:
        raise _first_complaint(error, document, name) from None


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
    line, path, message = min(complaints, key=lambda found: found[0])
    return complaint(f"{name}:{line}", message, path)
