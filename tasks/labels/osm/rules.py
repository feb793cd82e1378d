"""From the tags of an object to its classes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.labels.osm.scheme import ANY, KINDS, Scheme, matches

Get = Callable[[str], str | None]
"""Gives the value of a key, None where the object has none. Asking is what costs, so few keys are asked for."""

Found = tuple[int, dict[str, str]]
"""Bits of the classes of an object, and its tags under the keys that decide, which are kept."""

NOTHING: Found = (0, {})

_Table = tuple[tuple[str, dict[str, int], int], ...]
"""Key, bits by value, bits of any other value."""


@dataclass(frozen=True)
class Rules:
    """The rules of a scheme, laid out for millions of objects."""

    scheme: Scheme
    keys: dict[str, tuple[str, ...]] = field(init=False)
    """Keys that decide, by geometry type."""
    _tables: dict[str, _Table] = field(init=False)
    _hidden: tuple[tuple[str, tuple[str, ...]], ...] = field(init=False)
    _unfilled: tuple[str, ...] = field(init=False)
    _linear: dict[str, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        tables = {kind: _table(self.scheme, kind) for kind in KINDS}
        object.__setattr__(self, "_tables", tables)
        object.__setattr__(self, "keys", {kind: tuple(key for key, _, _ in tables[kind]) for kind in KINDS})
        linear: dict[str, set[str]] = {}
        for tags in (self.scheme.linear, *(item.tags for item in self.scheme.line)):
            for key, values in tags.items():
                linear.setdefault(key, set()).update(values)
        object.__setattr__(self, "_linear", {key: frozenset(values) for key, values in linear.items()})
        object.__setattr__(self, "_hidden", tuple(self.scheme.hidden.items()))
        object.__setattr__(self, "_unfilled", tuple(self.scheme.unfilled))

    def point(self, get: Get) -> Found:
        """The classes of a node."""
        return self._visible(get, self._found("point", get))

    def line(self, get: Get, *, closed: bool) -> Found:
        """The classes of a way as a line; a closed one with area=yes has none."""
        found = self._found("line", get)
        if found[0] and closed and get("area") == "yes":
            return NOTHING
        return self._visible(get, found)

    def polygon(self, get: Get, *, from_way: bool) -> Found:
        """The classes of an area: a multipolygon, or a closed way."""
        bits, tags = 0, {}
        area = ""
        for key, by_value, others in self._tables["polygon"]:
            value = get(key)
            if value is None:
                continue
            tags[key] = value
            mine = by_value.get(value, others) if value != "no" else 0
            if mine and from_way:
                area = area or get("area") or "unsaid"
                if area == "no" or (area != "yes" and self._is_linear(key, value)):
                    continue
            bits |= mine
        if bits and any((value := get(key)) and matches(self.scheme.unfilled, key, value) for key in self._unfilled):
            return NOTHING
        return self._visible(get, (bits, tags))

    def _found(self, kind: str, get: Get) -> Found:
        bits, tags = 0, {}
        for key, by_value, others in self._tables[kind]:
            value = get(key)
            if value is not None:
                tags[key] = value
                if value != "no":
                    bits |= by_value.get(value, others)
        return bits, tags

    def _is_linear(self, key: str, value: str) -> bool:
        values = self._linear.get(key)
        return values is not None and (value in values or ANY in values)

    def _visible(self, get: Get, found: Found) -> Found:
        if found[0]:
            for key, values in self._hidden:
                value = get(key)
                if value is not None and (value in values or (ANY in values and value != "no")):
                    return NOTHING
        return found


def _table(scheme: Scheme, kind: str) -> _Table:
    by_key: dict[str, dict[str, int]] = {}
    for item in scheme.of(kind):
        for key, values in item.tags.items():
            for value in values:
                of_key = by_key.setdefault(key, {})
                of_key[value] = of_key.get(value, 0) | item.bit
    return tuple((key, values, values.pop(ANY, 0)) for key, values in by_key.items())
