"""Searches of the catalogue: which patches share a request, and what is asked for."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from tasks.places.antimeridian import crossing, cut


@dataclass(frozen=True, kw_only=True)
class Search:
    """One question: which scenes meet one of these patches, acquired within one of these spans?"""

    area: Any
    """Outlines of the patches, WGS 84 degrees, cut at 180 degrees."""
    spans: tuple[tuple[int, int], ...]
    """Acquisition times, microseconds since 1970 UTC, half open, disjoint, in order."""


def searches(
    outlines: NDArray[Any], first: NDArray[np.int64], end: NDArray[np.int64], *, together: int
) -> Iterator[Search]:
    """Searches that find all scenes of n patches, each within its own span [first, end).

    Patches whose spans are near each other in time share a search: what one of them does not need of the answer is
    then little, wherever on the globe the others lie.
    """
    order = np.argsort(first, kind="stable")
    for start in range(0, len(order), together):
        some = order[start : start + together]
        yield Search(area=area_of(outlines[some]), spans=merged(first[some], end[some]))


def merged(first: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """The union of spans, as disjoint spans in order."""
    spans: list[tuple[int, int]] = []
    for start, stop in sorted(zip(first.tolist(), end.tolist(), strict=True)):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
        else:
            spans.append((start, stop))
    return tuple(spans)


def area_of(outlines: NDArray[Any]) -> MultiPolygon:
    """Outlines as one geometry, each cut at 180 degrees as RFC 7946 asks for."""
    across = crossing(outlines)
    parts: list[Polygon] = []
    for outline, crosses in zip(outlines, across, strict=True):
        parts.extend(cut(outline, name="patch").parts if crosses else (outline,))
    return MultiPolygon(parts)


def text(instant: int) -> str:
    """Microseconds since 1970 UTC as the catalogue wants it."""
    return dt.datetime.fromtimestamp(instant / 1e6, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
