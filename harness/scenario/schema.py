"""The JSON Schema (Draft 2020-12) of a scenario, for editors; `scenarios/scenario.schema.json` is its text."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from harness.measure.catalogue import METRICS
from harness.scenario.model import Scenario
from harness.scenario.naming import MOST_ROLES, ROLE_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Terse(GenerateJsonSchema):
    """Leaves out what tells a person nothing: titles made of key names, defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = super().default_schema(schema)
        return {key: value for key, value in inner.items() if key != "default" or value is not None}


def scenario_schema() -> dict[str, Any]:
    """The schema, with every short form a file may use."""
    schema = Scenario.model_json_schema(by_alias=True, schema_generator=_Terse)
    keys = schema["properties"]
    # pydantic has no words for rules about the keys of a mapping.
    keys["roles"]["propertyNames"] = {"pattern": f"^{ROLE_PATTERN}$"}
    keys["roles"] |= {"minProperties": 1, "maxProperties": MOST_ROLES}
    several = keys["thresholds"].pop("additionalProperties") | {"minItems": 1}
    schema["$defs"]["ThresholdList"] = {"anyOf": [several, several["items"]]}
    keys["thresholds"] |= _metric_keys({"$ref": "#/$defs/ThresholdList"})
    return {"$schema": DIALECT, **schema}


def _metric_keys(entry: dict[str, str]) -> dict[str, Any]:
    """The keys of `thresholds`: every metric with its description, so that an editor completes and explains them."""
    return {
        "properties": {
            name: {"description": f"{metric.description} ({metric.kind}, {metric.unit})", **entry}
            for name, metric in METRICS.items()
        },
        "patternProperties": {rf"^({'|'.join(METRICS)})\{{.+\}}$": entry},
        "additionalProperties": False,
    }


def scenario_schema_text() -> str:
    """The schema as the shipped file holds it."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"
