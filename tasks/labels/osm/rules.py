"""From the tags of an object to its classes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

from tasks.labels.osm.scheme import ANY, KINDS, Scheme, matches

Get = Callable[[str], str | None]
"""Gives the value of a key, None where the object has none. Asking is what costs, so few keys are asked for."""

Found = tuple[int, str]
"""Bits of the classes of an object, and as JSON its tags under the keys that decide, which are kept."""

NOTHING: Found = (0, "{}")

_REMEMBERED = 100_000
"""Combinations of values that are decided once: most objects have one of a few thousand. About 50 MB at most."""

_Values = tuple[str | None, ...]


@dataclass(frozen=True)
class Rules:
    """The rules of a scheme, laid out for millions of objects."""

    scheme: Scheme
    keys: dict[str, tuple[str, ...]] = field(init=False)
    """Keys that decide, by geometry type."""
    _asked: dict[str, tuple[str, ...]] = field(init=False)
    """Those, and the keys by which an object is hidden, no area or not filled."""
    _by_value: dict[str, dict[tuple[str, str], int]] = field(init=False)
    _linear: dict[str, tuple[str, ...]] = field(init=False)
    _decided: dict[str, Callable[[bool, _Values], Found]] = field(init=False)

    def __post_init__(self) -> None:
        by_value = {kind: _bits_by_value(self.scheme, kind) for kind in KINDS}
        keys = {kind: tuple(dict.fromkeys(key for key, _ in by_value[kind])) for kind in KINDS}
        hidden, unfilled = tuple(self.scheme.hidden), tuple(self.scheme.unfilled)
        more = {"point": hidden, "line": (*hidden, "area"), "polygon": (*hidden, "area", *unfilled)}
        linear: dict[str, tuple[str, ...]] = {}
        for tags in (self.scheme.linear, *(item.tags for item in self.scheme.line)):
            for key, values in tags.items():
                linear[key] = linear.get(key, ()) + values
        decide = {"point": self._point, "line": self._line, "polygon": self._polygon}
        object.__setattr__(self, "keys", keys)
        object.__setattr__(self, "_by_value", by_value)
        object.__setattr__(self, "_linear", linear)
        object.__setattr__(self, "_asked", {kind: tuple(dict.fromkeys(keys[kind] + more[kind])) for kind in KINDS})
        object.__setattr__(
            self,
            "_decided",
            {kind: lru_cache(_REMEMBERED)(partial(self._decide, kind, decide[kind])) for kind in KINDS},
        )

    def point(self, get: Get) -> Found:
        """The classes of a node."""
        return self._decided["point"](False, tuple(map(get, self._asked["point"])))

    def line(self, get: Get, *, closed: bool) -> Found:
        """The classes of a way as a line; a closed one with area=yes has none."""
        return self._decided["line"](closed, tuple(map(get, self._asked["line"])))

    def polygon(self, get: Get, *, from_way: bool) -> Found:
        """The classes of an area: a multipolygon, or a closed way."""
        return self._decided["polygon"](from_way, tuple(map(get, self._asked["polygon"])))

    def _decide(
        self, kind: str, bits_of: Callable[[Mapping[str, str], bool], int], closed_way: bool, values: _Values
    ) -> Found:
        tags = {key: value for key, value in zip(self._asked[kind], values, strict=True) if value is not None}
        if any(matches(self.scheme.hidden, key, value) for key, value in tags.items()):
            return NOTHING
        bits = bits_of(tags, closed_way)
        kept = {key: value for key, value in tags.items() if key in self.keys[kind]}
        return (bits, json.dumps(kept, ensure_ascii=False, sort_keys=True)) if bits else NOTHING

    def _point(self, tags: Mapping[str, str], _: bool) -> int:
        return self._bits("point", tags)

    def _line(self, tags: Mapping[str, str], closed: bool) -> int:
        return 0 if closed and tags.get("area") == "yes" else self._bits("line", tags)

    def _polygon(self, tags: Mapping[str, str], from_way: bool) -> int:
        if any(matches(self.scheme.unfilled, key, value) for key, value in tags.items()):
            return 0
        area = tags.get("area") if from_way else "yes"
        if area == "no":
            return 0
        if area != "yes":
            tags = {key: value for key, value in tags.items() if not matches(self._linear, key, value)}
        return self._bits("polygon", tags)

    def _bits(self, kind: str, tags: Mapping[str, str]) -> int:
        by_value, bits = self._by_value[kind], 0
        for key, value in tags.items():
            if value != "no":
                bits |= by_value.get((key, value), by_value.get((key, ANY), 0))
        return bits


def _bits_by_value(scheme: Scheme, kind: str) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for item in scheme.of(kind):
        for key, values in item.tags.items():
            for value in values:
                found[key, value] = found.get((key, value), 0) | item.bit
    return found
