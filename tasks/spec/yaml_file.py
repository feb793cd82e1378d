"""Reading a spec's YAML such that an error can name the line.

Numbers and truth values are those of YAML 1.2 (core schema, section 10.3.2), where `1:20`, `NO` and `on` are text and
`0755` is 755; `1_000_000` stays a number as in YAML 1.1. Dates are text, which the model reads.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from tasks.errors import SpecError

MOST_BYTES = 1_000_000
"""Of a file. The longest spec in use has 2,000."""

MOST_VALUES = 10_000
"""Keys and values of a file, with what its aliases repeat: ten lines of aliases can stand for a billion values."""

MOST_LEVELS = 16
"""Of lists and mappings inside one another; a spec has five."""

_TAG = "tag:yaml.org,2002:"

_TRUTH = {"true": True, "false": False}

_BASES = {"0o": 8, "0x": 16}

_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")

Keys = tuple[str | int, ...]
"""Where a value stands: keys, and indices in lists."""


@dataclass(frozen=True, kw_only=True)
class SpecFile:
    """A YAML file and where in it each key stands."""

    path: Path
    content: dict[str, Any]
    lines: Mapping[Keys, int]
    """Line (from 1) of each key path."""

    def line_of(self, keys: list[str | int]) -> int | None:
        """Line of a key path, or of the nearest one around it."""
        path = tuple(keys)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def suggest(self, keys: list[str | int], allowed: Sequence[str]) -> str:
        """The closest allowed key, or all of them."""
        close = difflib.get_close_matches(str(keys[-1]) if keys else "", allowed, n=1)
        return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(allowed)}"


def read_spec_file(path: Path) -> SpecFile:
    """Read a YAML mapping.

    Raises SpecError: no such file, too large, not YAML, not a mapping, a key that stands twice, nested too deeply, or
    of too many values.
    """
    text = _text(path)
    try:
        reader = _Reader(text)
        reader.name = str(path)
        root = reader.get_single_node()
    except ReaderError as error:
        raise SpecError(f"{path}: is not YAML: the character {chr(error.character)!a} cannot stand in it") from None
    except yaml.MarkedYAMLError as error:  # its own text quotes the line, which may hold a credential
        where = _where(error.problem_mark) if error.problem_mark else str(path)
        raise SpecError(f"{where}: is not YAML: {error.problem}") from None
    if not isinstance(root, yaml.MappingNode):
        found = "nothing" if root is None else "a list" if isinstance(root, yaml.SequenceNode) else "text"
        raise SpecError(f"{path}: expected keys and values such as `name: my-corpus`, found {found}")
    contents = _Contents()
    return SpecFile(path=path, content=contents.mapping(root, ()), lines=contents.lines)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SpecError(f"{path}: is larger than {MOST_BYTES:,} bytes; expected a spec, which has a few lines")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such spec. Give a file, for instance one of deployments/corpora/.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as a spec: {error}") from None


class _Reader(yaml.SafeLoader):
    """Nodes of a text, which are bounded while they are read."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 PyYAML's own way
    _levels = 0
    _values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._levels, self._values = self._levels + 1, self._values + 1
        _refuse_beyond_bounds(self._levels, self._values, self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._levels -= 1
        return node


for _name, _pattern, _starts in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    # Longer ones stay text: int() refuses thousands of digits, and no number of a spec has so many.
    ("int", r"[-+]?[0-9][0-9_]{0,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]|[0-9][0-9_]*\.?)[0-9_]*([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Reader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _starts)


class _Contents:
    """The values of nodes, and the line of each; aliases are followed, as often as they stand."""

    def __init__(self) -> None:
        self.lines: dict[Keys, int] = {}
        self._values = 0

    def value(self, node: yaml.Node, at: Keys, level: int = 1) -> Any:
        """What a node stands for."""
        self._values += 1
        _refuse_beyond_bounds(level, self._values, node.start_mark)
        if node.tag.removeprefix(_TAG) not in _TAGS:
            raise SpecError(f"{_where(node.start_mark)}: the tag {node.tag} means nothing in a spec; leave it out")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, at, level)
        if isinstance(node, yaml.SequenceNode):
            values: list[Any] = []
            for index, item in enumerate(node.value):
                self.lines[(*at, index)] = item.start_mark.line + 1
                values.append(self.value(item, (*at, index), level + 1))
            return values
        return _scalar(node)

    def mapping(self, node: yaml.MappingNode, at: Keys, level: int = 1) -> dict[str, Any]:
        """Keys, which are text, and values; what stands under `<<` comes first, so that other keys win."""
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecError(
                    f"{_where(key.start_mark)}: expected a key, found a list or keys and values in its place"
                )
            here = (*at, _characters(key))
            if here in self.lines and here[-1] in own:
                raise SpecError(
                    f"{_where(key.start_mark)}: {'.'.join(map(str, here))} stands twice, "
                    f"first in line {self.lines[here]}; keep one"
                )
            content = self.value(value, here, level + 1)
            if key.tag == f"{_TAG}merge":
                merged |= _merge(content, key)
            else:
                self.lines[here] = key.start_mark.line + 1
                own[here[-1]] = content
        return merged | own


def _merge(content: Any, key: yaml.ScalarNode) -> dict[str, Any]:
    """What a merge key stands for: a mapping, or several of which the first one wins."""
    merged: dict[str, Any] = {}
    for part in reversed(content if isinstance(content, list) else [content]):
        if not isinstance(part, dict):
            raise SpecError(f"{_where(key.start_mark)}: expected keys and values under <<, such as an alias of them")
        merged |= part
    return merged


def _characters(node: yaml.Node) -> str:
    """A scalar as it is written. Half of a surrogate pair, which an escape can stand for, is no text."""
    text = str(node.value)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise SpecError(f"{_where(node.start_mark)}: has half a character (a surrogate); write the whole one")
    return text


def _scalar(node: yaml.Node) -> Any:
    text = _characters(node)
    plain = text.replace("_", "").lower()
    try:
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return _TRUTH[plain]
            case "int":
                return int(plain, _BASES.get(plain[:2], 10))
            case "float":
                return float(plain.replace(".inf", "inf").replace(".nan", "nan"))
            case _:
                return text
    except (KeyError, ValueError):
        raise SpecError(f"{_where(node.start_mark)}: the value is not what its tag {node.tag} says") from None


def _refuse_beyond_bounds(levels: int, values: int, mark: yaml.Mark) -> None:
    if levels > MOST_LEVELS:
        raise SpecError(
            f"{_where(mark)}: is nested deeper than {MOST_LEVELS} levels, as is an alias that refers to what it stands "
            "in; a spec has five"
        )
    if values > MOST_VALUES:
        raise SpecError(
            f"{_where(mark)}: has more than {MOST_VALUES:,} values, counting what aliases repeat; a spec has a few"
        )


def _where(mark: yaml.Mark) -> str:
    return f"{mark.name}, line {mark.line + 1}"
