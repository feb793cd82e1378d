"""Places of the part of the country that has a year of dates: what the recipes of corpora are tried on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import shapely
from shapely.geometry.base import BaseGeometry

from tasks.demo.land_cover import FOREST, Cover
from tasks.demo.landscape import Landscape
from tasks.demo.rasters import DESCRIPTION
from tasks.demo.square import EPSG, Square, polygon_to_lonlat, to_lonlat
from tasks.demo.year import LEAST, SHARE
from tasks.demo.zones import RESOLUTION, Zones

SITES = 8
"""Points with a climate zone, and squares of which the built-up part is made, along a side."""

MARGIN = 250.0
"""Metres that points keep from the edge of the part: half of a patch of 32 pixels, half of a zone's pixel, and some."""

CATEGORIES = ("Ia", "II", "Ib", "V", "II", "IV")
"""Of the protected areas, the largest first (IUCN's; WDPA's column IUCN_CAT)."""

_WILD = (*FOREST, Cover.WETLAND, Cover.HEATH, Cover.SCRUB, Cover.LAKE)

Feature = tuple[BaseGeometry, dict[str, Any]]


def write_places(folder: Path, landscape: Landscape, zones: Zones) -> None:
    """Write `places/*.geojson` and `labels/protected.fgb`."""
    part = landscape.square.inner(SHARE, LEAST)
    protected = _protected(landscape, part)
    inside = part.outline.buffer(-MARGIN)
    sites = [
        (shapely.intersection(area, inside).representative_point(), columns)
        for area, columns in protected
        if area.intersects(inside)
    ]
    places = {
        "year": [(part.outline, {"name": "a year of dates"})],
        "regions": _regions(part),
        "urban": [(_nearest_houses(landscape, part), {"name": "nearest to houses"})],
        "zones": _zone_sites(landscape, part, zones),
        "protected": [(site, {**columns, "split": _split(at, len(sites))}) for at, (site, columns) in enumerate(sites)],
    }
    (folder / "places").mkdir()
    for name, features in places.items():
        _write(folder / "places" / f"{name}.geojson", name, features)
    _write_areas(folder / "labels" / "protected.fgb", protected)


def _protected(landscape: Landscape, part: Square) -> list[Feature]:
    """The largest wild areas of the part, whole."""
    wild = [feature.geometry for feature in landscape.features if feature.cover in _WILD]
    shares = [shapely.intersection(area, part.outline).area for area in wild]
    order = sorted(range(len(wild)), key=lambda index: (-shares[index], index))
    largest = [wild[index] for index in order if shares[index] > 0][: len(CATEGORIES)]
    return [
        (area, {"WDPA_PID": f"INVENTED-{number}", "IUCN_CAT": category})
        for number, (area, category) in enumerate(zip(largest, CATEGORIES, strict=False), 1)
    ]


def _regions(part: Square) -> list[Feature]:
    """Its quarters, each a region with a split."""
    xmin, ymin, _, _ = part.bounds
    half = part.size / 2
    corners = [(xmin + half * right, ymin + half * up) for up in (1, 0) for right in (0, 1)]
    splits = ("train", "train", "validation", "test")
    return [
        (shapely.box(x, y, x + half, y + half), {"roi": f"region-{number}", "split": split})
        for number, ((x, y), split) in enumerate(zip(corners, splits, strict=True), 1)
    ]


def _nearest_houses(landscape: Landscape, part: Square) -> BaseGeometry:
    """The third of it that lies nearest to houses."""
    homes = shapely.union_all([one.geometry for one in landscape.features if one.cover == Cover.RESIDENTIAL])
    xmin, ymin, _, _ = part.bounds
    side = part.size / SITES
    cells = [
        shapely.box(xmin + side * x, ymin + side * y, xmin + side * (x + 1), ymin + side * (y + 1))
        for y in range(SITES)
        for x in range(SITES)
    ]
    order = sorted(range(len(cells)), key=lambda index: (cells[index].centroid.distance(homes), index))
    return shapely.union_all([cells[index] for index in order[: len(cells) // 3]])


def _zone_sites(landscape: Landscape, part: Square, zones: Zones) -> list[Feature]:
    """Points on a lattice with the zone that they lie in, the nearest town, and a split: the west trains."""
    towns = [(f.geometry, f.tags["name"]) for f in landscape.features if f.tags.get("place") and f.tags.get("name")]
    xmin, ymin, xmax, ymax = part.bounds
    found: list[Feature] = []
    for column, x in enumerate(np.linspace(xmin + MARGIN, xmax - MARGIN, SITES).tolist()):
        for y in np.linspace(ymin + MARGIN, ymax - MARGIN, SITES).tolist():
            # In the middle of a pixel, so that which zone it is in is beyond doubt.
            right, row = landscape.square.to_pixels(np.array([[x, y]]), RESOLUTION)[0].astype(int).tolist()
            site = shapely.Point(
                landscape.square.left + (right + 0.5) * RESOLUTION, landscape.square.top - (row + 0.5) * RESOLUTION
            )
            city = min(towns, key=lambda town: (site.distance(town[0]), town[1]))[1] if towns else "nowhere"
            found.append((site, {"label": int(zones[row, right]), "city": city, "split": _split(column, SITES)}))
    return found


def _split(number: int, count: int) -> str:
    return "train" if number < 0.6 * count else "validation" if number < 0.75 * count else "test"


def _write(path: Path, name: str, features: Sequence[Feature]) -> None:
    content = {
        "type": "FeatureCollection",
        "name": name,
        "description": DESCRIPTION,
        "features": [
            {
                "type": "Feature",
                "properties": {**columns, "invented": True},
                "geometry": json.loads(shapely.to_geojson(_in_degrees(geometry))),
            }
            for geometry, columns in features
        ],
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _in_degrees(geometry: BaseGeometry) -> BaseGeometry:
    if isinstance(geometry, shapely.Point):
        return shapely.Point(to_lonlat(np.array(geometry.coords))[0])
    parts = [polygon_to_lonlat(part) for part in shapely.get_parts(geometry)]
    return shapely.orient_polygons(parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts))


def _write_areas(path: Path, areas: Sequence[Feature]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ("WDPA_PID", "IUCN_CAT")
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array([area for area, _ in areas], dtype=object)),
        [np.array([held[name] for _, held in areas], dtype=object) for name in columns],
        np.array(columns, dtype=object),
        driver="FlatGeobuf",
        geometry_type="Polygon",
        crs=f"EPSG:{EPSG}",
    )
