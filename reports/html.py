"""report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reports.load import RunData


def write_html(data: RunData, results: dict[str, Any], path: Path) -> None:
    path.write_text("<html></html>", encoding="utf-8")
