"""Windows of GeoTIFFs on a patch's grid."""

from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window

from tasks.errors import PixelsError
from tasks.imagery.stac.refusals import of_gdal
from tasks.places.patches import PIXEL, Patch

_ENVIRONMENT: dict[str, Any] = {
    # A sidecar or a directory listing is never wanted, and asking for one costs a request a file.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_MAX_DATASET_POOL_SIZE": 128,
    "GDAL_NUM_THREADS": 1,
    # Of a remote archive: retries are the caller's, and a failure must not be remembered.
    "GDAL_HTTP_MAX_RETRY": 0,
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
}


def read_onto(href: str, patch: Patch, *, fill: float, dtype: Any, deadline: float = 60) -> NDArray[Any]:
    """Read the first band of a raster onto a patch: (height, width) of `dtype`.

    Where the raster is in the patch's CRS and north up, each pixel of the patch takes the source pixel under its
    centre: exact copies where the grids coincide, repeats of 20 and 60 m pixels. Otherwise it is warped, nearest.
    What the raster does not cover, and its nodata, is `fill`.

    `deadline` is for how many seconds one answer of a server is waited for.

    Raises FileNotFoundError: there is no such file. PixelsError: it is not a raster, or damaged. Of remote files also
    PermissionError: 401, 403; ServerFailed: 429, 5xx; NoAnswer: timeouts, resets.
    """
    try:
        with rasterio.Env(**_ENVIRONMENT, GDAL_HTTP_TIMEOUT=deadline), rasterio.open(href) as source:
            if source.crs is None or source.transform.is_identity:
                raise PixelsError(
                    f"{href}: is not georeferenced, so its pixels have no place. Write it again with CRS and grid."
                )
            if source.crs.to_epsg() == patch.epsg and source.transform.b == source.transform.d == 0:
                return _copy(source, patch, fill, dtype)
            return _warp(source, patch, fill, dtype)
    except RasterioError as error:
        raise of_gdal(error, href) from None


def _copy(source: Any, patch: Patch, fill: float, dtype: Any) -> NDArray[Any]:
    """Same CRS, north up: nearest is a matter of indices."""
    transform = source.transform
    centres = PIXEL * (np.arange(patch.pixels) + 0.5)
    columns = np.floor((patch.xmin + centres - transform.c) / transform.a).astype(int)
    rows = np.floor((patch.ymax - centres - transform.f) / transform.e).astype(int)
    across = (columns >= 0) & (columns < source.width)
    down = (rows >= 0) & (rows < source.height)
    result = np.full(patch.shape, fill, dtype)
    if not across.any() or not down.any():
        return result
    columns, rows = columns[across], rows[down]
    left, top = columns.min(), rows.min()
    window = Window(left, top, columns.max() - left + 1, rows.max() - top + 1)  # pyright: ignore[reportCallIssue] attrs class
    block = _with_fill(source.read(1, window=window), source.nodata, fill, dtype)
    result[np.ix_(down, across)] = block[np.ix_(rows - top, columns - left)]
    return result


def _warp(source: Any, patch: Patch, fill: float, dtype: Any) -> NDArray[Any]:
    # Warped with the source's own nodata and in its type: GDAL takes a destination nodata of 0 for none at all.
    nodata = fill if source.nodata is None else source.nodata
    result = np.full(patch.shape, nodata, source.dtypes[0])
    reproject(
        rasterio.band(source, 1),
        result,
        dst_transform=patch.transform,
        dst_crs=patch.crs,
        src_nodata=source.nodata,
        dst_nodata=nodata,
        resampling=Resampling.nearest,
        # The default approximates positions to an eighth of a pixel, which is enough to choose a wrong neighbour.
        tolerance=0.01,
    )
    return _with_fill(result, source.nodata, fill, dtype)


def _with_fill(block: NDArray[Any], nodata: float | None, fill: float, dtype: Any) -> NDArray[Any]:
    if nodata is None or np.isnan(nodata) or nodata == fill:
        return block.astype(dtype, copy=False)
    return np.where(block == nodata, np.asarray(fill, dtype), block.astype(dtype, copy=False))
