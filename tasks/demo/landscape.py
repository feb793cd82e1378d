"""The invented country as vectors: one list of features, in the order in which they lie on the ground.

Both the imagery (`surface`) and the labels (`corine`, `osm`) are drawn from this list, so they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import shapely

from tasks.demo.fields import make_farmland
from tasks.demo.land_cover import OSM_TAGS, Cover
from tasks.demo.network import SURFACES, WIDTHS, make_network
from tasks.demo.noise import Field, polygons_of
from tasks.demo.settlements import Settlement, make_settlements
from tasks.demo.square import Square, to_lonlat
from tasks.demo.terrain import make_growth, make_terrain

COUNTRY_NAME = "Sentinelia"


@dataclass(frozen=True)
class Feature:
    """One object of the landscape."""

    geometry: shapely.Polygon | shapely.LineString | shapely.Point  # EPSG:32629
    cover: Cover | None  # what it covers the ground with; None: it leaves no trace in the imagery
    tags: Mapping[str, str] = field(default_factory=dict)  # OpenStreetMap; empty: not mapped
    width: float = 0.0  # metres, of a line


@dataclass(frozen=True)
class Landscape:
    """The country. Features later in the list lie on top of earlier ones."""

    square: Square
    country: shapely.MultiPolygon  # EPSG:32629
    features: tuple[Feature, ...]
    inland: Field  # (n, n) at 60 m, above 0 on land
    height: Field  # (n, n) at 60 m, 0 at the coast, about 1 on the hills


def make_landscape(square: Square, seed: int) -> Landscape:
    """Invent the country; the same square and seed give the same one."""
    terrain = make_terrain(square, seed)
    settlements = make_settlements(terrain, seed)
    built_up = shapely.union_all([polygon for place in settlements for polygon in place.areas])
    growth = make_growth(terrain, seed, built_up)
    built = [polygon for place in settlements for polygon in place.areas]
    farmland = make_farmland(terrain, seed, [*(polygon for polygon, _ in growth), *built])
    network = make_network(terrain, settlements, seed)

    features = [Feature(part, Cover.UNMAPPED) for part in terrain.country.geoms]
    features += [_area(polygon, cover) for polygon, cover in farmland.fields]
    features += [_area(polygon, cover) for polygon, cover in growth]
    for place in settlements:
        features += [_area(polygon, Cover.RESIDENTIAL, name=place.name) for polygon in place.homes]
        features += [_area(polygon, cover) for polygon, cover in place.others]
    features += [Feature(line, Cover.TREE, {"natural": "tree_row"}, 4.0) for line in farmland.hedges[::2]]
    features += [Feature(line, Cover.TREE, {"barrier": "hedge"}, 4.0) for line in farmland.hedges[1::2]]
    features += [_area(bed, Cover.RIVER) for bed in terrain.river_beds]
    features += [_area(lake, Cover.LAKE, name=f"Lake {i + 1}") for i, lake in enumerate(terrain.lakes)]
    for line, width in terrain.rivers:
        features.append(Feature(line, None, {"waterway": "river" if width > 40 else "stream"}, width))
    features += [_road(line, "track") for line in farmland.tracks]
    for place in settlements:
        features += [_road(street, "residential") for street in place.streets]
    order = list(WIDTHS)
    for way in sorted(network.ways, key=lambda way: -order.index(way.kind)):
        features.append(_road(way.line, way.kind, way.name))
    for place in settlements:
        features += [_area(polygon, cover) for polygon, cover in place.buildings]
    features += _points(settlements, network.pylons)
    if network.power_line is not None:
        features.append(Feature(network.power_line, None, {"power": "line", "voltage": "110000"}))
    return Landscape(square, terrain.country, _survive_rounding(features), terrain.inland, terrain.height)


def _survive_rounding(features: list[Feature]) -> tuple[Feature, ...]:
    """The features with such slivers cut off that would fold over when OpenStreetMap rounds them to 1e-7 degrees."""
    rounded = np.array([shapely.transform(feature.geometry, to_lonlat) for feature in features])
    broken = ~shapely.is_valid(rounded)
    kept: list[Feature] = []
    for feature, is_broken in zip(features, broken, strict=True):
        if not is_broken:
            kept.append(feature)
            continue
        opened = feature.geometry.buffer(-1.0, join_style="mitre").buffer(1.0, join_style="mitre")
        parts = polygons_of(shapely.set_precision(opened, 0.1))
        whole = [part for part in parts if shapely.transform(part, to_lonlat).is_valid]
        kept += [replace(feature, geometry=part) for part in whole]
    return tuple(kept)


def _area(polygon: shapely.Polygon, cover: Cover, name: str | None = None) -> Feature:
    return Feature(polygon, cover, OSM_TAGS[cover] | ({"name": name} if name else {}))


def _road(line: shapely.LineString, kind: str, ref: str | None = None) -> Feature:
    tags = {"railway": "rail"} if kind == "rail" else {"highway": kind}
    return Feature(line, SURFACES[kind], tags | ({"ref": ref} if ref else {}), WIDTHS[kind])


def _points(settlements: list[Settlement], pylons: list[tuple[float, float]]) -> list[Feature]:
    found = [Feature(shapely.Point(tree), Cover.TREE, {"natural": "tree"}) for p in settlements for tree in p.trees]
    found += [Feature(shapely.Point(p.centre), None, {"place": p.kind, "name": p.name}) for p in settlements]
    found += [Feature(shapely.Point(pylon), Cover.PYLON, {"power": "tower"}) for pylon in pylons]
    return found
