"""The reports of a judged set in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from reports.conformance import Conformance, Rules
from reports.conformance_html import write_conformance_html
from reports.conformance_json import CONFORMANCE, to_json
from reports.conformance_junit import write_conformance_junit
from reports.sarif import write_sarif


def write_conformance(conformance: Conformance, rules: Rules, folder: Path) -> None:
    """conformance.json, .html and .sarif, and junit.xml: the whole of what `check` and `conform` leave."""
    write_conformance_run(conformance, rules, folder)
    write_conformance_junit(conformance, rules, folder / "junit.xml")


def write_conformance_run(conformance: Conformance, rules: Rules, folder: Path) -> None:
    """The same but for junit.xml, for a load run: its own reports, written after this, take conformance.json in."""
    write_conformance_json(conformance, rules, folder / CONFORMANCE)
    write_conformance_html(conformance, rules, folder / "conformance.html")
    write_sarif(conformance, rules, folder / "conformance.sarif")


def write_conformance_json(conformance: Conformance, rules: Rules, path: Path) -> None:
    """Whole or not at all."""
    temporary = path.with_suffix(".json.part")
    stored = to_json(conformance, rules, path.parent)
    temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
