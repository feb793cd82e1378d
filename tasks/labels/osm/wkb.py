"""Geometries as well-known binary, read many at once in numpy: their vertices and segments, without an object each.

What is kept is small: a patch has thousands of features of ten vertices, of which GEOS' objects cost more than their
pixels do. Layout: OGC Simple Features 1.2.1, section 8.2; little-endian and plane, as the store writes it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_POINT, _POLYGON, _MULTI = 1, 3, 4
"""Codes of types; from the last one on they hold others."""

_HEAD = 5
"""Bytes of a geometry before what is in it: order of bytes, type."""


@dataclass(frozen=True, kw_only=True)
class Vertices:
    """Vertices of n geometries, ring by ring and line by line."""

    xy: Floats
    """(m, 2)."""
    owner: Ints
    """(m,) the position of their geometry."""
    last: NDArray[np.bool_]
    """(m,) whether a ring, a line or a point ends with it."""

    def segments(self, of: NDArray[np.bool_]) -> tuple[Floats, Floats, Ints]:
        """First and last points, (k, 2) each, of the segments of some geometries, (n,) bool, and whose they are."""
        first = np.flatnonzero(~self.last & of[self.owner])
        return self.xy[first], self.xy[first + 1], self.owner[first]


@dataclass(frozen=True, kw_only=True)
class WkbColumn:
    """Geometries as they lie in a column of a table."""

    data: NDArray[np.uint8]
    begin: Ints
    """(n,) where each begins in the data."""
    end: Ints

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "WkbColumn":
        """A column of binaries without nulls."""
        array: Any = column.combine_chunks()
        _, offsets, data = array.buffers()
        if not len(array):
            return cls(data=np.empty(0, np.uint8), begin=np.empty(0, np.int64), end=np.empty(0, np.int64))
        bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
        return cls(data=np.frombuffer(data, np.uint8), begin=bounds[:-1], end=bounds[1:])

    def __len__(self) -> int:
        return len(self.begin)

    def __getitem__(self, chosen: NDArray[Any]) -> "WkbColumn":
        return WkbColumn(data=self.data, begin=self.begin[chosen], end=self.end[chosen])

    def shapes(self) -> NDArray[Any]:
        """As GEOS has them: (n,)."""
        return shapely.from_wkb([self.data[a:b].tobytes() for a, b in zip(self.begin, self.end, strict=True)])

    def vertices(self) -> Vertices:
        """Their vertices, of geometries of any type but collections."""
        owner, begin, count = self._stretches()
        ends = np.cumsum(count)
        within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - count, count)
        at = np.repeat(begin, count) + 16 * within
        # Numbers stand at any byte.
        numbers: Floats = np.ndarray(max(0, len(self.data) - 7), "<f8", self.data, strides=(1,))
        last = np.zeros(len(at), bool)
        last[ends[count > 0] - 1] = True
        return Vertices(xy=np.stack([numbers[at], numbers[at + 8]], axis=1), owner=np.repeat(owner, count), last=last)

    def _stretches(self) -> tuple[Ints, Ints, Ints]:
        """Rings, lines and points: whose, where their first number stands, and how many vertices: (m,) each.

        All geometries are walked through side by side, a ring each a step.
        """
        whole: NDArray[np.uint32] = np.ndarray(max(0, len(self.data) - 3), "<u4", self.data, strides=(1,))
        owner, at = np.arange(len(self)), self.begin
        several = whole[at + 1] >= _MULTI
        parts = np.where(several, whole[np.where(several, at + _HEAD, at)], 1).astype(np.int64)
        at = np.where(several, at + _HEAD + 4, at)
        rings = np.zeros(len(self), np.int64)
        found: list[tuple[Ints, Ints, Ints]] = []
        while len(owner):
            fresh = (rings == 0) & (parts > 0)
            kind = np.where(fresh, whole[np.where(fresh, at + 1, at)], 0)
            area, point = kind == _POLYGON, kind == _POINT
            rings = np.where(area, whole[np.where(area, at + _HEAD, at)], np.where(fresh, 1, rings)).astype(np.int64)
            at = at + _HEAD * fresh + 4 * area
            parts = parts - fresh
            there = rings > 0
            # A point has no count of vertices.
            count = np.where(point, 1, np.where(there, whole[at], 0)).astype(np.int64)
            begin = at + np.where(point | ~there, 0, 4)
            found.append((owner[there], begin[there], count[there]))
            at, rings = begin + 16 * count, rings - there
            more = (rings > 0) | (parts > 0)
            owner, at, rings, parts = owner[more], at[more], rings[more], parts[more]
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
        columns = [np.concatenate(column) for column in zip(*found, strict=True)]
        return columns[0], columns[1], columns[2]
