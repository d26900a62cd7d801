"""Whatever happens in whatever order: what each user was told is what is true, and nothing is left behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.call import CallError
from harness.room_service.effects import ClosePublication, CloseSession, Effect, Send
from harness.room_service.room import RoomLogic
from harness.room_service.settings import Settings
from harness.room_service.tokens import Claims

USERS = ("a", "b", "c", "d")
STREAMS = ("s1", "s2", "s3")
OPERATIONS = (
    *("login",) * 4,
    *("publish",) * 3,
    *("live",) * 4,
    "unpublish",
    "play",
    "play_live",
    "unplay",
    "logout",
    "kick",
    "disconnect",
    "resume",
    "pass_time",
    "fail",
)
step = st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(USERS), st.sampled_from(STREAMS), st.integers(1, 40))


@dataclass
class World:
    """The room under test and, per session, the fold of what it was sent."""

    logic: RoomLogic = field(
        default_factory=lambda: RoomLogic(Settings(heartbeat_timeout=30, retry_window=100, streams_per_user=2))
    )
    now: float = 0.0
    latest: dict[str, str] = field(default_factory=dict)  # user: its last session
    users: dict[str, set[str]] = field(default_factory=dict)
    streams: dict[str, set[str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._told(effect.session, effect.event)
            elif isinstance(effect, CloseSession):
                self.ended.add(effect.session)
            elif isinstance(effect, ClosePublication):
                assert (effect.session, effect.stream) is not None

    def _told(self, session: str, event: dict[str, Any]) -> None:
        assert session not in self.ended, f"{event} to a session that has ended"
        if event["event"] == "user_update":
            self._fold(self.users.setdefault(session, set()), event["op"], [u["user"] for u in event["users"]])
        elif event["event"] == "stream_update":
            self._fold(self.streams.setdefault(session, set()), event["op"], [s["stream"] for s in event["streams"]])

    @staticmethod
    def _fold(view: set[str], op: str, ids: list[str]) -> None:
        assert ids, "an empty list"
        assert len(set(ids)) == len(ids)
        if op == "ADD":
            assert not view & set(ids), "added what is there"
            view |= set(ids)
        else:
            assert set(ids) <= view, "deleted what is not there"
            view -= set(ids)

    def do(self, name: str, user: str, stream: str, seconds: int) -> None:
        session = self.latest.get(user, "")
        logic = self.logic
        if name == "login":
            claims = Claims(user, "room", 1e12, admin=user == "a")
            found, effects = logic.login(self.now, 0.0, claims, user_name=user, user_updates=True)
            self.latest[user] = found.session_id
            self.apply(effects)
        elif name == "publish":
            self.apply(logic.publish(0.0, session, stream, {"video": "vp8"}, ""))
        elif name == "live":
            self.apply(logic.stream_live(session, stream))
        elif name == "fail":
            self.apply(logic.publication_failed(self.now, session, stream))
        elif name == "kick":
            self.apply(logic.kick(self.latest.get("a", ""), user))
        elif name == "logout":
            self.apply(logic.logout(session))
        elif name == "disconnect":
            logic.disconnected(session)
        elif name == "resume":
            self.apply(logic.resume(self.now, session, user)[1])
        elif name == "pass_time":
            self.pass_time(float(seconds))
        else:
            self.apply(getattr(logic, name)(session, stream))

    def pass_time(self, seconds: float) -> None:
        """Time goes by in jumps to each deadline; nothing is due before one, something is at it."""
        until = self.now + seconds
        while True:
            due = self.logic.next_deadline(self.now, 0.0)
            if due is None or due > until:
                break
            if due > self.now:
                assert self.logic.on_time((self.now + due) / 2, 0.0) == []
            self.now = max(self.now, due)
            effects = self.logic.on_time(self.now, 0.0)
            self.apply(effects)
            after = self.logic.next_deadline(self.now, 0.0)
            assert effects or after is None or after > due, "a deadline at which nothing happens"
        self.now = until
        for session in self.logic.sessions.values():
            if session.connected and session.present:
                self.logic.heard(self.now, session.session_id)  # connected clients send their heartbeats

    def check(self) -> None:
        logic = self.logic
        sessions = logic.sessions
        assert not self.ended & set(sessions)
        for room in logic.rooms.values():
            assert room.sessions, "an empty room is forgotten"
            for stream in room.streams.values():
                assert stream.session in room.sessions
                assert logic._streams[stream.stream_id] is stream
        assert set(logic._streams) == {s for room in logic.rooms.values() for s in room.streams}
        assert {session for rooms in logic._users.values() for session in rooms.values()} == set(sessions)
        for session in sessions.values():
            if session.present and session.connected:
                room = logic.rooms[session.room_id]
                others = {o.user_id for o in room.present() if o is not session}
                live = {
                    s.stream_id
                    for s in room.streams.values()
                    if s.live and s.session != session.session_id and sessions[s.session].present
                }
                assert self.users.get(session.session_id, set()) == others
                assert self.streams.get(session.session_id, set()) == live


@settings(max_examples=400, deadline=None)
@given(st.lists(step, max_size=40))
def test_every_view_is_the_truth_after_every_step(schedule: list[tuple[str, str, str, int]]) -> None:
    world = World()
    for name, user, stream, seconds in schedule:
        try:
            world.do(name, user, stream, seconds)
        except CallError as error:
            assert error.code > 0
        world.check()


@settings(max_examples=100, deadline=None)
@given(st.lists(step, max_size=40))
def test_when_everybody_has_gone_nothing_is_left(schedule: list[tuple[str, str, str, int]]) -> None:
    world = World()
    for name, user, stream, seconds in schedule:
        try:
            world.do(name, user, stream, seconds)
        except CallError:
            continue
    for session in tuple(world.logic.sessions):
        world.apply(world.logic.logout(session))
    logic = world.logic
    assert not (logic.rooms or logic.sessions or logic._streams or logic._users)
    assert logic.next_deadline(world.now, 0.0) is None
