"""YAML text to plain values, with the line of every key.

Reads less than YAML allows, on purpose: one document, plain values, no custom tags, no bombs. Keys are always text,
as written (`on`, `2`). Dates, base-60 numbers and merge keys of YAML 1.1 are not known; its booleans (yes, no, on,
off) are.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.scenario.errors import Path, shown

MOST_VALUES = 10_000
DEEPEST = 50
_TAG = "tag:yaml.org,2002:"
_TRUE = ("true", "yes", "on")


class DocumentError(ValueError):
    """Text that is not one plain YAML mapping. line counts from 1; path leads to the key, as far as known."""

    def __init__(self, message: str, line: int, path: Path = ()) -> None:
        super().__init__(message)
        self.line = line
        self.path = path


@dataclass(frozen=True)
class Document:
    """The values of a file (its top is a mapping), and the line of every key and list item by its path."""

    data: dict[str, Any]
    lines: dict[Path, int]

    def line_of(self, path: Path) -> int:
        """The line of that key, or of the nearest key above it that the file holds."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class _Composer(yaml.SafeLoader):
    """Composes nodes, and stops at once when they grow too deep or too many."""

    depth = 0
    composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        self.composed += 1
        line = self.line + 1
        if self.depth > DEEPEST:
            raise DocumentError(f"nests too deep; allowed: {DEEPEST} levels", line)
        if self.composed > MOST_VALUES:
            raise DocumentError(f"has too many values; allowed: {MOST_VALUES}", line)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Composer.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", "tTfFyYnNoO"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Composer.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def read_document(text: str, keys: str = "name, roles, duration") -> Document:
    """The one mapping in a YAML text; errors name its chief keys. Raises DocumentError for anything else."""
    root = _compose(text)
    if root is None:
        raise DocumentError(f"is empty; allowed: a mapping with {keys}", 1)
    values = _Values()
    data = values.read(root, (), root.start_mark.line + 1)
    if not isinstance(data, dict):
        line = values.lines[()]
        raise DocumentError(f"{shown(data)} is not a mapping; allowed: a mapping with {keys}", line)
    return Document(data, values.lines)


def _compose(text: str) -> yaml.Node | None:
    try:
        composer = _Composer(text)
        root = composer.get_node() if composer.check_node() else None
        if composer.check_node():
            second = composer.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise DocumentError("a second document begins here; allowed: one document", second)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(_not_yaml(error.problem), mark.line + 1 if mark else 1) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DocumentError(_not_yaml(error.reason), line) from None
    except DocumentError:
        raise
    except (ValueError, OverflowError, yaml.YAMLError) as error:  # PyYAML lets chr() and int() complain by themselves
        raise DocumentError(_not_yaml(str(error)), 1) from None
    return root


def _not_yaml(problem: str | None) -> str:
    return f"is not YAML: {problem or 'it cannot be read'}; allowed: YAML as in the shipped scenarios"


@dataclass
class _Values:
    """Turns nodes into values. An alias stands for a whole branch, so values are counted as they expand."""

    lines: dict[Path, int] = field(default_factory=dict)
    expanded: int = 0
    above: list[int] = field(default_factory=list)

    def read(self, node: yaml.Node, path: Path, line: int) -> Any:
        self.lines[path] = line
        self.expanded += 1
        if self.expanded > MOST_VALUES:
            raise DocumentError(f"expands to too many values; allowed: {MOST_VALUES} with aliases", line, path)
        if id(node) in self.above:
            raise DocumentError("contains itself by an alias; allowed: aliases to finished values", line, path)
        if len(self.above) >= DEEPEST:
            raise DocumentError(f"nests too deep; allowed: {DEEPEST} levels", line, path)
        self.above.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path, line)
            if isinstance(node, yaml.SequenceNode):
                self._expect(node, ("seq",), path, line)
                return [self.read(item, (*path, i), item.start_mark.line + 1) for i, item in enumerate(node.value)]
            return self._scalar(node, path, line)
        finally:
            self.above.pop()

    def _mapping(self, node: yaml.MappingNode, path: Path, line: int) -> dict[str, Any]:
        self._expect(node, ("map",), path, line)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise DocumentError("a key is a list or a mapping; allowed: text as keys", key_line, path)
            key = str(key_node.value)
            self._expect(key_node, ("str", "int", "float", "bool", "null"), (*path, key), key_line)
            if key in values:
                first = f"stands twice, first in line {self.lines[(*path, key)]}"
                raise DocumentError(f"{first}; allowed: each key once", key_line, (*path, key))
            values[key] = self.read(value_node, (*path, key), key_line)
        return values

    def _scalar(self, node: yaml.Node, path: Path, line: int) -> Any:
        self._expect(node, ("str", "int", "float", "bool", "null"), path, line)
        kind = node.tag.removeprefix(_TAG)
        raw = str(node.value)
        try:
            if kind == "int":
                return int(raw)
            if kind == "float":
                return float(raw)
        except ValueError:
            message = f"{shown(raw)} is not a number that can be read; allowed: such as 25, 0.5"
            raise DocumentError(message, line, path) from None
        if kind == "bool":
            return raw.lower() in _TRUE
        return None if kind == "null" else raw

    @staticmethod
    def _expect(node: yaml.Node, kinds: tuple[str, ...], path: Path, line: int) -> None:
        if node.tag not in [_TAG + kind for kind in kinds]:
            tag = shown(node.tag.replace(_TAG, "!!"))
            raise DocumentError(f"the tag {tag} is not possible here; allowed: plain values without tags", line, path)
