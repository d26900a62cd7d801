"""Drawings as inline SVG: text stays text, colours follow the page's light or dark scheme, ids never change.

matplotlib is slow to import and only a report needs it: it is imported where it is used.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

# Stand-ins that matplotlib draws with, and what the page's style sheet puts in their place.
INK, FAINT, GRID, PAPER = "#010203", "#010204", "#010205", "#010206"
SERIES = ("#010211", "#010212", "#010213", "#010214", "#010215")
BLUE, RED, GREEN, PURPLE, ORANGE = SERIES
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)))
_COLOURS = {INK: "var(--ink)", FAINT: "var(--faint)", GRID: "var(--grid)", PAPER: "var(--card)"} | {
    colour: f"var(--s{number})" for number, colour in enumerate(SERIES, 1)
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a user id may hold dollar signs
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.labelsize": 9,
    "axes.unicode_minus": False,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.7,
    "hatch.linewidth": 0.6,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Drawing:
    """svg: safe markup. label: for those who do not see it. caption: what it shows and on what it was measured."""

    svg: Markup
    label: str
    caption: str
    wide: bool = False


@contextmanager
def canvas(name: str) -> Iterator[Callable[[float, float], Any]]:
    """Gives a maker of figures, width by height in inches, under the house style. name: salts the ids."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # glyphs that the measuring font lacks; the browser has them
        yield lambda width, height: Figure(figsize=(width, height))


def to_svg(figure: Any, label: str) -> Markup:
    """Inline SVG of a figure. Call within its `canvas`."""
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style type=\"text/css\">.*?</style>", "", text, flags=re.S)
    text = text.replace("xlink:href=", "href=")
    # Groups named `patch_1` stand in every drawing of the page; only what is referred to keeps its id.
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", text)
    text = re.sub(r"\s*<g>\s*</g>|\s*<defs>\s*</defs>", "", text)
    text = re.sub(r"#0102[01][0-9a-f]", lambda match: _COLOURS.get(match[0], match[0]), text)
    view = re.search(r'viewBox="([^"]+)"', text[: text.index(">")])
    opening = f'<svg viewBox="{view[1] if view else ""}" role="img" aria-label="{escape(label)}">'
    return Markup(opening + re.sub(r"\n\s*", "\n", text[text.index(">") + 1 :]))  # matplotlib escapes


def tidy(axes: Any, *, x: str = "", y: str = "", title: str = "", grid: str = "y") -> None:
    """Labels with units, a quiet grid, a title at the left."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, loc="left", fontsize=9.5, pad=6)
    axes.grid(True, axis=grid)
    axes.tick_params(length=2.5, width=0.7)


def plain_log(axis: Any) -> None:
    """1, 2, 5, 10 ... in plain figures on a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = axis.get_view_interval()
    wide = high / max(low, 1e-9) > 1000
    axis.set_major_locator(LogLocator(10, subs=(1,) if wide else (1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def say(axes: Any, text: str) -> None:
    """Words where there is nothing to draw, and no scale, which would read as a figure."""
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=INK)
