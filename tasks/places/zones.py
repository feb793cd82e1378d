"""Which UTM zone each polygon is tiled in: whole in one where it can be, cut along the borders of zones otherwise.

Zones are numbers here, 1 to 60, and northings go on below zero south of the equator: what lies on both sides of it has
one lattice.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from tasks.places.antimeridian import Polygons
from tasks.places.patches import MAX_LATITUDE, MIN_LATITUDE, utm_epsg

NORTH = 32600
"""EPSG code of a zone, less its number, in the northern hemisphere."""

REACH = 0.5
"""Degrees that a polygon may reach beyond its zone and still be tiled in it whole. A tile needs scenes on its zone's
grid, and Sentinel-2's tiles are squares of 110 km, every 100 km: those on the border of a zone end between 0 and 110 km
beyond it. Half a degree is up to 56 km; further out the tiles would seldom find a pair."""

TOUCHING = 1e-5
"""Degrees, about a metre: polygons nearer than this are one, because reprojection leaves slivers between neighbours."""

_EDGE = 0.01
"""Degrees between vertices before polygons are projected: straight edges stay so to about a metre."""


@dataclass(frozen=True, kw_only=True)
class Zoned:
    """Polygons in the zones in which they are tiled."""

    parts: dict[int, Polygons]
    """By zone, ascending: polygons in metres of EPSG 326xx, which do not overlap."""
    notes: tuple[str, ...]
    """What was cut or left out, with counts."""


def by_zone(polygons: Polygons) -> Zoned:
    """Unite `polygons` (EPSG:4326, longitudes in [-180, 180]), deal them out to UTM zones and project them.

    Each connected polygon belongs whole to the zone of its representative point if it reaches at most REACH degrees
    beyond that zone; the others are cut along the borders of zones. What lies outside UTM's latitudes is left out.
    """
    notes: list[str] = []
    count = len(polygons)
    _, south, _, north = shapely.bounds(polygons).T
    if (beyond := (south < MIN_LATITUDE) | (north > MAX_LATITUDE)).any():
        notes.append(
            f"{beyond.sum()} of {count} polygons reach beyond the latitudes of UTM ({-MIN_LATITUDE:g} S to "
            f"{MAX_LATITUDE:g} N); what lies beyond was left out"
        )
        inside = shapely.intersection(polygons[beyond], shapely.box(-180, MIN_LATITUDE, 180, MAX_LATITUDE))
        polygons = np.concatenate([polygons[~beyond], inside[shapely.area(inside) > 0]])
    if not len(polygons):
        return Zoned(parts={}, notes=tuple(notes))
    united = _connected(shapely.get_parts(shapely.union_all(polygons)))
    boxes = _zone_boxes(shapely.total_bounds(united))
    # Rounded, so that what is symmetric about a border always falls to the same side of it.
    lon, lat = np.round(shapely.get_coordinates(shapely.point_on_surface(united)), 6).T
    zone = utm_epsg(lon, lat) % 100
    whole = np.zeros(len(united), dtype=bool)
    for number in np.unique(zone):
        reach = [shapely.buffer(box, REACH, join_style="mitre") for other, box in boxes if other == number]
        mine = np.flatnonzero(zone == number)
        whole[mine] = shapely.covers(shapely.union_all(reach), united[mine])
    parts: dict[int, list[shapely.Geometry]] = {int(n): list(united[whole & (zone == n)]) for n in np.unique(zone)}
    wide = united[~whole]
    if len(wide):
        notes.append(
            f"{len(wide)} of {len(united)} connected polygons are wider than a UTM zone allows and were cut along the "
            "borders of zones; gaps there are narrower than a tile's diagonal"
        )
    tree = shapely.STRtree(wide)
    for number, box in boxes:
        pieces = shapely.intersection(wide[tree.query(box, predicate="intersects")], box)
        parts.setdefault(number, []).extend(pieces[shapely.area(pieces) > 0])
    return Zoned(
        parts={number: project(np.array(parts[number]), number) for number in sorted(parts) if parts[number]},
        notes=tuple(notes),
    )


def _connected(parts: Polygons) -> Polygons:
    """`parts`, which do not overlap, with those that touch made one, also across the antimeridian.

    What is connected across it goes on beyond 180 degrees.
    """
    tree = shapely.STRtree(parts)
    west, _, east, _ = shapely.bounds(parts).T
    first, second = tree.query(parts, predicate="dwithin", distance=TOUCHING)
    # What goes round the globe touches itself, and is cut along the zones anyway.
    western = np.flatnonzero((west <= TOUCHING - 180) & (east < 180 - TOUCHING))
    over, onto = tree.query(_moved(parts[western]), predicate="dwithin", distance=TOUCHING)
    group = _components(len(parts), np.concatenate([first, western[over]]), np.concatenate([second, onto]))
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(starts, append=len(parts))
    single = parts[order[starts[sizes == 1]]]
    several: list[shapely.Geometry] = []
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        mine = order[start : start + size]
        if np.isin(mine, western[over]).any():
            # The half west of Greenwich continues the other one.
            left = west[mine] + east[mine] < 0
            several += [shapely.union_all([*parts[mine[~left]], *_moved(parts[mine[left]])])]
        else:
            several += [shapely.union_all(parts[mine])]
    return np.array([*single, *several], dtype=object)


def _moved(polygons: Polygons) -> Polygons:
    return shapely.transform(polygons, lambda xy: xy + np.array([360.0, 0.0]))


def _components(count: int, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
    """(count,) the lowest member of each one's component in the graph of the edges `first` to `second`."""
    label = np.arange(count)
    while True:
        lower = label.copy()
        np.minimum.at(lower, first, label[second])
        np.minimum.at(lower, second, label[first])
        lower = lower[lower]
        if np.array_equal(lower, label):
            return label
        label = lower


def _zone_boxes(bounds: NDArray[np.float64]) -> list[tuple[int, shapely.Geometry]]:
    """The zones within their reach of a span of degrees, as boxes; the exceptions of Norway and Svalbard take several.

    Longitudes beyond 180 have boxes of their own.
    """
    west, south, east, north = bounds + np.array([-REACH, -REACH, REACH, REACH])
    lats = [MIN_LATITUDE, 56.0, 64.0, 72.0, MAX_LATITUDE]
    lons = sorted({*range(-180, 541, 6), *(lon + turn for lon in (3, 9, 21, 33) for turn in (0, 360))})
    boxes: list[tuple[int, shapely.Geometry]] = []
    for low, high in pairwise(lats):
        for left, right in pairwise(lons):
            if left < east and right > west and low < north and high > south:
                epsg = utm_epsg(np.array([(left + right) / 2]), np.array([(low + high) / 2]))
                boxes.append((int(epsg[0]) % 100, shapely.box(left, low, right, high)))
    return boxes


def project(polygons: Polygons, zone: int) -> Polygons:
    """Polygons in degrees, longitudes beyond 180 too, in metres of EPSG 326xx; valid."""
    to = Transformer.from_crs(4326, NORTH + zone, always_xy=True)
    dense = shapely.segmentize(polygons, _EDGE)
    metres = shapely.transform(dense, lambda xy: np.stack(to.transform(*xy.T), axis=1))
    # Edges that all but touch may cross once they are projected.
    crossed = ~shapely.is_valid(metres)
    metres[crossed] = shapely.make_valid(metres[crossed], method="structure", keep_collapsed=False)
    return metres
