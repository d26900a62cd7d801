"""Who is told what about users and streams: deltas against what each session already knows."""

from __future__ import annotations

from collections.abc import Iterable

from harness.call.errors import ErrorCode
from harness.room_service.effects import Detach, Effect, Send
from harness.room_service.state import LIVE, REQUESTING, Room, Session, StreamState

STOPPED, SILENT, REPEATED_LOGIN, KICKED, DISCONNECTED, REMOVED = 1, 2, 3, 4, 5, 6  # reasons of a stream's deletion


def _users_event(session: Session, op: str, items: list[dict[str, str]], sequence: int) -> Send:
    return Send(session.session_id, {"event": "user_update", "op": op, "users": items, "seq": sequence})


def _streams_event(session: Session, op: str, items: Iterable[dict[str, object]], sequence: int) -> Send:
    return Send(session.session_id, {"event": "stream_update", "op": op, "streams": list(items), "seq": sequence})


def tell_roster(room: Room, session: Session) -> list[Effect]:
    """What the session does not know yet, and what it still believes but is no longer true."""
    others = {other.user_id: other.user_name for other in room.present() if other is not session}
    live: dict[str, tuple[Session, StreamState]] = {}
    for stream in room.streams.values():
        owner = room.sessions[stream.session]
        if stream.live and owner is not session and owner.present:
            live[stream.stream_id] = (owner, stream)
    effects: list[Effect] = []
    owners = {stream: owner.user_id for stream, (owner, _) in live.items()}
    gone_streams = [stream for stream, user in session.told_streams.items() if owners.get(stream) != user]
    gone_users = [user for user in session.told_users if user not in others]
    new_users = {user: name for user, name in others.items() if user not in session.told_users}
    new_streams = [stream for stream, user in owners.items() if session.told_streams.get(stream) != user]
    if gone_streams:
        deleted: list[dict[str, object]] = [
            {
                "stream": stream,
                "user": session.told_streams[stream],
                "reason": room.deleted.get(stream, DISCONNECTED),
            }
            for stream in gone_streams
        ]
        effects.append(_streams_event(session, "DEL", deleted, room.stream_sequence))
    if session.user_updates and gone_users:
        left = [{"user": user, "name": session.told_users[user]} for user in gone_users]
        effects.append(_users_event(session, "DEL", left, room.user_sequence))
    if session.user_updates and new_users:
        came = [{"user": user, "name": name} for user, name in new_users.items()]
        effects.append(_users_event(session, "ADD", came, room.user_sequence))
    if new_streams:
        added = [live[stream][1].described(live[stream][0]) for stream in new_streams]
        effects.append(_streams_event(session, "ADD", added, room.stream_sequence))
    session.told_users = dict(others) if session.user_updates else {}
    effects += _tell_extra(room, session, {s: pair for s, pair in live.items() if s not in new_streams})
    session.told_streams = owners
    session.told_stream_extra = {stream: state.extra for stream, (_, state) in live.items()}
    return effects


def _tell_extra(room: Room, session: Session, known: dict[str, tuple[Session, StreamState]]) -> list[Effect]:
    """Extra info of known streams and of the room that the session has not been told."""
    effects: list[Effect] = []
    changed = [
        state.described(owner)
        for stream, (owner, state) in known.items()
        if session.told_stream_extra.get(stream) != state.extra
    ]
    if changed:
        effects.append(Send(session.session_id, {"event": "stream_extra", "streams": changed}))
    for key, item in room.extra.items():
        if session.told_room_extra.get(key) != item:
            effects.append(Send(session.session_id, {"event": "room_extra", "key": key, **item}))
    session.told_room_extra = dict(room.extra)
    return effects


def announce_user(room: Room, newcomer: Session) -> list[Effect]:
    room.user_sequence += 1
    effects: list[Effect] = []
    for other in room.present():
        knows = other is newcomer or not other.user_updates or newcomer.user_id in other.told_users
        if not knows and other.connected:
            other.told_users[newcomer.user_id] = newcomer.user_name
            items = [{"user": newcomer.user_id, "name": newcomer.user_name}]
            effects.append(_users_event(other, "ADD", items, room.user_sequence))
    return effects


def withdraw_user(room: Room, gone: Session) -> list[Effect]:
    room.user_sequence += 1
    effects: list[Effect] = []
    for other in room.present():
        if other is not gone and other.connected and other.told_users.pop(gone.user_id, None) is not None:
            items = [{"user": gone.user_id, "name": gone.user_name}]
            effects.append(_users_event(other, "DEL", items, room.user_sequence))
    return effects


def announce_stream(room: Room, stream: StreamState) -> list[Effect]:
    room.stream_sequence += 1
    owner = room.sessions[stream.session]
    effects: list[Effect] = []
    for other in room.present():
        if other is not owner and other.connected and stream.stream_id not in other.told_streams:
            other.told_streams[stream.stream_id] = owner.user_id
            other.told_stream_extra[stream.stream_id] = stream.extra
            effects.append(_streams_event(other, "ADD", [stream.described(owner)], room.stream_sequence))
    return effects


def withdraw_streams(room: Room, streams: list[StreamState], reason: int) -> list[Effect]:
    """Tell the others that streams are gone; who plays one falls back to asking for it."""
    room.stream_sequence += 1
    effects: list[Effect] = []
    for other in room.present():
        if not other.connected:
            continue
        items: list[dict[str, object]] = []
        for stream in streams:
            user = other.told_streams.pop(stream.stream_id, None)
            if user is not None:
                items.append({"stream": stream.stream_id, "user": user, "reason": reason})
        if items:
            effects.append(_streams_event(other, "DEL", items, room.stream_sequence))
    for stream in streams:
        effects += interrupt_plays(room, stream)
    return effects


def interrupt_plays(room: Room, stream: StreamState) -> list[Effect]:
    effects: list[Effect] = []
    for other in room.sessions.values():
        state = other.plays.get(stream.stream_id)
        if state == LIVE:
            effects += _interrupt_play(other, stream.stream_id)
        elif state == REQUESTING:  # it may be attached, with no packet forwarded yet
            effects.append(Detach(other.session_id, stream.stream_id))
    return effects


def _interrupt_play(session: Session, stream: str) -> list[Effect]:
    session.plays[stream] = REQUESTING
    code = int(ErrorCode.PLAY_INTERRUPTED)
    event: dict[str, object] = {"event": "player_state", "stream": stream, "state": REQUESTING, "code": code}
    return [Detach(session.session_id, stream), Send(session.session_id, event)]
