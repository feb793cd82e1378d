"""Where extracts hold: which places lie outside of all of them."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.labels.osm.frames import frames_of
from tasks.labels.osm.store import ExtractRecord
from tasks.places.draws import ListedPlaces, RandomPlaces

_TOUCHING = 1e-7
"""Degrees: the unit of OpenStreetMap's coordinates, by which a border may be rounded."""

_SAME = 0.9
"""Share of the smaller of two areas from which on they are of one region: borders are drawn anew between versions."""


def area_of(records: Sequence[ExtractRecord]) -> shapely.Geometry:
    """Where the extracts together are complete, WGS 84; empty where none of them says."""
    return shapely.union_all([record.area for record in records if record.area is not None])


def versions(records: Sequence[ExtractRecord]) -> list[tuple[ExtractRecord, ExtractRecord]]:
    """Pairs of extracts of different dates of which one holds where the other does: versions of one region.

    Neighbours share no more than a seam, whatever their dates.
    """
    areas = [record.area for record in records]
    found: list[tuple[ExtractRecord, ExtractRecord]] = []
    for (one, a), (other, b) in combinations(zip(records, areas, strict=True), 2):
        if a is not None and b is not None and one.timestamp != other.timestamp:
            shared = shapely.area(shapely.intersection(a, b))
            if shared >= _SAME * min(shapely.area(a), shapely.area(b)):
                found.append((one, other))
    return found


def outside(places: RandomPlaces | ListedPlaces, shards: Iterable[int], area: shapely.Geometry) -> int:
    """How many places have a candidate, of any attempt, that is not wholly inside the area."""
    area = shapely.buffer(area, _TOUCHING, join_style="mitre")
    shapely.prepare(area)
    count = 0
    for shard in shards:
        frames = frames_of(places, [shard])
        # Where the whole frame is inside, every candidate is.
        doubtful = ~shapely.covers(area, shapely.box(*frames.boxes.T))
        if not doubtful.any():
            continue
        cells = frames.place[doubtful]
        lacking: set[int] = set()
        for attempt in range(places.attempts):
            draws = places.draws(shard, attempt)
            some = draws.take(np.isin(draws.cell, cells))
            lacking.update(some.cell[~_covered(area, some.patches.outlines())].tolist())
        count += len(lacking)
    return count


def coverage(outlines: NDArray[Any], area: shapely.Geometry) -> NDArray[np.float64]:
    """The share of each outline that lies inside the area: (n,)."""
    shapely.prepare(area)
    share = np.ones(len(outlines))
    rest = ~_covered(area, outlines)
    inside = sum(shapely.area(shapely.intersection(part, area)) for part in _turned(outlines[rest]))
    share[rest] = np.minimum(1, inside / shapely.area(outlines[rest]))
    return share


def _covered(area: shapely.Geometry, outlines: NDArray[Any]) -> NDArray[np.bool_]:
    west, _, east, _ = shapely.bounds(area)
    if east <= 179 and west >= -179:
        return shapely.covers(area, outlines)
    # Beyond 180 degrees an outline goes on in the west.
    world = shapely.box(-180, -90, 180, 90)
    parts = [shapely.intersection(part, world) for part in _turned(outlines)]
    # Of most outlines nothing lies a turn away, and nothing is covered by no area.
    return np.all([shapely.is_empty(part) | shapely.covers(area, part) for part in parts], axis=0)


def _turned(outlines: NDArray[Any]) -> list[NDArray[Any]]:
    return [shapely.transform(outlines, lambda xy, turn=turn: xy + np.array([turn, 0])) for turn in (0, 360, -360)]
