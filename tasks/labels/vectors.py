"""Vectors as sources of labels: the features around a patch, read through the file's spatial index and burnt."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio.features
import shapely
from numpy.typing import NDArray
from pyogrio import raw
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS, Transformer

from tasks.errors import LabelsError, SpecError
from tasks.notices import told_if_slow
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.spec.locations import local_path, need_file

INDEXED = (".gpkg", ".fgb")
"""Files of one piece with a spatial index: without it the whole file would be read for every patch."""

_MARGIN = 5 * PIXEL
"""Metres around a patch that are read too, so that its edge is cut where no pixel's centre is."""

_STRAIGHT = {True: 0.01, False: 1000.0}
"""Edges are divided to this before they are reprojected, in degrees or metres: a straight one is a curve elsewhere."""


def is_vectors(location: str) -> bool:
    """Whether a source is one of vectors, by its name."""
    return Path(location).suffix.lower() in (*INDEXED, ".gdb", ".shp", ".geojson", ".json", ".parquet", ".geoparquet")


def everywhere(patches: Patches) -> NDArray[np.bool_]:
    """Whether a source covers patches of which nothing tells where it ends: where it has no feature, there is none."""
    return np.ones(len(patches), bool)


class VectorSource:
    """A layer of features, each of the class that its column says. Safe to use from many threads."""

    def __init__(
        self,
        location: str,
        key: str,
        classes: Mapping[str, int],
        *,
        column: str | None = None,
        column_pattern: str | None = None,
    ) -> None:
        """Open the file that a spec names under `key`.

        `classes` are those of the column's values as text, 0 for those that are no class; of a file without a column
        every feature is of class 1. The column is named, or the one whose whole name fits a pattern.
        Raises SpecError: not a GeoPackage or FlatGeobuf, several layers, no CRS, no such column.
        """
        self.location, self.key, self._classes = location, key, dict(classes)
        if local_path(location) is None or Path(location).suffix.lower() not in INDEXED:
            raise SpecError(
                f"{key}: {location} cannot be read patch by patch. Save it as a GeoPackage or FlatGeobuf on this "
                "machine, for instance with ogr2ogr labels.gpkg FILE."
            )
        self._path = need_file(location, key)
        try:
            self._layer = self._only_layer()
            info = pyogrio.read_info(self._path, layer=self._layer, force_total_bounds=True, force_feature_count=True)
        except (DataSourceError, DataLayerError) as error:
            raise SpecError(f"{key}: {location} cannot be read: {error}. Save it as a GeoPackage again.") from None
        if info["crs"] is None:
            raise SpecError(f"{key}: {location} has no CRS. Assign it (set_crs) and save the file again.")
        kind = str(info["geometry_type"] or "Unknown")
        if not kind.startswith(
            ("Polygon", "MultiPolygon", "CurvePolygon", "MultiSurface", "GeometryCollection", "Unknown")
        ):
            raise SpecError(
                f"{key}: {location} has geometries of type {kind}, and a label of classes needs areas. Buffer them to "
                "the width that they have, and save the polygons."
            )
        self.crs = CRS.from_user_input(info["crs"])
        self._bounds = info["total_bounds"]
        self.column = self._column_of([str(name) for name in info["fields"]], column, column_pattern)
        self.features = int(info["features"])
        self.unknown: list[str] = []
        """Values of the column that are no class, the most frequent first."""
        self._left_out = 0
        if self.column is not None:
            self._count_values(wanted=column is not None)

    def facts(self) -> dict[str, Any]:
        """What a corpus says of the features."""
        told = {"features": self.features, "features_left_out": self._left_out}
        return told if self.column is None else {"column": self.column, **told}

    def covers(self, patches: Patches) -> NDArray[np.bool_]:
        """Whether the box around all features holds all of each patch, (n,)."""
        left, bottom, right, top = self._bounds
        boxes = [_box(patches[index], self.crs, 0) for index in range(len(patches))]
        return np.array(
            [west >= left and south >= bottom and east <= right and north <= top for west, south, east, north in boxes],
            bool,
        )

    def draw(self, patch: Patch) -> NDArray[Any]:
        """The classes under the centres of a patch's pixels: (1, height, width) uint16; the highest class wins.

        Raises LabelsError: unreadable.
        """
        result = np.zeros((1, *patch.shape), np.uint16)
        west, south, east, north = _box(patch, self.crs, _MARGIN)
        # Across the antimeridian the west is east of the east.
        boxes = (
            [(west, south, east, north)] if west <= east else [(west, south, 180, north), (-180, south, east, north)]
        )
        found = [self._features_in(box) for box in boxes]
        geometries = np.concatenate([geometries for geometries, _ in found])
        classes = np.concatenate([classes for _, classes in found])
        shapes = [
            (shape, int(one))
            for shape, one in zip(self._on_grid(geometries, patch), classes, strict=True)
            if one and not shape.is_empty
        ]
        if shapes:
            shapes.sort(key=lambda item: item[1])
            rasterio.features.rasterize(shapes, out=result[0], transform=patch.transform)
        return result

    def _features_in(self, box: tuple[float, float, float, float]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Geometries, cut to a box, and their classes, in the file's order."""
        columns = [] if self.column is None else [self.column]
        try:
            _, fids, geometry, fields = raw.read(
                self._path, layer=self._layer, columns=columns, bbox=box, return_fids=True, force_2d=True
            )
        except (DataSourceError, DataLayerError) as error:
            raise LabelsError(f"{self.location}: cannot be read: {error}. Fetch the file again.") from None
        order = np.argsort(fids, kind="stable")
        shapes = shapely.from_wkb(np.asarray(geometry, object)[order])
        values = np.asarray(fields[0], object)[order] if self.column is not None else np.full(len(order), "")
        classes = np.array([self._classes.get(as_text(value), 0) for value in values], np.int64)
        if self.column is None:
            classes[:] = 1
        shapes = np.where(shapely.is_valid(shapes), shapes, shapely.make_valid(shapes))
        return _areas(np.asarray(shapely.clip_by_rect(shapes, *box), object)), classes

    def _on_grid(self, geometries: NDArray[Any], patch: Patch) -> NDArray[Any]:
        """Geometries in the patch's zone."""
        transformer = _transformer(patch.epsg, self.crs)
        dense = shapely.segmentize(geometries, _STRAIGHT[self.crs.is_geographic])

        def to_zone(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(transformer.transform(points[:, 0], points[:, 1], direction="INVERSE"))

        return shapely.transform(dense, to_zone)

    def _only_layer(self) -> str:
        layers = [str(name) for name, kind in pyogrio.list_layers(self._path) if kind is not None]
        if len(layers) != 1:
            told = ", ".join(layers) or "none with geometry"
            raise SpecError(
                f"{self.key}: {self.location} has several layers ({told}); expected one. Save it to a file of its own."
                if layers
                else f"{self.key}: {self.location} has no layer of features. Give another file."
            )
        return layers[0]

    def _column_of(self, names: list[str], column: str | None, pattern: str | None) -> str | None:
        if column is None and pattern is None:
            return None
        fitting = [name for name in names if name == column or (pattern and re.fullmatch(pattern, name, re.IGNORECASE))]
        if not fitting:
            wanted = repr(column) if column is not None else "of CLC codes such as Code_18"
            raise SpecError(f"{self.key}: {self.location} has no column {wanted}; it has {', '.join(names) or 'none'}.")
        return fitting[0]

    def _count_values(self, *, wanted: bool) -> None:
        """Look at the column of all features; with `wanted`, every class must have one."""
        with told_if_slow(f"{self._path.name}: reading its column {self.column}"):
            _, _, _, fields = raw.read(self._path, layer=self._layer, columns=[self.column], read_geometry=False)
        counts = Counter(as_text(value) for value in fields[0])
        unknown = [(value, count) for value, count in counts.most_common() if value not in self._classes]
        self.unknown = [value for value, _ in unknown]
        self._left_out = sum(count for _, count in unknown)
        absent = [value for value in self._classes if value not in counts]
        if wanted and absent:
            found = ", ".join(repr(value) for value, _ in counts.most_common(10))
            raise SpecError(
                f"{self.key}: no feature of {self.location} has {absent[0]!r} in its column {self.column}, which has "
                f"{found}. Correct `values`."
            )


def as_text(value: Any) -> str:
    """A value of a column as the spec writes it: 3.0 and 3 are "3"."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


_AREAS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def _areas(shapes: NDArray[Any]) -> NDArray[Any]:
    """What of geometries is area: a ring that touches itself, once made valid, or an edge that lies on a cut, leaves
    lines too, which would be burnt as wide as a pixel."""
    kinds, areas = shapely.get_type_id(shapes), shapes.copy()
    areas[~np.isin(kinds, _AREAS)] = shapely.Polygon()
    for index in np.flatnonzero(kinds == shapely.GeometryType.GEOMETRYCOLLECTION):
        parts = shapely.get_parts(shapes[index])
        areas[index] = shapely.union_all(parts[np.isin(shapely.get_type_id(parts), _AREAS)])
    return areas


def _box(patch: Patch, crs: CRS, margin: float) -> tuple[float, float, float, float]:
    """The box around a patch in another CRS: left, bottom, right, top."""
    return _transformer(patch.epsg, crs).transform_bounds(
        patch.xmin - margin, patch.ymin - margin, patch.xmax + margin, patch.ymax + margin
    )


@lru_cache(maxsize=128)
def _transformer(epsg: int, crs: CRS) -> Transformer:
    return Transformer.from_crs(epsg, crs, always_xy=True)
