"""What a refusal must leave alone, what a sequence number promises, and a warning that found nobody at home."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from told_room import KINDS, WALL, Room

from harness.call import CallError
from harness.room_service.effects import CloseSession, Effect, Send
from harness.room_service.room import RoomLogic
from harness.room_service.settings import Settings
from harness.room_service.tokens import Claims

USERS, STREAMS = ("a", "b", "c"), ("s1", "s2", "no such id!")
CALLS = ("publish", "live", "play", "play_live", "unplay", "unpublish", "mute", "stream_extra", "room_extra")
OTHERS = ("login", "login", "login", "logout", "kick", "disconnect", "resume", "message", "renew", "silence")
schedules = st.lists(
    st.tuples(st.sampled_from(CALLS * 2 + OTHERS), st.sampled_from(USERS), st.sampled_from(STREAMS), st.integers(0, 9)),
    min_size=10,
    max_size=50,
)


class Service:
    """Small limits, so that every one of them is met; calls come from any session that ever was."""

    def __init__(self) -> None:
        self.logic = RoomLogic(
            Settings(users_per_room=2, plays_per_user=1, streams_per_user=1, heartbeat_timeout=20, retry_window=60)
        )
        self.now = 0.0
        self.latest: dict[str, str] = {}
        self.sequences: dict[tuple[str, str], int] = {}

    def step(self, name: str, user: str, stream: str, number: int) -> list[Effect]:
        logic, session = self.logic, self.latest.get(user, "s0")
        if name == "login":
            claims = Claims(user, f"r{number % 2}", 1e12 if number else -1.0, publish=number > 2, admin=number % 3 == 0)
            found, effects = logic.login(
                self.now, WALL, claims, user_name=user if number != 4 else "", user_updates=number % 4 > 0
            )
            self.latest[user] = found.session_id
            return effects
        if name == "silence":
            self.now += 3.0 * number
            for heard in self.logic.sessions.values():
                if heard.connected:
                    logic.heard(self.now, heard.session_id)
            return logic.on_time(self.now, WALL)
        if name == "disconnect":
            logic.disconnected(session)
            return []
        if name == "publish":
            logic.publish(WALL, session, stream, KINDS, "x" * 1024 if number == 9 else "x")
            return []
        if name == "renew":
            logic.renew_token(session, Claims(user, f"r{number % 2}", 1e12))
            return []
        if name == "message":
            return logic.message(session, "hello" if number else "", True)[1]
        effects: list[Effect] = {
            "live": lambda: logic.stream_live(session, stream),
            "play": lambda: logic.play(session, stream),
            "play_live": lambda: logic.play_live(session, stream),
            "unplay": lambda: logic.unplay(session, stream),
            "unpublish": lambda: logic.unpublish(session, stream),
            "mute": lambda: logic.mute(session, stream, ("video", "audio")[number % 2], number > 4),
            "stream_extra": lambda: logic.set_stream_extra(session, stream, "x" * (1024 if number == 9 else number)),
            "room_extra": lambda: logic.set_room_extra(WALL, session, "k" * number, "v"),
            "logout": lambda: logic.logout(session),
            "kick": lambda: logic.kick(session, USERS[number % 3]),
            "resume": lambda: logic.resume(self.now, session, user if number else "b")[1],
        }[name]()
        return effects

    def state(self) -> str:
        return repr((self.logic.rooms, self.logic.sessions, self.logic._streams, self.logic._users))

    def check_sequences(self, effects: list[Effect]) -> None:
        """What a client could order its updates by: it never falls."""
        for effect in effects:
            if isinstance(effect, Send) and "seq" in effect.event:
                key = (effect.session, effect.event["event"])
                assert effect.event["seq"] >= self.sequences.get(key, 0)
                self.sequences[key] = effect.event["seq"]


@settings(deadline=None, max_examples=150)
@given(schedules)
def test_a_call_that_is_refused_has_a_code_and_leaves_everything_as_it_was(
    schedule: list[tuple[str, str, str, int]],
) -> None:
    service = Service()
    for user, number in (("a", 6), ("b", 8), ("c", 5)):  # two fill their room, the third is in another
        service.step("login", user, "", number)
    for user, stream in (("a", "s1"), ("c", "s2")):
        for name in ("publish", "live"):
            service.check_sequences(service.step(name, user, stream, 5))
    for step in schedule:
        before = service.state()
        try:
            service.check_sequences(service.step(*step))
        except CallError as error:
            assert 1_000_000 < error.code < 2_000_000
            assert error.args[0]
            assert service.state() == before, step


def test_a_token_warning_that_found_nobody_at_home_is_given_when_the_client_is_back() -> None:
    room = Room()
    alice = room.enter("alice", expires=WALL + 100)
    room.logic.disconnected(alice.session_id)
    for second in (69, 70, 75):
        assert room.logic.on_time(second, WALL + second) == []
    assert room.logic.next_deadline(75, WALL + 75) == 90, "the heartbeat, and no warning that nobody hears"
    room.apply(room.logic.resume(80, alice.session_id, "alice")[1])
    assert room.logic.next_deadline(80, WALL + 80) <= 80
    room.apply(room.logic.on_time(80, WALL + 80))
    assert room.take(alice) == [("token_expiring", {"event": "token_expiring", "remain": 20})]
    assert room.logic.on_time(81, WALL + 81) == [], "once"


def test_a_token_that_expires_while_its_user_is_away_ends_the_session_by_policy_and_on_time() -> None:
    room = Room(kick_on_token_expiry=True)
    alice = room.enter("alice", expires=WALL + 60)
    room.logic.disconnected(alice.session_id)
    assert room.logic.next_deadline(10, WALL + 10) == 60
    assert room.logic.on_time(59, WALL + 59) == []
    effects = room.logic.on_time(60, WALL + 60)
    assert CloseSession(alice.session_id) in effects
    assert room.logic.rooms == {}


def test_message_ids_are_never_used_twice_and_each_receiver_gets_the_one_its_sender_got() -> None:
    room = Room()
    alice, bob, carol = (room.enter(name) for name in ("alice", "bob", "carol"))
    numbers: list[str] = []
    for sender in (alice, bob, alice):
        number, effects = room.logic.message(sender.session_id, "hello", False)
        receivers = {effect.session for effect in effects}
        assert receivers == {s.session_id for s in (alice, bob, carol)} - {sender.session_id}
        assert all(told(effect) == (number, sender.user_id, False) for effect in effects)
        numbers.append(number)
    assert len(set(numbers)) == 3


def told(effect: Effect) -> tuple[Any, ...]:
    assert isinstance(effect, Send)
    return effect.event["id"], effect.event["from"], effect.event["reliable"]
