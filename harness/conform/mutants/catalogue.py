"""All mutants, in the order of the rules that they break."""

from __future__ import annotations

from harness.conform.mutants import (
    bad_input,
    cross_client,
    deadlines,
    metadata,
    periodic,
    play,
    publish,
    reconnect,
    room_state,
    roster,
    teardown,
)
from harness.conform.mutants.mutant import Mutant

_FILES = (
    room_state, roster, publish, play, cross_client, deadlines, teardown, reconnect, periodic, metadata, bad_input,
)  # fmt: skip
MUTANTS: tuple[Mutant, ...] = tuple(mutant for file in _FILES for mutant in file.MUTANTS)
