"""How much of each tile polygons cover, and which feature of a file has most of it."""

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.places.antimeridian import Polygons
from tasks.places.overlaps import corners
from tasks.places.patches import MAX_LATITUDE, MIN_LATITUDE, PIXEL, Patches
from tasks.places.zones import project

_SIMPLE_VERTICES, _SIMPLE_TILES = 256, 4_096
"""Below both, a polygon is not divided further: each tile on a polygon's border costs a walk along its vertices."""

_AT_ONCE = 100_000
"""Tiles measured at a time: bounds the memory for shapely's boxes."""

_ASIDE = 20.0
"""Degrees from a zone's central meridian within which all of its tiles lie, those of Svalbard too."""


def tiles_across(parts: Polygons, side: int, step: int) -> NDArray[np.int64]:
    """(n, 4) first column, first row, last column and last row of the tiles that the parts' bounds reach into.

    Tile c begins at c steps and is a side long, metres both.
    """
    bounds = shapely.bounds(parts) / step
    first = np.floor(bounds[:, :2] - side / step) + 1
    return np.concatenate([first, np.maximum(np.ceil(bounds[:, 2:]) - 1, first)], axis=1).astype(np.int64)


def divided(parts: Polygons, owner: NDArray[np.intp], side: int) -> tuple[Polygons, NDArray[np.intp]]:
    """`parts` (metres) halved along lines of the lattice until each is simple, and the owner of each."""
    simple: list[Polygons] = []
    owners: list[NDArray[np.intp]] = []
    while len(parts):
        west, south, east, north = tiles_across(parts, side, side).T
        wide, high = east - west + 1, north - south + 1
        small = (shapely.get_num_coordinates(parts) <= _SIMPLE_VERTICES) & (wide * high <= _SIMPLE_TILES)
        small |= (wide <= 2) & (high <= 2)  # not 1, lest rounding across a line of the lattice halve without end
        simple.append(parts[small])
        owners.append(owner[small])
        parts, owner = parts[~small], owner[~small]
        west, south, east, north = (each[~small] for each in (west, south, east, north))
        along = wide[~small] >= high[~small]
        # The last column and row of the lower half.
        middle_x = np.where(along, (west + east + 1) // 2, east + 1)
        middle_y = np.where(along, north + 1, (south + north + 1) // 2)
        lower = shapely.box(west * side, south * side, middle_x * side, middle_y * side)
        upper = shapely.box(
            np.where(along, middle_x, west) * side,
            np.where(along, south, middle_y) * side,
            (east + 1) * side,
            (north + 1) * side,
        )
        halves = np.concatenate([shapely.intersection(parts, lower), shapely.intersection(parts, upper)])
        there = shapely.area(halves) > 0
        parts, owner = halves[there], np.tile(owner, 2)[there]
    return np.concatenate([parts[:0], *simple]), np.concatenate([owner[:0], *owners])


def shared_areas(boxes: Polygons, parts: Polygons) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pairs of a part, prepared, and a box that meet: their positions, and the area that they share, m2. (m,) each."""
    part, box = shapely.STRtree(boxes).query(parts, predicate="intersects")
    whole = shapely.covers(parts[part], boxes[box])
    rest = shapely.area(shapely.intersection(parts[part[~whole]], boxes[box[~whole]]))
    return (
        np.concatenate([part[whole], part[~whole]]),
        np.concatenate([box[whole], box[~whole]]),
        np.concatenate([shapely.area(boxes[box[whole]]), rest]),
    )


def holders(patches: Patches, polygons: Polygons, feature: NDArray[np.intp]) -> NDArray[np.intp]:
    """(n,) the feature with the largest share of each tile, of equal ones the first.

    `polygons` (EPSG:4326, longitudes in [-180, 180]) are of the features `feature`, (m,).
    """
    zones, x, y = corners(patches)
    side = PIXEL * patches.pixels
    holder = np.zeros(len(patches), np.intp)
    for zone in np.unique(zones):
        parts, owner = divided(*_near(int(zone), polygons, feature), side)
        shapely.prepare(parts)
        for here in np.array_split(np.flatnonzero(zones == zone), len(patches) // _AT_ONCE + 1):
            if not len(here):
                continue
            boxes = shapely.box(x[here], y[here], x[here] + side, y[here] + side)
            part, box, area = shared_areas(boxes, parts)
            # The sum of each box and owner, and of these the largest: square centimetres, lest rounding decide.
            pairs, inverse = np.unique(np.stack([box, owner[part]], axis=1), axis=0, return_inverse=True)
            shares = np.round(np.bincount(inverse.ravel(), area), 4)
            best = np.lexsort((pairs[:, 1], -shares, pairs[:, 0]))
            first = best[np.diff(pairs[best, 0], prepend=-1) != 0]
            holder[here[pairs[first, 0]]] = pairs[first, 1]
    return holder


def _near(zone: int, polygons: Polygons, feature: NDArray[np.intp]) -> tuple[Polygons, NDArray[np.intp]]:
    """The parts of polygons near a zone, in its metres, and the feature of each."""
    meridian = 6 * zone - 183
    parts: list[Polygons] = [polygons[:0]]
    owner: list[NDArray[np.intp]] = [feature[:0]]
    for turn in (-360, 0, 360):
        window = shapely.box(meridian - _ASIDE - turn, MIN_LATITUDE, meridian + _ASIDE - turn, MAX_LATITUDE)
        some, of = shapely.get_parts(shapely.intersection(polygons, window), return_index=True)
        there = shapely.area(some) > 0
        parts.append(shapely.transform(some[there], lambda xy, turn=turn: xy + np.array([turn, 0.0])))
        owner.append(feature[of[there]])
    return project(np.concatenate(parts), zone), np.concatenate(owner)
