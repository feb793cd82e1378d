"""Polygons from the user's own files, made fit for use: degrees, valid, cut at 180 degrees, with notes on it all.

Nothing is guessed: a file without a CRS, with several layers of polygons or with coordinates that are no degrees is
refused.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.antimeridian import MAX_SPAN, Polygons, crossing, cut, polygon_parts, valid_parts
from tasks.places.features import read_features

WGS84 = pyproj.CRS("EPSG:4326")

MAX_EDGE = 1_000.0
"""Metres. Edges are divided to this length before they are reprojected, because a straight edge is a curve in another
CRS. What is left of the curve, length^2 x tan(latitude) / (8 x Earth's radius), is 0.1 m at 80 degrees of latitude."""
MAX_DERIVED_EDGE = 0.01
"""Degrees, the same for edges in degrees of a rotated pole."""


@dataclass(frozen=True, kw_only=True)
class OwnPolygons:
    """What a file holds."""

    polygons: Polygons
    """(n,) EPSG:4326, valid, longitudes in [-180, 180]."""
    feature: NDArray[np.intp]
    """(n,) position in the table of the feature that each polygon is of, ascending."""
    table: gpd.GeoDataFrame
    """The features as the file has them."""
    notes: tuple[str, ...]
    """What was mended, cut or left out, with counts."""


def read_polygons(path: Path) -> OwnPolygons:
    """Read the polygons of any file geopandas reads, in any CRS.

    Raises PlacesError: unreadable, several layers of polygons, no CRS, no polygons, or coordinates out of range.
    """
    table = read_features(path, "polygons")
    if len(table) == 0:
        raise PlacesError(f"{path} has no features; expected polygons. Write them to it, or name another file.")
    if table.crs is None:
        raise PlacesError(
            f"{path} has no CRS; expected one, e.g. EPSG:4326. Assign it (set_crs) and save the file again."
        )
    polygons, feature, notes = _polygons(table, path)
    count = len(polygons)
    names = [f"{path}: feature {number + 1} of {len(table)}" for number in feature]
    _check_finite(polygons, names, table.crs)
    polygons, origin = _to_degrees(polygons, table.crs, names)
    _check_degrees(polygons, [names[index] for index in origin])
    # What reprojection had to take apart was not valid.
    mended = np.bincount(origin, minlength=count) != 1
    kept = np.zeros(count, dtype=bool)
    crosses = crossing(polygons)
    parts: list[shapely.Polygon] = []
    of: list[int] = []
    for index, polygon, crosses_180 in zip(origin, polygons, crosses, strict=True):
        if crosses_180:
            result = cut(polygon, name=names[index])
            pieces, invalid = result.parts, result.was_invalid
        else:
            invalid = not polygon.is_valid
            pieces = valid_parts(polygon) if invalid else (polygon,)
        pieces = [piece for piece in pieces if piece.area > 0]
        mended[index] |= invalid
        kept[index] |= bool(pieces)
        parts += pieces
        of += [int(feature[index])] * len(pieces)
    if crosses.any():
        notes.append(
            f"{len(set(origin[crosses]))} of {count} polygons cross the 180th meridian (edges longer than 180 degrees"
            " are taken the short way round) and were cut there"
        )
    mended &= kept
    if mended.any():
        notes.append(f"{mended.sum()} of {count} polygons had crossing rings and were mended")
    if not kept.all():
        notes.append(f"{(~kept).sum()} of {count} polygons have no area and were left out")
    if not parts:
        raise PlacesError(f"{path}: none of its {count} polygons has an area; expected at least one that does.")
    return OwnPolygons(
        polygons=np.array(parts, dtype=object), feature=np.array(of, np.intp), table=table, notes=tuple(notes)
    )


def _polygons(table: gpd.GeoDataFrame, path: Path) -> tuple[Polygons, NDArray[np.intp], list[str]]:
    """(n,) single polygons in two dimensions, (n,) the feature each is of, and notes on what was left out."""
    geometries = shapely.force_2d(table.geometry.to_numpy())
    found: list[tuple[int, shapely.Polygon]] = []
    empty = other = 0
    for number, geometry in enumerate(geometries):
        if geometry is None or geometry.is_empty:
            empty += 1
        elif parts := polygon_parts(geometry):
            found += [(number, part) for part in parts]
        else:
            other += 1
    if not found:
        kinds = ", ".join(sorted({str(kind) for kind in table.geom_type.dropna()})) or "no geometry"
        raise PlacesError(
            f"{path} has no polygons: {other} of its {len(table)} features are something else and {empty} are empty"
            f" ({kinds}); expected polygons. Buffer points and lines first, or list points as places: {{points: ...}}."
        )
    notes: list[str] = []
    if empty:
        notes.append(f"{empty} of {len(table)} features are empty and were left out")
    if other:
        notes.append(f"{other} of {len(table)} features are not polygons and were left out")
    return np.array([part for _, part in found], dtype=object), np.array([number for number, _ in found]), notes


def _to_degrees(polygons: Polygons, crs: pyproj.CRS, names: list[str]) -> tuple[Polygons, NDArray[np.intp]]:
    """(m,) `polygons` in EPSG:4326 with straight edges still straight, and (m,) which of the n given each is of.

    A polygon with crossing rings is mended before (and may become none or several), while its edges are straight.
    """
    origin = np.arange(len(polygons))
    if crs.equals(WGS84, ignore_axis_order=True):
        return polygons, origin
    if not (crs.is_projected or crs.is_geographic):
        raise PlacesError(f"{names[0]}: {crs.name} is no CRS of the Earth's surface. Reproject the file to EPSG:4326.")
    # In degrees of another datum edges stay straight, and a jump across 180 has to stay a jump.
    if crs.is_projected or crs.is_derived:
        valid = [(polygon,) if polygon.is_valid else valid_parts(polygon) for polygon in polygons]
        origin = np.repeat(origin, [len(parts) for parts in valid])
        polygons = np.array([part for parts in valid for part in parts], dtype=object)
        step = MAX_DERIVED_EDGE if crs.is_geographic else MAX_EDGE / crs.axis_info[0].unit_conversion_factor
        polygons = shapely.segmentize(polygons, step)
    polygons = gpd.GeoSeries(polygons, crs=crs).to_crs(WGS84).to_numpy()
    _check_finite(polygons, [names[index] for index in origin], crs)
    return polygons, origin


def _check_finite(polygons: Polygons, names: list[str], crs: pyproj.CRS) -> None:
    points, polygon = shapely.get_coordinates(polygons, return_index=True)
    wrong = polygon[~np.isfinite(points).all(axis=1)]
    if len(wrong):
        raise PlacesError(
            f"{names[wrong[0]]} has coordinates that are no places in {crs.name} ({crs.to_string()}). Check that"
            " this is the CRS the coordinates are in, and correct or remove the feature."
        )


def _check_degrees(polygons: Polygons, names: list[str]) -> None:
    west, south, east, north = shapely.bounds(polygons).T
    wrong = np.flatnonzero((west < -MAX_SPAN) | (east > MAX_SPAN) | (south < -90) | (north > 90))
    if len(wrong):
        first = wrong[0]
        raise PlacesError(
            f"{names[first]} reaches longitudes {west[first]:g} to {east[first]:g} and latitudes {south[first]:g} to"
            f" {north[first]:g}; expected degrees, -180 to 180 (to 360 across the 180th meridian) and -90 to 90."
            " Metres under a CRS of degrees, or latitude and longitude swapped? Correct the CRS or the coordinates."
        )
