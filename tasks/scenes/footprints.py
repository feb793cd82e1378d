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


def covers(footprints: NDArray[np.object_], outlines: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether each footprint covers the outline beside it: (n,). Both in degrees, either may run beyond 180."""
    if not len(outlines):
        return np.zeros(0, bool)
    # Only what lies near the antimeridian can be a turn of the globe apart; nothing else needs to be looked at.
    west = shapely.bounds(outlines)[:, 0]
    edge = np.flatnonzero(np.abs(west) > 150)
    if len(edge):
        turns = np.round((shapely.bounds(footprints[edge])[:, 0] - west[edge]) / 360)
        if turns.any():
            outlines = outlines.copy()
            for index, turn in zip(edge[turns != 0], turns[turns != 0], strict=True):
                outlines[index] = shapely.transform(outlines[index], lambda xy, by=360 * turn: xy + np.array([by, 0.0]))
    return shapely.covers(footprints, outlines)


def _eastern(xy: NDArray[Any]) -> NDArray[Any]:
    return np.stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360, xy[:, 0]), xy[:, 1]], axis=1)
