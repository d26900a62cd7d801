"""So that `locust --scenario scenarios/team-meeting.yaml` works from the project's root."""

from harness.swarm.locustfile import CallUser

__all__ = ["CallUser"]
