"""A client is back: what it said it knows is what it has been told, and what it misses is told now."""

from __future__ import annotations

from harness.call.errors import ErrorCode
from harness.room_service.effects import Effect, Send
from harness.room_service.knowledge import Knowledge
from harness.room_service.state import AWAITED, FLOWING, GONE, LIVE, REQUESTING, Room, Session, StreamState


def believe(room: Room, session: Session, knows: Knowledge) -> None:
    """Events may have been lost on a dead socket: the client's own account replaces ours of what it was told."""
    own = session.user_id
    session.told_users = {user: name for user, name in knows.users.items() if user != own and session.user_updates}
    session.told_streams = {stream: user for stream, user in knows.streams.items() if user != own}
    session.told_stream_extra = dict(knows.stream_extra)
    session.told_room_extra = {
        key: item
        for key, item in room.extra.items()
        if knows.room_extra.get(key) == item["value"] or item["by"] == own  # who set it is never told of it
    }
    session.told_devices = dict(knows.devices)
    session.warned = session.warned and knows.warned


def left_over(room: Room, session: Session, knows: Knowledge) -> list[StreamState]:
    """Of the publications whose media is gone, those that it has stopped meanwhile; the others it publishes again."""
    gone = room.publications(session, GONE)
    for stream in gone:
        stream.media = AWAITED
    return [stream for stream in gone if stream.stream_id not in knows.published]


def tell_states(room: Room, session: Session, knows: Knowledge) -> list[Effect]:
    """States of its own publications and plays that it missed. What we do not have it asks for again by itself."""
    effects: list[Effect] = []
    for stream_id, known in knows.published.items():
        stream = room.streams.get(stream_id)
        if stream is not None and stream.session == session.session_id and stream.media == FLOWING and known != LIVE:
            effects.append(_state(session, "publisher_state", stream_id, LIVE, ErrorCode.OK))
    for stream_id, known in knows.played.items():
        state = session.plays.get(stream_id, known)
        if state != known:
            code = ErrorCode.PLAY_INTERRUPTED if state == REQUESTING else ErrorCode.OK
            effects.append(_state(session, "player_state", stream_id, state, code))
    return effects


def _state(session: Session, event: str, stream: str, state: str, code: int) -> Send:
    return Send(session.session_id, {"event": event, "stream": stream, "state": state, "code": int(code)})


def tell_devices(session: Session, stream: StreamState) -> list[Effect]:
    """Cameras and microphones of a stream that it plays, where it believes otherwise; at first it believes: open."""
    if not session.connected:
        return []
    effects: list[Effect] = []
    told = session.told_devices.setdefault(stream.stream_id, {})
    for kind in stream.kinds:
        muted = stream.muted.get(kind, False)
        if told.get(kind, False) != muted:
            told[kind] = muted
            state = "mute" if muted else "open"
            event: dict[str, object] = {"event": "device", "stream": stream.stream_id, "kind": kind, "state": state}
            effects.append(Send(session.session_id, event))
    return effects
