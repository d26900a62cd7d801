"""The run clock: this host's monotonic clock, moved by the measured offset to the master's."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class RunClock:
    """offset_us moves this host's monotonic clock onto the master's; uncertainty_us bounds the error of that."""

    offset_us: int = 0
    uncertainty_us: int = 0

    def now_us(self) -> int:
        return time.monotonic_ns() // 1000 + self.offset_us

    def now(self) -> float:
        """Seconds."""
        return self.now_us() / 1_000_000

    def monotonic_at(self, run_us: int) -> float:
        """The local monotonic second at which the run clock shows `run_us`."""
        return (run_us - self.offset_us) / 1_000_000


def host_boot_id() -> str:
    """Same on every process of one boot of one machine: such processes share the monotonic clock exactly."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - not a Path's place
            return file.read().strip()
    except OSError:
        return ""
