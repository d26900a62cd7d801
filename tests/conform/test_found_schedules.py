"""Schedules that the explorer once found: each broke a rule, or hung the client, because the code was wrong."""

from __future__ import annotations

import pytest

from harness.conform.examination import Examiner
from harness.conform.schedule_file import parse_schedule

FOUND = {
    # The client was out, and the login that was on its way let it in all the same: a ghost until its heartbeat ended.
    "a logout right after the login": """
  - {alice: login}
  - {after: 0.01s, alice: logout}
  - {after: 1 settle, bob: login}
""",
    # The first login's failure ended the second one's place, in which the client then was without a way out.
    "another room right after leaving the first": """
  - {alice: login}
  - {alice: logout}
  - {alice: login, room: lounge}
  - {after: 0.1s, alice: login}
""",
    # Asking again and again over a socket that was gone, the publish never let anybody notice that it was.
    "a publish whose socket is reset at once": """
  - {alice: login}
  - {after: 0.1s, alice: publish, stream: a1}
  - {alice: unpublish, stream: a1}
  - {alice: publish, stream: a1}
  - {alice: reset}
""",
    # The publish waited for the stop before it, and went on in a room that had been left meanwhile.
    "a publish that waits when its user leaves": """
  - {alice: login}
  - {alice: publish, stream: a1}
  - {after: 0.1s, alice: logout}
  - {alice: unpublish, stream: a1}
  - {alice: publish, stream: a1}
""",
    # The service kept the stream for a client that had stopped it without being able to say so.
    "an unpublish while the client is away": """
  - {alice: login}
  - {alice: publish, stream: a1}
  - {after: 0.1s, bob: login}
  - {alice: reset}
  - {after: 0.01s, alice: unpublish, stream: a1}
""",
}
SETTINGS = "settings: {heartbeat_interval: 3s, heartbeat_timeout: 10s, retry_window: 1m, token_warning: 5s}"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("steps", FOUND.values(), ids=FOUND)
def test_what_was_found_is_mended(steps: str) -> None:
    schedule = parse_schedule(f"name: found\n{SETTINGS}\nsteps:{steps}".encode(), "found.yaml")
    examined = Examiner(strict=True).examine(schedule)
    assert (examined.broken, examined.error) == ((), "")
