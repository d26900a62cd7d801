"""A mutant: one defect of a service, the schedule in which it shows, and the rule that has to report it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.conform.run import Sabotage

Records = list[dict[str, Any]]
Tampering = Callable[[Records], Records]  # the records of a trace, without its header


@dataclass(frozen=True)
class Mutant:
    """breaks: the rule whose requirement the defect is against. consequences: rules that cannot but report the same
    fault, for it is against their requirement as well; `because` says why. defect: what the broken service does.
    origin: where it was shipped once, empty if it is made up.

    schedule: the number of a shipped one (S09), or the name of a scene. stage: breaks the service or the client before
    anybody calls. trace: tampers with what was recorded, for what the embedded service cannot be made to do. promises:
    in what the service differs from the profile; `ground` makes it keep them, and without `stage` it does.
    """

    name: str
    breaks: str
    defect: str
    schedule: str
    stage: Sabotage | None = None
    trace: Tampering | None = None
    consequences: tuple[str, ...] = ()
    because: str = ""
    origin: str = ""
    promises: Mapping[str, Any] = field(default_factory=dict)
    ground: Sabotage | None = None
