"""The swarm: participants that behave by plan, Locust around them, and the run as a whole."""

from pathlib import Path


def locustfile_path() -> Path:
    """The locustfile that ships with the package."""
    return Path(__file__).with_name("locustfile.py")
