"""The files that ship load, plan, and match the published schema; the schema refuses what the loader refuses."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from harness.scenario import build_plan, load_scenario
from harness.scenario.document import read_document
from harness.scenario.schema import scenario_schema, scenario_schema_text

FOLDER = Path(__file__).parents[2] / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(scenario_schema())


def test_at_least_six_ship() -> None:
    assert {path.stem for path in FILES} >= {
        "two-party-call", "team-meeting", "large-room", "audio-room", "churn", "stress-ramp", "mixed-codecs",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_loads_plans_and_validates(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=./scenario.schema.json"
    assert lines[1].startswith("# ") and lines[2].startswith("# ") and not lines[3].startswith("#")
    plan = build_plan(load_scenario(path))
    assert plan.expected().subscriptions > 0
    VALIDATOR.validate(read_document(path.read_text()).data)
    # Editors read YAML 1.2 or 1.1, with keys of their own types; both must find nothing to underline.
    VALIDATOR.validate(json.loads(json.dumps(yaml.safe_load(path.read_text()))))
    VALIDATOR.validate(load_scenario(path).to_file())


def test_the_published_schema_is_the_models() -> None:
    published = (FOLDER / "scenario.schema.json").read_text()
    assert published == scenario_schema_text(), "write scenario_schema_text() to scenarios/scenario.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_every_field_of_the_schema_is_described() -> None:
    schema = scenario_schema()
    for part in (schema, *schema["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            assert field.get("description"), name


BASE: dict[str, Any] = {"name": "a", "duration": "5s", "roles": {"m": {"count": 2}}}


@pytest.mark.parametrize(
    "role",
    [
        {"count": "2..5"}, {"count": {"choices": {"2": 0.5, "4": "50%"}}}, {"camera": True}, {"camera": "off"},
        {"microphone": {}}, {"play": "all"}, {"play": False}, {"play": {"at_most": 6}}, {"stay": "40s..60s"},
        {"observe": "packets"}, {"observe": {"frames": "50%", "packets": 0.5}},
        {"churn": {"mute": {"every": "5s", "for": "1s"}}}, {"camera": {"bitrate": 500_000}},
    ],
)  # fmt: skip
def test_the_schema_takes_every_short_form(role: dict[str, Any]) -> None:
    values = copy.deepcopy(BASE)
    values["roles"]["m"] |= role
    VALIDATOR.validate(values)


@pytest.mark.parametrize(
    "change",
    [
        {"rooms": 0}, {"nmae": "a"}, {"duration": 5}, {"duration": "5"}, {"name": ""}, {"arrival": "soon"},
        {"roles": {}}, {"roles": {"M": {"count": 1}}}, {"roles": {"m": {}}}, {"observe": "pictures"},
        {"roles": {"m": {"count": 1, "camera": {"size": "641x360"}}}}, {"roles": {"m": {"count": 1, "camera": 5}}},
        {"thresholds": {"join_time": ["p(95)<1"]}}, {"thresholds": {"join_time_ms": []}},
        {"thresholds": {"join_time_ms": [5]}},
    ],
)  # fmt: skip
def test_the_schema_refuses_what_an_editor_can_see(change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(BASE | change)


@pytest.mark.parametrize("arrival", ["at_once", {"ramp": "2s"}, {"poisson": "30/min"}])
def test_the_schema_takes_every_arrival(arrival: object) -> None:
    VALIDATOR.validate(BASE | {"arrival": arrival, "thresholds": {"join_time_ms{role:m}": "p(95)<1"}})
