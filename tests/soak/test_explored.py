"""Thousands of generated conversations with the embedded service, which keeps the contract: not one may be accused."""

from __future__ import annotations

import pytest

from harness.conform.choice import Choice
from harness.conform.explorer import Explorer, Search
from harness.conform.schedule_file import dump_schedule

SCHEDULES = 2000


@pytest.mark.parametrize("faults", [False, True], ids=["fault-free", "with faults"])
def test_two_thousand_schedules_break_no_rule(faults: bool) -> None:
    explorer = Explorer(Search(seconds=None, schedules=SCHEDULES, seed=2026, choice=Choice(faults=faults)))
    found = [f"{found.rule}\n{dump_schedule(found.schedule)}" for found in explorer.run()]
    per_minute = 60 * explorer.tried / explorer.seconds
    print(f"\n{explorer.tried} schedules in {explorer.seconds:.0f} s, {per_minute:,.0f} a minute")
    assert found == []
    assert explorer.tried == SCHEDULES
