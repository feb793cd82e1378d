"""A tiny STAC archive of GeoTIFFs whose pixel values tell scene, band and position."""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import Affine

from tasks.imagery.bands import BANDS
from tasks.places.patches import Patch

EPSG, LEFT, TOP = 32632, 499_980, 5_000_040
"""Where scenes lie: a corner on the 60 m grid of Sentinel-2."""

SIDE = 1_200
"""Metres; a multiple of 10, 20 and 60."""

RESOLUTION = dict.fromkeys(BANDS, 20) | dict.fromkeys(("B02", "B03", "B04", "B08"), 10)
RESOLUTION |= dict.fromkeys(("B01", "B09", "B10"), 60)

L2A_BANDS = tuple(band for band in BANDS if band != "B10")


def pattern(scene: int, band: int, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Values 1001..9999 that differ between scenes, bands, rows and columns."""
    return 1001 + (1_999 * scene + 401 * band + 37 * rows[:, None] + columns[None, :]) % 8_999


def decibels(scene: int, polarization: int, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Values from -30 to 0 dB, in steps of 0.01 dB."""
    return -((pattern(scene, polarization, rows, columns) % 3_000) / 100)


def at(patch: Patch, resolution: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of an archive's raster under the centres of a patch's pixels."""
    centres = 10 * np.arange(patch.pixels) + 5
    return (TOP - (patch.ymax - centres)) // resolution, (patch.xmin + centres - LEFT) // resolution


def write_raster(
    path: Path,
    values: NDArray[Any],
    *,
    crs: str | None = f"EPSG:{EPSG}",
    left: float = LEFT,
    top: float = TOP,
    pixel: float = 10,
    nodata: float | None = None,
    **options: Any,
) -> str:
    """Write one band as a tiled, compressed GeoTIFF; returns the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=height,
        width=width,
        dtype=values.dtype,
        crs=crs,
        transform=Affine(pixel, 0, left, 0, -pixel, top),
        nodata=nodata,
        **{"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"} | options,
    ) as file:
        file.write(values, 1)
    return str(path)


def footprint(left: float = LEFT, top: float = TOP, side: float = SIDE, epsg: int = EPSG) -> shapely.Polygon:
    """Outline of a square in WGS 84 degrees."""
    to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
    x = [left, left + side, left + side, left]
    y = [top, top, top - side, top - side]
    return shapely.Polygon(list(zip(*to_degrees.transform(x, y), strict=True)))


def item(
    name: str,
    when: str = "2018-05-03T10:40:21Z",
    *,
    assets: dict[str, str] | None = None,
    geometry: dict[str, Any] | None = None,
    **properties: Any,
) -> pystac.Item:
    """An item; `properties` whose name has a colon are given as `{"eo:cloud_cover": 5}` with **."""
    geometry = shapely.geometry.mapping(footprint()) if geometry is None else geometry
    found = pystac.Item(
        name,
        geometry,
        list(shapely.geometry.shape(geometry).bounds),
        dt.datetime.fromisoformat(when),
        properties=dict(properties),
    )
    for key, href in (assets or {}).items():
        found.add_asset(key, pystac.Asset(href))
    return found


@dataclass
class Archive:
    """Collections that `save` writes as a static catalogue."""

    root: Path
    collections: dict[str, list[pystac.Item]] = field(default_factory=dict)

    def add(self, collection: str, found: pystac.Item) -> pystac.Item:
        """Put an item in a collection."""
        self.collections.setdefault(collection, []).append(found)
        return found

    def sentinel2(
        self,
        name: str,
        when: str = "2018-05-03T10:40:21Z",
        *,
        scene: int = 1,
        bands: tuple[str, ...] = L2A_BANDS,
        offset: int = 0,
        collection: str = "sentinel-2-l2a",
        **properties: Any,
    ) -> pystac.Item:
        """Add a Sentinel-2 scene with the pixels of `pattern`, raised by `offset`."""
        assets: dict[str, str] = {}
        for band in bands:
            pixel = RESOLUTION[band]
            count = np.arange(SIDE // pixel)
            values = (pattern(scene, BANDS.index(band), count, count) + offset).astype(np.uint16)
            assets[band] = write_raster(self.root / collection / name / f"{band}.tif", values, pixel=pixel, nodata=0)
        known = {"proj:code": f"EPSG:{EPSG}", "s2:mgrs_tile": "32TMR", "platform": "Sentinel-2A"}
        return self.add(collection, item(name, when, assets=assets, **known | properties))

    def sentinel1(
        self, name: str, when: str = "2018-05-04T05:30:00Z", *, scene: int = 1, power: bool = False, **properties: Any
    ) -> pystac.Item:
        """Add a Sentinel-1 scene with the pixels of `decibels`; its first row has none."""
        assets: dict[str, str] = {}
        for index, polarization in enumerate(("VV", "VH")):
            count = np.arange(SIDE // 10)
            values = decibels(scene, index, count, count).astype(np.float32)
            values = 10 ** (values / 10) if power else values
            values[0] = 0 if power else np.nan
            assets[polarization.lower()] = write_raster(
                self.root / "s1" / name / f"{polarization}.tif", values.astype(np.float32)
            )
        known = {"sar:instrument_mode": "IW", "sat:relative_orbit": 15, "sat:orbit_state": "descending"}
        return self.add("sentinel-1-grd", item(name, when, assets=assets, **known | properties))

    def save(self) -> Path:
        """Write the catalogue; returns the path of its catalog.json."""
        catalog = pystac.Catalog("tiny", "A tiny archive.")
        anywhere = pystac.Extent(
            pystac.SpatialExtent([[-180, -90, 180, 90]]),
            pystac.TemporalExtent([[dt.datetime(2015, 1, 1, tzinfo=dt.UTC), None]]),
        )
        for name, items in self.collections.items():
            collection = pystac.Collection(name, name, anywhere)
            collection.add_items(items)
            catalog.add_child(collection)
        catalog.normalize_and_save(str(self.root), pystac.CatalogType.SELF_CONTAINED)
        return self.root / "catalog.json"
