"""Sources of labels and patches for the tests of this folder."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from tasks.places.patches import Patch, Patches
from tests.archive import write_raster

LAEA = "EPSG:3035"

EAST, NORTH = 4_050_000, 3_080_000
"""A corner of the sources, metres in EPSG:3035: near Aachen."""

PATCH = Patch(epsg=32632, xmin=300_000, ymax=5_630_000, pixels=250)
"""Within a source of 10 km from that corner down to the south east."""


def patches_of(*patches: Patch) -> Patches:
    return Patches(
        epsg=np.array([one.epsg for one in patches], np.int32),
        xmin=np.array([one.xmin for one in patches], np.int64),
        ymax=np.array([one.ymax for one in patches], np.int64),
        pixels=patches[0].pixels,
    )


def around(patch: Patch, beyond: float = 500) -> tuple[float, float]:
    """The corner of a source of 100 m in EPSG:3035 that begins a little north west of a patch: left, top."""
    x, y = centres(patch, LAEA)
    return float(np.floor(x.min() / 100) * 100 - beyond), float(np.ceil(y.max() / 100) * 100 + beyond)


def centres(patch: Patch, crs: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of a patch's pixels in another CRS, each transformed by itself: (height, width) each."""
    steps = 10 * np.arange(patch.pixels) + 5
    x, y = np.meshgrid(patch.xmin + steps, patch.ymax - steps)
    return Transformer.from_crs(patch.epsg, crs, always_xy=True).transform(x, y)


def exact(values: NDArray[Any], patch: Patch, left: float, top: float, pixel: float, crs: Any = LAEA) -> NDArray[Any]:
    """A source's value under each pixel of a patch, 0 beyond the source: by definition, one by one."""
    x, y = centres(patch, crs)
    columns, rows = np.floor((x - left) / pixel).astype(int), np.floor((top - y) / pixel).astype(int)
    inside = (columns >= 0) & (columns < values.shape[1]) & (rows >= 0) & (rows < values.shape[0])
    result = np.zeros(patch.shape, values.dtype)
    result[inside] = values[rows[inside], columns[inside]]
    return result


def source(folder: Path, values: NDArray[Any], name: str = "source.tif", **options: Any) -> str:
    """A raster of 100 m in EPSG:3035 around `PATCH`, unless the options say otherwise."""
    left, top = around(PATCH)
    return write_raster(folder / name, values, **{"crs": LAEA, "left": left, "top": top, "pixel": 100} | options)


def polygons(path: Path, features: list[tuple[shapely.Geometry, dict[str, Any]]], crs: Any = "EPSG:32632") -> str:
    """A GeoPackage of features."""
    rows = [values | {"geometry": geometry} for geometry, values in features]
    gpd.GeoDataFrame(rows, crs=crs).to_file(path)
    return str(path)
