"""All mutants, in the order of the rules that they break."""

from __future__ import annotations

import importlib

from harness.conform.mutants.mutant import Mutant
from harness.contract.rule import SECTIONS

MUTANTS: tuple[Mutant, ...] = tuple(
    mutant
    for name in SECTIONS.values()
    if importlib.util.find_spec(f"harness.conform.mutants.{name}")
    for mutant in importlib.import_module(f"harness.conform.mutants.{name}").MUTANTS
)
