"""The OpenStreetMap extract of the invented country."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import osmium.io
import shapely
from osmium.osm import Box, Location
from osmium.osm.mutable import Node, Relation, Way

from tasks.demo.landscape import COUNTRY_NAME, Feature, Landscape
from tasks.demo.rasters import DESCRIPTION
from tasks.demo.square import Floats, polygon_to_lonlat, to_lonlat

TIMESTAMP = datetime(2022, 10, 1, tzinfo=UTC)
"""Of all objects, and of the extract: fixed, so that the file does not depend on the clock."""

_NOTED = ("place", "waterway")
"""Objects with one of these keys say themselves that they are invented; all would double the file."""


def write_osm(path: Path, landscape: Landscape) -> None:
    """Write all mapped features as an `.osm.pbf`: nodes, then ways, then multipolygon relations, ids from 1."""
    extract = _Extract()
    for feature in landscape.features:
        if feature.tags:
            extract.add(feature)
    for part in landscape.country.geoms:
        # Land lies to the left of a coastline, so the ring runs anticlockwise.
        ring = np.asarray(shapely.orient_polygons(part).exterior.coords)
        extract.add_way(ring, {"natural": "coastline", "note": "invented"})
    extract.write(path, polygon_to_lonlat(landscape.square.outline).bounds)


def write_country(path: Path, landscape: Landscape) -> None:
    """Write the country's outline as GeoJSON, WGS 84."""
    parts = [shapely.orient_polygons(polygon_to_lonlat(part)) for part in landscape.country.geoms]
    content = {
        "type": "FeatureCollection",
        "name": "country",
        "description": DESCRIPTION,
        "features": [
            {
                "type": "Feature",
                "properties": {"name": COUNTRY_NAME, "invented": True, "description": DESCRIPTION},
                "geometry": json.loads(shapely.to_geojson(shapely.MultiPolygon(parts))),
            }
        ],
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


class _Extract:
    """Collects objects; places that several share become one node."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], int] = {}
        self._node_tags: dict[int, Mapping[str, str]] = {}
        self._ways: list[tuple[list[int], Mapping[str, str]]] = []
        self._relations: list[tuple[list[tuple[int, str]], Mapping[str, str]]] = []

    def add(self, feature: Feature) -> None:
        tags = feature.tags
        if any(key in tags for key in _NOTED):
            tags = {**tags, "note": "invented"}
        geometry = feature.geometry
        if isinstance(geometry, shapely.Point):
            self._node_tags[self._refs(np.asarray(geometry.coords))[0]] = tags
        elif isinstance(geometry, shapely.LineString):
            self.add_way(np.asarray(geometry.coords), tags)
        elif not geometry.interiors:
            self.add_way(np.asarray(geometry.exterior.coords), tags)
        else:
            outer = self.add_way(np.asarray(geometry.exterior.coords), {})
            inner = [self.add_way(np.asarray(ring.coords), {}) for ring in geometry.interiors]
            members = [(outer, "outer"), *((way, "inner") for way in inner)]
            self._relations.append((members, {"type": "multipolygon", **tags, "note": "invented"}))

    def add_way(self, xy: Floats, tags: Mapping[str, str]) -> int:
        """Add a line of (n, 2) metres; returns the way's id."""
        refs = self._refs(xy)
        self._ways.append(([ref for i, ref in enumerate(refs) if i == 0 or ref != refs[i - 1]], tags))
        return len(self._ways)

    def write(self, path: Path, bounds: tuple[float, float, float, float]) -> None:
        header = osmium.io.Header()
        header.set("generator", "DeepSentinel demo archive (INVENTED data)")
        header.set("osmosis_replication_timestamp", f"{TIMESTAMP:%Y-%m-%dT%H:%M:%SZ}")
        header.add_box(Box(*bounds))
        path.parent.mkdir(parents=True, exist_ok=True)
        stamp: dict[str, Any] = {"version": 1, "timestamp": TIMESTAMP, "changeset": 1, "uid": 1, "user": "invented"}
        with osmium.SimpleWriter(str(path), header=header) as writer:
            for (lon, lat), ref in self._nodes.items():
                tags = self._node_tags.get(ref, {})
                writer.add_node(Node(id=ref, location=Location(lon / 1e7, lat / 1e7), tags=tags, **stamp))
            for ref, (nodes, tags) in enumerate(self._ways, 1):
                writer.add_way(Way(id=ref, nodes=nodes, tags=tags, **stamp))
            for ref, (members, tags) in enumerate(self._relations, 1):
                writer.add_relation(
                    Relation(id=ref, members=[("w", way, role) for way, role in members], tags=tags, **stamp)
                )

    def _refs(self, xy: Floats) -> list[int]:
        nodes = self._nodes
        places = np.rint(to_lonlat(xy) * 1e7).astype(np.int64).tolist()
        return [nodes.setdefault((lon, lat), len(nodes) + 1) for lon, lat in places]
