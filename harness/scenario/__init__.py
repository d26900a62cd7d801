"""Scenarios: the YAML a person writes, checked, and the plan of who does what when."""

from harness.scenario.errors import ScenarioError
from harness.scenario.loader import load_scenario
from harness.scenario.model import Scenario
from harness.scenario.participant import Action, Participant
from harness.scenario.plan import Plan, build_plan

__all__ = ["Action", "Participant", "Plan", "Scenario", "ScenarioError", "build_plan", "load_scenario"]
