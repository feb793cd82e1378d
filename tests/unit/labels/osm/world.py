"""Small extracts, written by pyosmium, and places to ingest them for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import osmium.io
import shapely
from osmium.osm import Box, Location
from osmium.osm.mutable import Node, Relation, Way

from tasks.labels.osm.ingest import Ingested, ingest_extract
from tasks.labels.osm.layer import OsmLayer, scheme_of
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.places.opening import open_places
from tasks.places.patches import Patches, patches_around, to_degrees
from tasks.shards.description import LayerDescription, describe
from tasks.shards.destinations import open_destination
from tasks.shards.layout import CORPUS
from tasks.shards.stored_spec import platform_names, stored_spec
from tasks.spec import CorpusSpec

EAST, NORTH = 500_000, 5_300_000
"""Metres in EPSG:32632: the middle of the world, at 9 E."""

EPSG = 32632

Points = Sequence[tuple[float, float]]


def degrees(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of metres east and north of the middle."""
    lon, lat = to_degrees(np.array([EPSG]), np.array([EAST + x]), np.array([NORTH + y]))
    return float(lon[0]), float(lat[0])


class MadeExtract:
    """Objects in metres east and north of the middle, or what `place` makes degrees of."""

    def __init__(self, place: Callable[[float, float], tuple[float, float]] = degrees) -> None:
        self._place = place
        self._nodes: list[tuple[float, float, Mapping[str, str]]] = []
        self._ways: list[tuple[int, list[int], Mapping[str, str]]] = []
        self._relations: list[tuple[int, list[tuple[str, int, str]], Mapping[str, str]]] = []

    def node(self, x: float, y: float, **tags: str) -> int:
        self._nodes.append((x, y, tags))
        return len(self._nodes)

    def way(self, points: Points, *, osm_id: int | None = None, closed: bool = False, **tags: str) -> int:
        refs = [self.node(*point) for point in points]
        osm_id = osm_id or len(self._ways) + 1
        self._ways.append((osm_id, refs + refs[:1] * closed, tags))
        return osm_id

    def area(self, west: float, south: float, east: float, north: float, **tags: str) -> int:
        return self.way([(west, south), (east, south), (east, north), (west, north)], closed=True, **tags)

    def relation(self, members: Sequence[tuple[int, str]], *, osm_id: int | None = None, **tags: str) -> None:
        tags = {"type": "multipolygon", **tags}
        number = osm_id or len(self._relations) + 1
        self._relations.append((number, [("w", way, role) for way, role in members], tags))

    def write(
        self, path: Path, *, box: float | None = 20_000, without_nodes: int = 0, timestamp: str = "2024-01-01T00:00:00Z"
    ) -> Path:
        header = osmium.io.Header()
        header.set("osmosis_replication_timestamp", timestamp)
        if box:
            header.add_box(Box(*self._place(-box, -box), *self._place(box, box)))
        with osmium.SimpleWriter(str(path), header=header) as writer:
            for number, (x, y, tags) in enumerate(self._nodes, 1):
                if number > without_nodes:
                    writer.add_node(Node(id=number, location=Location(*self._place(x, y)), tags=tags, version=1))
            for number, refs, tags in sorted(self._ways, key=lambda way: way[0]):
                writer.add_way(Way(id=number, nodes=refs, tags=tags, version=1))
            for number, members, tags in sorted(self._relations, key=lambda relation: relation[0]):
                writer.add_relation(Relation(id=number, members=members, tags=tags, version=1))
        return path


def spec_over(folder: Path, **changes: Any) -> CorpusSpec:
    """A corpus with 32 px patches at the middle and beside it; or with `random`, in a square of 10 km."""
    points = folder / "points.gpkg"
    if not points.exists():
        at = [degrees(0, 0), degrees(320, 0), degrees(640, 0), degrees(5_000, 5_000)]
        gpd.GeoDataFrame(geometry=[shapely.Point(point) for point in at], crs=4326).to_file(points)
        square = shapely.box(EAST - 5_000, NORTH - 5_000, EAST + 5_000, NORTH + 5_000)
        gpd.GeoDataFrame(geometry=[square], crs=EPSG).to_file(folder / "square.gpkg")
    values: dict[str, Any] = {
        "name": "osm",
        "places": {"points": str(points)},
        "window": ["2018-01-01", "2019-01-01"],
        "patch": {"pixels": 32},
        "labels": ["osm"],
        "shard_size": 2,
        "destinations": [str(folder / "corpus")],
    }
    return CorpusSpec.model_validate(values | changes)


def places_of(spec: CorpusSpec) -> RandomPlaces | ListedPlaces:
    return open_places(spec)


def middle() -> Patches:
    """The patch in the middle: 320 m, from -160 to 160 east and north."""
    lon, lat = degrees(0, 0)
    return patches_around(np.array([lon]), np.array([lat]), 32)


def begin_corpus(spec: CorpusSpec, layer: OsmLayer) -> None:
    """Write what a first build does: the description of a corpus that is labelled so."""
    places = places_of(spec)
    description = describe(
        spec,
        places=places.digest,
        shards=places.shards(spec.size),
        capacity=places.capacity,
        bands=dict.fromkeys(platform_names(stored_spec(spec, places=places.digest)), ()),
        layers={layer.name: LayerDescription(arrays=layer.arrays, facts=layer.describe())},
    )
    for location in spec.destinations:
        open_destination(location).put(CORPUS, description.to_bytes())


def ingest(spec: CorpusSpec, *paths: Path, shards: Sequence[int] | None = None) -> list[Ingested]:
    places = places_of(spec)
    return [
        ingest_extract(
            path,
            places=places,
            shards=range(places.shards(spec.size)) if shards is None else shards,
            scheme=scheme_of(spec),
            destinations=[open_destination(location) for location in spec.destinations],
        )
        for path in paths
    ]
