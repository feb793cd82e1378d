"""Pixels of rasters on a patch's grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

from tasks.imagery.platform import Traffic
from tasks.imagery.stac.cogs.facts import Facts, File, Span
from tasks.imagery.stac.cogs.reader import Part, Raster, Reader
from tasks.places.patches import PIXEL, Patch

_AROUND = 3
"""Pixels of a raster beyond those under a patch's outline that are read where it is warped: GDAL's approximation of
positions is finer than a pixel."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A band of a file as a patch is to have it."""

    file: File
    fill: float
    """Where the file holds nothing."""
    dtype: Any
    band: int = 1


def read_onto(reader: Reader, patch: Patch, wanted: Sequence[Wanted], traffic: Traffic) -> list[NDArray[Any]]:
    """Read bands of rasters onto a patch, all at once: (height, width) each, of the types wanted.

    Where a raster is in the patch's CRS and north up, each pixel of the patch takes the source pixel under its
    centre: exact copies where the grids coincide, repeats of 20 and 60 m pixels. Otherwise it is warped, nearest.
    What the raster does not cover, its nodata, and what its mask hides is `fill`.

    Raises SceneUnavailable: there is no such file. PixelsError: it is not a raster, or damaged. CredentialsError: it
    may not be read. PlatformUnreachable.
    """
    return lay(reader, patch, wanted, reader.open([one.file for one in wanted], traffic), traffic)


def lay(
    reader: Reader, patch: Patch, wanted: Sequence[Wanted], rasters: Sequence[Raster], traffic: Traffic
) -> list[NDArray[Any]]:
    """The same of files that are open. Raises as `read_onto`."""
    spans = [span_under(patch, raster.facts) for raster in rasters]
    parts = [
        Part(raster=raster, span=span, band=one.band)
        for one, raster, span in zip(wanted, rasters, spans, strict=True)
        if span is not None
    ]
    pixels = iter(reader.read(parts, traffic))
    return [
        np.full(patch.shape, one.fill, one.dtype) if span is None
        else laid_on(patch, raster.facts, span, next(pixels), one.fill, one.dtype)
        for one, raster, span in zip(wanted, rasters, spans, strict=True)
    ]  # fmt: skip


def span_under(patch: Patch, facts: Facts) -> Span | None:
    """The pixels of a raster that a patch needs; None where it needs none."""
    if _on_its_grid(patch, facts):
        columns, rows = _indices(patch, facts)
    else:
        edge = np.linspace(0, PIXEL * patch.pixels, 21)
        low, high = np.zeros_like(edge), np.full_like(edge, PIXEL * patch.pixels)
        x = patch.xmin + np.concatenate([edge, edge, low, high])
        y = patch.ymax - np.concatenate([low, high, edge, edge])
        x, y = _transformer(patch.epsg, facts.crs).transform(x, y)
        to = ~facts.transform
        across, down = to.a * x + to.b * y + to.c, to.d * x + to.e * y + to.f
        if not np.isfinite([across, down]).all():
            return None
        columns = np.array([np.floor(np.min(across)) - _AROUND, np.floor(np.max(across)) + _AROUND]).astype(int)
        rows = np.array([np.floor(np.min(down)) - _AROUND, np.floor(np.max(down)) + _AROUND]).astype(int)
    left, right = max(int(columns.min()), 0), min(int(columns.max()) + 1, facts.width)
    top, bottom = max(int(rows.min()), 0), min(int(rows.max()) + 1, facts.height)
    return Span(top=top, left=left, bottom=bottom, right=right) if left < right and top < bottom else None


def laid_on(patch: Patch, facts: Facts, span: Span, pixels: NDArray[Any], fill: float, dtype: Any) -> NDArray[Any]:
    """The pixels of a raster's `span`, (height, width), on a patch."""
    lay = _copied if _on_its_grid(patch, facts) else _warped
    result = lay(patch, facts, span, np.ma.getdata(pixels), fill, dtype)
    if np.ma.is_masked(pixels):
        hidden = np.ma.getmaskarray(pixels).astype(np.uint8)
        plain = replace(facts, nodata=None)
        result[lay(patch, plain, span, hidden, 0, np.uint8) > 0] = fill
    return result


def _on_its_grid(patch: Patch, facts: Facts) -> bool:
    """Whether nearest is a matter of indices: same CRS, north up."""
    return facts.crs == patch.crs and facts.transform.b == facts.transform.d == 0


def _indices(patch: Patch, facts: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row of a raster, which may lie beyond it, under the centres of a patch's columns and rows: (n,)."""
    transform = facts.transform
    centres = PIXEL * (np.arange(patch.pixels) + 0.5)
    columns = np.floor((patch.xmin + centres - transform.c) / transform.a).astype(int)
    rows = np.floor((patch.ymax - centres - transform.f) / transform.e).astype(int)
    return columns, rows


def _copied(patch: Patch, facts: Facts, span: Span, pixels: NDArray[Any], fill: float, dtype: Any) -> NDArray[Any]:
    columns, rows = _indices(patch, facts)
    across = (columns >= span.left) & (columns < span.right)
    down = (rows >= span.top) & (rows < span.bottom)
    pixels = _with_fill(pixels, facts.nodata, fill, dtype)
    taken = pixels[np.ix_(rows[down] - span.top, columns[across] - span.left)]
    if taken.shape == patch.shape:
        return taken
    result = np.full(patch.shape, fill, dtype)
    result[np.ix_(down, across)] = taken
    return result


def _warped(patch: Patch, facts: Facts, span: Span, pixels: NDArray[Any], fill: float, dtype: Any) -> NDArray[Any]:
    # Warped with the source's own nodata and in its type: GDAL takes a destination nodata of 0 for none at all.
    if facts.nodata is None:
        pixels = pixels.astype(dtype, copy=False)
    nodata = fill if facts.nodata is None else facts.nodata
    result = np.full(patch.shape, nodata, pixels.dtype)
    at = facts.transform
    x = at.a * span.left + at.b * span.top + at.c
    y = at.d * span.left + at.e * span.top + at.f
    reproject(
        pixels,
        result,
        src_transform=Affine(at.a, at.b, x, at.d, at.e, y),
        src_crs=facts.crs,
        dst_transform=patch.transform,
        dst_crs=patch.crs,
        src_nodata=facts.nodata,
        dst_nodata=nodata,
        resampling=Resampling.nearest,
        # The default approximates positions to an eighth of a pixel, which is enough to choose a wrong neighbour.
        tolerance=0.01,
    )
    return _with_fill(result, facts.nodata, fill, dtype)


def _with_fill(pixels: NDArray[Any], nodata: float | None, fill: float, dtype: Any) -> NDArray[Any]:
    if nodata is None or np.isnan(nodata) or nodata == fill:
        return pixels.astype(dtype, copy=False)
    return np.where(pixels == nodata, np.asarray(fill, dtype), pixels.astype(dtype, copy=False))


@lru_cache(maxsize=256)
def _transformer(epsg: int, crs: str) -> Transformer:
    return Transformer.from_crs(epsg, crs, always_xy=True)
