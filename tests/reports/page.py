"""A written page as its reader sees it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from reports.formats import THIN

VOID = {"meta", "link", "br", "img", "path", "use"}


class Page(HTMLParser):
    """The text a reader sees, by whitespace normalised; elements with their attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self._text: list[str] = []
        self.feed(source)
        self.text = " ".join(" ".join(self._text).split()).replace(THIN, " ")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self._text.append(data)

    def section(self, name: str) -> str:
        """The visible text of one section."""
        return Page(self.section_source(name)).text

    def section_source(self, name: str) -> str:
        found = re.search(rf'<section id="{name}">.*?</section>', self.source, re.S)
        assert found is not None
        return found[0]
