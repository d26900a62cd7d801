"""A trace record in a few words: `call publish s1`, `roster.users ADD bob, carol (+23)`. Names are shown safely."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from harness.trace import record as trace
from harness.trace.record import Record
from reports.formats import counted

MOST_NAMES = 2  # of a list
LONGEST_NAME = 40
LONGEST_TEXT = 400
_PLAIN = re.compile(r"[\w@:#+./-]+\Z")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_PHASES = {"begin": "begins", "end": "ends"}
_RESULTS = {"info": "unknown"}


def printable(text: str) -> str:
    """The text with everything that is no visible character escaped: control, direction and half characters too."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clipped(text: str, longest: int) -> str:
    """Printable, and cut in the middle: ids differ at their ends."""
    shown = printable(text)
    if len(shown) <= longest:
        return shown
    head = (longest - 1) // 2
    return f"{shown[:head]}…{shown[-(longest - 1 - head) :]}"


def plain(text: str) -> str:
    """A sentence with names in it, printable and of bounded length."""
    return clipped(text, LONGEST_TEXT)


def name(text: object) -> str:
    """An id or a value as one word: quoted when it could be taken for more than that."""
    shown = clipped(str(text), LONGEST_NAME)
    return shown if _PLAIN.match(shown) else f'"{shown}"'


def gist(record: Record) -> str:
    """What the record says, in one short line without its client and time."""
    words = [clipped(record.name, LONGEST_NAME), *(_words(record.args))]
    if record.kind in ("call", "fault", "probe", "mark"):
        words.insert(0, record.kind)
    return " ".join(word for word in words if word)


def detail(record: Record) -> str:
    """What tells this record from others of its name, without any id: `DEL`, `KICKED 1002050`, `begin`."""
    parts = [getattr(record.args, key, None) for key in ("op", "state", "result", "phase", "stage", "code", "on")]
    return clipped(" ".join(str(part) for part in parts if part not in (None, "", 0)), LONGEST_NAME)


def _words(args: Any) -> Iterable[str]:
    for kind, words in _WORDS.items():
        if isinstance(args, kind):
            return words(args)
    return ()


def _listed(names: list[str], nothing: str = "an empty list") -> str:
    shown = ", ".join(names[:MOST_NAMES])
    left = len(names) - MOST_NAMES
    return f"{shown} (+{left})" if left > 0 else shown or nothing


def _code(code: int) -> str:
    return str(code) if code else ""


def _users(args: trace.Users) -> list[str]:
    return [args.op, _listed([name(item.id) for item in args.items])]


def _streams(args: trace.Streams) -> list[str]:
    named = [f"{name(item.id)} of {name(item.user)}" if item.user else name(item.id) for item in args.items]
    reasons = _listed([str(reason) for reason in args.reasons], "") if args.reasons else ""
    return [args.op, _listed(named), f"reason {reasons}" if reasons else ""]


def _quality(args: trace.Quality) -> list[str]:
    shown = [name(args.stream)]
    for key, unit in (("loss", ""), ("rtt", " ms"), ("level", ""), ("fps", ""), ("kbps", "")):
        value = getattr(args, key)
        if value is not None and (value < 0 or (key == "loss" and value > 1)):  # only what is out of range tells
            shown.append(f"{key} {value:g}{unit}")
    return shown


def _result(args: trace.Result) -> list[str]:
    return [_RESULTS.get(args.result, args.result), _code(args.code)]


def _login(args: trace.Login) -> list[str]:
    quiet = "" if args.user_updates else "without user updates"
    return [name(args.room) if args.room else "", f"as {name(args.user)}" if args.user else "", quiet]


def _mute(args: trace.Mute) -> list[str]:
    return [name(args.stream), name(args.device), "off" if args.muted else "on"]


def _stall(args: trace.Stall) -> list[str]:
    return [name(args.stream), clipped(args.media, LONGEST_NAME), "begins" if args.on else "ends"]


def _message(args: trace.Message) -> list[str]:
    return [name(args.id), f"from {name(args.sender)}" if args.sender else ""]


_WORDS: dict[type[trace.Arguments], Callable[[Any], Iterable[str]]] = {
    trace.RoomState: lambda args: [clipped(args.state, LONGEST_NAME), _code(args.code)],
    trace.Users: _users,
    trace.Streams: _streams,
    trace.RoomCount: lambda args: [str(args.n)],
    trace.RoomExtra: lambda args: [f"{name(args.key)}={name(args.value)}", f"by {name(args.by)}" if args.by else ""],
    trace.StreamExtra: lambda args: [_listed([f"{name(item.id)}={name(item.extra)}" for item in args.items])],
    trace.TokenExpiring: lambda args: [f"in {args.remain:g} s"],
    trace.MediaState: lambda args: [name(args.stream), clipped(args.state, LONGEST_NAME), _code(args.code)],
    trace.FirstFrame: lambda args: [
        name(args.stream) if args.stream else "",
        clipped(args.media, LONGEST_NAME),
        clipped(args.stage, LONGEST_NAME),
    ],
    trace.Quality: _quality,
    trace.NetworkQuality: lambda args: [name(args.user) if args.user else "", f"up {args.up} down {args.down}"],
    trace.Stall: _stall,
    trace.RemoteDevice: lambda args: [name(args.stream), name(args.device), clipped(args.state, LONGEST_NAME)],
    trace.Message: _message,
    trace.Failure: lambda args: [str(args.code), f"in {name(args.func)}" if args.func else ""],
    trace.Result: _result,
    trace.Login: _login,
    trace.StreamCall: lambda args: [name(args.stream)],
    trace.Mute: _mute,
    trace.SetStreamExtra: lambda args: [f"{name(args.stream)}={name(args.extra)}"],
    trace.SetRoomExtra: lambda args: [f"{name(args.key)}={name(args.value)}"],
    trace.Send: lambda args: [counted(len(args.body), "character")],
    trace.Kick: lambda args: [name(args.user)],
    trace.Fault: lambda args: [_PHASES.get(args.phase, "")],
}
