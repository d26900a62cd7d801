"""What the room logic remembers: rooms, sessions, streams, and what each session has been told."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.room_service.tokens import Claims

IDLE, REQUESTING, LIVE = "IDLE", "REQ", "LIVE"
# Media of a stream. Gone: with all of its user's network, it seems. Awaited: the user is back and will publish again.
COMING, FLOWING, GONE, AWAITED = "coming", "flowing", "gone", "awaited"
DELETED_REMEMBERED = 1000  # streams of a room, for those who were away when they went


@dataclass
class StreamState:
    """A stream from the moment its publish is accepted.

    live: its media has come once, so the others know it; it stays so while its media is gone and while it comes anew.
    """

    stream_id: str
    session: str
    kinds: dict[str, str]
    extra: str = ""
    muted: dict[str, bool] = field(default_factory=dict)
    live: bool = False
    media: str = COMING

    def described(self, owner: Session) -> dict[str, object]:
        """As a roster event carries it."""
        return {
            "stream": self.stream_id,
            "user": owner.user_id,
            "name": owner.user_name,
            "extra": self.extra,
            "kinds": self.kinds,
        }


@dataclass
class Session:
    """One login, from its reply to logout, kick or the end of its retry window.

    present: counted as in the room; a session whose heartbeat stopped is kept, absent, until its window ends.
    """

    session_id: str
    user_id: str
    user_name: str
    room_id: str
    claims: Claims
    user_updates: bool
    last_heard: float
    client: str = ""  # the instance of the client that logged in; nobody's when it did not say
    count_due: float = 0.0  # second of the monotonic clock
    connected: bool = True
    present: bool = True
    warned: bool = False
    told_users: dict[str, str] = field(default_factory=dict)  # user id: name
    told_streams: dict[str, str] = field(default_factory=dict)  # stream id: user id
    told_stream_extra: dict[str, str] = field(default_factory=dict)  # stream id: extra info
    told_room_extra: dict[str, dict[str, object]] = field(default_factory=dict)  # key: value, by whom, when
    told_devices: dict[str, dict[str, bool]] = field(default_factory=dict)  # stream id: kind: muted; else open
    plays: dict[str, str] = field(default_factory=dict)  # stream id: REQ or LIVE


@dataclass
class Room:
    """session: names the time from the first user's arrival until the room is empty again."""

    room_id: str
    session: str
    sessions: dict[str, Session] = field(default_factory=dict)
    streams: dict[str, StreamState] = field(default_factory=dict)
    extra: dict[str, dict[str, object]] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)  # recent stream ids: why they went
    user_sequence: int = 0
    stream_sequence: int = 0

    def publications(self, session: Session, *media: str) -> list[StreamState]:
        """What a session publishes; media: only those in these states."""
        own = (stream for stream in self.streams.values() if stream.session == session.session_id)
        return [stream for stream in own if not media or stream.media in media]

    def remember_deleted(self, stream_id: str, reason: int) -> None:
        self.deleted.pop(stream_id, None)
        self.deleted[stream_id] = reason
        if len(self.deleted) > DELETED_REMEMBERED:
            del self.deleted[next(iter(self.deleted))]

    def present(self) -> list[Session]:
        return [session for session in self.sessions.values() if session.present]
