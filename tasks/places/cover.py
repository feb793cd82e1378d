"""Places that cover polygons: tiles of the patch's size, without gaps or overlap."""

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from tasks.errors import PlacesError
from tasks.places.draws import ListedPlaces, instants_of_points
from tasks.places.patches import MAX_LATITUDE, MIN_LATITUDE, PIXEL, Patches, utm_epsg
from tasks.places.polygon_files import read_polygons

MOST = 0.5
"""A tile that straddles the border is kept if more than this share of it is inside."""

MAX_TILES = 20_000_000
"""Tiles looked at in one zone; beyond, memory would be the first to tell."""

_EDGE = 0.01
"""Degrees between vertices before polygons are projected: straight edges stay so to about a metre."""


def load_cover(path: Path, *, pixels: int, seed: int, window: tuple[int, int], shard_size: int) -> ListedPlaces:
    """Tile the polygons of any file geopandas reads.

    All polygons together are covered once, however they touch or overlap. Tiles lie on one lattice a UTM zone, whose
    lines are multiples of the patch's side; a polygon in several zones is cut at their borders and each part is tiled
    in its own zone, so that along such a border up to half a tile may be missing or doubled. Order: by zone, north to
    south, west to east.
    Raises PlacesError: unreadable, or no tile is more than half inside.
    """
    found = read_polygons(path)
    side = PIXEL * pixels
    zones: list[tuple[int, NDArray[np.int64], NDArray[np.int64]]] = []
    for epsg, parts in _by_zone(found.polygons).items():
        x, y = _tiles(parts, side, path)
        if len(x):
            zones.append((epsg, x, y))
    if not zones:
        raise PlacesError(
            f"places.cover: {path}: no tile of {side / 1000:g} km lies more than half inside its polygons. Use smaller "
            "patches, larger polygons, or {points: ...} with their centroids."
        )
    patches = Patches(
        epsg=np.concatenate([np.full(len(x), epsg, np.int32) for epsg, x, _ in zones]),
        xmin=np.concatenate([x for _, x, _ in zones]),
        ymax=np.concatenate([y + side for _, _, y in zones]),
        pixels=pixels,
    )
    preferred = instants_of_points(len(patches), seed, window)
    digest = hashlib.sha256()
    for column in (patches.epsg, patches.xmin, patches.ymax, preferred):
        digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    return ListedPlaces(
        patches=patches,
        preferred=preferred,
        shard_size=shard_size,
        digest=digest.hexdigest(),
        alternatives=1,  # in another zone the tiles would overlap
        notes=found.notes,
    )


def _by_zone(polygons: NDArray[np.object_]) -> dict[int, NDArray[np.object_]]:
    """Polygons in degrees, cut at the borders of UTM zones and projected: by EPSG code, parts in metres."""
    cells = _zone_boxes(shapely.total_bounds(polygons))
    tree = shapely.STRtree(polygons)
    parts: dict[int, list[shapely.Geometry]] = {}
    for epsg, box in cells:
        near = polygons[tree.query(box, predicate="intersects")]
        inside = shapely.intersection(near, box)
        inside = shapely.segmentize(inside[shapely.area(inside) > 0], _EDGE)
        if len(inside):
            project = Transformer.from_crs(4326, epsg, always_xy=True)
            metres = shapely.transform(inside, lambda xy, to=project: np.stack(to.transform(*xy.T), axis=1))
            parts.setdefault(epsg, []).extend(metres)
    return {epsg: np.array(parts[epsg], dtype=object) for epsg in sorted(parts)}


def _zone_boxes(bounds: NDArray[np.float64]) -> list[tuple[int, shapely.Geometry]]:
    """The zones that a span of degrees touches, as boxes; the exceptions of Norway and Svalbard take several."""
    west, south, east, north = bounds
    lats = [MIN_LATITUDE, 0.0, 56.0, 64.0, 72.0, MAX_LATITUDE]
    lons = sorted({*range(-180, 181, 6), 3, 9, 21, 33})
    boxes: list[tuple[int, shapely.Geometry]] = []
    for low, high in pairwise(lats):
        for left, right in pairwise(lons):
            if left < east and right > west and low < north and high > south:
                epsg = utm_epsg(np.array([(left + right) / 2]), np.array([(low + high) / 2]))
                boxes.append((int(epsg[0]), shapely.box(left, low, right, high)))
    return boxes


def _tiles(parts: NDArray[np.object_], side: int, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lower left corners of the tiles of which more than half lies in the parts, north to south, west to east."""
    columns: list[NDArray[np.int64]] = []
    rows: list[NDArray[np.int64]] = []
    bounds = np.floor(shapely.bounds(parts) / side).astype(np.int64)
    across, down = bounds[:, 2] - bounds[:, 0] + 1, bounds[:, 3] - bounds[:, 1] + 1
    if int((across * down).sum()) > MAX_TILES:
        raise PlacesError(
            f"places.cover: {path}: over {MAX_TILES:,} tiles in one UTM zone. Split the file, or use larger patches."
        )
    for (west, south, _, _), wide, high in zip(bounds, across, down, strict=True):
        column, row = np.meshgrid(np.arange(wide) + west, np.arange(high) + south)
        columns.append(column.ravel())
        rows.append(row.ravel())
    cells = np.unique(np.stack([np.concatenate(rows), np.concatenate(columns)], axis=1), axis=0)
    boxes = shapely.box(cells[:, 1] * side, cells[:, 0] * side, (cells[:, 1] + 1) * side, (cells[:, 0] + 1) * side)
    share = _share_inside(boxes, parts) / side**2
    kept = cells[share > MOST]
    kept = kept[np.lexsort((kept[:, 1], -kept[:, 0]))]
    return kept[:, 1] * side, kept[:, 0] * side


def _share_inside(boxes: NDArray[np.object_], parts: NDArray[np.object_]) -> NDArray[np.float64]:
    """Area of each box that the parts cover together, m2."""
    shapely.prepare(parts)
    tree = shapely.STRtree(boxes)
    part, box = tree.query(parts, predicate="intersects")
    area = np.zeros(len(boxes))
    whole = shapely.covers(parts[part], boxes[box])
    area[box[whole]] = shapely.area(boxes[box[whole]])
    partly = np.flatnonzero(~whole & (area[box] == 0))
    pieces = shapely.intersection(parts[part[partly]], boxes[box[partly]])
    order = np.argsort(box[partly], kind="stable")
    owners, first = np.unique(box[partly][order], return_index=True)
    for owner, mine in zip(owners, np.split(pieces[order], first[1:]), strict=True):
        # Overlapping polygons must not count a place twice.
        area[owner] = shapely.area(mine[0]) if len(mine) == 1 else shapely.area(shapely.union_all(mine))
    return area
