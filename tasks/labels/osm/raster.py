"""Rasters of vectors on one patch, in numpy: areas filled, bands of lines, points; a bit a class.

Coordinates are in pixels: x to the east from the patch's west edge, y to the south from its north edge, so that pixel
(row, column) is the square from (column, row) to (column + 1, row + 1). Areas and bands become spans of rows.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bits = NDArray[np.uint32]

TOUCHED_BELOW = 1.0
"""Pixels of width below which a band covers every pixel that it touches; from it on, those whose centre it holds."""


def fill(first: Floats, last: Floats, owner: Ints, bits: Bits, side: int) -> Bits:
    """Areas: a pixel belongs to those that hold its centre, by the even-odd rule, as GDAL fills: (side, side).

    The rings' segments are from `first` to `last`, (n, 2) in pixels, of the area `owner`, (n,); `bits` are the areas'.
    """
    # A scanline runs through the centres of a row; an edge is crossed by those from its top on, without its bottom.
    top, bottom = np.minimum(first[:, 1], last[:, 1]), np.maximum(first[:, 1], last[:, 1])
    low = np.clip(np.ceil(top - 0.5), 0, side).astype(np.int64)
    counts = np.clip(np.ceil(bottom - 0.5), 0, side).astype(np.int64) - low
    edge, row = _spread(counts, low)
    slope = (last[edge, 0] - first[edge, 0]) / (last[edge, 1] - first[edge, 1])
    x = first[edge, 0] + (row + 0.5 - first[edge, 1]) * slope
    column = np.clip(np.floor(x + 0.5), 0, side).astype(np.int64)
    # Crossings of an area and a row in order of their columns: as one number each, which is what sorts fast.
    stride = side + 1
    crossed = np.sort((owner[edge] * side + row) * stride + column)
    line, column = np.divmod(crossed, stride)
    begin, end = column[0::2], column[1::2]
    area, row = np.divmod(line[0::2], side)
    return _spans(row, begin, end, bits[area], side)


def band(first: Floats, last: Floats, bits: Bits, widths: Floats, side: int) -> Bits:
    """Segments with round ends, (n,) wide in pixels, see `TOUCHED_BELOW`, of bits (n,): (side, side)."""
    swap = first[:, 1] > last[:, 1]
    first, last = np.where(swap[:, None], last, first), np.where(swap[:, None], first, last)
    radius = widths / 2
    # Of a pixel counts its square, half a pixel to all sides of the centre; or the centre alone.
    half = np.where(widths < TOUCHED_BELOW, 0.5, 0.0)
    reach = radius + half
    low = np.clip(np.ceil(first[:, 1] - reach - 0.5), 0, side).astype(np.int64)
    counts = np.clip(np.floor(last[:, 1] + reach - 0.5) + 1, 0, side).astype(np.int64) - low
    beside = (np.maximum(first[:, 0], last[:, 0]) + reach < 0) | (np.minimum(first[:, 0], last[:, 0]) - reach > side)
    piece, row = _spread(np.where(beside, 0, counts), low)
    first, last, radius, half = first[piece], last[piece], radius[piece], half[piece]
    centre: Floats = np.add(row, 0.5, dtype=np.float64)
    west = -_eastmost(first * (-1, 1), last * (-1, 1), radius, centre, half)
    east = _eastmost(first, last, radius, centre, half)
    begin = np.clip(np.ceil(west - half - 0.5), 0, side).astype(np.int64)
    end = np.clip(np.floor(east + half - 0.5) + 1, 0, side).astype(np.int64)
    return _spans(row, begin, end, bits[piece], side)


def dots(xy: Floats, bits: Bits, side: int) -> Bits:
    """Points, (n, 2): the pixel that holds each: (side, side)."""
    out = np.zeros((side, side), np.uint32)
    pixel = np.floor(xy).astype(np.int64)
    inside = ((pixel >= 0) & (pixel < side)).all(axis=1)
    np.bitwise_or.at(out, (pixel[inside, 1], pixel[inside, 0]), bits[inside])
    return out


def _eastmost(first: Floats, last: Floats, radius: Floats, y: Floats, half: Floats) -> Floats:
    """The greatest x of bands between y - half and y + half, which they reach: (n,). The last point is the lower one.

    A band is convex: its east side goes out to the end that lies furthest east, and back. So the greatest x is there,
    or where the strip comes nearest to it.
    """
    furthest = np.where(last[:, 0] > first[:, 0], last[:, 1], first[:, 1])
    at = np.clip(np.clip(furthest, y - half, y + half), first[:, 1] - radius, last[:, 1] + radius)
    # At one y the side is that of the discs around both ends, or of the rectangle between them.
    found = np.full(len(at), -np.inf)
    for end in (first, last):
        inside = radius**2 - (at - end[:, 1]) ** 2
        found = np.where(inside >= 0, np.maximum(found, end[:, 0] + np.sqrt(np.maximum(inside, 0))), found)
    along = last - first
    length = np.hypot(along[:, 0], along[:, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        part = (at - first[:, 1] + radius * along[:, 0] / length) / along[:, 1]
        x = first[:, 0] + part * along[:, 0] + radius * along[:, 1] / length
    return np.where((part >= 0) & (part <= 1), np.maximum(found, x), found)


def _spans(row: Ints, begin: Ints, end: Ints, bits: Bits, side: int) -> Bits:
    """Bits set in spans of rows, [begin, end): (side, side)."""
    out = np.zeros(side * side, np.uint32)
    span, pixel = _spread(end - begin, row * side + begin)
    np.bitwise_or.at(out, pixel, bits[span])
    return out.reshape(side, side)


def _spread(counts: Ints, start: Ints) -> tuple[Ints, Ints]:
    """For each of n ranges its number, and its integers from `start` on: (sum of counts,) each."""
    counts = np.maximum(counts, 0)
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts - start, counts)
