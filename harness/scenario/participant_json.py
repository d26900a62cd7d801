"""Participants as JSON values and back: what all of a role share is written once."""

from typing import Any

from harness.scenario.observe import ObserveShares
from harness.scenario.part import Part
from harness.scenario.participant import Action, NetworkChange, Participant
from harness.scenario.role import CameraSpec, MicrophoneSpec, PlayPolicy

_SHARED: dict[str, type[Part]] = {"camera": CameraSpec, "microphone": MicrophoneSpec, "play": PlayPolicy}
_OWN = (
    "index", "user_id", "user_name", "room_id", "role", "arrive_at", "leave_at", "stream_id", "clip", "stamp_id",
)  # fmt: skip


def role_to_dict(one: Participant) -> dict[str, Any]:
    """What all participants of a role share."""
    return {
        "camera": one.camera.model_dump(mode="json") if one.camera else None,
        "microphone": one.microphone.model_dump(mode="json") if one.microphone else None,
        "play": one.play.model_dump(mode="json", exclude_none=True),
        "depths": [list(pair) for pair in one.depths.shares],
    }


def role_from_dict(shared: dict[str, Any]) -> dict[str, Any]:
    """What role_to_dict wrote, as arguments of Participant."""
    given = {key: kind.model_validate(shared[key]) for key, kind in _SHARED.items() if shared[key] is not None}
    depths = ObserveShares(tuple((depth, share) for depth, share in shared["depths"]))
    return {**dict.fromkeys(_SHARED), **given, "depths": depths}


def participant_to_dict(participant: Participant) -> dict[str, Any]:
    """What is a participant's own."""
    own = {key: getattr(participant, key) for key in _OWN}
    actions = [[action.at, action.kind] for action in participant.actions]
    if participant.network is None:
        return {**own, "actions": actions}
    changes = [[change.at, change.phase, change.event, change.network] for change in participant.changes]
    return {**own, "actions": actions, "network": participant.network, "changes": changes}


def participant_from_dict(own: dict[str, Any], roles: dict[str, dict[str, Any]]) -> Participant:
    """The participant, of its own values and its role's."""
    actions = tuple(Action(at, kind) for at, kind in own["actions"])
    network, changes = own.get("network"), tuple(NetworkChange(*change) for change in own.get("changes", ()))
    given = {key: own[key] for key in _OWN}
    return Participant(**given, **roles[own["role"]], actions=actions, network=network, changes=changes)
