"""Polygons in degrees that cross the 180th meridian, cut there.

Two conventions are in use for such polygons: longitudes that go on beyond 180 (170 ... 190), and longitudes that jump
(170 ... -170). RFC 7946, 3.1.9 asks for a third: cut at 180, which is what a planar library needs and what this module
makes of the first two. An edge that jumps by more than 180 degrees is taken the short way round, because a file cannot
say which way was meant and hardly any region is wider than half the globe.

A ring that goes once round the globe (Antarctica) has a pole inside: it is closed along the pole of its hemisphere.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LinearRing, MultiPolygon, Polygon

from tasks.errors import PlacesError

Polygons = NDArray[np.object_]
"""(n,) of shapely polygons."""

MAX_SPAN = 360.0
"""Degrees of longitude: a wider ring covers places twice."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What became of one polygon."""

    parts: tuple[Polygon, ...]
    """Valid, EPSG:4326, longitudes in [-180, 180]; empty for a polygon without area."""
    was_invalid: bool
    """True if a ring crossed itself even before it was cut."""


def crossing(polygons: Polygons) -> NDArray[np.bool_]:
    """(n,) True for polygons (longitude, latitude in degrees) that reach beyond 180 degrees or jump across it."""
    rings, polygon_of_ring = shapely.get_rings(polygons, return_index=True)
    coordinates, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    longitude = coordinates[:, 0]
    jumps = (np.abs(np.diff(longitude)) > 180) & (np.diff(ring_of_point) == 0)
    result = np.zeros(len(polygons), dtype=bool)
    result[polygon_of_ring[ring_of_point[:-1][jumps]]] = True
    result[polygon_of_ring[ring_of_point[np.abs(longitude) > 180]]] = True
    return result


def cut(polygon: Polygon, *, name: str) -> Cut:
    """Cut `polygon` (longitude, latitude in degrees) at 180 degrees; `name` is for messages.

    Raises PlacesError if a ring is wider than 360 degrees or goes round the globe more than once.
    """
    # A hole round the pole (a sea round Antarctica) has to be closed on the same side as the ring outside it.
    north = _is_northern(polygon.exterior)
    shell, was_invalid = _fold(polygon.exterior, name=name, north=north)
    for ring in polygon.interiors:
        hole, hole_was_invalid = _fold(ring, name=name, north=north)
        shell = shapely.difference(shell, hole)
        was_invalid = was_invalid or hole_was_invalid
    return Cut(parts=polygon_parts(shell), was_invalid=was_invalid)


def polygon_parts(geometry: shapely.Geometry) -> tuple[Polygon, ...]:
    """The polygons in `geometry`, whatever it is: what overlays and make_valid leave besides has no area."""
    if isinstance(geometry, Polygon):
        return () if geometry.is_empty else (geometry,)
    if isinstance(geometry, shapely.GeometryCollection | MultiPolygon):
        return tuple(polygon for part in geometry.geoms for polygon in polygon_parts(part))
    return ()


def valid_parts(polygon: Polygon) -> tuple[Polygon, ...]:
    """`polygon`, whose rings may cross, as polygons whose rings do not: both wings of a bow tie."""
    return polygon_parts(shapely.make_valid(polygon, method="structure", keep_collapsed=False))


def _fold(ring: LinearRing, *, name: str, north: bool) -> tuple[shapely.Geometry, bool]:
    """The area inside `ring` as parts within [-180, 180], and whether the ring crossed itself."""
    outline = _unroll(ring, name=name, north=north)
    was_invalid = not outline.is_valid
    area = shapely.MultiPolygon(valid_parts(outline)) if was_invalid else outline
    west, _, east, _ = outline.bounds
    parts: list[Polygon] = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1):
        window = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
        inside = np.array(polygon_parts(shapely.intersection(area, window)), dtype=object)
        parts += list(shapely.transform(inside, lambda xy, turn=turn: xy - [360 * turn, 0]))
    return shapely.union_all(parts), was_invalid


def _unroll(ring: LinearRing, *, name: str, north: bool) -> Polygon:
    """`ring` with its jumps undone, so that it is continuous, at longitudes that may lie beyond 180."""
    longitude, latitude = shapely.get_coordinates(ring).T
    steps = np.diff(longitude)
    turns = np.concatenate([[0], np.cumsum(np.where(np.abs(steps) > 180, -np.round(steps / 360), 0))])
    unrolled = longitude + 360 * turns
    if np.ptp(unrolled) == 0:
        # The short way round leaves nothing of a band round the whole globe (-180 ... 180): it is meant as it stands.
        return Polygon(ring)
    if np.ptp(unrolled) > MAX_SPAN or abs(turns[-1]) > 1:
        raise PlacesError(
            f"{name}: a ring spans {np.ptp(unrolled):g} degrees of longitude, at most {MAX_SPAN:g} were expected."
            " Cut the polygon at the 180th meridian and try again."
        )
    if turns[-1] != 0:
        pole = 90.0 if north else -90.0
        unrolled = np.concatenate([unrolled, [unrolled[-1], unrolled[0]]])
        latitude = np.concatenate([latitude, [pole, pole]])
    return Polygon(np.column_stack([unrolled, latitude]))


def _is_northern(ring: LinearRing) -> bool:
    return bool(shapely.get_coordinates(ring)[:, 1].mean() > 0)
