"""Schedule files: what they mean, how they are written back, and what is said about a mistake in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.conform.argument import TOKENS, Token
from harness.conform.delay import UNITS, Delay, Windows
from harness.conform.operation import OPERATIONS
from harness.conform.schedule import MOST_STEPS, MOST_USERS, Schedule, Step
from harness.conform.schedule_file import dump_schedule, load_schedule, parse_schedule
from harness.scenario.errors import ImpossibleError, ScenarioError

WINDOWS = Windows(settle=5, heartbeat=90, window=1200, warning=30, count=31)


def read(text: str) -> Schedule:
    return parse_schedule(text.encode(), "x.yaml")


def step(text: str) -> Step:
    return read(f"name: x\nsteps:\n  - {text}\n").steps[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{alice: login}", Step("alice", "login", {"room": "room", "user_updates": True, "token": Token()})),
        ("{after: 0.2s, alice: publish, stream: a1}", Step("alice", "publish", {"stream": "a1"}, Delay(0.2))),
        ("{after: 1.3 heartbeat, bob@phone: heal}", Step("bob", "heal", {}, Delay(1.3, "heartbeat"), "phone")),
        ("{after: 1 settle, bob: play, stream: all}", Step("bob", "play", {"stream": "all"}, Delay(1, "settle"))),
        ("{alice: login, token: {expires_in: 35s}}", Step("alice", "login", {"token": Token(expires_in=Delay(35))})),
        ("{alice: login, token: {for: bob}}", Step("alice", "login", {"token": Token(user="bob")})),
        ("{alice: login, room: ''}", Step("alice", "login", {"room": ""})),
        ("{alice: play, stream: {repeat: ab, times: 100}}", Step("alice", "play", {"stream": "ab" * 100})),
        ("{alice: crash}", Step("alice", "crash", {"how": "kill"})),
    ],
)
def test_a_step_of_a_file_is_the_step_it_looks_like(text: str, expected: Step) -> None:
    assert step(text) == expected


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [(Delay(0.2), 0.2), (Delay(2, "settle"), 10), (Delay(1.5, "heartbeat"), 135), (Delay(1.2, "window"), 1440)],
)
def test_a_delay_in_windows_is_as_long_as_the_service_has_them(delay: Delay, seconds: float) -> None:
    assert delay.seconds(WINDOWS) == pytest.approx(seconds)


MISTAKES = {
    "no steps": ("name: x\n", "x.yaml:1: steps: is missing; needed: name, steps"),
    "unknown key": ("name: x\nstep: []\n", "x.yaml:2: step: unknown key, did you mean steps?; allowed: name, about"),
    "steps of a wrong kind": ("name: x\nsteps: 7\n", "x.yaml:2: steps: 7 is not a list; allowed: a list of steps"),
    "a step of a wrong kind": ("name: x\nsteps:\n  - alice\n", "x.yaml:3: steps[0]: alice is not a step"),
    "no user": ("name: x\nsteps:\n  - {after: 1s}\n", "x.yaml:3: steps[0]: names no user"),
    "two users": (
        "name: x\nsteps:\n  - {alice: login, bob: login}\n",
        "x.yaml:3: steps[0].bob: a second user in one step; allowed: one, and alice is one already",
    ),
    "unknown operation": (
        "name: x\nsteps:\n  - {alice: login}\n  - {alice: pubish, stream: a}\n",
        "x.yaml:4: steps[1].alice: pubish cannot be done, did you mean publish?; allowed: login, logout,",
    ),
    "operation of a wrong kind": ("name: x\nsteps:\n  - {alice: 5}\n", "x.yaml:3: steps[0].alice: 5 cannot be done"),
    "missing argument": ("name: x\nsteps:\n  - {alice: publish}\n", "x.yaml:3: steps[0].stream: is missing; publish"),
    "unknown argument": (
        "name: x\nsteps:\n  - alice: publish\n    strem: a1\n",
        "x.yaml:4: steps[0].strem: unknown key, did you mean stream?; allowed with publish: after, stream, room",
    ),
    "argument of another operation": (
        "name: x\nsteps:\n  - {alice: publish, stream: a, key: k}\n",
        "x.yaml:3: steps[0].key: unknown key; allowed with publish: after, stream, room",
    ),
    "argument of a wrong kind": ("name: x\nsteps:\n  - {alice: play, stream: 5}\n", "steps[0].stream: 5 is not text"),
    "no unit": ("name: x\nsteps:\n  - {after: 2, alice: login}\n", "x.yaml:3: steps[0].after: 2 has no unit"),
    "unknown unit": ("name: x\nsteps:\n  - {after: 1 week, alice: login}\n", "steps[0].after: 1 week is not a delay"),
    "backwards": ("name: x\nsteps:\n  - {after: -1s, alice: login}\n", "steps[0].after: -1s is not a delay"),
    "too late": ("name: x\nsteps:\n  - {after: 25h, alice: login}\n", "steps[0].after: 25h is out of range"),
    "bad device": ("name: x\nsteps:\n  - {alice: mute, stream: a, device: hat}\n", "allowed: camera, microphone"),
    "bad token": ("name: x\nsteps:\n  - {alice: login, token: old}\n", "steps[0].token: old is not a token"),
    "bad expiry": (
        "name: x\nsteps:\n  - {alice: login, token: {expires_in: soon}}\n",
        "steps[0].token.expires_in: soon is not a delay",
    ),
    "bad name": ("name: x\nsteps:\n  - {al ice: login}\n", "steps[0]: al ice is not a name"),
    "reserved name": ("name: x\nsteps:\n  - {after@x: login}\n", "after cannot be a user's name"),
    "too much text": (
        "name: x\nsteps:\n  - {alice: send, text: {repeat: xx, times: 2001}}\n",
        "steps[0].text.times: is out of range; allowed: up to 4000 characters in all",
    ),
    "unknown setting": ("name: x\nsettings: {hartbeat_timeout: 2s}\nsteps: []\n", "did you mean heartbeat_timeout?"),
    "bad setting": ("name: x\nsettings: {users_per_room: few}\nsteps: []\n", "settings.users_per_room: few is not a"),
    "twice": ("name: x\nsteps:\n  - {alice: login, alice: logout}\n", "steps[0].alice: stands twice"),
    "not YAML": ("name: [\n", "is not YAML"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_said_in_one_sentence_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        read(text)
    assert message in str(error.value)
    assert str(error.value).startswith("x.yaml:")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_an_error_of_the_same_kind(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"there is no such file; allowed: a schedule file"):
        load_schedule(tmp_path / "none.yaml")


def test_a_schedule_of_too_many_steps_or_users_is_refused() -> None:
    many = tuple(Step("alice", "reset") for _ in range(MOST_STEPS + 1))
    with pytest.raises(ImpossibleError, match="has 501 steps; allowed: up to 500"):
        Schedule("x", many)
    crowd = tuple(Step(f"u{number}", "login") for number in range(MOST_USERS + 1))
    with pytest.raises(ImpossibleError, match="has 51 users; allowed: up to 50"):
        Schedule("x", crowd)


def test_a_schedule_of_the_most_steps_can_be_written_and_read() -> None:
    steps = tuple(Step("alice", "room_extra", {"key": "k", "value": "v"}, Delay(1)) for _ in range(MOST_STEPS))
    assert read(dump_schedule(Schedule("x", steps))) == Schedule("x", steps)


# -- written and read again --------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=20)
DELAYS = st.builds(Delay, st.floats(0, 5000), st.sampled_from(("s", *UNITS)))
TOKEN_VALUES = st.one_of(
    st.builds(Token, st.sampled_from(TOKENS)),
    st.builds(Token, user=st.text(min_size=1, max_size=5)),
    st.builds(Token, expires_in=DELAYS),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "user_updates": st.booleans(),
    "token": TOKEN_VALUES,
    "device": st.sampled_from(("camera", "microphone")),
    "class": st.sampled_from(("reliable", "lossy")),
    "how": st.sampled_from(("kill", "silent")),
}
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True).filter(lambda name: len(name) < 3)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    do = draw(st.sampled_from(sorted(OPERATIONS)))
    args = {
        name: draw(VALUES.get(name, TEXTS))
        for name, argument in OPERATIONS[do].items()
        if argument.needed or draw(st.booleans())
    }
    return Step(draw(NAMES), do, args, draw(DELAYS), draw(st.sampled_from(("1", "2", "phone"))))


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "heartbeat_timeout": st.floats(0.01, 5000).map(lambda seconds: round(seconds, 3)),
        "kick_on_token_expiry": st.booleans(),
        "users_per_room": st.integers(1, 1000),
    },
)
SCHEDULES = st.builds(
    Schedule, TEXTS.filter(lambda text: bool(text.strip())), st.lists(steps(), max_size=8).map(tuple), TEXTS, SETTINGS
)


@settings(max_examples=300, deadline=None)
@given(SCHEDULES)
def test_a_schedule_that_is_written_reads_back_as_the_same(schedule: Schedule) -> None:
    assert parse_schedule(dump_schedule(schedule).encode(), "x.yaml") == schedule
