"""Land for the map: an outline of the world, and finer tiles of where the samples are."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.places.world import world
from tasks.release.page.packing import packed

TILE = 15
"""Degrees of a tile's side."""

_COARSE, _SMALLEST = 0.1, 0.02
"""Of the outline of the world: degrees to which each country is simplified, so that no gap between two is wider than a
pixel until tiles are drawn, and square degrees of the smallest island."""

_FINE, _FINEST = 0.02, 0.002
"""Degrees to which tiles are simplified: the first for a corpus all over the world, the second for a small one."""

_SHARE = 1 / 4000
"""Of a corpus' extent that no one sees."""

_MARGIN = 3
"""Degrees around samples for which there are tiles."""

_STEPS = 30_000
"""Of coordinates along the side of a tile: they fit 16 bits."""

Bounds = tuple[float, float, float, float]
"""West, south, east, north; degrees."""


@cache
def outline() -> dict[str, Any]:
    """The countries of the world, coarse, as `packed` polygons. Takes half a second once; shared: do not change it."""
    parts = shapely.get_parts(world().geometry.to_numpy())
    # Country by country: four times as fast as all of them with their borders in common.
    coarse = shapely.simplify(parts[shapely.area(parts) > _SMALLEST], _COARSE)
    return _packed(coarse, (-180, -90, 180, 90), _STEPS)


def tiles_of(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Tiles at and around places: west and south of each in degrees, sorted."""
    found = {
        (int(west), int(south))
        for east_by in (-_MARGIN, 0, _MARGIN)
        for north_by in (-_MARGIN, 0, _MARGIN)
        for west, south in np.unique(
            np.stack(
                [
                    np.floor(((lon + east_by + 180) % 360 - 180) / TILE) * TILE,
                    np.floor(np.clip(lat + north_by, -89.9, 89.9) / TILE) * TILE,
                ],
                axis=1,
            ),
            axis=0,
        )
    }
    return sorted(found)


def tiles(wanted: list[tuple[int, int]], extent: float) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    """The countries in each tile, but those of the sea, as `packed` polygons, for a corpus of so many degrees."""
    tolerance = float(np.clip(extent * _SHARE, _FINEST, _FINE))
    parts = shapely.get_parts(world().geometry.to_numpy())
    tree = shapely.STRtree(parts)
    for west, south in wanted:
        bounds: Bounds = (west, south, west + TILE, south + TILE)
        inside = parts[np.sort(tree.query(shapely.box(*bounds)))]
        clipped = shapely.get_parts(shapely.clip_by_rect(inside, *bounds))
        polygons = clipped[shapely.get_type_id(clipped) == shapely.GeometryType.POLYGON]
        if len(polygons):
            yield (west, south), _packed(shapely.coverage_simplify(polygons, tolerance), bounds, _STEPS)


def _packed(polygons: NDArray[Any], bounds: Bounds, across: int) -> dict[str, Any]:
    """Rings, one after the other, as columns of steps from the west and south of `bounds`, `across` of them eastwards.

    `last` is 1 at the last point of a ring, 2 if it is also the last ring of its polygon.
    """
    west, south, east, north = bounds
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    up = round(across * (north - south) / (east - west))
    steps = np.round((points - (west, south)) * (across / (east - west), up / (north - south))).astype(np.int32)
    # What is the same point twice after rounding says nothing.
    end_of_ring = np.append(ring[1:] != ring[:-1], True)
    same = np.append((steps[1:] == steps[:-1]).all(axis=1), False) & ~end_of_ring
    steps, ring, end_of_ring = steps[~same], ring[~same], end_of_ring[~same]
    last = end_of_ring.astype(np.uint8)
    end_of_polygon = np.append(polygon[1:] != polygon[:-1], True)
    last[end_of_ring] += end_of_polygon.astype(np.uint8)
    deltas = np.diff(steps, axis=0, prepend=np.zeros((1, 2), np.int32)).astype(np.int16)
    return {
        "bounds": list(bounds),
        "steps": [across, up],
        **packed({"x": deltas[:, 0], "y": deltas[:, 1], "last": last}),
    }
