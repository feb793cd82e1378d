"""Which of many points lie in polygons: a grid of tiles answers for most of them, exact geometry for the rest.

A tile that no edge touches lies wholly inside or outside, so one exact test answers for all of it, and for the
untouched tiles that follow it in its row. Only points in tiles that an edge touches need a test each. On the world's
land that is one point in 45, and the answers are those of shapely's `intersects`, point by point.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

Polygons = NDArray[np.object_]

TILES_AN_EDGE = 16
"""On the world's land anything from 4 to 16 takes the same time, 1 a third more and 64 more than twice as much."""
MIN_TILES = 4_096
MAX_TILES = 6_000_000
"""One byte each."""
SMALLEST_TILE = 1e-9
"""Degrees (0.1 mm)."""
EDGE_PADDING = 0.01
"""Tiles by which edges are widened: even of the smallest, far above the rounding of interpolated points (1e-13)."""
POINTS_AT_ONCE = 1_000_000
"""Points tested at a time: bounds the memory for shapely's point objects."""

_OUTSIDE, _INSIDE, _BORDER = np.uint8(0), np.uint8(1), np.uint8(2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Tiles over the bounds of polygons."""

    polygons: Polygons
    """(n,) prepared."""
    tree: shapely.STRtree
    bounds: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax in the polygons' units."""
    per_unit: tuple[float, float]
    """Tiles per unit of x and y."""
    states: NDArray[np.uint8]
    """(rows south to north, columns west to east): outside, inside or border."""

    def contain(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.bool_]:
        """True for points in a polygon or on its border; shape of `x` and `y` broadcast. False for NaN."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
        result = np.zeros(x.shape, dtype=bool)
        flat, flat_x, flat_y = result.reshape(-1), x.reshape(-1), y.reshape(-1)
        for start in range(0, flat.size, POINTS_AT_ONCE):
            part = slice(start, start + POINTS_AT_ONCE)
            flat[part] = self._contain(flat_x[part], flat_y[part])
        return result

    def _contain(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        xmin, ymin, xmax, ymax = self.bounds
        result = np.zeros(len(x), dtype=bool)
        near = np.flatnonzero((x >= xmin) & (x <= xmax) & (y >= ymin) & (y <= ymax))
        x, y = x[near], y[near]
        states = self.states[_tile(y, ymin, self.per_unit[1]), _tile(x, xmin, self.per_unit[0])]
        result[near[states == _INSIDE]] = True
        border = np.flatnonzero(states == _BORDER)
        result[near[border]] = _intersect(self.polygons, self.tree, x[border], y[border])
        return result


def grid_over(polygons: Polygons) -> Grid:
    """The grid for `polygons`, (n,) valid and not empty; prepares them in place."""
    shapely.prepare(polygons)
    tree = shapely.STRtree(polygons)
    xmin, ymin, xmax, ymax = (float(value) for value in shapely.total_bounds(polygons))
    width, height = max(xmax - xmin, 1e-6), max(ymax - ymin, 1e-6)
    edges = _edges(polygons)
    count = min(max(TILES_AN_EDGE * len(edges), MIN_TILES), MAX_TILES)
    columns = min(max(round((count * width / height) ** 0.5), 1), count, round(width / SMALLEST_TILE))
    rows = min(max(count // columns, 1), round(height / SMALLEST_TILE))
    per_unit = (columns / width, rows / height)
    # One row and column more, for points on the northern and eastern bounds.
    states = np.zeros((rows + 1, columns + 1), dtype=np.uint8)
    for ends in np.array_split(edges, len(edges) // POINTS_AT_ONCE + 1):
        _mark(states, ends, (xmin, ymin), per_unit)
    # The first tile of each run of tiles without an edge, from west to east, answers for its run.
    free = states != _BORDER
    first = free.copy()
    first[:, 1:] &= ~free[:, :-1]
    row, column = np.nonzero(first)
    inside = _intersect(polygons, tree, xmin + (column + 0.5) / per_unit[0], ymin + (row + 0.5) / per_unit[1])
    run = np.cumsum(first.reshape(-1)).reshape(first.shape) - 1
    states[free] = np.where(inside[run[free]], _INSIDE, _OUTSIDE)
    return Grid(polygons=polygons, tree=tree, bounds=(xmin, ymin, xmax, ymax), per_unit=per_unit, states=states)


def _intersect(
    polygons: Polygons, tree: shapely.STRtree, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(n,) exact: the tree finds pairs by bounding box, the prepared polygon decides."""
    result = np.zeros(len(x), dtype=bool)
    point, polygon = tree.query(shapely.points(x, y))
    hit = shapely.intersects_xy(polygons[polygon], x[point], y[point])
    result[point[hit]] = True
    return result


def _tile(value: NDArray[np.float64], origin: float, per_unit: float) -> NDArray[np.intp]:
    # Every step is monotonic under rounding, so a point between two others never lands outside their tiles.
    return ((value - origin) * per_unit).astype(np.intp)


def _edges(polygons: Polygons) -> NDArray[np.float64]:
    """(n, 2 ends, 2 x y) of all rings."""
    points, ring = shapely.get_coordinates(shapely.get_rings(polygons), return_index=True)
    ends = np.stack([points[:-1], points[1:]], axis=1)
    return ends[ring[:-1] == ring[1:]]


def _mark(
    states: NDArray[np.uint8], edges: NDArray[np.float64], origin: tuple[float, float], per_unit: tuple[float, float]
) -> None:
    """Mark every tile that one of `edges`, (n, 2, 2), touches (and some it only comes close to)."""
    # Pieces of half a tile, and their padding, touch no tile but those of their bounding box's corners.
    lengths = np.abs(edges[:, 1] - edges[:, 0]) * per_unit
    counts = np.ceil(2 * lengths.max(axis=1)).astype(np.intp).clip(min=1)
    edge = np.repeat(np.arange(len(edges)), counts)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = edges[edge, 0]
    along = edges[edge, 1] - start
    first = start + along * (step / counts[edge])[:, None]
    last = start + along * ((step + 1) / counts[edge])[:, None]
    padding = EDGE_PADDING / np.array(per_unit)
    low, high = np.minimum(first, last) - padding, np.maximum(first, last) + padding
    last_row, last_column = states.shape[0] - 1, states.shape[1] - 1
    rows, columns = ([_tile(ends[:, axis], origin[axis], per_unit[axis]) for ends in (low, high)] for axis in (1, 0))
    for row in rows:
        for column in columns:
            states[row.clip(0, last_row), column.clip(0, last_column)] = _BORDER
