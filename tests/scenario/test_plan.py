"""The plan: deterministic, exact, legal, and independent user by user."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scenario import Participant, Plan, Scenario, ScenarioError, build_plan
from harness.scenario.naming import slug, stamp_id


def scenario(roles: dict[str, Any], **rest: Any) -> Scenario:
    return Scenario.model_validate({"name": "team meeting", "duration": "60s", "roles": roles} | rest)


SPANS = st.sampled_from(["1s", "1s..5s", "4s..30s", "90s"])
PAUSES = st.sampled_from(["100ms", "1s..3s", "20s"])
CHURNS = st.fixed_dictionaries(
    {"leave": st.fixed_dictionaries({"every": SPANS, "away": PAUSES})},
    optional={
        "republish": st.fixed_dictionaries({"every": SPANS, "away": PAUSES}),
        "mute": st.fixed_dictionaries({"every": SPANS, "for": PAUSES, "device": st.just("camera")}),
    },
)
PLAYS = st.sampled_from(["all", "none", {"at_most": 2}, {"roles": ["member"]}, {"roles": ["guest"], "at_most": 1}])
MEMBERS = st.fixed_dictionaries(
    {"count": st.sampled_from([1, 3, "1..4", {"choices": {"1": 0.5, "5": 0.5}}]), "camera": st.just(True)},
    optional={"stay": SPANS, "churn": CHURNS, "play": PLAYS},
)
GUESTS = st.fixed_dictionaries({"count": st.sampled_from([1, 2])}, optional={"stay": SPANS, "play": PLAYS})
SCENARIOS = st.builds(
    lambda member, guest, arrival, rooms: scenario({"member": member, "guest": guest}, arrival=arrival, rooms=rooms),
    MEMBERS, GUESTS, st.sampled_from(["at_once", {"ramp": "20s"}, {"poisson": "2/s"}]), st.integers(1, 4),
)  # fmt: skip
SEEDS = st.integers(0, 2**32 - 1)
USERS = st.none() | st.integers(1, 40)
thorough = settings(max_examples=60, deadline=None)


@given(SCENARIOS, SEEDS, USERS)
@thorough
def test_the_same_seed_gives_the_same_plan(made: Scenario, seed: int, users: int | None) -> None:
    assert build_plan(made, seed, users) == build_plan(made, seed, users)


@given(SCENARIOS, SEEDS, st.integers(1, 40))
@thorough
def test_exactly_as_many_users_as_asked_for(made: Scenario, seed: int, users: int) -> None:
    plan = build_plan(made, seed, users)
    assert len(plan.participants) == plan.expected().users == users
    assert [p.index for p in plan.participants] == list(range(users))
    assert {p.room_id for p in plan.participants} == set(plan.rooms)


@given(SCENARIOS, SEEDS, USERS)
@thorough
def test_names_are_unique_and_within_the_contracts_limits(made: Scenario, seed: int, users: int | None) -> None:
    plan = build_plan(made, seed, users)
    everyone = plan.participants
    streams = [p.stream_id for p in everyone if p.stream_id is not None]
    assert len({p.user_id for p in everyone}) == len({p.stamp_id for p in everyone}) == len(everyone)
    assert len(set(streams)) == len(streams) == plan.expected().streams
    for participant in everyone:
        assert_legal(participant)
    for room in plan.by_room.values():
        clips = sorted(p.clip for p in room if p.stream_id is not None)
        assert clips == list(range(len(clips)))


def assert_legal(participant: Participant) -> None:
    for text, longest in ((participant.user_id, 64), (participant.room_id, 128), (participant.user_name, 256)):
        assert 0 < len(text.encode()) <= longest and re.fullmatch(r"[0-9A-Za-z_-]+", text)
    if participant.stream_id is not None:
        assert len(participant.stream_id) <= 256 and re.fullmatch(r"[0-9A-Za-z_-]+", participant.stream_id)
    assert 0 < participant.stamp_id < 2**32


@given(SCENARIOS, SEEDS, USERS, st.none() | st.floats(20, 200))
@thorough
def test_actions_are_in_order_and_inside_the_run(
    made: Scenario, seed: int, users: int | None, duration: float | None
) -> None:
    plan = build_plan(made, seed, users, duration)
    assert [p.arrive_at for p in plan.participants] == sorted(p.arrive_at for p in plan.participants)
    for participant in plan.participants:
        times = [action.at for action in participant.actions]
        assert times == sorted(times)
        assert 0 <= participant.arrive_at == times[0] <= times[-1] == participant.leave_at <= plan.duration
        assert_sensible(participant)


def assert_sensible(participant: Participant) -> None:
    """Walks the actions as the participant would: nothing happens twice, out of the room, or to an absent device."""
    present = published = muted = False
    kinds = [action.kind for action in participant.actions]
    assert kinds[0] == "login" and kinds[-1] == "logout"
    for kind in kinds:
        if kind == "login":
            assert not present
            present = True
        elif kind == "logout":
            assert present and not muted
            present = published = False
        elif kind == "publish":
            assert present and not published and participant.stream_id is not None
            published = True
        elif kind == "unpublish":
            assert published and not muted
            published = False
        else:
            assert published and kind.endswith("_camera") and participant.camera is not None
            assert muted != kind.startswith("mute_")
            muted = not muted
    for kind, after in pairwise(kinds):
        assert kind != "login" or (after == "publish") == (participant.stream_id is not None)


@given(SCENARIOS, SEEDS, USERS)
@thorough
def test_expected_subscriptions_are_the_pairs_that_are_expected(made: Scenario, seed: int, users: int | None) -> None:
    plan = build_plan(made, seed, users)
    total = 0
    for subscriber in plan.participants:
        pairs = sum(plan.expects(subscriber, publisher) for publisher in plan.participants)
        total += pairs if subscriber.play.at_most is None else min(pairs, subscriber.play.at_most)
    assert plan.expected().subscriptions == total


@given(SCENARIOS, SEEDS, USERS)
@thorough
def test_a_plan_travels_as_json(made: Scenario, seed: int, users: int | None) -> None:
    plan = build_plan(made, seed, users)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@pytest.mark.parametrize("other", [{}, {"roles": 5}, [], {"roles": {}, "participants": [{"role": "x"}], "rooms": []}])
def test_what_is_no_plan_is_refused(other: Any) -> None:
    with pytest.raises(ScenarioError, match=r"plan: is not a plan .*allowed: what Plan\.to_dict wrote"):
        Plan.from_dict(other)


@given(SEEDS, st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_one_user_more_changes_nobody_else(seed: int, users: int) -> None:
    churn = {"leave": {"every": "3s..9s", "away": "1s..2s"}, "mute": {"every": "2s..4s", "for": "1s"}}
    member = {"count": "2..4", "microphone": True, "stay": "20s..40s", "churn": churn}
    made = scenario({"member": member, "watcher": {"count": "1..2", "stay": "5s..9s"}})
    fewer, more = (
        {p.user_id: replace(p, index=0) for p in build_plan(made, seed, number).participants}
        for number in (users, users + 1)
    )
    assert {user: more[user] for user in fewer} == fewer and len(more) == users + 1


def test_another_seed_gives_another_plan() -> None:
    made = scenario({"member": {"count": 4, "camera": True, "stay": "10s..50s"}})
    stays = [[p.leave_at for p in build_plan(made, seed).participants] for seed in (1, 2)]
    assert stays[0] != stays[1]


def test_ids_say_the_scenario_room_and_role() -> None:
    plan = build_plan(scenario({"member": {"count": 2, "camera": True}}, rooms=2))
    assert plan.rooms == ("team-meeting-r01", "team-meeting-r02")
    users = ["r01-member-01", "r02-member-01", "r01-member-02", "r02-member-02"]
    assert [p.user_id for p in plan.participants] == users
    assert plan.participants[0].stream_id == "team-meeting-r01-member-01"


def test_a_plan_is_the_same_in_every_python() -> None:
    """Pinned figures: a changed draw would break every stored comparison of runs."""
    churn = {"leave": {"every": "5s..20s", "away": "1s..2s"}}
    made = scenario({"m": {"count": "1..9", "camera": True, "stay": "20s..50s", "churn": churn}}, seed=7)
    plan = build_plan(made)
    assert len(plan.participants) == 2
    times = [0.0, 0.0, 14.446349, 15.824825, 15.824825, 24.859989, 26.472768, 26.472768, 41.157964]
    assert [action.at for action in plan.participants[0].actions] == times


def test_a_ramp_spreads_users_evenly_and_rooms_fill_at_the_same_pace() -> None:
    plan = build_plan(scenario({"member": {"count": 4, "camera": True}}, rooms=3, arrival={"ramp": "12s"}))
    assert [p.arrive_at for p in plan.participants] == [float(second) for second in range(12)]
    assert [p.room_id[-3:] for p in plan.participants][:6] == ["r01", "r02", "r03"] * 2


def test_poisson_arrivals_have_the_rate_and_the_spread_of_their_name() -> None:
    plan = build_plan(scenario({"m": {"count": 1000}}, arrival={"poisson": "25/s"}))
    times = [p.arrive_at for p in plan.participants]
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.04, rel=0.1)
    assert deviation == pytest.approx(mean, rel=0.15)  # an exponential's deviation is its mean


def test_users_add_and_drop_rooms_in_order() -> None:
    made = scenario({"member": {"count": 4, "camera": True}}, rooms=3)
    for users, sizes in ((5, [4, 1]), (12, [4, 4, 4]), (24, [4] * 6), (1, [1])):
        assert [len(room) for room in build_plan(made, users=users).by_room.values()] == sizes


def test_policies_choose_what_is_played() -> None:
    roles = {
        "speaker": {"count": 2, "camera": True, "play": {"roles": ["speaker"]}},
        "watcher": {"count": 3, "play": {"at_most": 1}},
        "deaf": {"count": 1, "microphone": True, "play": "none"},
    }
    plan = build_plan(scenario(roles, rooms=2))
    one, two, watcher, deaf = (plan.by_room[plan.rooms[0]][i] for i in (0, 1, 2, 5))
    assert plan.wants(one, two) and not plan.wants(one, one) and not plan.wants(one, deaf)
    assert plan.wants(watcher, deaf) and not plan.wants(deaf, one) and not plan.wants(one, watcher)
    assert not plan.wants(one, plan.by_room[plan.rooms[1]][1])
    assert plan.expected().subscriptions == 2 * (2 * 1 + 3 * 1)


@pytest.mark.parametrize(("stay", "pairs"), [("13s", 2), ("12999ms", 0), ("1s", 0), (None, 2)])
def test_a_subscription_is_expected_from_three_seconds_together(stay: str | None, pairs: int) -> None:
    role: dict[str, Any] = {"count": 2, "camera": True} | ({"stay": stay} if stay else {})
    plan = build_plan(scenario({"m": role}, arrival={"ramp": "20s"}))
    assert plan.expected().subscriptions == pairs


def test_depths_follow_the_shares_the_same_way_every_time() -> None:
    made = scenario({"m": {"count": 50, "camera": True}}, observe={"frames": "30%", "packets": "70%"})
    plan = build_plan(made)
    pairs = [(one, other) for one in plan.participants for other in plan.participants if plan.wants(one, other)]
    depths = [plan.depth_of(*pair) for pair in pairs]
    elsewhere, reseeded = Plan.from_dict(plan.to_dict()), build_plan(made, seed=2)
    assert depths == [elsewhere.depth_of(*pair) for pair in pairs]
    assert depths.count("frames") / len(depths) == pytest.approx(0.3, abs=0.03)
    assert depths != [reseeded.depth_of(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"users": 0}, "users: 0 is out of range; allowed: 1 to 20000"),
        ({"users": 20_001}, "users: 20001 is out of range; allowed: 1 to 20000"),
        ({"seed": -1}, "seed: -1 is out of range; allowed: 0 to 4294967295"),
        ({"duration": 0.5}, "duration: 0.5 seconds are out of range; allowed: 1s to 24h"),
        ({"duration": float("nan")}, "duration: nan seconds are out of range; allowed: 1s to 24h"),
        ({"duration": 5}, "arrival.ramp: 10s is longer than the run; allowed: up to 5s"),
    ],
)
def test_impossible_overrides_are_refused(overrides: dict[str, Any], sentence: str) -> None:
    made = scenario({"m": {"count": 2, "camera": True}}, arrival={"ramp": "10s"})
    with pytest.raises(ScenarioError) as caught:
        build_plan(made, **overrides)
    assert str(caught.value) == sentence


def test_more_rooms_than_there_may_be_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"users: 10001 need more than 10000 rooms; allowed: fewer"):
        build_plan(scenario({"m": {"count": 1}}), users=10_001)


def test_churn_too_dense_to_plan_is_refused_before_it_is_planned() -> None:
    churn = {"leave": {"every": "1s", "away": "100ms"}}
    made = scenario({"m": {"count": 100, "churn": churn}}, duration="24h", rooms=10)
    with pytest.raises(ScenarioError, match=r"roles\.m\.churn: asks for up to .* actions in 24h; allowed: 1000000"):
        build_plan(made)


@pytest.mark.parametrize(
    ("name", "made"),
    [("Team meeting!", "team-meeting"), ("Réunion d'équipe", "reunion-d-equipe"), ("x" * 99, "x" * 40), ("会议", None)],
)
def test_slugs_are_plain(name: str, made: str | None) -> None:
    assert slug(name) == made if made else re.fullmatch(r"scenario-[0-9a-f]{8}", slug(name))
    assert slug("会议") != slug("课堂")


def test_stamp_ids_of_the_largest_run_fit_and_differ() -> None:
    corners = [(room, role, number) for room in (1, 2, 10_000) for role in (0, 1, 99) for number in (1, 2, 1000)]
    ids = [stamp_id(*corner) for corner in corners]
    assert len(set(ids)) == len(ids) and min(ids) > 0 and max(ids) < 2**32


def test_an_explanation_says_who_does_what_when() -> None:
    churn = {"mute": {"every": "10s", "for": "3s"}}
    role = {"count": 2, "camera": True, "microphone": True, "churn": churn}
    lines = build_plan(scenario({"member": role}, thresholds={"join_time_ms": ["p(95)<1000"]})).explain()
    text = "\n".join(lines)
    assert lines[0] == "team meeting: 2 users in 1 room, 1m, seed 1"
    assert "expected: 2 streams, 2 subscriptions" in text
    assert "2 member: camera 640x360 25 fps vp8 500k, microphone opus 24k; plays all; observed at frames" in text
    assert "must hold: join_time_ms p(95)<1000" in text and "must hold: played_share value>=1" in text
    assert "   10.000s  team-meeting-r01  r01-member-01  mute microphone" in lines
    assert lines[-1].split() == ["60.000s", "team-meeting-r01", "r01-member-02", "logout"]


def test_a_long_explanation_can_be_cut() -> None:
    lines = build_plan(scenario({"m": {"count": 9}})).explain(most=4)
    assert lines[-1] == "... and 14 more"
    assert sum("login" in line for line in lines) == 5  # four actions, and the threshold on logins


def test_rooms_that_fill_one_by_one_are_full_before_the_next_begins() -> None:
    roles = {"member": {"count": 3}}
    told = {"name": "x", "rooms": 3, "duration": "30s", "arrival": {"ramp": "9s"}, "roles": roles}
    evenly = build_plan(Scenario.model_validate(told)).participants
    one_by_one = build_plan(Scenario.model_validate({**told, "filling": "one_by_one"})).participants
    assert [p.room_id[-2:] for p in evenly] == ["01", "02", "03"] * 3
    assert [p.room_id[-2:] for p in one_by_one] == ["01"] * 3 + ["02"] * 3 + ["03"] * 3
    assert [p.arrive_at for p in one_by_one] == [p.arrive_at for p in evenly]


def decoding(share: str, count: int = 6, seed: int = 1, **role: Any) -> Plan:
    roles = {"member": {"count": count, "camera": True, **role}}
    return build_plan(scenario(roles, observe={"decode": share, "frames": f"{100 - float(share[:-1]):g}%"}), seed=seed)


def test_the_decoded_subscriptions_follow_from_the_seed_and_are_told() -> None:
    plan = decoding("25%")
    pairs = [(one.user_id, other.user_id) for one, other in plan.decoded()]
    assert pairs == [(one.user_id, other.user_id) for one, other in Plan.from_dict(plan.to_dict()).decoded()]
    assert 0 < len(pairs) < 30
    assert all(one != other for one, other in pairs)
    assert pairs != [(one.user_id, other.user_id) for one, other in decoding("25%", seed=2).decoded()]
    assert f"  decoded: {len(pairs)} of these subscriptions" in plan.explain()
    few = decoding("50%", play={"at_most": 2})
    assert f"  decoded: up to {sum(1 for _ in few.decoded())} of these subscriptions" in few.explain()


def test_nothing_is_said_of_decoding_where_it_is_not_asked_for() -> None:
    assert not any("decoded" in line for line in build_plan(scenario({"m": {"count": 3, "camera": True}})).explain())


def test_a_share_that_picks_no_subscription_is_refused() -> None:
    with pytest.raises(ScenarioError) as caught:
        decoding("0.1%", count=3)
    assert str(caught.value) == (
        "observe.decode: 0.1% picks none of the 6 subscriptions of role member with seed 1; "
        "allowed: a share that picks at least one, or another seed"
    )
    roles = {"m": {"count": 3, "camera": True}, "w": {"count": 1, "observe": {"decode": "0.1%", "frames": "99.9%"}}}
    with pytest.raises(ScenarioError, match=r"^roles\.w\.observe\.decode: 0\.1% picks none of the 3 subscriptions"):
        build_plan(scenario(roles))


def test_who_has_nothing_to_play_need_not_decode() -> None:
    assert list(decoding("0.1%", count=1).decoded()) == []
