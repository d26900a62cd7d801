"""Which schedules are made up: how many users, how long, with faults or without."""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("alice", "bob", "carol", "dave")
FEWEST_USERS, MOST_USERS = 2, len(NAMES)
LONGEST = 25  # steps


@dataclass(frozen=True, slots=True)
class Choice:
    """users: how many; steps: at most; faults: whether clients crash and networks fail."""

    users: int = 3
    steps: int = LONGEST
    faults: bool = True
