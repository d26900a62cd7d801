"""What a user of a schedule can do, and what can happen to it: every operation and its arguments."""

from __future__ import annotations

from harness.conform.argument import Argument, Token, flag, text, token, word

ROOM = "room"  # which a login enters that names none; other calls without one mean the only room the user is in
ALL = "all"  # as a stream to play: whatever the roster has, and whatever it adds later
FAULTS = ("crash", "reset", "black_hole", "heal")

_room = Argument(text)
_stream = Argument(text, needed=True)
_device = Argument(word("camera", "microphone"), "camera")
_text = Argument(text, needed=True)

OPERATIONS: dict[str, dict[str, Argument]] = {
    # user: the id to log in with, when it is not the name of who does it
    "login": {
        "room": Argument(text, ROOM),
        "user_updates": Argument(flag, True),
        "token": Argument(token, Token()),
        "user": Argument(text),
    },
    "logout": {"room": _room},
    "publish": {"stream": _stream, "room": _room},
    "unpublish": {"stream": _stream, "room": _room},
    "play": {"stream": _stream, "room": _room},
    "unplay": {"stream": _stream, "room": _room},
    "mute": {"stream": _stream, "device": _device, "room": _room},
    "unmute": {"stream": _stream, "device": _device, "room": _room},
    "stream_extra": {"stream": _stream, "text": _text, "room": _room},
    "room_extra": {"key": _text, "value": _text, "room": _room},
    "send": {"text": _text, "class": Argument(word("reliable", "lossy"), "reliable"), "room": _room},
    "kick": {"target": _text, "room": _room},
    "renew_token": {"token": Argument(token, Token()), "room": _room},
    "destroy": {},
    # kill: the process is gone, its sockets are closed for it; silent: the machine is gone, nobody is told
    "crash": {"how": Argument(word("kill", "silent"), "kill")},
    "reset": {},
    "black_hole": {},
    "heal": {},
}
ARGUMENTS = frozenset(name for arguments in OPERATIONS.values() for name in arguments)
