"""Schedules in which mutants show: the shipped ones by number, and small ones of their own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness.conform.schedule import Schedule
from harness.conform.schedule_file import load_schedule, parse_schedule

SHIPPED = Path(__file__).resolve().parents[3] / "scenarios" / "conformance"

SCENES = {
    "bad-token-once": """
- {alice: login}
- {after: 1 settle, mallory: login, token: bad}
""",
    "expired-token": """
- {alice: login}
- {after: 1 settle, mallory: login, token: expired}
""",
    "anothers-token": """
- {alice: login}
- {after: 1 settle, mallory: login, token: {for: alice}}
""",
    "extra-twice": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 0.5s, alice: stream_extra, stream: a1, text: "first"}
- {after: 0.5s, alice: stream_extra, stream: a1, text: "second"}
- {after: 2 settle, carol: login}
""",
    "good-token-after-a-bad-one": """
- {mallory: login, token: bad}
- {after: 0.3s, mallory: login}
""",
    "one-user": """
- {alice: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 3 settle, alice: unpublish, stream: a1}
""",
    "login-twice": """
- {alice: login}
- {after: 0.5s, alice: login}
""",
    "two-separate-rooms": """
- {alice: login, room: red}
- {bob: login, room: red}
- {yan: login, room: blue}
- {zoe: login, room: blue}
- {after: 0.5s, zoe: publish, stream: z1}
- {after: 1 settle, zoe: send, text: "to the blue room"}
- {zoe: room_extra, key: color, value: "blue"}
- {zoe: stream_extra, stream: z1, text: "blue"}
- {after: 0.5s, bob: login, room: red}
- {after: 0.5s, bob: publish, stream: z1}
""",
    "late-joiner": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 2 settle, carol: login}
- {carol: play, stream: all}
- {after: 1 settle, alice: send, text: "welcome"}
""",
    "login-again": """
- {alice: login}
- {after: 0.5s, alice: publish, stream: a1}
- {bob: login}
- {after: 1 settle, bob: logout}
- {after: 1 settle, bob: login}
""",
    "quick-return": """
- {alice: login}
- {bob: login}
- {after: 1 settle, bob: logout}
- {after: 0.1s, bob: login}
- {after: 1 settle, alice: send, text: "was bob away?"}
""",
    "notifications-off": """
- {bob: login}
- {after: 0.5s, alice: login, user_updates: false}
- {after: 1 settle, bob: publish, stream: b1}
""",
    "publish-play-stop": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, bob: play, stream: a1}
- {after: 2.5 settle, bob: unplay, stream: a1}
- {after: 1 settle, alice: unpublish, stream: a1}
- {after: 1 settle, alice: send, text: "gone"}
""",
    "unplay-and-mute": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {bob: play, stream: a1}
- {after: 1 settle, bob: unplay, stream: a1}
- {after: 0.5s, alice: mute, stream: a1}
""",
    "play-after-the-end": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice: unpublish, stream: a1}
- {after: 1 settle, bob: play, stream: a1}
""",
    "two-streams": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 0.5s, alice: publish, stream: a2}
""",
    "newcomer-in-a-busy-room": """
- {alice: login}
- {bob: login}
- {after: 1 settle, carol: login}
- {after: 0.5s, carol: publish, stream: c1}
- {after: 2s, alice: send, text: "1"}
- {after: 3s, alice: send, text: "2"}
- {after: 3s, alice: send, text: "3"}
""",
    "nobody-answers": """
- {alice: login}
- {after: 0.5s, bob: login}
- {after: 2.4 settle, alice: send, text: "bob?"}
""",
    "crash": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice: crash, how: silent}
- {after: 1.5 heartbeat, bob: send, text: "alice?"}
""",
    "crash-and-another-stream": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice: crash}
- {after: 0.1 heartbeat, alice: login}
- {after: 0.2s, alice: publish, stream: a2}
""",
    "kick": """
- {alice: login}
- {bob: login}
- {carol: login, token: admin}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, carol: kick, target: alice}
- {after: 1 settle, bob: send, text: "gone"}
""",
    "another-device": """
- {bob: login}
- {alice: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice@phone: login}
- {after: 1 settle, bob: send, text: "which one?"}
""",
    "one-publisher": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 3 settle, bob: send, text: "alice?"}
""",
    "one-of-two-rooms": """
- {alice: login, room: red}
- {alice: login, room: blue}
- {bob: login, room: red}
- {carol: login, room: blue, token: admin}
- {after: 0.5s, alice: publish, stream: a1, room: red}
- {alice: publish, stream: a2, room: red}
- {after: 1 settle, alice: unpublish, stream: a2, room: red}
- {after: 2 settle, carol: kick, target: alice}
- {after: 1 settle, alice: login, room: blue}
- {after: 1 settle, alice: logout, room: blue}
- {after: 2 settle, bob: send, text: "still there?"}
""",
    "logout": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {bob: publish, stream: b1}
- {after: 1 settle, bob: play, stream: a1}
- {after: 1 settle, bob: logout}
- {after: 2 settle, alice: send, text: "alone"}
""",
    "destroy": """
- {alice: login}
- {bob: login}
- {after: 1 settle, alice: destroy}
- {after: 1 settle, bob: send, text: "alice?"}
""",
    "short-outage": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice: reset}
- {after: 2 settle, bob: send, text: "alice?"}
""",
    "short-silence": """
- {alice: login}
- {bob: login}
- {after: 1 settle, alice: black_hole}
- {after: 40s, alice: heal}
- {after: 2 settle, bob: send, text: "alice?"}
""",
    "crash-and-the-same-stream": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice: crash}
- {after: 0.1 heartbeat, alice: login}
- {after: 0.2s, alice: publish, stream: a1}
""",
    "another-device-without-streams": """
- {bob: login}
- {alice: login}
- {after: 1 settle, alice@phone: login}
- {after: 1 settle, bob: send, text: "which one?"}
""",
    "another-device-meanwhile": """
- {bob: login}
- {alice: login}
- {after: 1 settle, alice: black_hole}
- {after: 0.9 heartbeat, alice@phone: login}
- {after: 0.1 heartbeat, alice: heal}
- {after: 1 settle, bob: send, text: "which one?"}
""",
    "another-device-elsewhere": """
- {bob: login}
- {alice: login}
- {after: 1 settle, alice@phone: login, room: other}
- {after: 1 settle, bob: send, text: "still here?"}
""",
    "short-window": """
- {alice: login}
- {bob: login}
- {after: 1 settle, alice: reset}
- {after: 75s, bob: send, text: "alice?"}
""",
    "long-outage": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice: black_hole}
- {after: 2.5 heartbeat, alice: heal}
- {after: 3 settle, bob: send, text: "welcome back"}
""",
    "changes-while-away": """
- {alice: login}
- {bob: login}
- {carol: login}
- {after: 0.5s, bob: publish, stream: b1}
- {after: 1 settle, alice: black_hole}
- {after: 1s, carol: logout}
- {dave: login}
- {bob: unpublish, stream: b1}
- {bob: publish, stream: b2}
- {after: 1.2 heartbeat, alice: heal}
- {after: 2 settle, bob: send, text: "welcome back"}
""",
    "stop-while-away": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, alice: black_hole}
- {after: 0.5 heartbeat, alice: unpublish, stream: a1}
- {after: 1s, alice: heal}
- {after: 2 settle, bob: send, text: "stopped"}
""",
    "over-long-extra": """
- {alice: login}
- {bob: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 0.5s, alice: stream_extra, stream: a1, text: {repeat: x, times: 1500}}
""",
    "stream-taken": """
- {alice: login}
- {bob: login}
- {mallory: login}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, mallory: publish, stream: a1}
""",
    "stream-taken-elsewhere": """
- {alice: login}
- {mallory: login, room: other}
- {after: 0.5s, alice: publish, stream: a1}
- {after: 1 settle, mallory: publish, stream: a1}
""",
    "full-room": """
- {alice: login}
- {bob: login}
- {after: 1 settle, mallory: login}
""",
}
SETTINGS = {"short-window": "{retry_window: 60s}", "full-room": "{users_per_room: 2}"}


@cache
def schedule(name: str) -> Schedule:
    """A shipped schedule by its number (S09), or a scene. Raises KeyError for neither."""
    text = SCENES.get(name)
    if text is not None:
        head = f"name: {name}\nsettings: {SETTINGS.get(name, '{}')}\nsteps:"
        return parse_schedule(f"{head}{text}".encode(), name)
    for path in SHIPPED.glob(f"{name}-*.yaml"):
        return load_schedule(path)
    raise KeyError(f"there is neither a scene nor a shipped schedule {name!r}")
