"""Every truth leaves rows of one table: what was injected, what was measured. Printed at the end of the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

_ROWS = pytest.StashKey[list[tuple[str, str, str, str]]]()
HEADINGS = ("quantity", "injected", "measured", "error")

Truth = Callable[[str, object, object, object], None]


@pytest.fixture
def truth(request: pytest.FixtureRequest) -> Truth:
    """truth(quantity, injected, measured, error): a row of the table; numbers are shortened."""

    def row(*cells: object) -> None:
        shown = tuple(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells)
        request.config.stash.setdefault(_ROWS, []).append(shown)  # type: ignore[arg-type]

    return row


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if not rows:
        return
    terminalreporter.section("truth: what was injected, what was measured")
    widths = [max(len(row[i]) for row in (*rows, HEADINGS)) for i in range(len(HEADINGS))]
    for row in (HEADINGS, *rows):
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
