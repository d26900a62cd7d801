"""The rules of a room: who is in, who publishes, who is told what and in which order.

No I/O and no clock of its own: time (seconds, monotonic) and wall time (for token expiry) are arguments, and every
method returns the effects to be carried out, in order. Refusals are CallErrors with the contract's codes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from harness.call import identifiers
from harness.call.errors import CallError, ErrorCode
from harness.room_service import notices
from harness.room_service.deadlines import cut_off, deadlines, first_count, next_count
from harness.room_service.effects import Attach, ClosePublication, CloseSession, Detach, Effect, Send
from harness.room_service.knowledge import Knowledge
from harness.room_service.resumption import believe, left_over, tell_devices, tell_states
from harness.room_service.roster import (
    DISCONNECTED,
    KICKED,
    REPEATED_LOGIN,
    SILENT,
    STOPPED,
    announce_stream,
    announce_user,
    interrupt_plays,
    tell_roster,
    withdraw_streams,
    withdraw_user,
)
from harness.room_service.settings import Settings
from harness.room_service.state import (
    AWAITED,
    COMING,
    FLOWING,
    GONE,
    IDLE,
    LIVE,
    REQUESTING,
    Room,
    Session,
    StreamState,
)
from harness.room_service.tokens import Claims


class RoomLogic:
    """All rooms of one service. `name` prefixes session ids, so that two services never share one."""

    def __init__(self, settings: Settings, name: str = "s") -> None:
        self.settings = settings
        self.rooms: dict[str, Room] = {}
        self.sessions: dict[str, Session] = {}
        self._streams: dict[str, StreamState] = {}  # stream ids are unique over all rooms
        self._users: dict[str, dict[str, str]] = {}  # user id: room id: session id; all of one client's instance
        self._ids = (f"{name}{number}" for number in itertools.count(1))

    # -- login and logout ----------------------------------------------------------------------------------------

    def login(
        self, now: float, wall: float, claims: Claims, *, user_name: str, user_updates: bool, client: str = ""
    ) -> tuple[Session, list[Effect]]:
        """Let a user in. The effects to come after the reply: roster to the newcomer, then news to the others.

        client: the instance that logs in. One instance may be in several rooms; another one ends all of its logins.
        """
        identifiers.check_room_id(claims.room_id)
        identifiers.check_user_id(claims.user_id)
        identifiers.check_user_name(user_name)
        if claims.expires_at <= wall:
            raise CallError(ErrorCode.TOKEN_INVALID, "the token has expired")
        effects: list[Effect] = []
        earlier = [self.sessions[session] for session in self._users.get(claims.user_id, {}).values()]
        staying = [s for s in earlier if client and s.client == client and s.room_id != claims.room_id]
        if len(staying) >= self.settings.rooms_per_user:
            raise CallError(ErrorCode.ALREADY_LOGGED_IN, f"already in {len(staying)} rooms")
        room = self.rooms.get(claims.room_id)
        others = [s for s in room.sessions.values() if s.user_id != claims.user_id] if room is not None else []
        if len(others) >= self.settings.users_per_room:
            raise CallError(ErrorCode.ROOM_FULL, f"the room is full: {self.settings.users_per_room} users")
        for session in earlier:
            if session not in staying:
                effects += self._end(session, REPEATED_LOGIN, ErrorCode.KICKED_SAME_USER)
        room = self.rooms.get(claims.room_id)
        if room is None:
            room = self.rooms[claims.room_id] = Room(claims.room_id, next(self._ids))
        session = Session(next(self._ids), claims.user_id, user_name, claims.room_id, claims, user_updates, now, client)
        session.count_due = first_count(now, self.settings.count_interval)
        room.sessions[session.session_id] = self.sessions[session.session_id] = session
        self._users.setdefault(claims.user_id, {})[claims.room_id] = session.session_id
        effects += tell_roster(room, session)
        effects += announce_user(room, session)
        return session, effects

    def resume(
        self, now: float, session_id: str, user_id: str, knows: Knowledge | None = None
    ) -> tuple[Session, list[Effect]]:
        """A client is back after its socket was lost: tell it what changed meanwhile, and the others if it had gone.

        knows: what the client says it was told; without it, what it was sent while it had a socket. Raises CallError
        1002086 when the session has ended, for instance because the user logged in elsewhere.
        """
        session = self.sessions.get(session_id)
        if session is None or session.user_id != user_id:
            raise CallError(ErrorCode.RECONNECT_REFUSED, "the session has ended")
        room = self.rooms[session.room_id]
        session.connected, session.last_heard = True, now
        session.count_due = next_count(session.count_due, now, self.settings.count_interval)
        effects: list[Effect] = []
        if knows is not None:
            believe(room, session, knows)
            effects += self._delete_streams(room, left_over(room, session, knows), STOPPED)
        if not session.present:
            session.present = True
            effects += announce_user(room, session)
        effects += tell_roster(room, session)
        if knows is not None:
            effects += tell_states(room, session, knows)
        for stream_id, state in session.plays.items():
            if state == LIVE:
                effects += tell_devices(session, room.streams[stream_id])
        return session, effects

    def logout(self, session_id: str) -> list[Effect]:
        session = self.sessions.get(session_id)
        if session is None:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        return self._end(session, STOPPED, None)

    def kick(self, by: str, user_id: str) -> list[Effect]:
        """An administrator's kick. Raises CallError 1003025 without the privilege, 1002002 without such a user."""
        actor = self._session(by)
        if not actor.claims.admin:
            raise CallError(ErrorCode.PUBLISH_FORBIDDEN, "the token does not allow kicking")
        target = self._users.get(user_id, {}).get(actor.room_id)
        if target is None:
            raise CallError(ErrorCode.NOT_IN_THIS_ROOM, "there is no such user in this room")
        return self._end(self.sessions[target], KICKED, ErrorCode.KICKED_BY_SERVER)

    def _end(self, session: Session, reason: int, kicked: int | None) -> list[Effect]:
        """End a session: its streams, its plays, its place in the room; news to the others; a kick to itself."""
        effects: list[Effect] = []
        room = self.rooms[session.room_id]
        if kicked is not None:
            effects.append(Send(session.session_id, {"event": "kicked", "code": int(kicked)}))
        effects += [Detach(session.session_id, stream) for stream in session.plays]
        session.plays.clear()  # first, so that the end of its own streams is no news to it any more
        effects += self._delete_streams(room, room.publications(session), reason)
        del room.sessions[session.session_id], self.sessions[session.session_id]
        rooms = self._users[session.user_id]
        del rooms[session.room_id]
        if not rooms:
            del self._users[session.user_id]
        if session.present:
            effects += withdraw_user(room, session)
        effects.append(CloseSession(session.session_id))
        if not room.sessions:
            del self.rooms[room.room_id]
        return effects

    # -- publishing ----------------------------------------------------------------------------------------------

    def publish(
        self, wall: float, session_id: str, stream_id: str, kinds: dict[str, str], extra: str, muted: Iterable[str] = ()
    ) -> list[Effect]:
        """Accept a publish; the stream is announced when its media has come. muted: kinds. Raises CallError."""
        session = self._session(session_id)
        identifiers.check_stream_id(stream_id)
        identifiers.check_stream_extra(extra)
        if not session.claims.publish or session.claims.expires_at <= wall:
            raise CallError(ErrorCode.PUBLISH_FORBIDDEN, "the token does not allow publishing")
        room = self.rooms[session.room_id]
        taken = self._streams.get(stream_id)
        stream = StreamState(stream_id, session_id, kinds, extra, {kind: True for kind in muted if kind in kinds})
        if taken is not None and taken.session == session_id:
            if taken.media in (GONE, AWAITED):
                return notices.renew_stream(room, session, taken, stream)
            raise CallError(ErrorCode.CHANNEL_ALREADY_PUBLISHING, "this stream is already being published")
        if taken is not None:
            raise CallError(ErrorCode.STREAM_ID_TAKEN, "another user publishes a stream of this id")
        if len(room.publications(session)) >= self.settings.streams_per_user:
            raise CallError(ErrorCode.PUBLISH_FORBIDDEN, f"at most {self.settings.streams_per_user} streams per user")
        room.streams[stream_id] = self._streams[stream_id] = stream
        return []

    def stream_live(self, session_id: str, stream_id: str) -> list[Effect]:
        """The first packet of a publication has come."""
        session = self.sessions.get(session_id)
        stream = self._own_stream(session, stream_id)
        if session is None or stream is None or stream.media != COMING:
            return []
        stream.live, stream.media = True, FLOWING
        room = self.rooms[session.room_id]
        state = {"event": "publisher_state", "stream": stream_id, "state": LIVE, "code": 0}
        effects: list[Effect] = [Send(session_id, state)]
        if session.present:
            effects += announce_stream(room, stream)
        for other in room.sessions.values():
            if stream_id in other.plays:
                effects.append(Attach(other.session_id, stream_id))
        return effects

    def unpublish(self, session_id: str, stream_id: str) -> list[Effect]:
        session = self._session(session_id)
        stream = self._own_stream(session, stream_id)
        if stream is None:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this user does not publish such a stream")
        return self._delete_streams(self.rooms[session.room_id], [stream], STOPPED)

    def publication_failed(self, now: float, session_id: str, stream_id: str) -> list[Effect]:
        """The media of a publication ended or never came.

        Of a client that may have lost its whole network the stream stays announced, for it may be back in time.
        """
        session = self.sessions.get(session_id)
        stream = self._own_stream(session, stream_id)
        if session is None or stream is None or stream.media not in (COMING, FLOWING):
            return []
        if stream.live and cut_off(session, self.settings, now):
            stream.media = GONE
            return [ClosePublication(session_id, stream_id), *interrupt_plays(self.rooms[session.room_id], stream)]
        return self._end_publication(session, stream)

    def media_missed(self, session_id: str) -> list[Effect]:
        """A client speaks whose socket has been there all the time: it lacks no network, its lost media are lost."""
        session = self._session(session_id)
        gone = self.rooms[session.room_id].publications(session, GONE)
        return [effect for stream in gone for effect in self._end_publication(session, stream)]

    def _end_publication(self, session: Session, stream: StreamState) -> list[Effect]:
        code = int(ErrorCode.MEDIA_FAILED)
        state = {"event": "publisher_state", "stream": stream.stream_id, "state": IDLE, "code": code}
        room = self.rooms[session.room_id]
        return [*self._delete_streams(room, [stream], DISCONNECTED), Send(session.session_id, state)]

    def _own_stream(self, session: Session | None, stream_id: str) -> StreamState | None:
        if session is None:
            return None
        stream = self.rooms[session.room_id].streams.get(stream_id)
        return stream if stream is not None and stream.session == session.session_id else None

    def _delete_streams(self, room: Room, streams: list[StreamState], reason: int) -> list[Effect]:
        effects: list[Effect] = []
        for stream in streams:
            del room.streams[stream.stream_id], self._streams[stream.stream_id]
            room.remember_deleted(stream.stream_id, reason)
            if stream.media in (COMING, FLOWING):
                effects.append(ClosePublication(stream.session, stream.stream_id))
        announced = [stream for stream in streams if stream.live]
        return effects + (withdraw_streams(room, announced, reason) if announced else [])

    # -- playing -------------------------------------------------------------------------------------------------

    def play(self, session_id: str, stream_id: str) -> list[Effect]:
        """Play a stream, now or as soon as it is live: an unknown id stays requested. Raises CallError."""
        session = self._session(session_id)
        identifiers.check_stream_id(stream_id)
        if stream_id in session.plays:
            return []
        if len(session.plays) >= self.settings.plays_per_user:
            raise CallError(ErrorCode.TOO_MANY_PLAYS, f"at most {self.settings.plays_per_user} streams per user")
        session.plays[stream_id] = REQUESTING
        stream = self.rooms[session.room_id].streams.get(stream_id)
        if stream is None or stream.media != FLOWING:
            return []
        return [Attach(session_id, stream_id)]

    def play_live(self, session_id: str, stream_id: str) -> list[Effect]:
        """Packets of a played stream now go to this session."""
        session = self.sessions.get(session_id)
        if session is None or session.plays.get(stream_id) != REQUESTING:
            return []
        stream = self.rooms[session.room_id].streams.get(stream_id)
        if stream is None or stream.media != FLOWING:  # it ended on the way here
            return []
        session.plays[stream_id] = LIVE
        effects: list[Effect] = [
            Send(session_id, {"event": "player_state", "stream": stream_id, "state": LIVE, "code": 0})
        ]
        return effects + tell_devices(session, stream)

    def play_failed(self, session_id: str, stream_id: str) -> list[Effect]:
        """No media connection to this session came about."""
        session = self.sessions.get(session_id)
        if session is None or session.plays.pop(stream_id, None) is None:
            return []
        session.told_devices.pop(stream_id, None)
        code = int(ErrorCode.MEDIA_FAILED)
        event: dict[str, object] = {"event": "player_state", "stream": stream_id, "state": IDLE, "code": code}
        return [Detach(session_id, stream_id), Send(session_id, event)]

    def unplay(self, session_id: str, stream_id: str) -> list[Effect]:
        session = self._session(session_id)
        if session.plays.pop(stream_id, None) is None:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this user does not play such a stream")
        session.told_devices.pop(stream_id, None)
        return [Detach(session_id, stream_id)]

    # -- devices, extra info, messages ---------------------------------------------------------------------------

    def mute(self, session_id: str, stream_id: str, kind: str, muted: bool) -> list[Effect]:
        """Tell those who play the stream that its camera or microphone was muted or opened."""
        session = self._session(session_id)
        stream = self._own_stream(session, stream_id)
        if stream is None:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this user does not publish such a stream")
        if kind not in stream.kinds:
            raise CallError(ErrorCode.BAD_REQUEST, f"the stream has no {kind}")
        return notices.muted(self.rooms[session.room_id], stream, kind, muted)

    def set_stream_extra(self, session_id: str, stream_id: str, text: str) -> list[Effect]:
        session = self._session(session_id)
        identifiers.check_stream_extra(text)
        stream = self._own_stream(session, stream_id)
        if stream is None:
            raise CallError(ErrorCode.STREAM_NOT_FOUND, "this user does not publish such a stream")
        return notices.stream_extra(self.rooms[session.room_id], session, stream, text)

    def set_room_extra(self, wall: float, session_id: str, key: str, value: str) -> list[Effect]:
        session = self._session(session_id)
        identifiers.check_room_extra(key, value)
        return notices.room_extra(self.rooms[session.room_id], session, key, value, wall)

    def message(self, session_id: str, text: str, reliable: bool) -> tuple[str, list[Effect]]:
        """The message's id, and its delivery to everybody else."""
        session = self._session(session_id)
        identifiers.check_message(text)
        number = next(self._ids)
        event = {"event": "message", "id": number, "from": session.user_id, "body": text, "reliable": reliable}
        return number, notices.to_others(self.rooms[session.room_id], session, event)

    def renew_token(self, session_id: str, claims: Claims) -> None:
        session = self._session(session_id)
        if (claims.user_id, claims.room_id) != (session.user_id, session.room_id):
            raise CallError(ErrorCode.TOKEN_INVALID, "the token is for another user or room")
        session.claims, session.warned = claims, False

    # -- time ----------------------------------------------------------------------------------------------------

    def heard(self, now: float, session_id: str) -> bool:
        """Anything at all came from this session. False: it was thought gone, and has to resume."""
        session = self.sessions.get(session_id)
        if session is not None and session.present:
            session.last_heard = now
        return session is None or session.present

    def disconnected(self, session_id: str) -> None:
        """The socket is gone; the user stays until the heartbeat times out, in case it comes back."""
        session = self.sessions.get(session_id)
        if session is not None:
            session.connected = False

    def on_time(self, now: float, wall: float) -> list[Effect]:
        """What is due by now: silent users leave, retry windows end, tokens are warned about or expire."""
        effects: list[Effect] = []
        for session in tuple(self.sessions.values()):
            if session.session_id not in self.sessions:
                continue
            if session.present and now - session.last_heard >= self.settings.heartbeat_timeout:
                effects += self._fall_silent(session)
            elif not session.present and now - session.last_heard >= self.settings.retry_window:
                effects += self._end(session, SILENT, None)
            elif session.present:
                effects += self._check_token(wall, session)
                if session.session_id in self.sessions:
                    effects += notices.count(self.rooms[session.room_id], session, self.settings, now)
        return effects

    def _fall_silent(self, session: Session) -> list[Effect]:
        room = self.rooms[session.room_id]
        session.present = session.connected = False
        effects = self._delete_streams(room, room.publications(session), SILENT)
        effects += [Detach(session.session_id, stream) for stream in session.plays]
        session.plays.clear()
        session.told_devices.clear()
        return effects + withdraw_user(room, session)

    def _check_token(self, wall: float, session: Session) -> list[Effect]:
        remain = session.claims.expires_at - wall
        if remain <= 0 and self.settings.kick_on_token_expiry:
            return self._end(session, KICKED, ErrorCode.KICKED_TOKEN_EXPIRED)
        if remain <= self.settings.token_warning and not session.warned and session.connected:
            session.warned = True
            event = {"event": "token_expiring", "remain": max(0, round(remain))}
            return [Send(session.session_id, event)]
        return []

    def next_deadline(self, now: float, wall: float) -> float | None:
        """Monotonic second at which on_time has something to do, or None when nobody is there."""
        settings = self.settings
        due = (at for session in self.sessions.values() for at in deadlines(session, settings, now, wall))
        return min(due, default=None)

    def _session(self, session_id: str) -> Session:
        """The session that makes a call. Raises CallError 1000002 when it has ended or has yet to resume."""
        session = self.sessions.get(session_id)
        if session is None or not session.present:
            raise CallError(ErrorCode.NOT_LOGGED_IN, "not logged in")
        return session
