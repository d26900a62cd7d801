"""RO: mutants of what one client is told of the others and their streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.conform.mutants.change import Edit, drop, edit, late, then, twice
from harness.conform.mutants.client_faults import swapped
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import Method, both, held, logic, session_of, told, unsaid
from harness.conform.mutants.trace_faults import recorded
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Effect, Send
from harness.room_service.state import Session

USERS, STREAMS = "user_update", "stream_update"
Event = dict[str, Any]


def _item(**changed: Any) -> Edit:
    """The items of an event's list are changed."""

    def change(event: Event) -> Event:
        name = "users" if "users" in event else "streams"
        return {**event, name: [{**item, **changed} for item in event[name]]}

    return change


def _one_more(**item: Any) -> Edit:
    def change(event: Event) -> Event:
        name = "users" if "users" in event else "streams"
        return {**event, name: [*event[name], item]}

    return change


def _doubled_items(event: Event) -> Event:
    return {**event, "streams": event["streams"] * 2}


def _cut(event: Event) -> Event:
    return {**event, "users": event["users"][:1]}


def _empty(event: Event) -> Event:
    return {**event, "streams": []}


def _halves(event: Event) -> list[tuple[float, Event]]:
    return [(0.0, {**event, "users": [item]}) for item in event["users"]]


def _whole_list(user: str) -> Sabotage:
    """Whoever comes, this user is told the whole list, in place of what has changed."""

    def sabotage(stage: VirtualStage) -> None:
        def whole(event: Event) -> Event:
            session = session_of(stage.server.logic, user)
            known = session.told_users.items() if session is not None else ()
            return {**event, "users": [{"user": name, "name": shown} for name, shown in known]}

        told(user, USERS, edit(whole), op="ADD")(stage)

    return sabotage


def _login_of(user: str, nth: int, change: Callable[[Session, list[Effect]], list[Effect]]) -> Sabotage:
    """What a login of this user brings is changed, the nth time."""

    def make(stage: VirtualStage, original: Method) -> Method:
        met = 0

        def login(now: float, wall: float, claims: Any, **options: Any) -> tuple[Session, list[Effect]]:
            nonlocal met
            session, effects = original(now, wall, claims, **options)
            if claims.user_id == user:
                met += 1
                if met == nth:
                    return session, change(session, effects)
            return session, effects

        return login

    return logic("login", make)


def _without(event: str) -> Callable[[Session, list[Effect]], list[Effect]]:
    def change(session: Session, effects: list[Effect]) -> list[Effect]:
        (session.told_streams if event == STREAMS else session.told_users).clear()
        own = session.session_id
        return [e for e in effects if not (isinstance(e, Send) and e.session == own and e.event["event"] == event)]

    return change


def _first_only(session: Session, effects: list[Effect]) -> list[Effect]:
    for user in tuple(session.told_users)[1:]:
        del session.told_users[user]
    own = session.session_id
    return [
        Send(own, _cut(e.event)) if isinstance(e, Send) and e.session == own and e.event["event"] == USERS else e
        for e in effects
    ]


def _own_stream_too(stage: VirtualStage, original: Method) -> Method:
    """Who publishes is told of it like everybody else."""

    def stream_live(session: str, stream: str) -> list[Effect]:
        effects: list[Effect] = original(session, stream)
        news = [e.event for e in effects if isinstance(e, Send) and e.event["event"] == STREAMS]
        return [*effects, *(Send(session, event) for event in news[:1])]

    return stream_live


def _streams_last(user: str) -> Sabotage:
    """Deletes of a user come before those of its streams, to this one."""
    return held(user, STREAMS, USERS, op="DEL")


def _everybody_wants_updates(stage: VirtualStage, original: Method) -> Method:
    def login(now: float, wall: float, claims: Any, **options: Any) -> Any:
        return original(now, wall, claims, **{**options, "user_updates": True})

    return login


def _reasons(change: Callable[[int], int]) -> Edit:
    def changed(event: Event) -> Event:
        return {**event, "streams": [{**item, "reason": change(item["reason"])} for item in event["streams"]]}

    return changed


def _without_reasons(record: Event) -> Event:
    return {**record, "args": {**record["args"], "reasons": None}}


ROBOT = {"user": "robot", "name": "recording"}
MUTANTS = (
    Mutant(
        "roster-before-in", "RO-01", "The roster comes before IN.", "late-joiner",
        stage=swapped("carol#1", "room.state", "roster.streams", state="IN"),
    ),
    Mutant(
        "count-before-in", "RO-01", "The number of users comes while the login is under way.", "one-user",
        trace=recorded(
            "alice#1", "cb room.state",
            then(lambda r: {**r, "name": "room.count", "args": {"n": 1}, "seq": r["seq"]}, 0.01), state="LOGGING_IN",
        ),
    ),
    Mutant(
        "room-extra-before-in", "RO-01", "Extra info of the room comes before IN.", "S13",
        trace=recorded("dave#1", "cb room.extra", late(-0.01), nth=1),
    ),
    Mutant(
        "extra-info-of-nothing", "RO-02", "A notice of extra info has an empty list.", "S13",
        stage=told("bob", "stream_extra", then(_empty)),
        origin="ZEGO windows 1.16.0",
    ),
    Mutant(
        "stream-update-without-a-stream", "RO-02", "A stream update has an empty list.", "S01",
        stage=told("bob", STREAMS, then(_empty), op="ADD"),
        origin="ZEGO web 1.6.0",
    ),
    Mutant(
        "user-without-an-id", "RO-02", "A list of users has one more, without an id.", "S01",
        stage=told("alice", USERS, edit(_one_more(user="", name="")), op="ADD"),
        consequences=("XC-01", "XC-04"), because="nobody of that name is in the room, and it stays in the view",
    ),
    Mutant(
        "stream-twice-in-a-list", "RO-02", "A list of streams holds the same one twice.", "late-joiner",
        stage=told("carol", STREAMS, edit(_doubled_items), op="ADD"),
    ),
    Mutant(
        "stream-of-nobody", "RO-02", "An added stream does not name its user.", "S01",
        stage=told("bob", STREAMS, edit(_item(user="")), op="ADD"),
        consequences=("XC-02",), because="the user it names, none, did not publish it",
    ),
    Mutant(
        "whole-list-in-place-of-the-change", "RO-03", "The user update holds all users, not those who came.", "S02",
        stage=_whole_list("alice"),
        origin="ZEGO windows 1.15.2",
    ),
    Mutant(
        "same-user-added-twice", "RO-03", "A user is added, and added again.", "late-joiner",
        stage=told("bob", USERS, twice, op="ADD", has="carol"),
        origin="LiveKit issue 1022",
    ),
    Mutant(
        "stream-added-twice", "RO-03", "A stream is added, and added again.", "S01",
        stage=told("bob", STREAMS, twice, op="ADD"),
    ),
    Mutant(
        "third-party-hears-no-end-of-the-other-device", "RO-03",
        "When a user moves to another device, the others hear of its coming only.", "another-device",
        stage=told("bob", USERS, drop, op="DEL", nth=1),
    ),
    Mutant(
        "user-deleted-twice", "RO-04", "A user is deleted, and deleted again.", "S17",
        stage=told("carol", USERS, twice, op="DEL", has="alice"),
    ),
    Mutant(
        "stream-deleted-twice", "RO-04", "A stream is deleted, and deleted again.", "S02",
        stage=told("dave", STREAMS, twice, op="DEL"),
    ),
    Mutant(
        "told-of-oneself", "RO-05", "A client's own user is in its roster.", "S01",
        stage=told("bob", USERS, edit(_one_more(user="bob", name="bob")), op="ADD"),
    ),
    Mutant(
        "told-of-ones-own-stream", "RO-05", "A client's own stream is announced to it.", "two-streams",
        stage=logic("stream_live", _own_stream_too),
    ),
    Mutant(
        "first-list-is-cut", "RO-06", "The list of users that a newcomer is told ends after the first.", "late-joiner",
        stage=_login_of("carol", 1, _first_only),
        consequences=("XC-04",), because="what is missing stays missing",
        origin="stream-video-swift pull request 996",
    ),
    Mutant(
        "late-joiner-without-streams", "RO-06", "A newcomer is told of no stream that was there before.", "late-joiner",
        stage=_login_of("carol", 1, _without(STREAMS)),
        consequences=("XC-04",), because="what is missing stays missing",
        origin="stream-py pull request 203",
    ),
    Mutant(
        "no-streams-after-a-second-login", "RO-06", "Who logs in again is told of no streams any more.", "login-again",
        stage=_login_of("bob", 2, _without(STREAMS)),
        consequences=("XC-04",), because="what is missing stays missing",
        origin="ZEGO web 2.23.0",
    ),
    Mutant(
        "room-reset-not-sensed", "RO-06", "After a second login neither users nor streams come.", "login-again",
        stage=both(_login_of("bob", 2, _without(STREAMS)), _login_of("bob", 2, _without(USERS))),
        consequences=("XC-04",), because="what is missing stays missing",
        origin="ZEGO web 2.2.1",
    ),
    Mutant(
        "first-list-in-pieces", "RO-06", "The first roster comes user by user.", "late-joiner",
        stage=told("carol", USERS, _halves, op="ADD", nth=1),
    ),
    Mutant(
        "user-updates-though-off", "RO-07", "User updates come to a client that asked for none.", "notifications-off",
        stage=logic("login", _everybody_wants_updates),
    ),
    Mutant(
        "no-streams-with-updates-off", "RO-07", "With user updates off, stream updates stay out as well.",
        "notifications-off", stage=unsaid("alice", STREAMS),
        consequences=("LV-03", "XC-04"), because="a live stream is announced to nobody's view but this one's",
    ),
    Mutant(
        "stream-before-its-user", "RO-08", "In the first roster streams come before the users.", "late-joiner",
        stage=held("carol", USERS, STREAMS),
        origin="LiveKit client-sdk-js pull request 365",
    ),
    Mutant(
        "streams-of-a-user-who-left-stay", "RO-09", "A user leaves, and its streams are not deleted.", "S17",
        stage=told("carol", STREAMS, drop, op="DEL", nth=1),
        consequences=("LV-04", "XC-04"), because="the end of a stream is announced to nobody's view but this one's",
    ),
    Mutant(
        "user-deleted-before-its-streams", "RO-09", "On leaving, the user is deleted before its streams.", "S17",
        stage=_streams_last("carol"),
        origin="LiveKit pull request 4334",
    ),
    Mutant(
        "kick-told-as-a-stop", "RO-10", "Streams of who was kicked are deleted with the reason of a stop.", "kick",
        stage=told("bob", STREAMS, edit(_reasons(lambda reason: 1)), op="DEL", nth=1),
    ),
    Mutant(
        "stop-told-as-a-kick", "RO-10", "A stopped stream is deleted with the reason of a kick.", "S02",
        stage=told("dave", STREAMS, edit(_reasons(lambda reason: 4)), op="DEL", nth=1),
    ),
    Mutant(
        "reasons-by-the-other-numbering", "RO-10", "Reasons are numbered from 0, as on the server's side.", "S17",
        stage=told("", STREAMS, edit(_reasons(lambda reason: reason - 1)), op="DEL"),
    ),
    Mutant(
        "silence-told-as-a-stop", "RO-10", "Streams of who fell silent are deleted with the reason of a stop.", "crash",
        stage=told("bob", STREAMS, edit(_reasons(lambda reason: 1)), op="DEL", nth=1),
    ),
    Mutant(
        "delete-without-reasons", "RO-10", "Deleted streams have no reasons.", "S02",
        trace=recorded("dave#1", "cb roster.streams", edit(_without_reasons), op="DEL"),
    ),
)  # fmt: skip
