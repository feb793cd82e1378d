"""Files that are read by GDAL: JPEG 2000, masks, compressions and CRSs that nothing else here knows. Slower."""

from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from tasks.imagery.stac.cogs.addresses import Signed
from tasks.imagery.stac.cogs.facts import Facts, Span
from tasks.imagery.stac.refusals import Unplaced, hide_queries, of_gdal, without_query

_ENVIRONMENT: dict[str, Any] = {
    # A sidecar or a directory listing is never wanted, and asking for one costs a request a file.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_MAX_DATASET_POOL_SIZE": 128,
    "GDAL_NUM_THREADS": 1,
    # Of a remote archive: retries are the caller's, and a failure must not be remembered.
    "GDAL_HTTP_MAX_RETRY": 0,
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
}

hide_queries("rasterio._base", "rasterio._env", "rasterio._err", "rasterio._io", "rasterio._vsiopener")


def facts(signed: Signed, deadline: float) -> Facts:
    """What a file says of its pixels.

    Raises FileNotFoundError: there is no such file. PixelsError: it is not a raster, or damaged. Unplaced: it has no
    CRS or grid. Of remote files also PermissionError: 401, 403; ServerFailed: 429, 5xx; NoAnswer: timeouts, resets.
    """
    try:
        with rasterio.Env(**_environment(signed, deadline)), rasterio.open(signed.address) as source:
            if source.crs is None or source.transform.is_identity:
                raise Unplaced(
                    f"{without_query(signed.address)}: is not georeferenced, so its pixels have no place. Write it "
                    "again with CRS and grid."
                )
            code = source.crs.to_epsg()
            return Facts(
                width=source.width,
                height=source.height,
                bands=source.count,
                dtype=np.dtype(source.dtypes[0]),
                crs=f"EPSG:{code}" if code else source.crs.to_wkt(),
                transform=source.transform,
                nodata=source.nodata,
                scales=tuple(source.scales),
                offsets=tuple(source.offsets),
                units=tuple(unit or "" for unit in source.units),
            )
    except RasterioError as error:
        raise of_gdal(error, signed.address) from None


def read(signed: Signed, band: int, span: Span, deadline: float) -> NDArray[Any]:
    """Pixels of a band as stored: (height, width), a masked array if the file has a mask. Raises as `facts`."""
    window = Window(span.left, span.top, span.right - span.left, span.bottom - span.top)  # pyright: ignore[reportCallIssue] attrs class
    try:
        with rasterio.Env(**_environment(signed, deadline)), rasterio.open(signed.address) as source:
            masked = MaskFlags.per_dataset in source.mask_flag_enums[band - 1]
            return source.read(band, window=window, masked=masked)
    except RasterioError as error:
        raise of_gdal(error, signed.address) from None


def _environment(signed: Signed, deadline: float) -> dict[str, Any]:
    headers = "\r\n".join(f"{name}: {value}" for name, value in signed.headers.items())
    return {**_ENVIRONMENT, "GDAL_HTTP_TIMEOUT": deadline, **({"GDAL_HTTP_HEADERS": headers} if headers else {})}
