"""Places that cover polygons: tiles of the patch's size, without gaps, and without overlap unless it is asked for."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from tasks.errors import PlacesError
from tasks.notices import told_if_slow
from tasks.places.columns import column_bytes, kept_columns
from tasks.places.draws import ListedPlaces, instants_of_points
from tasks.places.overlaps import FALSE_NORTHING
from tasks.places.patches import PIXEL, Patches
from tasks.places.polygons import read_polygons
from tasks.places.tile_areas import divided, holders, shared_areas, tiles_across
from tasks.places.zones import NORTH, Zoned, by_zone

KEPT_ABOVE = 0.5
"""A tile that straddles the border is kept if more than this share of it is inside."""

MAX_TILES_A_ZONE = 20_000_000
"""Tiles looked at in one zone; beyond, memory would be the first to tell."""

TILES_AT_ONCE = 100_000
"""Tiles measured at a time, about a second: bounds the memory for shapely's boxes, and lets progress be told."""

_BULGE = 2.0
"""Metres added round a tile seen from another zone: its sides are curves there, off its outline by up to 1.5 m."""

Corners = tuple[NDArray[np.int64], NDArray[np.int64]]
"""x and y of tiles' lower left corners in metres of EPSG 326xx, negative south of the equator."""


def load_cover(
    path: Path,
    *,
    pixels: int,
    seed: int,
    window: tuple[int, int],
    shard_size: int,
    columns: Sequence[str] = (),
    stride: int | None = None,
) -> ListedPlaces:
    """Tile the polygons of any file geopandas reads; rows keep `columns` of the one that takes up most of the tile.

    Polygons that touch or overlap are one connected polygon. One that reaches at most half a degree beyond the UTM zone
    of its representative point is tiled in that zone whole, without gaps or overlap. A larger one is cut along the
    borders of zones. Tiles lie on one lattice a zone, whose lines are the equator and multiples of the patch's side;
    south of the equator they have the codes and northings of the southern hemisphere. A tile is kept if more than half
    of it is inside. With `stride`, in pixels, a tile begins at every multiple of it, so that neighbours overlap.

    Where tiles of two zones meet, along a cut or between two polygons, one that overlaps any tile of a zone before it
    (1 to 60) is dropped. So no two tiles overlap but by the stride, and gaps along a cut are narrower than a tile's
    diagonal (the lattices of two zones are turned against each other). Order: by zone, north to south, west to east.
    Raises PlacesError: unreadable, no tile is more than half inside, or a column that is absent or of a type that rows
    cannot keep.
    """
    side, step = PIXEL * pixels, PIXEL * (stride or pixels)
    with told_if_slow(f"places.cover: reading {path}"):
        found = read_polygons(path)
        held = kept_columns(found.table, columns, path, "places.cover")
        zoned = by_zone(found.polygons)
    with told_if_slow(f"places.cover: tiling {path}") as say:
        zones = _tile(zoned, pixels, step, path, say)
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
    if held:
        with told_if_slow(f"places.cover: looking which polygon each tile of {path} lies in"):
            of = holders(patches, found.polygons, found.feature)
        held = {name: values[of] for name, values in held.items()}
    digest.update(column_bytes(held))
    return ListedPlaces(
        patches=patches,
        preferred=preferred,
        window=window,
        shard_size=shard_size,
        digest=digest.hexdigest(),
        alternatives=1,  # in another zone the tiles would overlap
        notes=found.notes + zoned.notes + _overlap_notes(side, step),
        columns=held,
        may_overlap=step < side,
    )


def _overlap_notes(side: int, step: int) -> tuple[str, ...]:
    if step == side:
        return ()
    return (
        f"neighbouring tiles overlap by {1 - step / side:.0%} of their side (places.stride), as asked for: about "
        f"{(side / step) ** 2:.3g} times the samples and bytes of tiles without overlap, from which random crops in "
        "training have as many views",
    )


def _tile(zoned: Zoned, pixels: int, step: int, path: Path, say: Callable[[int, int], None]) -> dict[int, Corners]:
    """The tiles of each zone that has any; `say` takes how many there are so far, and about how many there will be."""
    side = PIXEL * pixels
    expected = sum(round(shapely.area(parts).sum() / step**2) for parts in zoned.parts.values())
    zones: dict[int, Corners] = {}
    before = 0
    for zone, parts in zoned.parts.items():
        x, y = _tiles_inside(parts, side, step, path, lambda count, before=before: say(before + count, expected))
        before += len(x)
        free = ~_taken(zone, (x, y), zones, pixels)
        if free.any():
            zones[zone] = x[free], y[free]
    return zones


def _patches(zones: dict[int, Corners], pixels: int) -> Patches:
    epsg = np.concatenate([np.full(len(x), NORTH + zone, np.int32) for zone, (x, _) in zones.items()])
    xmin = np.concatenate([x for x, _ in zones.values()])
    ymin = np.concatenate([y for _, y in zones.values()])
    # The equator is a line of the lattice: without overlap every tile lies in one hemisphere, with it most of it does.
    south = 2 * ymin + PIXEL * pixels < 0
    return Patches(
        epsg=(epsg + 100 * south).astype(np.int32),
        xmin=xmin,
        ymax=ymin + PIXEL * pixels + FALSE_NORTHING * south,
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


def _tiles_inside(parts: NDArray[np.object_], side: int, step: int, path: Path, say: Callable[[int], None]) -> Corners:
    """The tiles, at multiples of `step`, of which more than half lies in the parts, north to south, west to east."""
    parts, _ = divided(parts, np.zeros(len(parts), np.intp), side)
    bounds = tiles_across(parts, side, step)
    across, down = bounds[:, 2] - bounds[:, 0] + 1, bounds[:, 3] - bounds[:, 1] + 1
    if int((across * down).sum()) > MAX_TILES_A_ZONE:
        raise PlacesError(
            f"places.cover: {path}: over {MAX_TILES_A_ZONE:,} tiles in one UTM zone. Split the file, or use "
            f"larger patches{' or a larger stride' if step < side else ''}."
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
        x, y = some[:, 1] * step, some[:, 0] * step
        boxes = shapely.box(x, y, x + side, y + side)
        some_kept.append(some[_area_inside(boxes, parts) / side**2 > KEPT_ABOVE])
        count += len(some_kept[-1])
        say(count)
    kept = np.concatenate(some_kept)
    kept = kept[np.lexsort((kept[:, 1], -kept[:, 0]))]
    return kept[:, 1] * step, kept[:, 0] * step


def _area_inside(boxes: NDArray[np.object_], parts: NDArray[np.object_]) -> NDArray[np.float64]:
    """Area of each box that the parts, prepared and without overlap, cover together, m2."""
    _, box, shared = shared_areas(boxes, parts)
    area = np.zeros(len(boxes))
    np.add.at(area, box, shared)
    return area
