"""The names of rooms, users and streams: the same for the same scenario, run after run.

They hold the limits of the contract: room 128 bytes, user 64, stream 256 of [0-9A-Za-z_-]. A name depends on its
room, role and number only, so one more user changes nobody else's.
"""

import re
import unicodedata
import zlib

ROLE_PATTERN = r"[a-z][a-z0-9_-]{0,31}"
MOST_ROLES = 100
_LONGEST_SLUG = 40


def slug(name: str) -> str:
    """`Team meeting!` to `team-meeting`: at most 40 of [a-z0-9-]. A name without any of them gets a checksum."""
    latin = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    words = re.sub(r"[^a-z0-9]+", "-", latin).strip("-")[:_LONGEST_SLUG].strip("-")
    return words or f"scenario-{zlib.crc32(name.encode()):08x}"


def room_name(name: str, room: int) -> str:
    """The id of the scenario's room number `room`, from 1."""
    return f"{slug(name)}-r{room:02d}"


def user_name(role: str, number: int) -> str:
    """What others see: the role and the number within it. The contract's user names know no spaces."""
    return f"{role}-{number:02d}"


def user_id(room: int, role: str, number: int) -> str:
    """The id of the room's user `number` (from 1) of a role; unique in the run."""
    return f"r{room:02d}-{user_name(role, number)}"


def stream_id(name: str, room: int, role: str, number: int) -> str:
    """The id of the stream that user publishes, and publishes again after a break; unique in the run."""
    return f"{room_name(name, room)}-{user_name(role, number)}"


def stamp_id(room: int, role_position: int, number: int) -> int:
    """The u32 that frames carry to say whose they are: role 8 bits, room 14 bits, number 10 bits; never 0."""
    return role_position << 24 | room << 10 | number
