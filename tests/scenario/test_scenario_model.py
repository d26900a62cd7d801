"""What a scenario means: short forms, defaults, thresholds that hold unless the file says else."""

import json
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from harness.scenario import Scenario, build_plan
from harness.scenario.loader import parse_scenario
from harness.scenario.role import CameraSpec, MicrophoneSpec, PlayPolicy


def scenario(roles: str, rest: str = "") -> Scenario:
    return parse_scenario(f"name: a\nduration: 60s\nroles:\n  {roles}\n{rest}".encode(), "x.yaml")


@pytest.mark.parametrize("word", ["true", "on", "yes", "On", "{}", '"on"'])
def test_a_device_switched_on_has_the_defaults(word: str) -> None:
    role = scenario(f"m: {{count: 2, camera: {word}, microphone: {word}}}").roles["m"]
    assert role.camera == CameraSpec(size="640x360", fps=25, bitrate=500_000, codec="vp8")
    assert role.microphone == MicrophoneSpec(bitrate=24_000)
    assert (role.camera.width, role.camera.height) == (640, 360)


@pytest.mark.parametrize("word", ["off", "no", "false", "none", "OFF", '"off"'])
def test_words_for_off_are_no_device_and_nothing_played(word: str) -> None:
    role = scenario(f"m: {{count: 2, camera: {word}, microphone: {word}, play: {word}}}").roles["m"]
    assert role.camera is None and role.microphone is None and not role.publishes
    assert not role.play.allows("m")


def test_play_is_all_unless_said_otherwise() -> None:
    assert scenario("m: {count: 2}").roles["m"].play == PlayPolicy()
    assert scenario("m: {count: 2, play: all}").roles["m"].play == PlayPolicy()


def test_keys_that_yaml_takes_for_booleans_stay_names() -> None:
    assert list(scenario("on: {count: 2}").roles) == ["on"]


def test_a_role_observes_by_its_own_word_before_the_scenarios() -> None:
    made = scenario("m: {count: 1}\n  w: {count: 1, observe: packets}", "observe: {frames: 50%, packets: 50%}")
    assert str(made.depths("m")) == "50% frames and 50% packets"
    assert str(made.depths("w")) == "packets"


def test_subscriptions_may_be_decoded_all_or_in_part() -> None:
    assert str(scenario("m: {count: 1, observe: decode}").depths("m")) == "decode"
    shares = scenario("m: {count: 1}", "observe: {decode: 10%, frames: 90%}").depths("m")
    assert (shares.share_of("decode"), shares.share_of("packets")) == (0.1, 0.0)


def expressions(made: Scenario) -> dict[str, list[str]]:
    return {key: [entry.threshold for entry in entries] for key, entries in made.effective_thresholds().items()}


def test_two_thresholds_hold_by_default() -> None:
    assert expressions(scenario("m: {count: 2, camera: on}")) == {
        "login_share": ["value>=1"],
        "played_share": ["value>=1"],
    }


def test_a_named_metric_replaces_its_default() -> None:
    made = scenario("m: {count: 2, camera: on}", 'thresholds: {"played_share{role:m}": rate>90%}')
    assert expressions(made) == {"login_share": ["value>=1"], "played_share{role:m}": ["rate>90%"]}


@pytest.mark.parametrize(
    "roles", ["m: {count: 2}", "m: {count: 2, camera: on, play: none}", "m: {count: 1, camera: on}"]
)
def test_nobody_is_asked_to_play_where_nobody_can(roles: str) -> None:
    assert list(expressions(scenario(roles))) == ["login_share"]


def test_the_resolved_scenario_reads_back_the_same() -> None:
    rest = """
arrival: {poisson: 90/min}
observe: {frames: 12.5%, packets: 87.5%}
thresholds: {join_time_ms: [p(95)<1000, {threshold: med<3, abortOnFail: yes, delayAbortEval: 1m30s}]}
"""
    roles = """one: {count: 2..5, camera: on, play: none, stay: 1.5s..2m,
    churn: {leave: {every: 5s, away: 100ms}, mute: {every: 2s, for: 1s, device: camera}}}
  two: {count: {choices: {1: 33.3%, 2: 66.7%}}, microphone: {bitrate: 6001, delay: 45ms},
    play: {roles: [one], at_most: 2}}"""
    made = scenario(roles, rest)
    written = json.loads(json.dumps(made.to_file()))
    assert Scenario.model_validate(written) == made
    assert parse_scenario(yaml.safe_dump(written).encode(), "again.yaml") == made
    assert build_plan(Scenario.model_validate(written)) == build_plan(made)


def test_python_callers_get_pydantics_error() -> None:
    values: dict[str, Any] = {"name": "a", "duration": "5", "roles": {"m": {"count": 1}}}
    with pytest.raises(ValidationError, match="5 is not a duration"):
        Scenario.model_validate(values)
