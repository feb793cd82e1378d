"""Reading a spec's YAML such that an error can name the line."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class SpecFile:
    """A YAML file and where in it each key stands."""

    path: Path
    content: dict[str, Any]
    lines: dict[tuple[str | int, ...], int]
    """Line (from 1) of each key path."""

    def line_of(self, keys: list[str | int]) -> int | None:
        """Line of a key path, or of the nearest one around it."""
        path = tuple(keys)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def suggest(self, keys: list[str | int], allowed: list[str]) -> str:
        """The closest allowed key, or all of them."""
        close = difflib.get_close_matches(str(keys[-1]) if keys else "", allowed, n=1)
        return f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(allowed)}"


def read_spec_file(path: Path) -> SpecFile:
    """Read a YAML mapping.

    Raises SpecError: no such file, not YAML, not a mapping, or a key that stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such spec. Give a file, for instance one of deployments/corpora/.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as a spec: {error}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # the latter: what looks like a date and is none
        raise SpecError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, yaml.MappingNode):
        raise SpecError(f"{path}: expected keys and values such as `name: my-corpus`, found {type(content).__name__}")
    lines: dict[tuple[str | int, ...], int] = {}
    _collect(root, (), lines, path)
    return SpecFile(path=path, content=content, lines=lines)


def _collect(node: yaml.Node, at: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            if here in lines:
                raise SpecError(
                    f"{path}, line {key.start_mark.line + 1}: {'.'.join(map(str, here))} stands twice, "
                    f"first in line {lines[here]}; keep one"
                )
            lines[here] = key.start_mark.line + 1
            _collect(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, index)] = value.start_mark.line + 1
            _collect(value, (*at, index), lines, path)
