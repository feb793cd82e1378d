"""Assets of the synthetic Earth Engine that are no acquisitions: land cover, values, features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.warp import transform_bounds

MASKED = 0
"""What is masked in a band, unless the asset says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Raster:
    """An image with bands (rows, columns) on a grid of its own."""

    id: str
    bands: Mapping[str, NDArray[Any]]
    left: float
    top: float
    pixel: float
    epsg: int = 3035
    masked: float = MASKED
    updated: str = "2020-05-01T00:00:00Z"
    properties: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def outline(self) -> Any:
        rows, columns = next(iter(self.bands.values())).shape
        bounds = (self.left, self.top - rows * self.pixel, self.left + columns * self.pixel, self.top)
        return shapely.box(*transform_bounds(self.epsg, 4326, *bounds))

    def get(self, name: str) -> Any:
        own = {"system:index": self.id.rpartition("/")[2], "system:id": self.id, "system:version": 7}
        return {**self.properties, **own}.get(name)

    def sample(self, band: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values under places in the asset's CRS, and which of them are there."""
        held = self.bands[band]
        columns = np.floor((x - self.left) / self.pixel).astype(int)
        rows = np.floor((self.top - y) / self.pixel).astype(int)
        inside = (columns >= 0) & (columns < held.shape[1]) & (rows >= 0) & (rows < held.shape[0])
        values = np.where(inside, held[np.where(inside, rows, 0), np.where(inside, columns, 0)], self.masked)
        return values, inside & (values != self.masked)

    def told(self) -> dict[str, Any]:
        """As the service describes it (REST reference, EarthEngineAsset)."""
        return {
            "type": "IMAGE",
            "id": self.id,
            "updateTime": self.updated,
            "properties": dict(self.properties),
            "geometry": shapely.geometry.mapping(self.outline),
            "bands": [
                {
                    "id": name,
                    "dataType": {
                        "precision": "INT" if values.dtype.kind in "iu" else "FLOAT",
                        "range": {"max": 255} if values.dtype.itemsize == 1 else {"min": -32768, "max": 32767},
                    },
                    "grid": {
                        "crsCode": f"EPSG:{self.epsg}",
                        "dimensions": {"width": values.shape[1], "height": values.shape[0]},
                        "affineTransform": {
                            "scaleX": self.pixel, "translateX": self.left,
                            "scaleY": -self.pixel, "translateY": self.top,
                        },
                    },
                }
                for name, values in self.bands.items()
            ],
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rasters:
    """A collection of images of one grid's CRS."""

    id: str
    images: Sequence[Raster]
    updated: str = "2021-05-01T00:00:00Z"

    def told(self) -> dict[str, Any]:
        return {"type": "IMAGE_COLLECTION", "id": self.id, "updateTime": self.updated}


@dataclass(frozen=True)
class Feature:
    geometry: Any
    properties: dict[str, Any]

    def get(self, name: str) -> Any:
        return self.properties.get(name)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A collection of features, WGS 84."""

    id: str
    features: Sequence[Feature]
    updated: str = "2022-05-01T00:00:00Z"

    def told(self) -> dict[str, Any]:
        return {"type": "TABLE", "id": self.id, "updateTime": self.updated, "featureCount": str(len(self.features))}


Made = Raster | Rasters | Table


@dataclass(frozen=True)
class Mosaic:
    """Images on top of each other, the last one on top."""

    images: tuple[Raster, ...]

    @property
    def epsg(self) -> int:
        (code,) = {image.epsg for image in self.images}
        return code

    @property
    def bands(self) -> Mapping[str, Any]:
        return self.images[0].bands

    def sample(self, band: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        values, there = self.images[0].sample(band, x, y)
        for image in self.images[1:]:
            upper, valid = image.sample(band, x, y)
            values, there = np.where(valid, upper, values), there | valid
        return values, there


@dataclass(frozen=True)
class Painted:
    """A value everywhere, and features burnt onto it one after the other: (features, colour)."""

    value: float
    strokes: tuple[tuple[tuple[Feature, ...], float], ...] = ()
    epsg: int = 4326
    bands: Mapping[str, Any] = field(default_factory=lambda: {"constant": np.zeros((1, 1), np.uint16)})

    def sample(self, band: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        values = np.full(x.shape, self.value)
        for features, colour in self.strokes:
            for feature in features:
                values[shapely.contains_xy(feature.geometry, x, y)] = colour
        return values, np.ones(x.shape, bool)


def grid_in(x: NDArray[Any], y: NDArray[Any], code: int, epsg: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Places in another CRS."""
    return Transformer.from_crs(code, epsg, always_xy=True).transform(x, y)
