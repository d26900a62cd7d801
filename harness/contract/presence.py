"""One client in one room as the trace shows it: its state, what it was told, what it publishes and plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.contract.timers import NEVER
from harness.trace.record import Record, StreamItem

if TYPE_CHECKING:
    from harness.contract.room import Room

INSIDE = frozenset(("IN", "REJOINED", "LOGOUT_FAILED"))
TERMINAL = frozenset(("LOGIN_FAILED", "RECONNECT_FAILED", "KICKED", "OUT"))


class Client:
    """One incarnation of a user ("alice#2"). fault: what the harness is doing to its connection, while it does."""

    __slots__ = (
        "calls", "carried_since", "crashed", "cut_at", "destroyed", "fault", "heard", "name", "rooms", "user",
    )  # fmt: skip

    def __init__(self, name: str, user: str) -> None:
        self.name, self.user = name, user
        self.rooms: dict[str, Presence] = {}
        self.calls: dict[int, Record] = {}
        self.destroyed: Record | None = None
        self.crashed: Record | None = None
        self.fault: Record | None = None
        self.cut_at = 0.0  # when a fault of its last began or ended
        self.carried_since = 0.0  # since when its network carries media; NEVER while it does not
        self.heard = 0.0  # when bytes from the service were last read

    def carries_media(self, since: float) -> bool:
        """Media that should have come since then was not kept away by conditions that the harness made."""
        return self.carried_since <= since

    def cut_since(self, call: Record) -> bool:
        """A fault was under way at some time since then."""
        return self.fault is not None or self.cut_at >= call.t

    @property
    def reachable(self) -> bool:
        """It is there, and the harness keeps nothing from it."""
        return self.fault is None and self.crashed is None and self.destroyed is None


class Machine:
    """Publishing or playing one stream. record: the last change; call, stop: the calls that began and ended it."""

    __slots__ = ("call", "firsts", "live_since", "muted", "next", "quality", "record", "state", "stop", "stream")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.state = "IDLE"
        self.record: Record | None = None
        self.call: Record | None = None
        self.stop: Record | None = None
        self.next: Record | None = None  # a call to begin again, made before the end that was asked for has come
        self.live_since: float | None = None
        self.firsts: dict[tuple[str, str], Record] = {}
        self.quality: Record | None = None
        self.muted: dict[str, Record] = {}  # device: the mute call, or at a player the callback, that counts


class Presence:
    """Views are folds of the roster callbacks: user or stream to the record that added it (streams with their item).

    open: an epoch is under way, from LOGGING_IN to a terminal state. steady_since: from when on nothing of what the
    service said can have been lost.
    """

    __slots__ = (
        "changed", "client", "ended", "entered", "leaving", "login", "open", "plays", "pubs", "refused", "room",
        "session", "state", "steady_since", "streams", "token_expires", "user_updates", "users",
    )  # fmt: skip

    def __init__(self, client: Client, room: Room) -> None:
        self.client, self.room = client, room
        self.state = "OUT"
        self.open = False
        self.login: Record | None = None
        self.changed: Record | None = None  # the last room.state
        self.entered: Record | None = None  # IN of this epoch
        self.ended: Record | None = None  # the terminal state, once there is one
        self.refused: Record | None = None
        self.leaving: Record | None = None  # the call of a logout that is under way
        self.steady_since = NEVER
        self.session = ""
        self.user_updates = True
        self.token_expires: float | None = None
        self.users: dict[str, Record] = {}
        self.streams: dict[str, tuple[StreamItem, Record]] = {}
        self.pubs: dict[str, Machine] = {}
        self.plays: dict[str, Machine] = {}

    @property
    def inside(self) -> bool:
        return self.state in INSIDE

    def steady(self, since: float) -> bool:
        """Inside without a break from `since` until now, not leaving: it was told all that the service had to say."""
        return self.steady_since <= since and self.state in INSIDE and self.leaving is None

    def unbroken(self, now: float, late: float) -> bool:
        """Nothing that it is told now was held back by an outage: it has had none for `late` seconds, or since IN."""
        return self.entered is not None and self.steady(max(self.entered.t, now - late))

    def subject(self, **more: str) -> dict[str, str]:
        return {"client": self.client.name, "room": self.room.name, **more}

    def forget_views(self) -> None:
        self.users.clear()
        self.streams.clear()


class Outage:
    """A client cut off. earliest, latest: between these seconds it lost the service. told: what others heard of it.

    returned: REJOINED, or the end of a fault nobody noticed. replaced: the login of the user's next incarnation.
    patchy: nothing kept it from the service for a while in between; the last of it began at `latest`.
    """

    __slots__ = (
        "earliest", "latest", "patchy", "plays", "presence", "record", "replaced", "returned", "streams", "told",
    )  # fmt: skip

    def __init__(self, presence: Presence, record: Record, earliest: float) -> None:
        self.presence, self.record = presence, record
        self.earliest, self.latest = earliest, record.t
        self.streams = {name for name, machine in presence.pubs.items() if machine.state == "LIVE"}
        self.plays = {name for name, machine in presence.plays.items() if machine.state == "LIVE"}
        self.patchy = False
        self.returned: Record | None = None
        self.replaced: Record | None = None
        self.told: dict[Presence, list[tuple[str, str, Record]]] = {}  # observer: (op, "user" or stream id, record)
