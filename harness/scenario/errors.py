"""The two errors of a scenario: one for whoever wrote the file, one that travels inside the model."""

Key = str | int
Path = tuple[Key, ...]


class ScenarioError(ValueError):
    """A scenario that cannot be used; its text is one sentence: where (file:line, key), what, what is allowed."""


class ImpossibleError(ValueError):
    """A value the model refuses, and where inside the checked part it stands.

    pydantic places an error at the field whose validator raised it. A check that looks at several fields, or
    inside a value, knows better: `where` is the rest of the way, keys and indexes from that field on.
    """

    def __init__(self, message: str, *where: Key) -> None:
        super().__init__(message)
        self.where: Path = where


def one_line(text: str) -> str:
    """The text with every line break, control character and lone surrogate escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(value: object) -> str:
    """A value as an error quotes it: short, on one line, as YAML would write it."""
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = one_line(str(value)) if not isinstance(value, int) or abs(value) < 10**30 else "a very long number"
    if len(text) > 60:
        text = text[:57] + "..."
    return text if text.strip() else '""'
