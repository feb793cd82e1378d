"""Rasters as sources of labels: their pixels on a patch's grid, nearest.

GDAL's warper approximates positions from a block's corners, so that what it chooses depends on the blocks. Here the
map from one CRS to the other is interpolated by polynomials over a patch: exact to less than a millimetre, the same
whatever was read before, and several times faster.
"""

import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.windows import Window

from tasks.errors import LabelsError, SpecError
from tasks.labels.remote import ENVIRONMENT, read_patiently
from tasks.notices import told_if_slow
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.spec.locations import local_path

T = TypeVar("T")

FINEST = 9.0
"""Metres. Nearest drops pixels of a finer source; what is called 10 m measures 9.3 m on a grid in degrees."""

_DEGREE = 111_195
"""Metres of latitude."""

_NODES = 6
"""Positions a side at which the map between the CRSs is computed; measured off by less than 1e-6 m at 10 km."""

Translate = Callable[[NDArray[Any]], NDArray[Any]]
"""Source pixels (band, rows, columns) as they are wanted, same shape; raises ValueError at the first that is wrong."""


Extent = tuple[float, float, float, float]
"""The least column and row, and the greatest; NaN where one of them is."""


class WrongValue(Exception):
    """A value that a source must not hold: the value, its position in the pixels that were looked at, and the words."""

    def __init__(self, value: float, row: int, column: int, expected: str) -> None:
        super().__init__(expected)
        self.value, self.row, self.column, self.expected = value, row, column, expected


class RasterSource:
    """A raster with a place on Earth. Safe to use from many threads: each has a handle of its own."""

    def __init__(self, location: str, key: str, bands: tuple[str | int, ...] = ()) -> None:
        """Open a file or URL that a spec names under `key`; without `bands` the first one.

        Raises SpecError: unreadable, not georeferenced, finer than 10 m, of several files, or without such a band;
        PixelsError, PlatformUnreachable: its server fails, or does not answer.
        """
        self.location, self.key = location, key
        path = local_path(location)
        self._name = str(path) if path is not None else location
        self._remote = path is None
        self._held = threading.local()
        # Not a function with a cache: to look a CRS up takes longer than to use it.
        self._transformers: dict[int, Transformer] = {}
        try:
            source = self._reached(self._open)
        except RasterioError as error:
            raise SpecError(f"{key}: {location} cannot be read as a raster: {error}. Give a GeoTIFF.") from None
        if source.driver == "VRT":
            raise SpecError(f"{key}: {location} only names other files. Make one file of them with gdal_translate.")
        if source.crs is None or source.transform.is_identity:
            raise SpecError(
                f"{key}: {location} has no {'CRS' if source.crs is None else 'place on Earth'}. Write it again with "
                "its CRS and grid, for instance with gdal_translate -a_srs EPSG:3035."
            )
        self.crs = CRS.from_wkt(source.crs.to_wkt(version="WKT2_2019"))
        self._geographic = self.crs.is_geographic
        self._to_pixels = ~source.transform
        self.width, self.height, self.transform = source.width, source.height, source.transform
        self.indexes = tuple(_index(source, band, f"{key}: {location}") for band in bands or (1,))
        names = [source.descriptions[index - 1] or f"b{index}" for index in self.indexes]
        self.band_names = tuple(str(name) for name in names)
        at = self.indexes[0] - 1
        self.dtype, self.nodata = np.dtype(source.dtypes[at]), source.nodatavals[at]
        self.scales = np.array([source.scales[index - 1] for index in self.indexes])
        self.offsets = np.array([source.offsets[index - 1] for index in self.indexes])
        self.palettes = [_palette(source, index) for index in self.indexes]
        """Red, green, blue by value, of each band; empty where it has none."""
        self._refuse_finer()

    def read(self, patch: Patch, *, fill: float, dtype: Any, translate: Translate) -> NDArray[Any]:
        """The pixels under the centres of the patch's, `fill` beyond the raster: (band, height, width) of `dtype`.

        `translate` is given the pixels that are read. Raises LabelsError: unreadable, or it raised WrongValue;
        PixelsError, PlatformUnreachable: its server fails, or does not answer.
        """
        columns, rows = self._positions(patch)
        extent = _extent(columns, rows)
        if extent[0] >= 0 and extent[1] >= 0 and extent[2] < self.width and extent[3] < self.height:
            return self._taken(columns, rows, extent, translate).astype(dtype, copy=False)
        result = np.full((len(self.indexes), *patch.shape), fill, dtype)
        for turn in self._turns():
            across = columns + turn
            inside = (across >= 0) & (across < self.width) & (rows >= 0) & (rows < self.height)
            if inside.any():
                x, y = across[inside], rows[inside]
                result[:, inside] = self._taken(x, y, _extent(x, y), translate)
        return result

    def covers(self, patches: Patches) -> NDArray[np.bool_]:
        """Whether the raster reaches over all of each patch, (n,); what it holds there is not looked at."""
        covered = np.zeros(len(patches), bool)
        ends = PIXEL * np.array([0.5, patches.pixels - 0.5])
        for epsg in np.unique(patches.epsg):
            at = np.flatnonzero(patches.epsg == epsg)
            x = np.repeat(patches.xmin[at, None] + ends, 2, axis=1)
            y = np.tile(patches.ymax[at, None] - ends, 2)
            columns, rows = self._to_grid(*self._transformer(int(epsg)).transform(x, y))
            inside = np.zeros(columns.shape, bool)
            for turn in self._turns():
                inside |= (columns + turn >= 0) & (columns + turn < self.width)
            covered[at] = (inside & (rows >= 0) & (rows < self.height)).all(axis=1)
        return covered

    def blocks(self) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """All pixels, some rows at a time: column and row of the first, and (band, rows, width). Raises LabelsError."""
        rows = max(1, 4_000_000 // self.width)
        with told_if_slow(f"{self.location}: reading its values (rows)") as say:
            for top in range(0, self.height, rows):
                yield 0, top, self._pixels(0, top, min(rows, self.height - top), self.width)
                say(top, self.height)

    def place(self, column: int, row: int) -> str:
        """The middle of a pixel in words."""
        to = self.transform
        x = to.a * (column + 0.5) + to.b * (row + 0.5) + to.c
        y = to.d * (column + 0.5) + to.e * (row + 0.5) + to.f
        return f"column {column}, row {row} (x {x:.10g}, y {y:.10g} in {self.crs.name})"

    def _positions(self, patch: Patch) -> tuple[NDArray[Any], NDArray[Any]]:
        """Columns and rows of the source, as floats, under the patch's pixels."""
        nodes, weights = _interpolation(patch.pixels)
        x = patch.xmin + PIXEL * (nodes + 0.5)
        y = patch.ymax - PIXEL * (nodes + 0.5)
        east, north = self._transformer(patch.epsg).transform(*np.meshgrid(x, y))
        if not (np.isfinite(east).all() and np.isfinite(north).all()):  # beyond where the source's CRS is defined
            return np.full(patch.shape, np.nan), np.full(patch.shape, np.nan)
        if self._geographic:
            east = east[0, 0] + (east - east[0, 0] + 180) % 360 - 180
        columns, rows = self._to_grid(east, north)
        return weights @ columns @ weights.T, weights @ rows @ weights.T

    def _to_grid(self, east: NDArray[Any], north: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Columns and rows, as floats, at places in the source's CRS."""
        to = self._to_pixels
        return to.a * east + to.b * north + to.c, to.d * east + to.e * north + to.f

    def _transformer(self, epsg: int) -> Transformer:
        if (found := self._transformers.get(epsg)) is None:
            found = self._transformers[epsg] = Transformer.from_crs(epsg, self.crs, always_xy=True)
        return found

    def _taken(self, columns: NDArray[Any], rows: NDArray[Any], extent: Extent, translate: Translate) -> NDArray[Any]:
        """Translated pixels at positions within the raster, which have that extent: (band, *positions)."""
        left, top, right, bottom = map(int, extent)
        height, width = bottom - top + 1, right - left + 1
        x, y = columns.astype(np.int32), rows.astype(np.int32)
        block = translate_at(self, translate, self._pixels(left, top, height, width), left, top)
        y -= top
        y *= width
        y += x
        y -= left
        return block.reshape(len(self.indexes), -1).take(y, axis=1)

    def _turns(self) -> tuple[float, ...]:
        """Columns by which a position may be moved without leaving it: a turn around the globe."""
        if not self._geographic:
            return (0.0,)
        around = 360 / abs(self.transform.a or 360)
        return 0.0, around, -around

    def _pixels(self, left: int, top: int, height: int, width: int) -> NDArray[Any]:
        window = Window(left, top, width, height)  # pyright: ignore[reportCallIssue] attrs class

        def read() -> NDArray[Any]:
            try:
                return self._handle().read(list(self.indexes), window=window)
            except RasterioError:
                self._held.source = None
                raise

        try:
            return self._reached(read)
        except RasterioError as error:
            raise LabelsError(
                f"{self.location}: cannot be read at column {left}, row {top}: {error}. Fetch the file again."
            ) from None

    def _reached(self, read: Callable[[], T]) -> T:
        """What is read from the file, patiently if it is on a server."""
        return read_patiently(read, f"labels: {self.location}") if self._remote else read()

    def _handle(self) -> Any:
        if getattr(self._held, "source", None) is None:
            self._held.source = self._open()
        return self._held.source

    def _open(self) -> Any:
        with rasterio.Env(**ENVIRONMENT):
            return rasterio.open(self._name)

    def _refuse_finer(self) -> None:
        if self._geographic:
            pixel = abs(self.transform.e or self.transform.d) * _DEGREE
        else:
            units = self.crs.axis_info[0].unit_conversion_factor
            pixel = max(np.hypot(self.transform.a, self.transform.d), np.hypot(self.transform.b, self.transform.e))
            pixel *= units
        if pixel < FINEST:
            raise SpecError(finer_message(f"{self.key}: {self.location}", pixel))


def _extent(columns: NDArray[Any], rows: NDArray[Any]) -> Extent:
    return float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max())


def finer_message(what: str, pixel: float) -> str:
    """What to do about a source with pixels of so many metres."""
    return (
        f"{what} has pixels of {pixel:.3g} m, finer than a patch's 10 m, and nearest would drop most of them. Bring it "
        "to 10 m first, classes with gdalwarp -tr 10 10 -r mode, values with -r average."
    )


def translate_at(source: RasterSource, translate: Translate, pixels: NDArray[Any], left: int, top: int) -> NDArray[Any]:
    """`translate(pixels)`, of which `left` and `top` is the first. Raises LabelsError: which value is wrong, where."""
    try:
        return translate(pixels)
    except WrongValue as wrong:
        raise LabelsError(
            f"{source.location}: has the value {wrong.value:g} at "
            f"{source.place(left + wrong.column, top + wrong.row)}; "
            f"{wrong.expected}"
        ) from None


def first_where(wrong: NDArray[np.bool_], values: NDArray[Any], expected: str) -> WrongValue:
    """The error for the first of (band, rows, columns) values that is wrong."""
    _, row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return WrongValue(float(values.ravel()[wrong.argmax()]), int(row), int(column), expected)


def _index(source: Any, band: str | int, where: str) -> int:
    """The number of a band, given its number from 1 or its description."""
    if isinstance(band, int) and 1 <= band <= source.count:
        return band
    if band in source.descriptions:
        return int(source.descriptions.index(band)) + 1
    names = ", ".join(str(name or number) for number, name in enumerate(source.descriptions, 1))
    raise SpecError(f"{where} has no band {band!r}. Use some of its bands: {names}.")


def _palette(source: Any, band: int) -> dict[int, tuple[int, int, int]]:
    if source.colorinterp[band - 1] != ColorInterp.palette:
        return {}
    return {value: (red, green, blue) for value, (red, green, blue, *_) in source.colormap(band).items()}


@lru_cache(maxsize=8)
def _interpolation(pixels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chebyshev nodes over pixels 0 to n - 1, (k,), and the weights of their values at each pixel, (n, k)."""
    angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    nodes = (pixels - 1) * (1 - np.cos(angles)) / 2
    at = np.arange(pixels)[:, None]
    weights = np.ones((pixels, _NODES))
    for k in range(_NODES):
        for other in range(_NODES):
            if other != k:
                weights[:, k] *= (at[:, 0] - nodes[other]) / (nodes[k] - nodes[other])
    return nodes, weights
