"""What one user does between arriving and leaving: logins, publications and mutes, drawn from the role's churn."""

import random
from collections.abc import Callable, Iterator
from itertools import pairwise

from harness.scenario.participant import Action, ActionKind, Stretch
from harness.scenario.quantity import Span
from harness.scenario.role import Leave, Mute, Republish, Role

# An interruption is left out when less than this would remain after it: nobody comes back only to leave.
LEAST_AFTER_BREAK = 1.0
Dice = Callable[[str], random.Random]

_MUTING: dict[str, tuple[ActionKind, ActionKind]] = {
    "camera": ("mute_camera", "unmute_camera"),
    "microphone": ("mute_microphone", "unmute_microphone"),
}


def course(role: Role, arrive_at: float, leave_at: float, dice: Dice) -> tuple[Action, ...]:
    """The actions by time. dice: a seeded generator by name, so that one kind of churn does not move another.

    Every interruption ends before the stay (or the publication it falls in) does: a user who logs in, or publishes
    again, is never muted.
    """
    churn = role.churn
    leave, republish, mute = (churn.leave, churn.republish, churn.mute) if churn else (None, None, None)
    leaving, republishing, muting = dice("leave"), dice("republish"), dice("mute")
    actions: list[Action] = []
    for came, went in _unbroken((arrive_at, leave_at), leave, leaving):
        actions.append(Action(came, "login"))
        if role.publishes:
            for shown, hidden in _unbroken((came, went), republish, republishing):
                actions.append(Action(shown, "publish"))
                actions.extend(_mutes((shown, hidden), mute, muting))
                if hidden < went:
                    actions.append(Action(hidden, "unpublish"))
        actions.append(Action(went, "logout"))
    return tuple(actions)


def _mutes(publication: Stretch, mute: Mute | None, rng: random.Random) -> Iterator[Action]:
    if mute is None:
        return
    on, off = _MUTING[mute.device]
    heard = list(_breaks(publication, mute.every, mute.muted, rng))
    for (_, silent), (again, _) in pairwise(heard):
        yield Action(silent, on)
        yield Action(again, off)


def _unbroken(whole: Stretch, breaks: Leave | Republish | None, rng: random.Random) -> Iterator[Stretch]:
    if breaks is None:
        return iter((whole,))
    return _breaks(whole, breaks.every, breaks.away, rng)


def _breaks(whole: Stretch, every: Span, away: Span, rng: random.Random) -> Iterator[Stretch]:
    """The stretches that remain of `whole` after a break of `away` follows each `every`."""
    start, end = whole
    while True:
        stop = round(start + every.draw(rng), 6)
        back = round(stop + away.draw(rng), 6)
        if back + LEAST_AFTER_BREAK > end:
            yield start, end
            return
        yield start, stop
        start = back
