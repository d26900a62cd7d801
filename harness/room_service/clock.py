"""The service's two clocks, given to it so that it also runs on virtual time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceClock:
    """monotonic: seconds for deadlines; wall: Unix seconds, for the expiry of tokens and for what clients are told."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
