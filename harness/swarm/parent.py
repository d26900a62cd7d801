"""Swarm processes end with the process that started them, even when it is killed."""

from __future__ import annotations

import os
import signal

from gevent.monkey import get_original

from harness.swarm.environment import PARENT_VARIABLE


def end_with_parent() -> None:
    """Watch the pipe from a native thread; nothing to do when there is none."""
    number = os.environ.get(PARENT_VARIABLE)
    if number is None:
        return
    read = get_original("os", "read")

    def watch() -> None:
        try:
            while read(int(number), 1):
                pass
        except OSError:
            return
        os.kill(os.getpid(), signal.SIGTERM)

    get_original("_thread", "start_new_thread")(watch, ())
