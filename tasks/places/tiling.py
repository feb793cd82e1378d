"""Places that cover polygons: tiles of the patch's size, without gaps or overlap."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from tasks.errors import PlacesError
from tasks.notices import told_if_slow
from tasks.places.draws import ListedPlaces, instants_of_points
from tasks.places.patches import PIXEL, Patches
from tasks.places.polygons import read_polygons
from tasks.places.zones import NORTH, Zoned, by_zone

KEPT_ABOVE = 0.5
"""A tile that straddles the border is kept if more than this share of it is inside."""

MAX_TILES_A_ZONE = 20_000_000
"""Tiles looked at in one zone; beyond, memory would be the first to tell."""

_FALSE_NORTHING = 10_000_000
"""Metres: northing of the equator in the southern hemisphere, whose EPSG codes are 100 higher."""

_SIMPLE_VERTICES, _SIMPLE_TILES = 256, 4_096
"""Below both, a polygon is not divided further: each tile on a polygon's border costs a walk along its vertices."""

TILES_AT_ONCE = 100_000
"""Tiles measured at a time, about a second: bounds the memory for shapely's boxes, and lets progress be told."""

_BULGE = 2.0
"""Metres added round a tile seen from another zone: its sides are curves there, off its outline by up to 1.5 m."""

Corners = tuple[NDArray[np.int64], NDArray[np.int64]]
"""x and y of tiles' lower left corners in metres of EPSG 326xx, negative south of the equator."""


def load_cover(path: Path, *, pixels: int, seed: int, window: tuple[int, int], shard_size: int) -> ListedPlaces:
    """Tile the polygons of any file geopandas reads.

    Polygons that touch or overlap are one connected polygon. One that reaches at most half a degree beyond the UTM zone
    of its representative point is tiled in that zone whole, without gaps or overlap. A larger one is cut along the
    borders of zones. Tiles lie on one lattice a zone, whose lines are the equator and multiples of the patch's side;
    south of the equator they have the codes and northings of the southern hemisphere. A tile is kept if more than half
    of it is inside.

    Where tiles of two zones meet, along a cut or between two polygons, one that overlaps any tile of a zone before it
    (1 to 60) is dropped. So no two tiles ever overlap, and gaps along a cut are narrower than a tile's diagonal (the
    lattices of two zones are turned against each other). Order: by zone, north to south, west to east.
    Raises PlacesError: unreadable, or no tile is more than half inside.
    """
    side = PIXEL * pixels
    with told_if_slow(f"places.cover: reading {path}"):
        found = read_polygons(path)
        zoned = by_zone(found.polygons)
    with told_if_slow(f"places.cover: tiling {path}") as say:
        zones = _tile(zoned, pixels, path, say)
    if not zones:
        why = "".join(f" ({note})" for note in zoned.notes)
        raise PlacesError(
            f"places.cover: {path}: no tile of {side / 1000:g} km lies more than half inside its polygons{why}. Use "
            "smaller patches, larger polygons, or {points: ...} with their centroids."
        )
    patches = _patches(zones, pixels)
    preferred = instants_of_points(len(patches), seed, window)
    digest = hashlib.sha256()
    for column in (patches.epsg, patches.xmin, patches.ymax, preferred):
        digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    return ListedPlaces(
        patches=patches,
        preferred=preferred,
        window=window,
        shard_size=shard_size,
        digest=digest.hexdigest(),
        alternatives=1,  # in another zone the tiles would overlap
        notes=found.notes + zoned.notes,
    )


def _tile(zoned: Zoned, pixels: int, path: Path, say: Callable[[int, int], None]) -> dict[int, Corners]:
    """The tiles of each zone that has any; `say` takes how many there are so far, and about how many there will be."""
    side = PIXEL * pixels
    expected = sum(round(shapely.area(parts).sum() / side**2) for parts in zoned.parts.values())
    zones: dict[int, Corners] = {}
    before = 0
    for zone, parts in zoned.parts.items():
        x, y = _tiles_inside(parts, side, path, lambda count, before=before: say(before + count, expected))
        before += len(x)
        free = ~_taken(zone, (x, y), zones, pixels)
        if free.any():
            zones[zone] = x[free], y[free]
    return zones


def _patches(zones: dict[int, Corners], pixels: int) -> Patches:
    epsg = np.concatenate([np.full(len(x), NORTH + zone, np.int32) for zone, (x, _) in zones.items()])
    xmin = np.concatenate([x for x, _ in zones.values()])
    ymin = np.concatenate([y for _, y in zones.values()])
    # The equator is a line of the lattice, so every tile lies in one hemisphere.
    south = ymin < 0
    return Patches(
        epsg=(epsg + 100 * south).astype(np.int32),
        xmin=xmin,
        ymax=ymin + PIXEL * pixels + _FALSE_NORTHING * south,
        pixels=pixels,
    )


def _taken(zone: int, tiles: Corners, others: dict[int, Corners], pixels: int) -> NDArray[np.bool_]:
    """True for tiles of a zone that overlap any tile of the `others`."""
    x, y = tiles
    side = PIXEL * pixels
    taken = np.zeros(len(x), dtype=bool)
    to_zone = Transformer.from_crs(4326, NORTH + zone, always_xy=True)
    tree = shapely.STRtree(shapely.box(x, y, x + side, y + side))
    for number, other in others.items():
        apart = abs(zone - number)
        if min(apart, 60 - apart) > 2 or not len(x):  # on Svalbard every other zone is left out
            continue
        theirs = _patches({number: other}, pixels)
        # Few lie near the border of two zones, and only these are worth an outline.
        centres = shapely.points(*to_zone.transform(*theirs.centres()))
        near = np.unique(tree.query(centres, predicate="dwithin", distance=2 * side)[0])
        corners = theirs.take(near).vertices(inset=-_BULGE)
        outlines = shapely.polygons(np.stack(to_zone.transform(corners[..., 0], corners[..., 1]), axis=-1))
        taken[tree.query(outlines, predicate="intersects")[1]] = True
    return taken


def _tiles_inside(parts: NDArray[np.object_], side: int, path: Path, say: Callable[[int], None]) -> Corners:
    """The tiles of which more than half lies in the parts, north to south, west to east."""
    parts = _divided(parts, side)
    bounds = _spans(parts, side)
    across, down = bounds[:, 2] - bounds[:, 0] + 1, bounds[:, 3] - bounds[:, 1] + 1
    if int((across * down).sum()) > MAX_TILES_A_ZONE:
        raise PlacesError(
            f"places.cover: {path}: over {MAX_TILES_A_ZONE:,} tiles in one UTM zone. Split the file, or use "
            "larger patches."
        )
    columns: list[NDArray[np.int64]] = []
    rows: list[NDArray[np.int64]] = []
    for (west, south, _, _), wide, high in zip(bounds, across, down, strict=True):
        column, row = np.meshgrid(np.arange(wide) + west, np.arange(high) + south)
        columns.append(column.ravel())
        rows.append(row.ravel())
    cells = np.unique(np.stack([np.concatenate(rows), np.concatenate(columns)], axis=1), axis=0)
    shapely.prepare(parts)
    some_kept: list[NDArray[np.int64]] = []
    count = 0
    for some in np.array_split(cells, len(cells) // TILES_AT_ONCE + 1):
        boxes = shapely.box(some[:, 1] * side, some[:, 0] * side, (some[:, 1] + 1) * side, (some[:, 0] + 1) * side)
        some_kept.append(some[_area_inside(boxes, parts) / side**2 > KEPT_ABOVE])
        count += len(some_kept[-1])
        say(count)
    kept = np.concatenate(some_kept)
    kept = kept[np.lexsort((kept[:, 1], -kept[:, 0]))]
    return kept[:, 1] * side, kept[:, 0] * side


def _spans(parts: NDArray[np.object_], side: int) -> NDArray[np.int64]:
    """(n, 4) first column, first row, last column and last row of the tiles that the parts' bounds reach into."""
    bounds = shapely.bounds(parts) / side
    first = np.floor(bounds[:, :2])
    return np.concatenate([first, np.maximum(np.ceil(bounds[:, 2:]) - 1, first)], axis=1).astype(np.int64)


def _divided(parts: NDArray[np.object_], side: int) -> NDArray[np.object_]:
    """`parts` halved along lines of the lattice until each is simple."""
    simple: list[NDArray[np.object_]] = []
    while len(parts):
        west, south, east, north = _spans(parts, side).T
        wide, high = east - west + 1, north - south + 1
        small = (shapely.get_num_coordinates(parts) <= _SIMPLE_VERTICES) & (wide * high <= _SIMPLE_TILES)
        small |= (wide <= 2) & (high <= 2)  # not 1, lest rounding across a line of the lattice halve without end
        simple.append(parts[small])
        parts, west, south, east, north = (each[~small] for each in (parts, west, south, east, north))
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
        parts = halves[shapely.area(halves) > 0]
    return np.concatenate(simple) if simple else parts


def _area_inside(boxes: NDArray[np.object_], parts: NDArray[np.object_]) -> NDArray[np.float64]:
    """Area of each box that the parts, prepared and without overlap, cover together, m2."""
    part, box = shapely.STRtree(boxes).query(parts, predicate="intersects")
    whole = shapely.covers(parts[part], boxes[box])
    area = np.zeros(len(boxes))
    area[box[whole]] = shapely.area(boxes[box[whole]])
    part, box = part[~whole], box[~whole]
    np.add.at(area, box, shapely.area(shapely.intersection(parts[part], boxes[box])))
    return area
