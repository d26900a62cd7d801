"""Fixtures of the report's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_run import FakeRun


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., FakeRun]:
    """A run in its own folder: rooms, users per room, seconds."""
    return lambda **shape: FakeRun(tmp_path / "runs" / str(len(list(tmp_path.glob("runs/*")))), **shape)
