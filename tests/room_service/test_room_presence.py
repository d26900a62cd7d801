"""How many are in a room, and users who are in several: what one client may do, and what a second one ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told_room import KINDS, WALL, Room, refused

from harness.call import ErrorCode
from harness.room_service.deadlines import first_count, next_count

INTERVAL = 30.0


def pass_time(room: Room, until: float) -> None:
    """From deadline to deadline; who has a socket is heard all the time."""
    while (due := room.logic.next_deadline(room.now, WALL)) is not None and due <= until:
        room.now = max(room.now, due)
        room.apply(room.logic.on_time(room.now, WALL))
        for session in room.logic.sessions.values():
            if session.connected:
                room.logic.heard(room.now, session.session_id)
    room.now = until


def test_everybody_is_told_how_many_there_are_an_interval_after_the_login_and_then_every_interval() -> None:
    room = Room(count_interval=INTERVAL)
    alice = room.enter("alice")
    pass_time(room, 10)
    bob = room.enter("bob")
    room.take(alice), room.take(bob)
    pass_time(room, 29.9)
    assert room.take(alice) == []
    pass_time(room, 30)
    assert (room.take(alice), room.take(bob)) == ([("count", 2)], [])
    pass_time(room, 40)
    assert (room.take(alice), room.take(bob)) == ([], [("count", 2)])
    pass_time(room, 100)
    assert (room.take(alice), room.take(bob)) == ([("count", 2)] * 2, [("count", 2)] * 2)


def test_who_has_no_socket_is_told_no_count_and_keeps_step_when_back() -> None:
    room = Room(count_interval=INTERVAL)
    alice, bob = room.enter("alice"), room.enter("bob")
    room.take(alice), room.take(bob)
    room.logic.disconnected(alice.session_id)
    pass_time(room, 35)
    assert (room.take(alice), room.take(bob)) == ([], [("count", 2)]), "still in the room, not to be reached"
    pass_time(room, 95)
    assert room.take(bob)[-1] == ("count", 1), "gone by its heartbeat"
    room.apply(room.logic.resume(95, alice.session_id, "alice")[1])
    room.take(alice)
    pass_time(room, 119)
    assert room.take(alice) == [], "what it missed is not made up"
    pass_time(room, 120)
    assert room.take(alice) == [("count", 2)]


def test_a_session_that_ends_at_the_moment_of_its_count_is_not_told() -> None:
    room = Room(count_interval=INTERVAL, kick_on_token_expiry=True, token_warning=1.0)
    alice = room.enter("alice", expires=WALL + 30)
    room.apply(room.logic.on_time(30, WALL + 30))
    assert room.take(alice) == [("kicked", 1002056)]


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1e6), st.floats(0.1, 100), st.floats(0, 1e4))
def test_counts_are_an_interval_apart_or_a_thirtieth_more_and_never_in_the_past(
    now: float, interval: float, later: float
) -> None:
    due = first_count(now, interval)
    assert interval - 1e-6 <= due - now <= interval * (1 + 1 / 30) + 1e-6
    following = next_count(due, due + later, interval)
    assert due + later < following <= due + later + interval + 1e-6


# -- several rooms ----------------------------------------------------------------------------------------------------


def test_one_client_is_in_two_rooms_and_each_hears_of_its_own() -> None:
    room = Room()
    bob, carol = room.enter("bob", room="a"), room.enter("carol", room="b")
    first, second = room.enter("alice", room="a", client="x"), room.enter("alice", room="b", client="x")
    assert room.take(first) == [("user_update", ("ADD", ["bob"]))]
    assert room.take(second) == [("user_update", ("ADD", ["carol"]))]
    room.publish(first, "s1")
    room.apply(room.logic.logout(first.session_id))
    told = [("user_update", ("ADD", ["alice"])), ("stream_update", ("ADD", [("s1", None)]))]
    gone = [("stream_update", ("DEL", [("s1", 1)])), ("user_update", ("DEL", ["alice"]))]
    assert room.take(bob) == told + gone
    assert room.take(carol) == told[:1], "the other room is undisturbed"
    assert second.session_id in room.logic.sessions


def test_another_client_of_the_user_ends_its_sessions_in_all_rooms() -> None:
    room = Room()
    carol = room.enter("carol", room="b")
    sessions = [room.enter("alice", room=name, client="x") for name in ("a", "b")]
    room.publish(sessions[1], "s1")
    room.take(carol)
    room.enter("alice", room="c", client="y")
    assert [room.take(session)[-1] for session in sessions] == [("kicked", 1002050)] * 2
    assert room.take(carol) == [("stream_update", ("DEL", [("s1", 3)])), ("user_update", ("DEL", ["alice"]))]
    assert len(room.logic.sessions) == 2


def test_a_client_that_does_not_say_which_it_is_is_another_one_each_time() -> None:
    room = Room()
    first = room.enter("alice", room="a")
    room.enter("alice", room="b")
    assert room.take(first) == [("kicked", 1002050)]


def test_a_client_that_logs_in_again_replaces_its_own_session_in_that_room_only() -> None:
    room = Room()
    bob = room.enter("bob", room="a")
    first, other = (room.enter("alice", room=name, client="x") for name in ("a", "b"))
    room.take(bob)
    again = room.enter("alice", room="a", client="x")
    assert room.take(first)[-1] == ("kicked", 1002050)
    assert room.take(other) == []
    assert room.take(bob) == [("user_update", ("DEL", ["alice"])), ("user_update", ("ADD", ["alice"]))]
    assert {again.session_id, other.session_id} <= set(room.logic.sessions)


def test_a_kick_in_one_room_leaves_the_session_in_another_alone() -> None:
    room = Room()
    admin = room.enter("admin", room="a", admin=True)
    here, there = (room.enter("alice", room=name, client="x") for name in ("a", "b"))
    room.publish(there, "s1")
    room.take(here), room.take(there)
    room.apply(room.logic.kick(admin.session_id, "alice"))
    assert room.take(here) == [("kicked", 1002055)]
    assert room.take(there) == []
    room.apply(room.logic.set_stream_extra(there.session_id, "s1", "still publishing"))
    with refused(ErrorCode.NOT_IN_THIS_ROOM):
        room.logic.kick(admin.session_id, "alice")


def test_more_rooms_than_a_user_may_be_in_are_refused_and_nothing_is_disturbed() -> None:
    room = Room(rooms_per_user=2)
    sessions = [room.enter("alice", room=name, client="x") for name in ("a", "b")]
    with refused(ErrorCode.ALREADY_LOGGED_IN):
        room.enter("alice", room="c", client="x")
    assert [room.take(session) for session in sessions] == [[], []]
    assert set(room.logic.rooms) == {"a", "b"}
    room.enter("alice", room="b", client="x")
    room.enter("alice", room="c", client="y")
    assert set(room.logic.rooms) == {"c"}, "another client begins anew"


@pytest.mark.parametrize("kick", [False, True])
def test_a_token_is_warned_about_once_thirty_seconds_before_it_expires_by_either_policy(kick: bool) -> None:
    room = Room(kick_on_token_expiry=kick)
    alice = room.enter("alice", expires=WALL + 60)
    told: list[tuple[float, str]] = []
    for second in range(0, 65):
        room.apply(room.logic.on_time(second, WALL + second))
        told += [(second, name) for name, _ in room.take(alice)]
    assert told == [(30, "token_expiring"), *([(60, "kicked")] if kick else [])]
    if not kick:
        with refused(ErrorCode.PUBLISH_FORBIDDEN):
            room.logic.publish(WALL + 64, alice.session_id, "s1", KINDS, "")
        assert room.logic.message(alice.session_id, "still here", True)
