"""Schedules made up at random: what callers could do in any order, wrong phases included, and what can befall them.

They shrink to few steps, simple operations, no delays and the first names: the menu stands in that order, and what a
user does often is on it several times, the repetitions behind everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from harness.conform.argument import Token
from harness.conform.choice import FEWEST_USERS, NAMES, Choice
from harness.conform.delay import Delay
from harness.conform.operation import ALL
from harness.conform.schedule import DEVICE, Schedule, Step

# Short windows: long enough for every order of events, short enough that waiting for their end costs little.
SETTINGS = {
    "heartbeat_interval": 3.0,
    "heartbeat_timeout": 10.0,
    "retry_window": 30.0,
    "token_warning": 5.0,
    "count_interval": 30.0,
}
_PIECES = 3  # a schedule is made of as many lists: one alone would seldom be long
_ENTRANCES = ("login", "publish", "play")
_OTHER_ROOM = "lounge"
_DELAYS = (
    (Delay(), 6), (Delay(0.01), 2), (Delay(0.1), 3), (Delay(1), 2), (Delay(1, "settle"), 1), (Delay(6), 1),
)  # fmt: skip
_LONG_DELAYS = ((Delay(0.5, "heartbeat"), 1), (Delay(1.4, "heartbeat"), 1), (Delay(1.5, "window"), 1))


def schedules(choice: Choice, name: str = "explored") -> st.SearchStrategy[Schedule]:
    """Every schedule of that kind. Half of them have two users only: they meet more often."""
    fewest = replace(choice, users=FEWEST_USERS)
    steps = st.one_of(*(_steps(each) for each in dict.fromkeys((fewest, choice))))
    return steps.map(lambda found: Schedule(name, found, settings=SETTINGS))


def _steps(choice: Choice) -> st.SearchStrategy[tuple[Step, ...]]:
    """Some who come in and begin to talk, perhaps; then anything at all."""
    menu, delays = _menu(choice), _repeated(_delays(choice))
    longest = -(-choice.steps // _PIECES)
    entrances = [dish for dish in menu if dish[0].do in _ENTRANCES and dish[0].device == DEVICE]
    first = st.lists(_drawn(_repeated(entrances), delays), max_size=longest)
    rest = [st.lists(_drawn(_repeated(menu), delays), max_size=longest)] * (_PIECES - 1)
    return st.tuples(first, *rest).map(lambda lists: tuple(step for piece in lists for step in piece)[: choice.steps])


def _drawn(menu: list[Step], delays: list[Delay]) -> st.SearchStrategy[Step]:
    numbers = st.tuples(st.sampled_from(range(len(menu))), st.sampled_from(range(len(delays))))
    made: dict[tuple[int, int], Step] = {}  # each is checked once for all the schedules in which it stands

    def step(chosen: tuple[int, int]) -> Step:
        found = made.get(chosen)
        if found is None:
            found = made[chosen] = replace(menu[chosen[0]], after=delays[chosen[1]])
        return found

    return numbers.map(step)


# -- the menu ----------------------------------------------------------------------------------------------------------


def _repeated(weighted: list[tuple[Any, int]]) -> list[Any]:
    """Each once, in order, then the repetitions that make some of them likelier."""
    return [item for item, _ in weighted] + [item for item, weight in weighted for _ in range(weight - 1)]


def _delays(choice: Choice) -> list[tuple[Delay, int]]:
    return [*_DELAYS, *(_LONG_DELAYS if choice.faults else ())]


def _menu(choice: Choice) -> list[tuple[Step, int]]:
    """Operation by operation, the simplest first, and of each the first user's first."""
    names = NAMES[: choice.users]
    by_user = [list(_can_do(name, names[(place + 1) % len(names)], choice)) for place, name in enumerate(names)]
    return [dish for same in zip(*by_user, strict=True) for dish in same]


def _can_do(user: str, other: str, choice: Choice) -> Iterator[tuple[Step, int]]:
    """With how often: what each user does to itself and to the next one."""
    mine, second, theirs = f"{user[0]}1", f"{user[0]}2", f"{other[0]}1"
    yield Step(user, "login"), 6
    yield Step(user, "publish", {"stream": mine}), 5
    yield Step(user, "play", {"stream": ALL}), 3
    yield Step(user, "logout"), 3
    yield Step(user, "unpublish", {"stream": mine}), 3
    yield Step(user, "play", {"stream": theirs}), 2
    yield Step(user, "unplay", {"stream": theirs}), 1
    yield Step(user, "publish", {"stream": second}), 1
    yield Step(user, "publish", {"stream": theirs}), 1
    yield Step(user, "send", {"text": "hello"}), 1
    yield Step(user, "room_extra", {"key": "topic", "value": f"of {user}"}), 1
    for text in ("one", "two"):
        yield Step(user, "stream_extra", {"stream": mine, "text": text}), 1
    yield Step(user, "mute", {"stream": mine}), 1
    yield Step(user, "unmute", {"stream": mine}), 1
    yield Step(user, "login", {"token": Token("admin")}), 3
    yield Step(user, "kick", {"target": other}), 2
    yield from _seldom(user, mine)
    if choice.faults:
        yield from _faults(user)


def _seldom(user: str, mine: str) -> Iterator[tuple[Step, int]]:
    yield Step(user, "login", {"user_updates": False}), 1
    yield Step(user, "login", {"token": Token("expired")}), 1
    yield Step(user, "login", {"token": Token(expires_in=Delay(8))}), 1
    yield Step(user, "renew_token"), 1
    yield Step(user, "login", {"room": _OTHER_ROOM}), 1
    yield Step(user, "logout", {"room": _OTHER_ROOM}), 1
    second = f"{int(DEVICE) + 1}"
    yield Step(user, "login", device=second), 2
    yield Step(user, "publish", {"stream": mine}, device=second), 1
    yield Step(user, "logout", device=second), 1
    yield Step(user, "destroy"), 1


def _faults(user: str) -> Iterator[tuple[Step, int]]:
    yield Step(user, "crash"), 1
    yield Step(user, "crash", {"how": "silent"}), 1
    yield Step(user, "reset"), 2
    yield Step(user, "black_hole"), 2
    yield Step(user, "heal"), 2
