"""Random histories of two rooms, as a shell could cause them: views, media, extra info and deadlines stay true.

Calls come only from sessions that have a socket, as the shell guarantees; everything else may happen at any time.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told_session import Told

from harness.call import CallError, ErrorCode
from harness.room_service.effects import Attach, ClosePublication, CloseSession, Detach, Effect, Send
from harness.room_service.room import RoomLogic
from harness.room_service.settings import Settings
from harness.room_service.state import Session
from harness.room_service.tokens import Claims

USERS, ROOMS, STREAMS = "abc", ("r1", "r2"), ("s1", "s2")
WALL = 1_700_000_000.0
CALLS = (
    "publish",
    "unpublish",
    "play",
    "unplay",
    "room_extra",
    "stream_extra",
    "message",
    "kick",
    "logout",
    "renew",
    "take_over",
    "mute",
)
MEDIA = ("stream_live", "publication_failed", "play_live", "play_failed")
# Unequal shares: a history in which nobody stays for long shows little.
STEPS = (
    ("login", "publish", "stream_live", "play", "play_live", "resume") * 4
    + ("disconnect", "time", "unpublish", "room_extra", "stream_extra") * 3
    + CALLS
    + MEDIA
)
Step = tuple[str, str, str, int]
steps = st.lists(
    st.tuples(st.sampled_from(STEPS), st.sampled_from(USERS), st.sampled_from(STREAMS), st.integers(0, 40)),
    min_size=20,
    max_size=60,
)


class World:
    """The logic, and a shell that only keeps books: who has a socket, what is attached, what each was told."""

    def __init__(self, *, kick_on_expiry: bool) -> None:
        self.logic = RoomLogic(
            Settings(heartbeat_timeout=20, retry_window=120, streams_per_user=2, kick_on_token_expiry=kick_on_expiry)
        )
        self.now = 0.0
        self.latest: dict[str, str] = {}  # user: last session
        self.told: dict[str, Told] = {}
        self.sockets: set[str] = set()
        self.deaf: set[str] = set()  # of those, sockets on which nothing passes any more
        self.publications: set[tuple[str, str]] = set()
        self.attached: dict[tuple[str, str], str] = {}  # player, stream: the publishing session
        self.closed: set[str] = set()
        self.numbers = itertools.count()

    @property
    def wall(self) -> float:
        return WALL + self.now

    def apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert effect.session not in self.closed, f"{effect} after its session was closed"
            if isinstance(effect, Send):
                if effect.session in self.sockets - self.deaf:
                    self.told[effect.session].hear(effect.event)
            elif isinstance(effect, CloseSession):
                self.closed.add(effect.session)
                self.sockets.discard(effect.session)
            elif isinstance(effect, ClosePublication):
                self.publications.remove((effect.session, effect.stream))
            elif isinstance(effect, Attach):
                stream = self.logic.rooms[self.logic.sessions[effect.session].room_id].streams[effect.stream]
                assert (effect.session, effect.stream) not in self.attached, "attached twice"
                self.attached[effect.session, effect.stream] = stream.session
            elif isinstance(effect, Detach):
                self.attached.pop((effect.session, effect.stream), None)

    def _new_text(self) -> str:
        return f"x{next(self.numbers)}"

    def _at_hand(self, name: str, session: str, stream: str, number: int) -> str:
        """Mostly a stream that the session really publishes or plays: otherwise little would ever happen."""
        known = self.logic.sessions.get(session)
        if known is None or not number % 8:
            return stream
        own = [*known.plays] if "play" in name else [s for owner, s in self.publications if owner == session]
        attached = [s for s in own if (session, s) in self.attached]
        choice = sorted(attached or own) or [stream]
        return choice[number % len(choice)]

    # -- steps ---------------------------------------------------------------------------------------------------

    def do(self, name: str, user: str, stream: str, number: int) -> None:
        session = self.latest.get(user, "")
        if name in CALLS:
            if session in self.sockets - self.deaf and self.logic.heard(self.now, session):
                if name in ("unpublish", "stream_extra", "unplay", "mute"):
                    stream = self._at_hand(name, session, stream, number)
                getattr(self, name)(session, stream, number)
        elif name in MEDIA:
            stream = self._at_hand(name, session, stream, number)
            when = (self.now,) if name == "publication_failed" else ()
            effects = getattr(self.logic, name)(*when, session, stream)
            if name == "play_live" and effects:
                assert (session, stream) in self.attached, "packets of what is not attached"
            self.apply(effects)
        else:
            getattr(self, name)(user, session, number)

    def login(self, user: str, session: str, number: int) -> None:
        if session in self.logic.sessions and number % 5:
            return  # most logins are of users who are not in
        claims = Claims(user, ROOMS[number % 8 == 7], self.wall + 30 + 10 * number, admin=number % 4 == 0)
        updates = number % 6 > 0
        new, effects = self.logic.login(self.now, self.wall, claims, user_name=user.upper(), user_updates=updates)
        self.told[new.session_id] = Told(user_updates=updates)
        self.latest[user] = new.session_id
        self.sockets.add(new.session_id)
        self.apply(effects)

    def resume(self, user: str, session: str, number: int) -> None:
        if session in self.closed:
            with pytest.raises(CallError) as caught:
                self.logic.resume(self.now, session, user)
            assert caught.value.code == ErrorCode.RECONNECT_REFUSED
            return
        back, effects = self.logic.resume(self.now, session, user)
        self.sockets.add(session)
        # Without a word on what it knows, it knows what the reply says.
        own = self.logic.rooms[back.room_id].publications(back)
        self.told[session].plays = dict(back.plays)
        self.told[session].published = {s.stream_id: "LIVE" if s.media == "flowing" else "REQ" for s in own}
        self.apply(effects)

    def disconnect(self, user: str, session: str, number: int) -> None:
        if session in self.sockets:
            self.sockets.remove(session)
            self.logic.disconnected(session)

    def publish(self, session: str, stream: str, number: int) -> None:
        self.apply(self.logic.publish(self.wall, session, stream, {"video": "vp8"}, self._new_text()))
        self.publications.add((session, stream))
        self.told[session].published[stream] = "REQ"

    def take_over(self, session: str, stream: str, number: int) -> None:
        """Whoever publishes this stream stops, and this user publishes one of the same id."""
        owner = self.logic._streams.get(stream)
        if owner is not None and owner.session in self.sockets - self.deaf:
            self.unpublish(owner.session, stream, number)
        self.publish(session, stream, number)
        self.apply(self.logic.stream_live(session, stream))

    def unpublish(self, session: str, stream: str, number: int) -> None:
        self.apply(self.logic.unpublish(session, stream))

    def play(self, session: str, stream: str, number: int) -> None:
        before = self.logic.sessions[session].plays.get(stream, "REQ")
        self.apply(self.logic.play(session, stream))
        self.told[session].plays[stream] = before

    def unplay(self, session: str, stream: str, number: int) -> None:
        self.apply(self.logic.unplay(session, stream))
        self.told[session].devices.pop(stream, None)

    def mute(self, session: str, stream: str, number: int) -> None:
        self.apply(self.logic.mute(session, stream, "video", number % 3 > 0))

    def room_extra(self, session: str, stream: str, number: int) -> None:
        value = self.told[session].room_extra[stream] = self._new_text()
        self.apply(self.logic.set_room_extra(self.wall, session, stream, value))

    def stream_extra(self, session: str, stream: str, number: int) -> None:
        self.apply(self.logic.set_stream_extra(session, stream, self._new_text()))

    def message(self, session: str, stream: str, number: int) -> None:
        _, effects = self.logic.message(session, "hello", True)
        room = self.logic.rooms[self.logic.sessions[session].room_id]
        others = {o.session_id for o in room.present() if o.session_id in self.sockets} - {session}
        assert [effect.session for effect in effects] == [o for o in room.sessions if o in others]
        self.apply(effects)

    def kick(self, session: str, stream: str, number: int) -> None:
        self.apply(self.logic.kick(session, USERS[number % 3]))

    def logout(self, session: str, stream: str, number: int) -> None:
        if number % 3:
            return  # a room that is never full shows little
        self.told[session].ended = True
        self.apply(self.logic.logout(session))

    def renew(self, session: str, stream: str, number: int) -> None:
        claims = self.logic.sessions[session].claims
        self.logic.renew_token(session, Claims(claims.user_id, claims.room_id, self.wall + 30 + 10 * number))

    def time(self, user: str, session: str, number: int) -> None:
        """Time passes from deadline to deadline; at the end of most, all clients send a heartbeat."""
        until = self.now + number / 2  # halves, which sums of seconds and wall clock keep exactly
        for _ in range(100):
            due = self.logic.next_deadline(self.now, self.wall)
            if due is None or due > until:
                break
            if due > self.now:
                assert self.logic.on_time((self.now + due) / 2, WALL + (self.now + due) / 2) == [], "before it was due"
            self.now = max(self.now, due)
            effects = self.logic.on_time(self.now, self.wall)
            after = self.logic.next_deadline(self.now, self.wall)
            self.apply(effects)
            for silent in [s for s in self.sockets if not self.logic.sessions[s].present]:
                self.sockets.remove(silent)  # the shell closes the socket of a session that has to resume
            assert effects or after is None or after > due, "a deadline at which nothing happened"
        else:
            raise AssertionError("deadlines without end")
        self.now = until
        if number % 4:
            for connected in self.sockets - self.deaf:
                assert self.logic.heard(self.now, connected)

    # -- what must hold ------------------------------------------------------------------------------------------

    def check(self) -> None:
        logic = self.logic
        assert self.closed.isdisjoint(logic.sessions)
        assert {s.session_id for room in logic.rooms.values() for s in room.sessions.values()} == set(logic.sessions)
        assert all(room.sessions for room in logic.rooms.values()), "an empty room is forgotten"
        streams = {s.stream_id: s for room in logic.rooms.values() for s in room.streams.values()}
        assert streams == logic._streams
        with_media = {(s.session, s.stream_id) for s in streams.values() if s.media in ("coming", "flowing")}
        assert with_media == self.publications
        logins = {(user, room): s for user, rooms in logic._users.items() for room, s in rooms.items()}
        assert {(s.user_id, s.room_id): s.session_id for s in logic.sessions.values()} == logins
        for session in logic.sessions.values():
            assert session.connected == (session.session_id in self.sockets)
            assert session.present or not session.plays
            if session.connected and session.session_id not in self.deaf:
                self._check_view(session)
        self._check_media()

    def _check_view(self, session: Session) -> None:
        told, room = self.told[session.session_id], self.logic.rooms[session.room_id]
        others = [other for other in room.present() if other is not session]
        users = {other.user_id: other.user_name for other in others} if session.user_updates else {}
        live = {
            stream.stream_id: (other.user_id, stream.extra)
            for other in others
            for stream in room.streams.values()
            if stream.live and stream.session == other.session_id
        }
        assert (told.users, told.streams) == (users, live)
        assert told.room_extra == {key: item["value"] for key, item in room.extra.items()}
        assert {s: told.plays.get(s) for s in session.plays} == session.plays
        for stream_id, state in session.plays.items():
            if state == "LIVE":
                muted = room.streams[stream_id].muted.get("video", False)
                assert told.devices.get(stream_id, {}).get("video", "open") == ("mute" if muted else "open")
        flowing = {s.stream_id for s in room.publications(session, "flowing")}
        assert flowing <= {s for s, state in told.published.items() if state == "LIVE"}

    def _check_media(self) -> None:
        """Attached is exactly what is played and live, and to the publication that is there now."""
        wanted = {}
        for session in self.logic.sessions.values():
            for stream_id, state in session.plays.items():
                stream = self.logic.rooms[session.room_id].streams.get(stream_id)
                if stream is not None and stream.media == "flowing":
                    wanted[session.session_id, stream_id] = stream.session
                else:
                    assert state == "REQ", "live, and nothing there"
        assert self.attached == wanted


def run(schedule: list[Step], *, kick_on_expiry: bool, check: Callable[[World], None]) -> World:
    world = World(kick_on_expiry=kick_on_expiry)
    for number, user in enumerate(USERS, 12):  # begin where it is interesting: all in one room, one an administrator
        world.do("login", user, "", number)
    for step in schedule:
        with contextlib.suppress(CallError):
            world.do(*step)
        check(world)
    return world


def test_in_many_histories_by_seed_all_views_and_all_media_are_true_after_every_step() -> None:
    """Longer and more eventful than those that hypothesis makes up; it makes short ones, and shortens what fails."""
    for seed in range(600):
        chance = random.Random(seed)
        schedule = [
            (chance.choice(STEPS), chance.choice(USERS), chance.choice(STREAMS), chance.randint(0, 40))
            for _ in range(150)
        ]
        try:
            run(schedule, kick_on_expiry=seed % 4 == 0, check=World.check)
        except Exception as error:
            raise AssertionError(f"in the history of seed {seed}") from error


@settings(max_examples=100, deadline=None)
@given(steps, st.booleans())
def test_in_every_history_all_views_and_all_media_are_true_after_every_step(
    schedule: list[Step], kick_on_expiry: bool
) -> None:
    run(schedule, kick_on_expiry=kick_on_expiry, check=World.check)


@settings(max_examples=60, deadline=None)
@given(steps, st.booleans())
def test_when_every_client_falls_silent_the_service_is_empty_in_the_end(
    schedule: list[Step], kick_on_expiry: bool
) -> None:
    world = run(schedule, kick_on_expiry=kick_on_expiry, check=lambda world: None)
    for _ in range(50):
        world.time("", "", 40)  # of the numbers after which nobody sends a heartbeat
        world.check()
    logic = world.logic
    assert not (logic.rooms or logic.sessions or logic._streams or logic._users)
    assert not (world.publications or world.attached or world.sockets)
    assert logic.next_deadline(world.now, world.wall) is None
