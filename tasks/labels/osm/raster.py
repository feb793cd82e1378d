"""Rasters of vectors on one patch, in numpy: areas filled, bands of lines, points; a bit a class.

Coordinates are in pixels: x to the east from the patch's west edge, y to the south from its north edge, so that pixel
(row, column) is the square from (column, row) to (column + 1, row + 1).
"""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOUCHED_BELOW = 1.0
"""Pixels of width below which a band covers every pixel that it touches; from it on, those whose centre it holds."""

_PIECE = 4.0
"""Pixels: longer segments are looked at in pieces, each beside few pixels."""


def fill(shapes: NDArray[Any], bits: NDArray[np.uint32], side: int) -> NDArray[np.uint32]:
    """Areas: a pixel belongs to those that hold its centre, by the even-odd rule, as GDAL fills: (side, side).

    `shapes` are polygons and multipolygons, (n,), in pixels; `bits` theirs.
    """
    out = np.zeros((side, side), np.uint32)
    first, last, owner = _segments(shapes)
    # A scanline runs through the centres of a row; an edge is crossed by those from its top on, without its bottom.
    top, bottom = np.minimum(first[:, 1], last[:, 1]), np.maximum(first[:, 1], last[:, 1])
    low = np.clip(np.ceil(top - 0.5), 0, side).astype(np.int64)
    counts = np.clip(np.ceil(bottom - 0.5), 0, side).astype(np.int64) - low
    edge, row = _spread(counts, low)
    slope = (last[edge, 0] - first[edge, 0]) / (last[edge, 1] - first[edge, 1])
    x = first[edge, 0] + (row + 0.5 - first[edge, 1]) * slope
    column = np.clip(np.floor(x + 0.5), 0, side).astype(np.int64)
    order = np.lexsort((column, row, owner[edge]))
    begin, end = order[0::2], order[1::2]
    long = column[end] > column[begin]
    begin, end = begin[long], end[long]
    return _spans(out, row[begin], column[begin], column[end], bits[owner[edge[begin]]])


def band(shapes: NDArray[Any], bits: NDArray[np.uint32], widths: Floats, side: int) -> NDArray[np.uint32]:
    """Lines with round ends, so many pixels wide: (side, side). `widths` is (n,); see `TOUCHED_BELOW`."""
    out = np.zeros((side, side), np.uint32)
    first, last, owner = _segments(shapes)
    radius = widths[owner] / 2
    near = _near(first, last, radius, side)
    first, last, owner, radius = _pieces(first[near], last[near], owner[near], radius[near])
    near = _near(first, last, radius, side)
    first, last, owner, radius = first[near], last[near], owner[near], radius[near]
    low = np.floor(np.minimum(first, last) - radius[:, None]).astype(np.int64).clip(0, side - 1)
    high = np.floor(np.maximum(first, last) + radius[:, None]).astype(np.int64).clip(0, side - 1)
    across = high[:, 0] - low[:, 0] + 1
    counts = across * (high[:, 1] - low[:, 1] + 1)
    piece, place = _spread(counts, np.zeros(len(counts), np.int64))
    column, row = low[piece, 0] + place % across[piece], low[piece, 1] + place // across[piece]
    centre = np.stack([column, row], axis=1).astype(np.float64) + 0.5
    start, along, reach = first[piece], (last - first)[piece], radius[piece]
    thin = 2 * reach < TOUCHED_BELOW
    hit = np.empty(len(piece), bool)
    hit[~thin] = _squared(centre[~thin], start[~thin], along[~thin]) <= reach[~thin] ** 2
    hit[thin] = _touches(centre[thin], start[thin], along[thin], reach[thin])
    np.bitwise_or.at(out, (row[hit], column[hit]), bits[owner[piece[hit]]])
    return out


def dots(xy: Floats, bits: NDArray[np.uint32], side: int) -> NDArray[np.uint32]:
    """Points, (n, 2): the pixel that holds each: (side, side)."""
    out = np.zeros((side, side), np.uint32)
    pixel = np.floor(xy).astype(np.int64)
    inside = ((pixel >= 0) & (pixel < side)).all(axis=1)
    np.bitwise_or.at(out, (pixel[inside, 1], pixel[inside, 0]), bits[inside])
    return out


def _segments(shapes: NDArray[Any]) -> tuple[Floats, Floats, Ints]:
    """First and last points of all segments of lines and rings, (m, 2) each, and whose they are."""
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    if not len(xy):
        return np.empty((0, 2)), np.empty((0, 2)), np.empty(0, np.int64)
    parts, _ = _lines(shapes)
    sizes = shapely.get_num_coordinates(parts)
    within = np.ones(len(xy), bool)
    within[np.cumsum(sizes) - 1] = False
    return xy[:-1][within[:-1]], xy[1:][within[:-1]], owner[:-1][within[:-1]]


def _lines(shapes: NDArray[Any]) -> tuple[NDArray[Any], Ints]:
    parts, owner = shapely.get_parts(shapes, return_index=True)
    areas = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    if areas.any():
        # Lines and areas are not mixed.
        parts, ring_owner = shapely.get_rings(parts, return_index=True)
        owner = owner[ring_owner]
    return parts, owner


def _spans(out: NDArray[np.uint32], row: Ints, begin: Ints, end: Ints, bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Set bits in spans of rows, [begin, end)."""
    side = out.shape[0]
    stride = side + 1
    together = int(np.bitwise_or.reduce(bits)) if len(bits) else 0
    for position in range(32):
        bit = np.uint32(1 << position)
        if together & int(bit):
            mine = (bits & bit) != 0
            steps = np.bincount(row[mine] * stride + begin[mine], minlength=side * stride)
            steps -= np.bincount(row[mine] * stride + end[mine], minlength=side * stride)
            # Every span that begins in a row ends in it, at the latest behind its last pixel.
            inside = np.cumsum(steps.astype(np.int32)).reshape(side, stride)[:, :side] > 0
            out |= inside * bit
    return out


def _spread(counts: Ints, start: Ints) -> tuple[Ints, Ints]:
    """For each of n ranges its number, and its integers from `start` on: (sum of counts,) each."""
    counts = np.maximum(counts, 0)
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts - start, counts)


def _near(first: Floats, last: Floats, radius: Floats, side: int) -> NDArray[np.bool_]:
    reach = radius[:, None]
    inside = (np.maximum(first, last) + reach >= 0) & (np.minimum(first, last) - reach <= side)
    return np.asarray(inside.all(axis=1), bool)


def _pieces(first: Floats, last: Floats, owner: Ints, radius: Floats) -> tuple[Floats, Floats, Ints, Floats]:
    along = last - first
    parts = np.maximum(1, np.ceil(np.hypot(along[:, 0], along[:, 1]) / _PIECE)).astype(np.int64)
    segment, part = _spread(parts, np.zeros(len(parts), np.int64))
    step = along[segment] / parts[segment, None]
    begin = first[segment] + part[:, None] * step
    return begin, begin + step, owner[segment], radius[segment]


def _squared(points: Floats, start: Floats, along: Floats) -> Floats:
    """Squared distances of points from segments: (n,)."""
    offset = points - start
    length = (along**2).sum(axis=1)
    t = np.clip((offset * along).sum(axis=1) / np.where(length > 0, length, 1), 0, 1)
    return ((offset - t[:, None] * along) ** 2).sum(axis=1)


def _touches(centre: Floats, start: Floats, along: Floats, reach: Floats) -> NDArray[np.bool_]:
    """Whether the square around a centre, one pixel wide, comes within reach of a segment: (n,)."""
    # Off the segment's ends, the square's distance is that of an end from it; else that of one of its corners.
    found = np.zeros(len(centre), bool)
    for end in (start, start + along):
        outside = np.maximum(np.abs(end - centre) - 0.5, 0)
        found |= (outside**2).sum(axis=1) <= reach**2
    rest = np.flatnonzero(~found)
    for x, y in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)):
        near = _squared(centre[rest] + (x, y), start[rest], along[rest]) <= reach[rest] ** 2
        found[rest[near]] = True
        rest = rest[~near]
    found[rest] = _crosses(centre[rest], start[rest], along[rest])
    return found


def _crosses(centre: Floats, start: Floats, along: Floats) -> NDArray[np.bool_]:
    """Whether segments run through squares, by the slabs that bound these: (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (centre - 0.5 - start) / along
        two = (centre + 0.5 - start) / along
    still = along == 0
    inside = np.abs(start - centre) <= 0.5
    enter = np.where(still, np.where(inside, -np.inf, np.inf), np.minimum(one, two)).max(axis=1)
    leave = np.where(still, np.where(inside, np.inf, -np.inf), np.maximum(one, two)).min(axis=1)
    return np.asarray(np.maximum(enter, 0) <= np.minimum(leave, 1))
