"""A client that is back says what it knows, since events may have been lost: then its view is the truth again."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_room_histories import STEPS, STREAMS, USERS, World
from told_room import WALL, Room, refused

from harness.call import CallError, ErrorCode
from harness.room_service.knowledge import Knowledge, read_knowledge
from harness.room_service.settings import Settings
from harness.room_service.state import Session

LIMITS = Settings()


def knowing(**fields: Any) -> Knowledge:
    return read_knowledge(fields, LIMITS)


def back(room: Room, session: Session, **knows: Any) -> list[tuple[str, Any]]:
    """What a client is told that knows only this."""
    room.sent.clear()
    room.apply(room.logic.resume(1.0, session.session_id, session.user_id, knowing(**knows))[1])
    return room.take(session)


def test_what_was_lost_on_a_dead_socket_is_told_again_and_what_it_knows_is_not() -> None:
    room = Room()
    alice, bob, carol = (room.enter(name) for name in ("alice", "bob", "carol"))
    room.publish(bob, "s1")
    told = back(room, alice, users={"carol": "carol", "dave": "Dave"}, streams={"s0": "dave"})
    assert told == [
        ("stream_update", ("DEL", [("s0", 5)])),
        ("user_update", ("DEL", ["dave"])),
        ("user_update", ("ADD", ["bob"])),
        ("stream_update", ("ADD", [("s1", None)])),
    ]
    assert room.take(bob) == room.take(carol) == [], "to the others it was never away"


def test_the_same_knowledge_as_the_truth_is_answered_with_silence() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(bob, "s1")
    room.publish(alice, "mine")
    room.apply(room.logic.play(alice.session_id, "s1") + room.logic.play_live(alice.session_id, "s1"))
    room.apply(room.logic.set_room_extra(WALL, bob.session_id, "k", "v"))
    told = back(
        room,
        alice,
        users={"bob": "bob"},
        streams={"s1": "bob"},
        stream_extra={"s1": ""},
        room_extra={"k": "v"},
        published={"mine": "LIVE"},
        played={"s1": "LIVE"},
    )
    assert told == []


def test_states_of_its_own_streams_plays_and_of_devices_that_it_missed_are_told() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    for stream in ("s1", "s2"):
        room.publish(bob, stream)
        room.apply(room.logic.play(alice.session_id, stream) + room.logic.play_live(alice.session_id, stream))
    room.publish(alice, "mine")
    room.apply(room.logic.mute(bob.session_id, "s1", "video", True))
    room.apply(room.logic.unpublish(bob.session_id, "s2"))
    knows = {"users": {"bob": "bob"}, "streams": {"s1": "bob", "s2": "bob"}, "stream_extra": {"s1": ""}}
    states = {"published": {"mine": "REQ", "other": "LIVE"}, "played": {"s1": "REQ", "s2": "LIVE", "s3": "LIVE"}}
    assert back(room, alice, **knows, **states) == [
        ("stream_update", ("DEL", [("s2", 1)])),
        ("publisher_state", ("mine", "LIVE", 0)),
        ("player_state", ("s1", "LIVE", 0)),
        ("player_state", ("s2", "REQ", ErrorCode.PLAY_INTERRUPTED)),
        ("device", ("s1", "video", "mute")),
    ]


def test_a_device_that_was_opened_meanwhile_is_told() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(bob, "s1")
    room.apply(room.logic.play(alice.session_id, "s1") + room.logic.play_live(alice.session_id, "s1"))
    knows = {"users": {"bob": "bob"}, "streams": {"s1": "bob"}, "stream_extra": {"s1": ""}, "played": {"s1": "LIVE"}}
    assert back(room, alice, **knows, devices={"s1": {"video": "mute"}}) == [("device", ("s1", "video", "open"))]


def test_a_warning_that_got_lost_is_given_again_and_one_that_was_heard_is_not() -> None:
    room = Room()
    alice = room.enter("alice", expires=WALL + 40)
    room.apply(room.logic.on_time(11, WALL + 11))
    back(room, alice, warned=True)
    assert room.logic.on_time(12, WALL + 12) == []
    back(room, alice, warned=False)
    room.apply(room.logic.on_time(12, WALL + 12))
    assert [name for name, _ in room.take(alice)] == ["token_expiring"]


def test_who_set_room_extra_info_is_not_told_of_it_even_if_the_answer_was_lost() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.apply(room.logic.set_room_extra(WALL, alice.session_id, "k", "v"))
    assert back(room, alice, users={"bob": "bob"}) == []
    told = back(room, bob, users={"alice": "alice"})
    assert [name for name, _ in told] == ["room_extra"]


def test_nothing_of_another_room_is_told_whatever_a_client_claims() -> None:
    room = Room()
    alice, eve = room.enter("alice"), room.enter("eve", room="other")
    room.publish(alice, "s1")
    told = back(room, eve, users={"alice": "x"}, streams={"s1": "alice"}, played={"s1": "REQ"}, published={"s1": "REQ"})
    assert told == [("stream_update", ("DEL", [("s1", 5)])), ("user_update", ("DEL", ["alice"]))]
    assert back(room, eve, users={"eve": "eve"}, streams={"mine": "eve"}) == [], "it is no news to itself"


# -- media that broke while the network was away ----------------------------------------------------------------------


def gone(room: Room, session: Session, stream: str) -> None:
    """Its media connection gives up, for want of any answer."""
    room.apply(room.logic.publication_failed(room.now, session.session_id, stream))


def test_a_stream_whose_media_fails_with_its_users_network_stays_announced_until_the_heartbeat_decides() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.apply(room.logic.play(bob.session_id, "s1") + room.logic.play_live(bob.session_id, "s1"))
    room.take(bob)
    room.now = 30.0
    gone(room, alice, "s1")
    assert room.take(bob) == [("player_state", ("s1", "REQ", ErrorCode.PLAY_INTERRUPTED))]
    carol = room.enter("carol")
    assert ("stream_update", ("ADD", [("s1", None)])) in room.take(carol)
    room.take(bob)
    room.logic.heard(60, bob.session_id)
    room.logic.heard(60, carol.session_id)
    room.apply(room.logic.on_time(90, WALL))
    assert room.take(bob)[0] == ("stream_update", ("DEL", [("s1", 2)]))


def test_back_in_time_it_publishes_again_and_nobody_heard_a_thing() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.apply(room.logic.play(bob.session_id, "s1") + room.logic.play_live(bob.session_id, "s1"))
    room.now = 30.0
    gone(room, alice, "s1")
    room.take(bob)
    assert back(room, alice, users={"bob": "bob"}, published={"s1": "LIVE"}) == []
    room.apply(room.logic.media_missed(alice.session_id))
    room.publish(alice, "s1")
    assert room.take(alice) == [("publisher_state", ("s1", "LIVE", 0))]
    room.apply(room.logic.play_live(bob.session_id, "s1"))
    assert room.take(bob) == [("player_state", ("s1", "LIVE", 0))]


def test_of_streams_that_it_stopped_while_away_the_others_hear_when_it_is_back() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.now = 30.0
    gone(room, alice, "s1")
    room.take(bob)
    back(room, alice, users={"bob": "bob"})
    assert room.logic.rooms["room"].streams == {}


def test_the_media_of_a_client_that_is_well_is_lost_at_once_or_with_its_next_heartbeat() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.take(alice), room.take(bob)
    room.now = 30.0
    room.logic.heard(25, alice.session_id)
    gone(room, alice, "s1")
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 5)]))]
    assert room.take(alice) == [("publisher_state", ("s1", "IDLE", ErrorCode.MEDIA_FAILED))]
    room.publish(alice, "s1")
    room.take(alice), room.take(bob)
    room.now = 50.0
    gone(room, alice, "s1")
    assert room.take(bob) == []
    room.apply(room.logic.media_missed(alice.session_id))
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 5)]))]
    assert room.take(alice) == [("publisher_state", ("s1", "IDLE", ErrorCode.MEDIA_FAILED))]


# -- hostile claims ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim",
    [
        {"users": ["alice"]},
        {"users": {"alice": 1}},
        {"users": {"a b": ""}},
        {"users": {f"u{n}": "" for n in range(1001)}},
        {"streams": {"s 1": "alice"}},
        {"streams": {"s1": None}},
        {"stream_extra": {"s1": "x" * 1025}},
        {"room_extra": {"k": "\ud800"}},
        {"room_extra": {"k": 1}},
        {"published": {"s1": "live"}},
        {"published": {f"s{n}": "LIVE" for n in range(13)}},
        {"played": {"s1": ["LIVE"]}},
        {"devices": {"s1": "mute"}},
        {"devices": {"s1": {"screen": "mute"}}},
        {"devices": {"s1": {"video": True}}},
        {"devices": {"": {"video": "mute"}}},
        {"warned": "yes"},
    ],
)
def test_what_cannot_be_known_is_refused(claim: dict[str, Any]) -> None:
    with pytest.raises(CallError):
        read_knowledge(claim, LIMITS)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("users", "streams", "stream_extra", "room_extra", "devices", "published", "played", "warned")


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), anything))
def test_whatever_a_client_claims_it_is_refused_or_told_the_truth(claim: dict[str, Any]) -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(bob, "s1")
    with contextlib.suppress(CallError):
        back(room, alice, **claim)
        assert (alice.told_users, alice.told_streams) == ({"bob": "bob"}, {"s1": "bob"})


# -- histories --------------------------------------------------------------------------------------------------------


class HoledWorld(World):
    """As World, and sockets go deaf without anybody noticing; who resumes says what it knows and asks for the rest."""

    def hole(self, user: str, session: str, number: int) -> None:
        if session in self.sockets:
            self.deaf.add(session)

    def resume(self, user: str, session: str, number: int) -> None:
        if session in self.closed:
            super().resume(user, session, number)
            return
        told = self.told[session]
        asked = dict(told.plays)
        _, effects = self.logic.resume(self.now, session, user, self._reported(session))
        self.sockets.add(session)
        self.deaf.discard(session)
        kept, plays = (
            [s for owner, s in self.publications if owner == session],
            dict(self.logic.sessions[session].plays),
        )
        self.apply(effects)
        for stream in tuple(told.published):
            if stream not in kept and told.published[stream] != "IDLE":
                with contextlib.suppress(CallError):
                    self.publish(session, stream, number)
        for stream, state in asked.items():
            if stream not in plays and state != "IDLE":
                self.play(session, stream, number)

    def _reported(self, session: str) -> Knowledge:
        told = self.told[session]
        return knowing(
            users=dict(told.users),
            streams={stream: user for stream, (user, _) in told.streams.items()},
            stream_extra={stream: extra for stream, (_, extra) in told.streams.items()},
            room_extra=dict(told.room_extra),
            devices={stream: dict(kinds) for stream, kinds in told.devices.items()},
            published={s: state for s, state in told.published.items() if state != "IDLE"},
            played={s: state for s, state in told.plays.items() if state != "IDLE"},
        )

    def unpublish(self, session: str, stream: str, number: int) -> None:
        super().unpublish(session, stream, number)
        self.told[session].published.pop(stream, None)

    def unplay(self, session: str, stream: str, number: int) -> None:
        super().unplay(session, stream, number)
        self.told[session].plays.pop(stream, None)


HOLED_STEPS = (*STEPS, *("hole",) * 8, *("resume",) * 8, *("mute",) * 3)


def test_in_many_histories_with_dead_sockets_every_view_is_true_again_after_a_resume() -> None:
    for seed in range(400):
        chance = random.Random(seed)
        world = HoledWorld(kick_on_expiry=seed % 4 == 0)
        for number, user in enumerate(USERS, 12):
            world.do("login", user, "", number)
        try:
            for _ in range(120):
                step = chance.choice(HOLED_STEPS), chance.choice(USERS), chance.choice(STREAMS), chance.randint(0, 40)
                with contextlib.suppress(CallError):
                    world.do(*step)
                world.check()
        except Exception as error:
            raise AssertionError(f"in the history of seed {seed}") from error


def test_a_session_that_ended_is_not_taken_up_and_nobody_hears_of_the_try() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.apply(room.logic.logout(alice.session_id))
    room.take(bob)
    with refused(ErrorCode.RECONNECT_REFUSED):
        room.logic.resume(1.0, alice.session_id, "alice", knowing(users={"bob": "bob"}))
    assert room.take(bob) == []
