"""One simulated user of a plan: who it is, what it sends and plays, and what it does when."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from harness.scenario.observe import ObserveShares
from harness.scenario.role import CameraSpec, MicrophoneSpec, PlayPolicy

ActionKind = Literal[
    "login",
    "publish",
    "unpublish",
    "mute_camera",
    "unmute_camera",
    "mute_microphone",
    "unmute_microphone",
    "logout",
]
ACTION_KINDS: tuple[ActionKind, ...] = get_args(ActionKind)
Stretch = tuple[float, float]


@dataclass(frozen=True)
class Action:
    """Something to do `at` seconds after the run begins. A logout stops publishing by itself, as in the guide."""

    at: float
    kind: ActionKind


@dataclass(frozen=True)
class NetworkChange:
    """An event that befalls a user begins or ends, `at` seconds into the run. network: its name from then on."""

    at: float
    phase: str
    event: str
    network: str


@dataclass(frozen=True)
class Participant:
    """One simulated user.

    arrive_at, leave_at: seconds after the run begins. stream_id: what it publishes, the same one after every break;
    None for a watcher. clip: which of the distinct clips it shows, counted from 0 among the publishers of its room
    (0 and unused for a watcher). stamp_id: a u32, unique in the run, that its frames carry. actions: by time, a login
    first and a logout last. network: which of the plan's networks it begins on, None for no emulation; changes: of it,
    by time.
    """

    index: int
    user_id: str
    user_name: str
    room_id: str
    role: str
    arrive_at: float
    leave_at: float
    camera: CameraSpec | None
    microphone: MicrophoneSpec | None
    play: PlayPolicy
    depths: ObserveShares
    stream_id: str | None
    clip: int
    stamp_id: int
    actions: tuple[Action, ...]
    network: str | None = None
    changes: tuple[NetworkChange, ...] = ()

    @cached_property
    def presences(self) -> tuple[Stretch, ...]:
        """When it is in the room: (from, to) in seconds, one after the other."""
        return tuple(_stretches(self.actions, ("login",), ("logout",)))

    @cached_property
    def publications(self) -> tuple[Stretch, ...]:
        """When its stream is there: (from, to) in seconds, one after the other."""
        return tuple(_stretches(self.actions, ("publish",), ("unpublish", "logout")))


def _stretches(actions: tuple[Action, ...], begin: tuple[str, ...], end: tuple[str, ...]) -> Iterator[Stretch]:
    since: float | None = None
    for action in actions:
        if action.kind in begin:
            since = action.at
        elif action.kind in end and since is not None:
            yield since, action.at
            since = None
