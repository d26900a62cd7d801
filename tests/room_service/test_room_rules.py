"""The room's rules, on virtual time: who is told what, and what each refusal is called."""

from __future__ import annotations

from told_room import KINDS, WALL, Room, refused

from harness.call import ErrorCode
from harness.room_service.effects import Attach, CloseSession, Detach
from harness.room_service.tokens import Claims, make_token, read_token


def test_a_newcomer_is_told_who_is_there_and_the_others_of_the_newcomer() -> None:
    room = Room()
    alice = room.enter("alice")
    room.publish(alice, "s1")
    assert room.take(alice) == [("publisher_state", ("s1", "LIVE", 0))]
    bob = room.enter("bob")
    assert room.take(bob) == [("user_update", ("ADD", ["alice"])), ("stream_update", ("ADD", [("s1", None)]))]
    assert room.take(alice) == [("user_update", ("ADD", ["bob"]))]


def test_streams_of_those_who_leave_go_before_them_with_the_reason() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.take(bob)
    room.apply(room.logic.logout(alice.session_id))
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 1)])), ("user_update", ("DEL", ["alice"]))]
    assert CloseSession(alice.session_id) in room.other


def test_a_stream_is_announced_when_its_media_has_come_and_not_before() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.take(bob)
    room.publish(alice, "s1", live=False)
    assert room.take(bob) == []
    room.apply(room.logic.stream_live(alice.session_id, "s1"))
    assert room.take(bob) == [("stream_update", ("ADD", [("s1", None)]))]
    assert room.logic.stream_live(alice.session_id, "s1") == [], "once"


def test_an_unknown_stream_may_be_played_and_starts_when_it_is_published() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    assert room.logic.play(bob.session_id, "s1") == []
    assert room.logic.play_live(bob.session_id, "nothing") == []
    room.publish(alice, "s1")
    assert Attach(bob.session_id, "s1") in room.other
    room.apply(room.logic.play_live(bob.session_id, "s1"))
    assert ("player_state", ("s1", "LIVE", 0)) in room.take(bob)
    room.apply(room.logic.unpublish(alice.session_id, "s1"))
    assert room.take(bob) == [
        ("stream_update", ("DEL", [("s1", 1)])),
        ("player_state", ("s1", "REQ", ErrorCode.PLAY_INTERRUPTED)),
    ]
    assert Detach(bob.session_id, "s1") in room.other
    room.publish(alice, "s1")
    assert room.other.count(Attach(bob.session_id, "s1")) == 2


def test_the_later_login_of_a_user_wins_in_this_room_or_another() -> None:
    room = Room()
    bob = room.enter("bob")
    first = room.enter("alice")
    room.publish(first, "s1")
    room.take(bob)
    room.enter("alice", room="elsewhere")
    assert room.take(first)[-1] == ("kicked", 1002050)
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 3)])), ("user_update", ("DEL", ["alice"]))]


def test_a_kick_needs_the_privilege_and_tells_everybody() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob", admin=True)
    room.publish(alice, "s1")
    with refused(ErrorCode.PUBLISH_FORBIDDEN):
        room.logic.kick(alice.session_id, "bob")
    with refused(ErrorCode.NOT_IN_THIS_ROOM):
        room.logic.kick(bob.session_id, "nobody")
    room.take(bob)
    room.apply(room.logic.kick(bob.session_id, "alice"))
    assert room.take(alice)[-1] == ("kicked", 1002055)
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 4)])), ("user_update", ("DEL", ["alice"]))]


def test_silence_ends_a_user_at_the_heartbeat_timeout_and_not_before() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.take(bob)
    room.now = 60
    room.logic.heard(60, bob.session_id)
    assert room.logic.next_deadline(60, WALL) == 90
    assert room.logic.on_time(89.9, WALL) == []
    room.apply(room.logic.on_time(90, WALL))
    assert room.take(bob) == [("stream_update", ("DEL", [("s1", 2)])), ("user_update", ("DEL", ["alice"]))]


def test_back_within_the_timeout_nobody_notices() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.take(alice), room.take(bob)
    room.logic.disconnected(alice.session_id)
    carol = room.enter("carol")
    assert room.take(alice) == [], "there is no socket to tell it by"
    session, effects = room.logic.resume(50, alice.session_id, "alice")
    room.apply(effects)
    assert session is alice
    assert room.take(alice) == [("user_update", ("ADD", ["carol"]))], "exactly what changed meanwhile"
    assert room.take(bob) == [("user_update", ("ADD", ["carol"]))]
    assert room.take(carol) == [("user_update", ("ADD", ["alice", "bob"]))]


def test_back_after_the_timeout_a_user_is_announced_again_and_told_the_difference() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(bob, "s2")
    room.take(alice), room.take(bob)
    room.logic.disconnected(alice.session_id)
    room.logic.heard(80, bob.session_id)
    room.apply(room.logic.on_time(90, WALL))
    assert room.take(bob) == [("user_update", ("DEL", ["alice"]))]
    room.apply(room.logic.unpublish(bob.session_id, "s2"))
    room.apply(room.logic.resume(200, alice.session_id, "alice")[1])
    assert room.take(bob) == [("user_update", ("ADD", ["alice"]))]
    assert room.take(alice) == [("stream_update", ("DEL", [("s2", 1)]))]


def test_after_the_retry_window_a_session_is_gone() -> None:
    room = Room()
    alice = room.enter("alice")
    room.logic.disconnected(alice.session_id)
    room.apply(room.logic.on_time(90, WALL))
    room.apply(room.logic.on_time(1199, WALL))
    assert alice.session_id in room.logic.sessions
    room.apply(room.logic.on_time(1200, WALL))
    with refused(ErrorCode.RECONNECT_REFUSED):
        room.logic.resume(1201, alice.session_id, "alice")
    assert not room.logic.rooms


def test_a_token_is_warned_about_once_and_then_forbids_publishing() -> None:
    room = Room()
    alice = room.enter("alice", expires=WALL + 100)
    assert room.logic.on_time(1, WALL + 69) == []
    room.apply(room.logic.on_time(1, WALL + 70))
    assert room.take(alice) == [("token_expiring", {"event": "token_expiring", "remain": 30})]
    assert room.logic.on_time(2, WALL + 101) == []
    with refused(ErrorCode.PUBLISH_FORBIDDEN):
        room.logic.publish(WALL + 101, alice.session_id, "s1", KINDS, "")
    room.logic.renew_token(alice.session_id, Claims("alice", "room", WALL + 900))
    room.logic.publish(WALL + 101, alice.session_id, "s1", KINDS, "")


def test_by_policy_an_expired_token_ends_the_session() -> None:
    room = Room(kick_on_token_expiry=True)
    alice = room.enter("alice", expires=WALL + 100)
    room.apply(room.logic.on_time(1, WALL + 100))
    assert room.take(alice)[-1] == ("kicked", 1002056)


def test_refusals_carry_the_contract_codes() -> None:
    room = Room(users_per_room=2, streams_per_user=2, plays_per_user=1)
    alice, bob = room.enter("alice"), room.enter("bob", publish=False)
    with refused(ErrorCode.ROOM_FULL):
        room.enter("carol")
    with refused(ErrorCode.TOKEN_INVALID):
        room.enter("dave", room="other", expires=WALL - 1)
    with refused(ErrorCode.PUBLISH_FORBIDDEN):
        room.publish(bob, "s1")
    room.publish(alice, "s1")
    with refused(ErrorCode.CHANNEL_ALREADY_PUBLISHING):
        room.publish(alice, "s1")
    eve = room.enter("eve", room="other")
    with refused(ErrorCode.STREAM_ID_TAKEN):
        room.publish(eve, "s1")
    room.logic.play(bob.session_id, "s1")
    with refused(ErrorCode.TOO_MANY_PLAYS):
        room.logic.play(bob.session_id, "s2")
    with refused(ErrorCode.STREAM_NOT_FOUND):
        room.logic.unplay(bob.session_id, "s2")
    with refused(ErrorCode.NOT_LOGGED_IN):
        room.logic.play("nobody", "s1")


def test_without_user_updates_only_streams_are_told() -> None:
    room = Room()
    bob = room.enter("bob", updates=False)
    alice = room.enter("alice")
    room.publish(alice, "s1")
    room.apply(room.logic.logout(alice.session_id))
    assert room.take(bob) == [("stream_update", ("ADD", [("s1", None)])), ("stream_update", ("DEL", [("s1", 1)]))]


def test_extra_info_and_messages_reach_the_others_and_never_the_sender() -> None:
    room = Room()
    alice, bob = room.enter("alice"), room.enter("bob")
    room.publish(alice, "s1")
    room.take(alice), room.take(bob)
    room.apply(room.logic.set_room_extra(WALL, alice.session_id, "topic", "tea"))
    room.apply(room.logic.set_stream_extra(alice.session_id, "s1", "hd"))
    room.apply(room.logic.message(alice.session_id, "hello", True)[1])
    assert room.take(alice) == []
    assert [name for name, _ in room.take(bob)] == ["room_extra", "stream_extra", "message"]
    carol = room.enter("carol")
    events = {event["event"]: event for event in room.sent[carol.session_id]}
    assert events["room_extra"]["value"] == "tea"
    assert events["stream_update"]["streams"][0]["extra"] == "hd"


def test_a_muted_device_is_told_to_those_who_play_and_to_those_who_come_to_play() -> None:
    room = Room()
    alice, bob, carol = room.enter("alice"), room.enter("bob"), room.enter("carol")
    room.publish(alice, "s1")
    room.apply(room.logic.play(bob.session_id, "s1") + room.logic.play_live(bob.session_id, "s1"))
    for session in (bob, carol):
        room.take(session)
    room.apply(room.logic.mute(alice.session_id, "s1", "video", True))
    assert [name for name, _ in room.take(bob)] == ["device"]
    assert room.take(carol) == []
    room.apply(room.logic.play(carol.session_id, "s1") + room.logic.play_live(carol.session_id, "s1"))
    assert [name for name, _ in room.take(carol)] == ["player_state", "device"]


def test_a_token_is_what_the_secret_signed_and_nothing_else() -> None:
    secret = "s" * 40
    claims = read_token(secret, make_token(secret, "alice", "room", admin=True))
    assert (claims.user_id, claims.room_id, claims.admin, claims.publish) == ("alice", "room", True, True)
    for token in ("", "a.b.c", make_token("t" * 40, "alice", "room"), make_token(secret, "a", "r", lifetime=-5)):
        with refused(ErrorCode.TOKEN_INVALID):
            read_token(secret, token)
