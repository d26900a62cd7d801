"""Networks and events of a scenario: who is on which, what changes when, and what is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from harness.rtc.conditions import BurstLoss, Conditions, Link
from harness.rtc.presets import PRESETS
from harness.scenario import ScenarioError
from harness.scenario.loader import parse_scenario
from harness.scenario.model import Scenario
from harness.scenario.participant import NetworkChange
from harness.scenario.plan import Plan, build_plan
from harness.scenario.window import Window, parse_after, parse_window

OUTAGE = {"at": "20s", "name": "outage", "for": "5s", "network": {"outage": True}}


def plan(network: Any = None, events: Any = (), count: int = 2, seed: int = 1, **more: Any) -> Plan:
    role: dict[str, Any] = {"count": count, "camera": True}
    if network is not None:
        role["network"] = network
    base = {"name": "n", "duration": "60s", "roles": {"m": role, "w": {"count": 1}}, "events": list(events)}
    return build_plan(Scenario.model_validate({**base, **more}), seed=seed)


def of_first(made: Plan) -> Conditions:
    first = made.participants[0]
    assert first.network is not None
    return made.networks[first.network]


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_a_network_by_itself(name: str) -> None:
    made = plan(name)
    assert of_first(made) == PRESETS[name]
    assert made.participants[0].network == name
    assert made.participants[-1].network is None, "who has no network is not emulated at all"


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"delay": "50ms", "loss": "2%"}, Conditions(*[Link(delay=0.05, loss=0.02)] * 2)),
        ({"up": {"rate": "300k", "queue": "64kB"}}, Conditions(Link(rate=300_000, queue=0, queue_bytes=64_000))),
        ({"loss": {"mean": "10%", "burst": 5}}, Conditions(*[Link(burst=BurstLoss.of(0.1, 5))] * 2)),
        (
            {"loss": {"p": "2%", "r": "30%", "good": "1%", "bad": "60%"}},
            Conditions(*[Link(burst=BurstLoss(0.02, 0.3, 0.01, 0.6))] * 2),
        ),
        (
            {"delay": "50ms", "jitter": "5ms", "distribution": "uniform", "reorder": True, "down": {"delay": "80ms"}},
            Conditions(
                Link(delay=0.05, jitter=0.005, distribution="uniform", reorder=True),
                Link(delay=0.08, jitter=0.005, distribution="uniform", reorder=True),
            ),
        ),
        ({"duplicate": "1%", "outage": False}, Conditions(*[Link(duplicate=0.01)] * 2)),
    ],
)
def test_numbers_hold_both_ways_unless_a_direction_has_its_own(network: Any, expected: Conditions) -> None:
    assert of_first(plan(network)) == expected


def test_numbers_beside_a_preset_replace_only_what_they_name() -> None:
    found = of_first(plan({"preset": "subway", "loss": "1%", "up": {"rate": "1M"}}))
    subway = PRESETS["subway"]
    assert found.down.burst is None
    assert found.down.loss == 0.01
    assert (found.up.rate, found.down.rate) == (1_000_000, subway.down.rate)
    assert found.up.delay == subway.up.delay


def test_a_mix_gives_each_user_one_preset_by_the_seed_in_its_shares() -> None:
    made = plan({"4g": "25%", "wifi": "75%"}, count=400)
    counts = Counter(person.network for person in made.participants if person.role == "m")
    assert set(counts) == {"4g", "wifi"}
    assert counts["4g"] == pytest.approx(100, abs=30)
    assert made == plan({"4g": "25%", "wifi": "75%"}, count=400)
    fewer = {person.user_id: person.network for person in plan({"4g": "25%", "wifi": "75%"}, count=3).participants}
    more = {person.user_id: person.network for person in made.participants}
    assert fewer.items() <= more.items(), "one more user moves nobody to another network"
    assert plan({"4g": "25%", "wifi": "75%"}, count=400, seed=2) != made


def test_an_event_lies_over_each_users_own_network_while_it_lasts() -> None:
    made = plan("4g", [OUTAGE])
    member, watcher = made.participants[0], made.participants[-1]
    assert member.changes == (
        NetworkChange(20, "begin", "outage", "4g + outage"),
        NetworkChange(25, "end", "outage", "4g"),
    )
    during = made.networks["4g + outage"]
    assert during.outage
    assert during.up.delay == PRESETS["4g"].up.delay
    assert watcher.network == "direct", "an event befalls also those who have no network of their own"
    assert made.networks["direct"] == Conditions()
    (event,) = made.events
    assert (event.name, event.at, event.until, event.users, event.text) == ("outage", 20, 25, 3, "nothing passes")


def test_events_lie_over_each_other_in_the_order_in_which_they_begin() -> None:
    slow = {"at": "10s", "name": "slow", "network": {"delay": "300ms", "loss": "1%"}, "roles": ["m"]}
    lossy = {"at": "30s", "name": "lossy", "for": "10s", "network": {"loss": "20%"}}
    first = plan(None, [lossy, slow]).participants[0]
    assert [(change.at, change.phase, change.network) for change in first.changes] == [
        (10, "begin", "direct + slow"),
        (30, "begin", "direct + slow + lossy"),
        (40, "end", "direct + slow"),
    ]
    both = plan(None, [lossy, slow]).networks["direct + slow + lossy"]
    assert (both.up.delay, both.up.loss) == (0.3, 0.2)


def test_two_events_of_one_name_may_differ_and_a_preset_replaces_all() -> None:
    events = [OUTAGE, {"at": "30s", "name": "outage", "for": "5s", "network": "3g"}]
    made = plan("wifi", events)
    states = [made.networks[change.network] for change in made.participants[0].changes]
    assert states[0].outage
    assert states[1] == states[3] == PRESETS["wifi"]
    assert states[2] == PRESETS["3g"]


def test_a_share_of_the_users_is_drawn_from_the_seed() -> None:
    made = plan(None, [{**OUTAGE, "share": "30%", "roles": ["m"]}], count=300)
    assert made.events[0].users == sum(bool(person.changes) for person in made.participants)
    assert made.events[0].users == pytest.approx(90, abs=30)
    assert made == plan(None, [{**OUTAGE, "share": "30%", "roles": ["m"]}], count=300)


def test_a_plan_and_a_scenario_with_networks_survive_their_way_through_files() -> None:
    thresholds = {"frame_rate": [{"threshold": "med>20", "after": "outage+5s"}, "med>10"]}
    network = {"preset": "3g", "loss": {"mean": "2%", "burst": 3}, "up": {"queue": "64kB"}}
    made = plan(network, [OUTAGE], thresholds=thresholds)
    assert Plan.from_dict(made.to_dict()) == made
    assert made.windowed == (("frame_rate", "med>20", Window("after", "outage", 5)),)
    assert ("frame_rate", "med>10") in made.thresholds
    for given in (network, "4g", {"4g": "50%", "wifi": "50%"}):
        role = {"count": 1, "camera": True, "network": given}
        scenario = Scenario.model_validate(
            {"name": "n", "duration": "60s", "roles": {"m": role}, "events": [OUTAGE], "thresholds": thresholds}
        )
        assert Scenario.model_validate(scenario.to_file()) == scenario


def test_windows_are_the_time_of_an_event_or_the_time_from_its_end_to_the_next() -> None:
    events = [
        OUTAGE,
        {"at": "40s", "name": "outage", "for": "5s", "network": {"outage": True}},
        {"at": "50s", "name": "slow", "network": "3g"},
    ]
    made = plan(None, events)

    def spans(window: Window) -> list[tuple[float, float]]:
        return window.spans(made.events, made.duration)

    assert spans(Window("during", "outage")) == [(20, 25), (40, 45)]
    assert spans(parse_after("outage+3s")) == [(28, 40), (48, 50)]
    assert spans(parse_after("outage+6s")) == [(31, 40)], "no time is left between that one and the next"
    assert spans(Window("during", "slow")) == [(50, 60)]
    assert spans(parse_after("slow")) == []
    for window in (Window("during", "outage"), Window("after", "outage", 0.5), Window("after", "outage")):
        assert parse_window(str(window)) == window


FILE = """\
name: n
duration: 60s
roles:
  member:
    count: 2
    camera: true
    network: {network}
events:
  - at: {at}
    name: {name}
    for: 5s
    network: {change}
  - at: {second}
    name: outage
    for: 5s
    network: {{outage: true}}
thresholds:
  frame_rate:
    - {{threshold: "med>20", {window}}}
"""


def file(**changes: str) -> str:
    given = {"network": "4g", "at": "20s", "name": "outage", "change": "{outage: true}", "second": "40s"}
    return FILE.format(**{**given, "window": "during: outage", **changes})


def test_the_file_of_the_refusals_is_fine_itself() -> None:
    assert parse_scenario(file().encode(), "x.yaml").events[0].name == "outage"


PRESET_NAMES = "wifi, wifi-congested, 4g, 3g, dsl, satellite, subway"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": "wify"},
            f"7: roles.member.network.preset: wify is not a preset, did you mean wifi?; allowed: {PRESET_NAMES}",
        ),
        (
            {"network": "{4g: 50%, 5g: 50%}"},
            f"7: roles.member.network.mix.5g: is not a preset; allowed: {PRESET_NAMES}",
        ),
        (
            {"network": "{4g: 50%, wifi: 40%}"},
            "7: roles.member.network.mix: the shares sum to 90%; allowed: 100%",
        ),
        ({"network": "{rate: 0}"}, "7: roles.member.network.rate: 0 is out of range; allowed: 8k to 1000M"),
        ({"network": "{loss: 120%}"}, "7: roles.member.network.loss: 120% is out of range; allowed: 0% to 100%"),
        (
            {"network": "{delay: -5ms}"},
            "7: roles.member.network.delay: -5ms is below zero; allowed: 0s to 10s",
        ),
        (
            {"network": "{loss: {burst: 3}}"},
            "7: roles.member.network.loss.mean: is missing; needed: mean",
        ),
        (
            {"network": "{loss: {mean: 2%, p: 1%}}"},
            "7: roles.member.network.loss: names loss in two ways; allowed: mean with burst, or p with r, good and bad",
        ),
        (
            {"network": "{up: {dealy: 5ms}}"},
            "7: roles.member.network.up.dealy: unknown key, did you mean delay?; allowed: delay, jitter, distribution, "
            "reorder, loss, duplicate, rate, queue, outage",
        ),
        (
            {"network": "{queue: 1B}"},
            "7: roles.member.network.queue: 1B is out of range; allowed: 1.5kB to 100MB",
        ),
        (
            {"second": "22s"},
            "13: events[1].at: begins before the outage of events[0] ends; allowed: from 25s on, or another name",
        ),
        ({"at": "70s"}, "9: events[0].at: 70s is beyond the run of 1m; allowed: 0s to less than 1m"),
        ({"at": "58s"}, "11: events[0].for: lasts beyond the run of 1m; allowed: up to 2s, or no for at all"),
        (
            {"name": "Outage!"},
            "10: events[0].name: Outage! is not a name; allowed: up to 32 of a-z, 0-9, _ and -, the first a letter",
        ),
        (
            {"window": "during: outtage"},
            "19: thresholds.frame_rate[0].during: outtage is not an event, did you mean outage?; allowed: outage",
        ),
        (
            {"window": "after: outage+5"},
            "19: thresholds.frame_rate[0].after: outage+5 is not a window; allowed: an event with a time, such as "
            "outage+5s",
        ),
        (
            {"window": "during: outage, after: outage"},
            "19: thresholds.frame_rate[0].after: names two windows; allowed: during or after",
        ),
        (
            {"window": "after: outage+16s"},
            "19: thresholds.frame_rate[0].after: the time after outage+16s is too short to be measured; allowed: "
            "windows of 2s or more",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_with_its_line(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(file(**changes).encode(), "x.yaml")
    assert str(caught.value) == f"x.yaml:{message}"


def test_what_counts_over_a_whole_run_has_no_window() -> None:
    text = file().replace("frame_rate:", "played_share:").replace("med>20", "rate>=1")
    with pytest.raises(ScenarioError, match="played_share counts over the whole run; allowed: no window"):
        parse_scenario(text.encode(), "x.yaml")


def test_an_event_for_roles_that_are_not_there_is_refused() -> None:
    text = file().replace(
        "    for: 5s\n    network: {outage: true}\n  - at", "    roles: [membr]\n    network: 3g\n  - at"
    )
    with pytest.raises(ScenarioError, match="membr is not a role of this scenario; allowed: member"):
        parse_scenario(text.encode(), "x.yaml")


def test_a_run_made_too_short_for_its_events_is_refused() -> None:
    scenario = parse_scenario(file().encode(), "x.yaml")
    with pytest.raises(ScenarioError, match=r"events\[0\].at: 20s is beyond the run of 10s"):
        build_plan(scenario, duration=10)
