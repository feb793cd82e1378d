"""The CORINE Land Cover raster of the invented country."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio.features
import rasterio.warp
from affine import Affine
from rasterio.enums import Resampling

from tasks.demo.land_cover import CORINE, Cover
from tasks.demo.rasters import write_raster
from tasks.demo.square import EPSG
from tasks.demo.surface import Surface, covers_at

LAEA = "EPSG:3035"

COLOURS: dict[int, tuple[int, int, int]] = {
    2: (255, 0, 0),
    3: (204, 77, 242),
    4: (204, 0, 0),
    7: (166, 0, 204),
    10: (255, 166, 255),
    12: (255, 255, 168),
    15: (230, 128, 0),
    16: (242, 166, 77),
    18: (230, 230, 77),
    21: (230, 204, 77),
    23: (128, 255, 0),
    24: (0, 166, 0),
    25: (77, 255, 0),
    27: (166, 255, 128),
    29: (166, 242, 0),
    30: (230, 230, 230),
    35: (166, 166, 255),
    40: (0, 204, 242),
    41: (128, 242, 230),
    44: (230, 242, 255),
}
"""The official colours of the classes that the country has, by raster code."""

SMALLEST = 25
"""CORINE's minimum mapping unit, 25 ha, in pixels of 1 ha."""


def corine_codes(surface: Surface) -> tuple[npt.NDArray[np.uint8], Affine]:
    """(height, width) codes 1..44 on the 100 m grid of EPSG:3035, 0 outside the square, and the grid's transform.

    Each pixel has the class that covers most of it; patches under the minimum mapping unit go to their neighbours.
    """
    square = surface.square
    to_code = np.array([CORINE[cover] for cover in Cover], np.uint8)
    codes = to_code[covers_at(surface, 2)]
    left, bottom, right, top = rasterio.warp.transform_bounds(EPSG, LAEA, *square.bounds, densify_pts=51)
    # The grid of the European delivery starts at multiples of 100 m.
    left, top = math.floor(left / 100) * 100, math.ceil(top / 100) * 100
    shape = math.ceil((top - bottom) / 100), math.ceil((right - left) / 100)
    transform = Affine(100, 0, left, 0, -100, top)
    grid = np.zeros(shape, np.uint8)
    rasterio.warp.reproject(
        codes,
        grid,
        src_transform=square.transform(20),
        src_crs=EPSG,
        dst_transform=transform,
        dst_crs=LAEA,
        src_nodata=0,
        dst_nodata=0,
        resampling=Resampling.mode,
        num_threads=1,
    )
    whole = rasterio.features.sieve(grid, SMALLEST, mask=grid > 0)
    return np.where(grid > 0, whole, 0).astype(np.uint8), transform


def write_corine(path: Path, surface: Surface) -> None:
    """Write the raster as a GeoTIFF with CORINE's colours."""
    codes, transform = corine_codes(surface)
    write_raster(path, codes, transform, LAEA, nodata=0, colours=COLOURS)
