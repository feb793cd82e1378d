"""Footprints: outlines of data on the globe, also across the antimeridian."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray


def unwrap(footprints: NDArray[np.object_]) -> NDArray[np.object_]:
    """Make footprints that cross 180 degrees one piece that runs beyond it, e.g. from 179 to 181: (n,) polygons.

    Archives write them in two parts, one at either end of the map, or as a ring that jumps from one end to the other.
    A footprint wider than half the globe does not exist, so what looks like one crosses the antimeridian.
    """
    west, _, east, _ = shapely.bounds(footprints).T
    wide = np.flatnonzero(east - west > 180)
    if not len(wide):
        return footprints
    result = footprints.copy()
    for index in wide:
        moved = shapely.transform(result[index], _eastern)
        result[index] = shapely.union_all(shapely.get_parts(shapely.make_valid(moved, method="structure")))
    return result


def covers(
    footprints: NDArray[np.object_], outlines: NDArray[np.float64], convex: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether each footprint covers the outline beside it: (n,). Both in degrees, either may run beyond 180.

    `outlines` are closed rings, (n, vertices, 2) longitude and latitude; `convex` is what `are_convex` says of the
    footprints.
    """
    # Only what lies near the antimeridian can be a turn of the globe apart; nothing else needs to be looked at.
    edge = np.flatnonzero(np.abs(outlines[:, 0, 0]) > 150)
    if len(edge):
        turns = np.round((shapely.bounds(footprints[edge])[:, 0] - outlines[edge, 0, 0]) / 360)
        if turns.any():
            outlines = outlines.copy()
            outlines[edge, :, 0] += 360 * turns[:, None]
    covered = np.zeros(len(outlines), bool)
    general = np.flatnonzero(~convex)
    covered[general] = shapely.covers(footprints[general], shapely.polygons(outlines[general]))
    # A convex footprint covers what it has the vertices of. That takes a third of the time of the general predicate,
    # and a million samples have a hundred million of these questions.
    left = np.flatnonzero(convex)
    for vertex in range(outlines.shape[1] - 1):
        left = left[shapely.intersects_xy(footprints[left], *outlines[left, vertex].T)]
    covered[left] = True
    return covered


def are_convex(footprints: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which footprints are convex, as nearly all are: (n,)."""
    hull = shapely.area(shapely.convex_hull(footprints))
    return (shapely.get_type_id(footprints) == shapely.GeometryType.POLYGON) & (
        shapely.area(footprints) >= hull * (1 - 1e-12)
    )


def _eastern(xy: NDArray[Any]) -> NDArray[Any]:
    return np.stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360, xy[:, 0]), xy[:, 1]], axis=1)
