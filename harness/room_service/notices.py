"""What the users of a room tell each other: extra info, muted devices, messages. Never told to who says it."""

from __future__ import annotations

from harness.room_service.deadlines import next_count
from harness.room_service.effects import Effect, Send
from harness.room_service.resumption import tell_devices
from harness.room_service.settings import Settings
from harness.room_service.state import COMING, LIVE, Room, Session, StreamState


def stream_extra(room: Room, session: Session, stream: StreamState, text: str) -> list[Effect]:
    stream.extra = text
    if not stream.live:
        return []
    for other in _listening(room, session):
        other.told_stream_extra[stream.stream_id] = text
    return to_others(room, session, {"event": "stream_extra", "streams": [stream.described(session)]})


def renew_stream(room: Room, session: Session, stream: StreamState, anew: StreamState) -> list[Effect]:
    """A stream that the others still know is published again after its media broke."""
    stream.kinds, stream.muted, stream.media = anew.kinds, anew.muted, COMING
    return stream_extra(room, session, stream, anew.extra) if anew.extra != stream.extra else []


def room_extra(room: Room, session: Session, key: str, value: str, wall: float) -> list[Effect]:
    item: dict[str, object] = {"value": value, "by": session.user_id, "at": int(wall * 1000)}
    room.extra[key] = item
    for told in (session, *_listening(room, session)):
        told.told_room_extra[key] = item
    return to_others(room, session, {"event": "room_extra", "key": key, **item})


def muted(room: Room, stream: StreamState, kind: str, muted: bool) -> list[Effect]:
    """To those who play the stream."""
    stream.muted[kind] = muted
    players = [other for other in room.sessions.values() if other.plays.get(stream.stream_id) == LIVE]
    return [effect for player in players for effect in tell_devices(player, stream)]


def count(room: Room, session: Session, settings: Settings, now: float) -> list[Effect]:
    """How many are in the room, when that is due, to one who is there to hear it."""
    if now < session.count_due or not session.connected:
        return []
    session.count_due = next_count(session.count_due, now, settings.count_interval)
    return [Send(session.session_id, {"event": "count", "users": len(room.present())})]


def to_others(room: Room, session: Session, event: dict[str, object]) -> list[Effect]:
    return [Send(other.session_id, event) for other in _listening(room, session)]


def _listening(room: Room, session: Session) -> list[Session]:
    """The others who hear of something now; who is away learns of it when it resumes."""
    return [other for other in room.present() if other is not session and other.connected]
