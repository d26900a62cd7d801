"""What one service promises: its deadlines, windows, codes and policies, and which rules it stands for. From YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SHIPPED = Path(__file__).parent / "profiles"
PROFILE_BYTES = 1 << 16
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Code = Annotated[int, Field(ge=0)]
StateName = Literal["LOGIN_FAILED", "RECONNECTING", "RECONNECT_FAILED", "KICKED", "LOGOUT_FAILED"]
RUN_PARAMETERS = ("heartbeat", "retry_window", "token_expiry", "token_warning", "users_per_room")


class ProfileError(ValueError):
    """A profile that cannot be used; file, line, key and what is allowed in one sentence."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Deadlines(_Part):
    """Seconds. propagation: from a fact to everybody else's knowing it. teardown: from OUT to the end of all media."""

    call: Seconds = 2
    login: Seconds = 10
    propagation: Seconds = 5
    publish: Seconds = 10
    play: Seconds = 10
    first_frame: Seconds = 5
    teardown: Seconds = 2


class Periods(_Part):
    """Seconds between callbacks of a kind."""

    publish_quality: Seconds = 3
    play_quality: Seconds = 3
    network_quality: Seconds = 2
    count: Seconds = 30


class Codes(_Part):
    """The codes of outcomes that rules name. 0: the service gives none, any will do."""

    kicked_by_server: Code = 1002055
    kicked_same_user: Code = 1002050
    kicked_token_expired: Code = 1002056
    already_logged_in: tuple[Code, ...] = (1002001,)
    not_logged_in: tuple[Code, ...] = (1000002,)
    not_in_this_room: tuple[Code, ...] = (1002002,)
    no_engine: tuple[Code, ...] = (1000001,)
    stream_taken: tuple[Code, ...] = (1003028,)
    channel_busy: tuple[Code, ...] = (1003023,)
    stream_unknown: tuple[Code, ...] = (1004002,)
    gave_up: tuple[Code, ...] = (1002053,)


class Profile(_Part):
    """heartbeat: seconds of silence after which others are told, at least and at most. retry_window: how long a client
    tries to come back. room_grace: how long an empty room keeps its session. codes_by_state: allowed codes; a state
    that is missing may have any but 0. promises: rule ids, sections (RS) or ranges (RS-01..RS-05); weaker: promised,
    but as SHOULD."""

    name: str
    title: str = ""
    deadlines: Deadlines = Deadlines()
    heartbeat: tuple[Seconds, Seconds] = (90, 100)
    retry_window: Seconds = 1200
    room_grace: Seconds = 0
    periods: Periods = Periods()
    token_warning: Seconds = 30
    token_expiry: Literal["keep", "kick"] = "keep"
    roster: Literal["after_in", "with_in", "before_in"] = "after_in"
    leave_order: Literal["any", "streams_first", "user_first"] = "any"
    users_per_room: Annotated[int, Field(ge=1)] | None = None  # None: not known
    duplicate_login: Literal["kick_old", "kick_old_silent", "refuse_new"] = "kick_old"
    exact_codes: bool = True
    codes: Codes = Codes()
    codes_by_state: dict[StateName, tuple[Code, ...]] = Field(default_factory=dict)
    promises: tuple[str, ...] = ()
    weaker: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _heartbeat_in_order(self) -> Profile:
        if self.heartbeat[0] > self.heartbeat[1]:
            raise ValueError("heartbeat: the least comes before the most")
        return self

    def with_parameters(self, parameters: dict[str, Any]) -> Profile:
        """The profile as one run's service was set up: its header's "parameters". Raises ProfileError."""
        changed: dict[str, Any] = self.model_dump()
        changed.update((name, parameters[name]) for name in RUN_PARAMETERS if name in parameters)
        if "propagation" in parameters:
            changed["deadlines"]["propagation"] = parameters["propagation"]
        if "count" in parameters:
            changed["periods"]["count"] = parameters["count"]
        try:
            return Profile.model_validate(changed)
        except ValidationError as error:
            raise ProfileError(f"the trace's parameters: {_first_reason(error)}") from None


@dataclass(frozen=True)
class _Lines:
    """Line of each key path of a YAML document."""

    found: dict[tuple[str, ...], int] = field(default_factory=dict)

    def read(self, node: yaml.Node | None, path: tuple[str, ...] = ()) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                self.found[inner] = key.start_mark.line + 1
                self.read(value, inner)

    def of(self, path: tuple[str, ...]) -> int:
        while path and path not in self.found:
            path = path[:-1]
        return self.found.get(path, 1)


def profile_names() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_profile(name: str) -> Profile:
    """A shipped profile by name, or one's own by path (with a .yaml ending). Raises ProfileError."""
    path = SHIPPED / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
    elif name not in profile_names():
        raise ProfileError(f"there is no profile {name!r}; there are {', '.join(profile_names())}, or a .yaml file")
    return _read(path, depth=0)


def _read(path: Path, depth: int) -> Profile:
    try:
        with path.open("rb") as file:
            text = file.read(PROFILE_BYTES + 1)
        if len(text) > PROFILE_BYTES:
            raise ProfileError(f"{path}: a profile has at most {PROFILE_BYTES} bytes")
        body = yaml.safe_load(text)
        lines = _Lines()
        lines.read(yaml.compose(text, yaml.SafeLoader))
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, ProfileError):
            raise
        raise ProfileError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(body, dict):
        raise ProfileError(f"{path}:1: a profile is a mapping of keys")
    base = body.pop("extends", None)
    if base is not None:
        body = _extend(path, str(base), body, depth)
    try:
        return Profile.model_validate({"name": path.stem, **body})
    except ValidationError as error:
        where = tuple(str(part) for part in error.errors()[0]["loc"])
        raise ProfileError(f"{path}:{lines.of(where)}: {_first_reason(error)}") from None


def _extend(path: Path, base: str, body: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > 3 or base not in profile_names():
        raise ProfileError(f"{path}: extends {base!r}: allowed are {', '.join(profile_names())}")
    inherited = _read(SHIPPED / f"{base}.yaml", depth + 1).model_dump()
    inherited["name"] = path.stem
    for key, value in body.items():
        below = inherited.get(key)
        inherited[key] = {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value
    return inherited


def _first_reason(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        parts = [str(part) for part in first["loc"][:-1]]
        model: Any = Profile
        for part in parts:
            model = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
        allowed = ", ".join(getattr(model, "model_fields", {}))
        return f"{key}: unknown key; allowed are {allowed}"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{key}: {reason[0].lower()}{reason[1:]}" if key else reason


_RANGE = re.compile(r"([A-Z]{2})(?:-(\d\d)(?:\.\.(?:\1-)?(\d\d))?)?")


def expand(selections: tuple[str, ...], known: list[str]) -> set[str]:
    """Rule ids of a list of ids, sections by letters (RS) and ranges (RS-01..RS-05). Raises ValueError for others."""
    found: set[str] = set()
    for selection in selections:
        match = _RANGE.fullmatch(selection)
        chosen: list[str] = []
        if match:
            letters, first, last = match.groups()
            low, high = int(first or 0), int(last or first or 99)
            chosen = [rule for rule in known if rule[:2] == letters and low <= int(rule[3:]) <= high]
        if not chosen:
            raise ValueError(f"{selection!r} is no rule, section or range of rules")
        found.update(chosen)
    return found
