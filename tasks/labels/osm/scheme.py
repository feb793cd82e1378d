"""The classes of OpenStreetMap: a data file that a user may replace, read and checked."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import SpecError
from tasks.spec.messages import tell
from tasks.spec.yaml_file import read_spec_file

OWN = Path(__file__).with_name("classes.yaml")
"""The classes that are used where the spec names no file."""

KINDS = ("point", "line", "polygon")
"""Types of geometry; each has an array of its own, and its place here is its code in the store."""

Kind = Literal["point", "line", "polygon"]

ANY = "*"
"""Any value but `no`."""

NEVER_FILLED = "place"
"""Key of settlements, islands and squares, which are no land cover whatever their value."""

MOST_CLASSES = 32
"""Classes a geometry type: the bits of a pixel."""

WIDEST = 100.0
"""Metres: half of it is what a frame holds around a patch."""

Tags = dict[str, tuple[str, ...]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OsmClass(_Part):
    """One class of one geometry type."""

    id: int = Field(ge=1, le=MOST_CLASSES)
    """Its bit is `id - 1`."""
    name: str = Field(min_length=1)
    color: str = Field(pattern="^#[0-9a-f]{6}$")
    order: int
    """Classes with a higher one are drawn later."""
    tags: Tags = Field(min_length=1)
    """Values by key."""
    width: float | None = Field(default=None, gt=0, le=WIDEST)
    """Metres; of lines only."""

    @property
    def bit(self) -> int:
        """What the class adds to a pixel."""
        return 1 << (self.id - 1)


class Scheme(_Part):
    """All classes, and what is said of closed ways and of areas that are never filled."""

    version: Literal[1]
    linear: Tags = {}
    """Tags of closed ways that are no areas, besides those of lines."""
    hidden: Tags = {}
    """Tags of objects under ground, which get no class."""
    unfilled: Tags = {}
    """Tags of areas that are filled by none of their tags."""
    point: tuple[OsmClass, ...] = ()
    line: tuple[OsmClass, ...] = ()
    polygon: tuple[OsmClass, ...] = ()

    def of(self, kind: str) -> tuple[OsmClass, ...]:
        """The classes of a geometry type."""
        return {"point": self.point, "line": self.line, "polygon": self.polygon}[kind]

    @property
    def digest(self) -> str:
        """SHA-256 of what the classes are, however the file is laid out."""
        content = json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def legend(self, kind: str) -> list[dict[str, Any]]:
        """What a corpus says of the classes of a geometry type."""
        return [item.model_dump(exclude={"tags"}, exclude_none=True) for item in self.of(kind)]


@dataclass(frozen=True, kw_only=True)
class _Rule:
    kind: str
    owner: OsmClass
    key: str
    value: str


def load_scheme(path: Path | None = None) -> Scheme:
    """Read classes from a file, or the project's own.

    Raises SpecError: unreadable, a key or value that is wrong, or rules that clash; names them all.
    """
    file = read_spec_file(path or OWN)
    try:
        scheme = Scheme.model_validate(file.content)
    except ValidationError as error:
        lines = [f"  {tell(item)}" for item in error.errors()[:10]]
        raise SpecError("\n".join([f"{file.path}: cannot be used as classes of OpenStreetMap:", *lines])) from None
    if clashes := list(_clashes(scheme)):
        told = "\n  ".join(clashes)
        raise SpecError(f"{file.path}: its rules clash:\n  {told}\nGive every tag, number and name to one class alone.")
    return scheme


def class_index(bits: NDArray[np.uint32], classes: Sequence[OsmClass]) -> NDArray[np.uint8]:
    """One class a pixel, 0 where there is none: of several the one drawn last, with one `order` the higher number.

    `bits` is of any shape, as stored; the result has the same. `classes` are those of its geometry type, for instance
    `scheme.polygon`.
    """
    found = np.zeros(np.shape(bits), np.uint8)
    for item in sorted(classes, key=lambda item: (item.order, item.id)):
        found[(bits & np.uint32(item.bit)) != 0] = item.id
    return found


def matches(tags: Mapping[str, tuple[str, ...]], key: str, value: str) -> bool:
    """Whether a tag is one of `tags`."""
    values = tags.get(key, ())
    return value in values or (ANY in values and value != "no")


def _clashes(scheme: Scheme) -> Iterator[str]:
    for kind in KINDS:
        classes = scheme.of(kind)
        for what in ("id", "name"):
            seen: set[Any] = set()
            for item in classes:
                value = getattr(item, what)
                if value in seen:
                    yield f"{kind}: two classes have the {what} {value!r}"
                seen.add(value)
        owners: dict[tuple[str, str], OsmClass] = {}
        for rule in _rules(kind, classes):
            if (other := owners.setdefault((rule.key, rule.value), rule.owner)) is not rule.owner:
                yield f"{kind}: {rule.key}={rule.value} belongs to {other.name!r} and to {rule.owner.name!r}"
            elif rule.value == "no" or not re.fullmatch(r"\S(.*\S)?", rule.value):
                yield f"{kind}: {rule.owner.name!r} has {rule.key}={rule.value!r}, which is no value of a class"
            if kind == "polygon" and (rule.key == NEVER_FILLED or _is_unfilled(scheme, rule)):
                yield f"{kind}: {rule.owner.name!r} has {rule.key}={rule.value}, but such areas are never filled"
        for item in classes:
            if (item.width is None) == (kind == "line"):
                yield f"{kind}: {item.name!r} {'has no width' if kind == 'line' else 'has a width, as lines only have'}"


def _is_unfilled(scheme: Scheme, rule: _Rule) -> bool:
    values = scheme.unfilled.get(rule.key, ())
    return rule.value in values or (ANY in values)


def _rules(kind: str, classes: Sequence[OsmClass]) -> Iterator[_Rule]:
    for item in classes:
        for key, values in item.tags.items():
            for value in values:
                yield _Rule(kind=kind, owner=item, key=key, value=value)
