"""Where two rules of the room meet: a full room and a second login, an absence and a stream's new owner."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told_room import KINDS, WALL, Room, refused

from harness.call import CallError, ErrorCode
from harness.room_service.effects import Attach, ClosePublication, CloseSession, Detach, Send
from harness.room_service.state import Session
from harness.room_service.tokens import Claims, make_token, read_token


def away(room: Room, *sessions: Session) -> None:
    for session in sessions:
        room.logic.disconnected(session.session_id)


def back(room: Room, session: Session, now: float = 1.0) -> list[tuple[str, Any]]:
    room.sent.pop(session.session_id, None)  # what was sent while its socket was gone is lost
    room.apply(room.logic.resume(now, session.session_id, session.user_id)[1])
    return room.take(session)


def test_a_login_refused_by_a_full_room_leaves_the_earlier_session_where_it_is() -> None:
    room = Room(users_per_room=1)
    alice, bob = room.enter("alice"), room.enter("bob", room="other")
    room.publish(alice, "s1")
    room.take(alice)
    with refused(ErrorCode.ROOM_FULL):
        room.enter("alice", room="other")
    room.logic.play(bob.session_id, "s1")
    assert alice.session_id in room.logic.sessions
    assert room.take(alice) == []
    room.apply(room.logic.set_stream_extra(alice.session_id, "s1", "still here"))


def test_a_full_room_takes_the_second_login_of_one_who_is_in_it() -> None:
    room = Room(users_per_room=2)
    bob, first = room.enter("bob"), room.enter("alice")
    room.take(bob)
    again = room.enter("alice")
    assert room.take(first)[-1] == ("kicked", 1002050)
    assert room.take(again) == [("user_update", ("ADD", ["bob"]))]
    assert room.take(bob) == [("user_update", ("DEL", ["alice"])), ("user_update", ("ADD", ["alice"]))]


def test_nothing_but_the_kick_is_sent_to_a_session_that_is_kicked_while_it_plays_itself() -> None:
    room = Room()
    alice = room.enter("alice")
    room.publish(alice, "s1")
    room.apply(room.logic.play(alice.session_id, "s1") + room.logic.play_live(alice.session_id, "s1"))
    room.take(alice)
    room.enter("alice")
    assert room.take(alice) == [("kicked", 1002050)]
    assert room.other[-2:] == [ClosePublication(alice.session_id, "s1"), CloseSession(alice.session_id)]


def test_a_stream_that_ends_before_its_first_forwarded_packet_is_detached_and_attached_anew() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.apply(room.logic.play(bob.session_id, "s1"))
    room.take(bob)
    room.apply(room.logic.unpublish(alice.session_id, "s1"))
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 1)]))], "it was asked for and still is"
    assert room.logic.play_live(bob.session_id, "s1") == [], "a packet of the old stream, come too late"
    assert room.other[-1] == Detach(bob.session_id, "s1")
    room.publish(alice, "s1")
    assert room.other[-1] == Attach(bob.session_id, "s1")
    room.apply(room.logic.play_live(bob.session_id, "s1"))
    assert room.take(bob)[-1] == ("player_state", ("s1", "LIVE", 0))


def test_a_stream_that_changed_hands_during_an_absence_is_told_as_gone_and_come() -> None:
    room = Room()
    alice, bob, carol = (room.enter(name) for name in ("alice", "bob", "carol"))
    room.publish(bob, "s1")
    away(room, alice)
    room.apply(room.logic.unpublish(bob.session_id, "s1"))
    room.publish(carol, "s1")
    assert back(room, alice) == [("stream_update", ("DEL", [("s1", 1)])), ("stream_update", ("ADD", [("s1", None)]))]
    room.apply(room.logic.logout(carol.session_id))
    assert room.take(alice)[0] == ("stream_update", ("DEL", [("s1", 1)]))


def test_extra_info_that_changed_during_an_absence_is_told_once_and_only_what_changed() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.apply(room.logic.set_room_extra(WALL, bob.session_id, "topic", "tea"))
    room.apply(room.logic.set_room_extra(WALL, bob.session_id, "host", "bob"))
    room.publish(bob, "s1")
    room.publish(bob, "s2")
    away(room, alice)
    room.apply(room.logic.set_room_extra(WALL + 1, bob.session_id, "topic", "coffee"))
    room.apply(room.logic.set_room_extra(WALL + 2, bob.session_id, "topic", "cocoa"))
    room.apply(room.logic.set_stream_extra(bob.session_id, "s1", "hd"))
    told = dict(back(room, alice))
    assert set(told) == {"stream_extra", "room_extra"}
    assert [(s["stream"], s["extra"]) for s in told["stream_extra"]["streams"]] == [("s1", "hd")]
    assert (told["room_extra"]["key"], told["room_extra"]["value"]) == ("topic", "cocoa")
    away(room, alice)
    assert back(room, alice) == []


def test_whoever_set_an_extra_is_not_told_of_it_when_it_resumes() -> None:
    room = Room()
    alice = room.enter("alice")
    room.apply(room.logic.set_room_extra(WALL, alice.session_id, "topic", "tea"))
    away(room, alice)
    assert back(room, alice) == []


def test_an_absence_during_which_everything_was_undone_is_told_as_nothing() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(bob, "s1")
    away(room, alice)
    room.apply(room.logic.unpublish(bob.session_id, "s1"))
    room.publish(bob, "s1")
    room.apply(room.logic.logout(room.enter("carol").session_id))
    assert back(room, alice) == []


def test_a_session_taken_for_gone_has_to_resume_before_it_can_call() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.logic.heard(50, bob.session_id)
    room.take(bob)
    room.apply(room.logic.on_time(90, WALL))
    assert not room.logic.heard(91, alice.session_id)
    assert room.logic.heard(91, bob.session_id)
    with refused(ErrorCode.NOT_LOGGED_IN):
        room.publish(alice, "s1")
    back(room, alice, now=95)
    assert room.logic.heard(96, alice.session_id)
    room.publish(alice, "s1")
    assert room.take(bob)[-1] == ("stream_update", ("ADD", [("s1", None)]))


def test_only_its_own_user_resumes_a_session_and_only_while_it_lasts() -> None:
    room = Room()
    alice = room.enter("alice")
    for session, user in ((alice.session_id, "bob"), ("s99", "alice")):
        with refused(ErrorCode.RECONNECT_REFUSED):
            room.logic.resume(1, session, user)
    room.enter("alice")
    with refused(ErrorCode.RECONNECT_REFUSED):
        room.logic.resume(1, alice.session_id, "alice")


def test_a_room_is_forgotten_with_its_last_user_and_comes_back_as_another() -> None:
    room = Room()
    alice = room.enter("alice")
    room.apply(room.logic.set_room_extra(WALL, alice.session_id, "topic", "tea"))
    before = room.logic.rooms["room"].session
    room.apply(room.logic.logout(alice.session_id))
    assert room.logic.rooms == {}
    bob = room.enter("bob")
    assert room.logic.rooms["room"].session != before
    assert room.take(bob) == []


def test_rooms_hear_nothing_of_each_other_but_share_the_stream_ids() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob", room="other")
    room.publish(alice, "s1")
    room.apply(room.logic.message(alice.session_id, "hello", True)[1])
    room.apply(room.logic.play(bob.session_id, "s1"))
    assert room.take(bob) == []
    assert Attach(bob.session_id, "s1") not in room.other
    admin = room.enter("admin", admin=True)
    with refused(ErrorCode.NOT_IN_THIS_ROOM):
        room.logic.kick(admin.session_id, "bob")


def test_media_that_fails_ends_the_publication_or_the_play_and_says_so() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.apply(room.logic.play(bob.session_id, "s1"))
    room.take(alice), room.take(bob)
    room.apply(room.logic.play_failed(bob.session_id, "s1"))
    assert room.take(bob) == [("player_state", ("s1", "IDLE", ErrorCode.MEDIA_FAILED))]
    assert bob.plays == {}
    room.apply(room.logic.publication_failed(room.now, alice.session_id, "s1"))
    assert room.take(alice) == [("publisher_state", ("s1", "IDLE", ErrorCode.MEDIA_FAILED))]
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 5)]))]
    for gone in (alice.session_id, "gone"):
        assert room.logic.play_failed(gone, "s1") == room.logic.publication_failed(room.now, gone, "s1") == []


def test_a_renewed_token_is_warned_about_anew_and_must_be_for_the_same_user_and_room() -> None:
    room = Room(kick_on_token_expiry=True)
    alice = room.enter("alice", expires=WALL + 40)
    assert room.logic.next_deadline(5, WALL + 5) == 10, "thirty seconds before it expires"
    room.apply(room.logic.on_time(10, WALL + 10))
    assert [name for name, _ in room.take(alice)] == ["token_expiring"]
    assert room.logic.next_deadline(11, WALL + 11) == 40
    for user, name in (("bob", "room"), ("alice", "other")):
        with refused(ErrorCode.TOKEN_INVALID):
            room.logic.renew_token(alice.session_id, Claims(user, name, WALL + 900))
    room.logic.renew_token(alice.session_id, Claims("alice", "room", WALL + 80))
    assert room.logic.on_time(41, WALL + 41) == []
    room.apply(room.logic.on_time(50, WALL + 50))
    assert [name for name, _ in room.take(alice)] == ["token_expiring"]
    assert [type(effect) for effect in room.logic.on_time(80, WALL + 80)] == [Send, CloseSession]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda logic, me: logic.publish(WALL, me, "no such id!", KINDS, ""), ErrorCode.STREAM_ID_ILLEGAL),
        (lambda logic, me: logic.publish(WALL, me, "s1", KINDS, "x" * 1024), ErrorCode.STREAM_EXTRA_TOO_LONG),
        (lambda logic, me: logic.play(me, ""), ErrorCode.STREAM_ID_EMPTY),
        (lambda logic, me: logic.mute(me, "s2", "video", True), ErrorCode.STREAM_NOT_FOUND),
        (lambda logic, me: logic.mute(me, "mine", "audio", True), ErrorCode.BAD_REQUEST),
        (lambda logic, me: logic.set_stream_extra(me, "s2", "x"), ErrorCode.STREAM_NOT_FOUND),
        (lambda logic, me: logic.set_room_extra(WALL, me, "", "x"), ErrorCode.EXTRA_KEY_ILLEGAL),
        (lambda logic, me: logic.set_room_extra(WALL, me, "k", "x" * 129), ErrorCode.EXTRA_VALUE_TOO_LONG),
        (lambda logic, me: logic.message(me, "", True), ErrorCode.MESSAGE_TOO_LONG),
        (lambda logic, me: logic.unpublish(me, "s2"), ErrorCode.STREAM_NOT_FOUND),
        (lambda logic, me: logic.logout("gone"), ErrorCode.NOT_LOGGED_IN),
        (lambda logic, me: logic.message("gone", "x", True), ErrorCode.NOT_LOGGED_IN),
        (lambda logic, me: logic.publish(WALL, "gone", "s1", KINDS, ""), ErrorCode.NOT_LOGGED_IN),
    ],
)
def test_a_call_that_is_refused_changes_nothing(call: Any, code: int) -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "mine")
    room.take(alice), room.take(bob)
    before = repr(room.logic.rooms)
    with refused(code):
        call(room.logic, alice.session_id)
    assert repr(room.logic.rooms) == before


@pytest.mark.parametrize(
    ("user", "name", "room_id", "code"),
    [
        ("", "n", "room", ErrorCode.USER_ID_EMPTY),
        ("u", "", "room", ErrorCode.USER_NAME_EMPTY),
        ("u", "n", "r" * 129, ErrorCode.ROOM_ID_TOO_LONG),
        ("a b", "n", "room", ErrorCode.USER_ID_ILLEGAL),
    ],
)
def test_a_login_with_an_illegal_name_is_refused_and_leaves_no_room(
    user: str, name: str, room_id: str, code: int
) -> None:
    room = Room()
    with refused(code):
        room.logic.login(0, WALL, Claims(user, room_id, WALL + 9), user_name=name, user_updates=True)
    assert room.logic.rooms == {}


def test_a_second_play_of_a_stream_is_no_second_attachment() -> None:
    room = Room(plays_per_user=1)
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.apply(room.logic.play(bob.session_id, "s1"))
    assert room.logic.play(bob.session_id, "s1") == []
    room.apply(room.logic.play_live(bob.session_id, "s1"))
    assert room.logic.play_live(bob.session_id, "s1") == []
    room.apply(room.logic.unplay(bob.session_id, "s1"))
    assert room.other[-1] == Detach(bob.session_id, "s1")


def test_at_most_so_many_streams_per_user() -> None:
    room = Room(streams_per_user=2)
    alice = room.enter("alice")
    room.publish(alice, "s1")
    room.publish(alice, "s2", live=False)
    with refused(ErrorCode.PUBLISH_FORBIDDEN):
        room.publish(alice, "s3")


SECRET = "s" * 40
TOKEN = make_token(SECRET, "alice", "room", publish=False)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,30}\.[A-Za-z0-9_-]{1,60}\.[A-Za-z0-9_-]{1,50}"))
def test_arbitrary_text_is_no_token(text: str) -> None:
    with pytest.raises(CallError) as caught:
        read_token(SECRET, text)
    assert caught.value.code == ErrorCode.TOKEN_INVALID


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    assert read_token(SECRET, TOKEN).publish is False
    at = data.draw(st.integers(0, 100))  # not the last one, which holds bits that mean nothing
    other = data.draw(st.sampled_from("abcXYZ019-_.").filter(lambda character: character != TOKEN[at]))
    with pytest.raises(CallError):
        read_token(SECRET, TOKEN[:at] + other + TOKEN[at + 1 :])
