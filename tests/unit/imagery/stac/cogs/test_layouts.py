"""Pixels of files of every layout: those that GDAL reads, and on a patch those of its WarpedVRT, nearest."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from tasks.imagery.platform import Traffic
from tasks.imagery.stac.cogs.facts import File, Span
from tasks.imagery.stac.cogs.reader import Part, Reader
from tasks.imagery.stac.pixels import Wanted, read_onto
from tasks.places.patches import Patch
from tests.archive import EPSG, LEFT, TOP

HEIGHT, WIDTH = 530, 601
"""No multiple of any block."""


def values(dtype: str, *shape: int) -> np.ndarray:
    """Smooth enough for a predictor to matter, with every sign that the type has."""
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    base = 40 * np.sin(rows / 30) + 50 * np.cos(columns / 23) + (rows * 7 + columns * 3) % 11
    bands = [base + 9 * band + (0 if np.dtype(dtype).kind != "u" else 110) for band in range(shape[0])]
    return np.stack(bands).astype(dtype)


def write(path: Path, pixels: np.ndarray, *, pixel: float = 10, left: float = LEFT, **options: Any) -> Path:
    """A file; of tiles of 256 and deflate unless `options` say otherwise."""
    given: dict[str, Any] = {
        "driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
        "crs": f"EPSG:{EPSG}",
    }  # fmt: skip
    given |= options
    if given.get("tiled") is False:
        del given["blockxsize"]
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", count=count, height=height, width=width, dtype=pixels.dtype,
        transform=Affine(pixel, 0, left, 0, -pixel, TOP), **given,
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


LAYOUTS: dict[str, dict[str, Any]] = {
    "uint16": {"dtype": "uint16"},
    "uint16 predicted": {"dtype": "uint16", "predictor": 2},
    "uint16, blocks of 512": {"dtype": "uint16", "predictor": 2, "blockxsize": 512, "blockysize": 512},
    "uint16, blocks of 1024": {"dtype": "uint16", "predictor": 2, "blockxsize": 1024, "blockysize": 1024},
    "uint16, blocks of 1024 x 256": {"dtype": "uint16", "predictor": 2, "blockxsize": 1024, "blockysize": 256},
    "uint16 COG with overviews": {"dtype": "uint16", "driver": "COG", "predictor": "YES", "blocksize": 256},
    "uint16, LZW": {"dtype": "uint16", "compress": "lzw"},
    "int16, LZW predicted": {"dtype": "int16", "compress": "lzw", "predictor": 2},
    "uint16, ZSTD predicted": {"dtype": "uint16", "compress": "zstd", "predictor": 2},
    "float32, ZSTD predicted": {"dtype": "float32", "compress": "zstd", "predictor": 3},
    "uint16, not compressed": {"dtype": "uint16", "compress": "none"},
    "uint8": {"dtype": "uint8", "predictor": 2},
    "int8": {"dtype": "int8"},
    "int16": {"dtype": "int16", "predictor": 2},
    "int32": {"dtype": "int32", "predictor": 2},
    "uint32": {"dtype": "uint32"},
    "float32": {"dtype": "float32"},
    "float32 predicted": {"dtype": "float32", "predictor": 3},
    "float32 predicted as integers": {"dtype": "float32", "predictor": 2},
    "float64 predicted": {"dtype": "float64", "predictor": 3},
    "strips": {"dtype": "uint16", "tiled": False, "blockysize": 7, "predictor": 2},
    "strips, ZSTD": {"dtype": "uint16", "tiled": False, "blockysize": 64, "compress": "zstd"},
    "strips, not compressed": {"dtype": "uint16", "tiled": False, "blockysize": 16, "compress": "none"},
    "BigTIFF": {"dtype": "uint16", "BIGTIFF": "YES", "predictor": 2},
    "big-endian": {"dtype": "uint16", "ENDIANNESS": "BIG", "predictor": 2},
    "big-endian float": {"dtype": "float32", "ENDIANNESS": "BIG", "predictor": 3},
    "big-endian BigTIFF, not compressed": {
        "dtype": "int16", "ENDIANNESS": "BIG", "compress": "none", "BIGTIFF": "YES",
    },
    "three bands, pixel by pixel": {"dtype": "uint16", "count": 3, "interleave": "pixel", "predictor": 2},
    "three bands of floats, pixel by pixel": {
        "dtype": "float32", "count": 3, "interleave": "pixel", "predictor": 3,
    },
    "three bands, band by band": {"dtype": "uint16", "count": 3, "interleave": "band", "predictor": 2},
    "nodata": {"dtype": "uint16", "nodata": 115},
    "nodata of floats": {"dtype": "float32", "nodata": -3.4028234663852886e38},
    "a header at the end": {"dtype": "uint16", "driver": "GTiff", "predictor": 2},
}  # fmt: skip

SPANS = (
    Span(top=0, left=0, bottom=HEIGHT, right=WIDTH),
    Span(top=255, left=255, bottom=257, right=257),
    Span(top=511, left=0, bottom=HEIGHT, right=1),
    Span(top=100, left=590, bottom=180, right=WIDTH),
)

PATCHES = tuple(
    Patch(epsg=EPSG, xmin=LEFT + 10 * column, ymax=TOP - 10 * row, pixels=pixels)
    for column, row, pixels in (
        (0, 0, 64), (230, 240, 64), (WIDTH - 64, HEIGHT - 64, 64), (WIDTH - 20, 100, 64), (-30, -30, 64),
        (300, HEIGHT - 5, 33), (77, 33, 250), (-64, 0, 64), (0, 9_000, 16),
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("layouts")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def made(folder: Path, name: str) -> Path:
    """The file of a layout."""
    path = folder / f"{name}.tif"
    if not path.exists():
        options = dict(LAYOUTS[name])
        pixels = values(options.pop("dtype"), options.pop("count", 1), HEIGHT, WIDTH)
        write(path, pixels, **options)
        if name == "a header at the end":
            with rasterio.open(path, "r+") as file:
                file.update_tags(text="x" * 30_000)
    return path


def on_patch(path: Path, patch: Patch, fill: float, band: int = 1, tolerance: float = 0.01) -> np.ndarray:
    """What GDAL puts on a patch, nearest."""
    with warnings.catch_warnings(), rasterio.open(path) as source:
        warnings.simplefilter("ignore")
        nodata = fill if source.nodata is None else source.nodata
        with WarpedVRT(
            source, crs=patch.crs, transform=patch.transform, width=patch.pixels, height=patch.pixels,
            resampling=Resampling.nearest, src_nodata=source.nodata, nodata=nodata, tolerance=tolerance,
        ) as warped:  # fmt: skip
            found = warped.read(band)
    return np.where(found == np.asarray(nodata, found.dtype), np.asarray(fill, found.dtype), found)


def on_patch_here(reader: Reader, path: Path, patch: Patch, dtype: str) -> np.ndarray:
    """What the reader puts there; fill is 0."""
    wanted = Wanted(file=File(href=str(path), scene="a"), fill=0, dtype=np.dtype(dtype))
    return read_onto(reader, patch, [wanted], Traffic())[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_without_gdal_and_as_gdal_reads_it(folder: Path, reader: Reader, name: str) -> None:
    path = made(folder, name)
    (raster,) = reader.open([File(href=str(path), scene="a")], Traffic())
    assert raster.layout is not None
    with rasterio.open(path) as source:
        assert (raster.facts.transform, raster.facts.crs) == (source.transform, f"EPSG:{source.crs.to_epsg()}")
        assert (raster.facts.height, raster.facts.width, raster.facts.bands) == (*source.shape, source.count)
        assert (raster.facts.dtype, raster.facts.nodata) == (np.dtype(source.dtypes[0]), source.nodata)
        for band in range(1, source.count + 1):
            parts = [Part(raster=raster, span=span, band=band) for span in SPANS]
            for span, pixels in zip(SPANS, reader.read(parts, Traffic()), strict=True):
                window = Window(span.left, span.top, span.shape[1], span.shape[0])  # pyright: ignore[reportCallIssue]
                expected = source.read(band, window=window)
                assert pixels.dtype == expected.dtype
                assert np.array_equal(pixels, expected), (span, band)


@pytest.mark.parametrize(
    "name", ["uint16 predicted", "uint16, blocks of 1024", "strips", "float32 predicted", "nodata"]
)
@pytest.mark.parametrize("pixel", [10, 20, 60])
def test_patches_are_those_of_a_warped_vrt(folder: Path, reader: Reader, name: str, pixel: int) -> None:
    options = dict(LAYOUTS[name])
    dtype = options.pop("dtype")
    path = write(folder / f"{name} {pixel}.tif", values(dtype, 1, HEIGHT, WIDTH), pixel=pixel, **options)
    for patch in PATCHES:
        found = on_patch_here(reader, path, patch, dtype)
        assert np.array_equal(found, on_patch(path, patch, 0)), patch


@pytest.mark.parametrize("name", ["uint16 predicted", "uint16, blocks of 1024", "float32 predicted", "nodata"])
def test_patches_of_another_zone_are_those_of_a_warped_vrt(folder: Path, reader: Reader, name: str) -> None:
    path, dtype = made(folder, name), LAYOUTS[name]["dtype"]
    to = Transformer.from_crs(EPSG, 32633, always_xy=True)
    for column, row, pixels in ((100, 100, 128), (300, 250, 250), (-20, -20, 64), (WIDTH - 40, HEIGHT - 40, 64)):
        x, y = to.transform(LEFT + 10 * column, TOP - 10 * row)
        patch = Patch(epsg=32633, xmin=10 * round(x / 10), ymax=10 * round(y / 10), pixels=pixels)
        found = on_patch_here(reader, path, patch, dtype)
        assert (found != 0).any()
        assert np.array_equal(found, on_patch(path, patch, 0)), patch


def test_blocks_that_were_never_written_are_nodata(tmp_path: Path, reader: Reader) -> None:
    for nodata in (7, None):
        path = tmp_path / f"{nodata}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", count=1, height=512, width=512, dtype="uint16", crs=f"EPSG:{EPSG}",
            transform=Affine(10, 0, LEFT, 0, -10, TOP), tiled=True, blockxsize=256, blockysize=256, sparse_ok=True,
            nodata=nodata,
        ) as file:  # fmt: skip
            file.write(np.full((256, 256), 5, np.uint16), 1, window=Window(256, 0, 256, 256))  # pyright: ignore
        (raster,) = reader.open([File(href=str(path), scene="a")], Traffic())
        (pixels,) = reader.read([Part(raster=raster, span=Span(top=0, left=0, bottom=512, right=512))], Traffic())
        expected = np.full((512, 512), nodata or 0)
        expected[:256, 256:] = 5
        assert np.array_equal(pixels, expected)


def test_a_file_says_scale_offset_and_unit_of_each_band(tmp_path: Path, reader: Reader) -> None:
    path = write(tmp_path / "a.tif", values("int16", 2, 64, 64))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets, file.units = (0.0001, 2.0), (-0.1, 0.0), ("", "dB")
    (raster,) = reader.open([File(href=str(path), scene="a")], Traffic())
    assert raster.layout is not None
    facts = raster.facts
    assert (facts.scales, facts.offsets, facts.units) == ((0.0001, 2.0), (-0.1, 0.0), ("", "dB"))


# What GDAL reads


def test_jpeg_2000_is_read_by_gdal(tmp_path: Path, reader: Reader) -> None:
    pixels = values("uint16", 1, 120, 120)
    path = write(
        tmp_path / "a.jp2", pixels, driver="JP2OpenJPEG", compress=None, tiled=None, blockxsize=64, blockysize=64,
        QUALITY="100", REVERSIBLE="YES",
    )  # fmt: skip
    (raster,) = reader.open([File(href=str(path), scene="a")], Traffic())
    assert raster.layout is None
    found = on_patch_here(reader, path, Patch(epsg=EPSG, xmin=LEFT + 80, ymax=TOP - 50, pixels=64), "uint16")
    assert np.array_equal(found, pixels[0, 5:69, 8:72])


@pytest.mark.parametrize(
    "options", [{"compress": "jpeg"}, {"compress": "lerc"}, {"compress": "lzma"}], ids=lambda given: given["compress"]
)
def test_other_compressions_are_read_by_gdal(tmp_path: Path, reader: Reader, options: dict[str, str]) -> None:
    path = write(tmp_path / "a.tif", values("uint8", 1, 300, 300), **options)
    (raster,) = reader.open([File(href=str(path), scene="a")], Traffic())
    assert raster.layout is None
    (pixels,) = reader.read([Part(raster=raster, span=Span(top=3, left=4, bottom=290, right=291))], Traffic())
    with rasterio.open(path) as source:
        assert np.array_equal(pixels, source.read(1)[3:290, 4:291])


@pytest.mark.parametrize("epsg", [EPSG, 32633])
def test_what_a_mask_hides_is_fill(tmp_path: Path, reader: Reader, epsg: int) -> None:
    pixels = values("uint16", 1, 300, 300)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write(tmp_path / "a.tif", pixels)
        with rasterio.open(path, "r+") as file:
            mask = np.full((300, 300), 255, np.uint8)
            mask[100:200, 100:150] = 0
            file.write_mask(mask)
    same = write(tmp_path / "b.tif", np.where(mask, pixels, 0).astype(np.uint16), nodata=0)
    x, y = Transformer.from_crs(EPSG, epsg, always_xy=True).transform(LEFT, TOP)
    patch = Patch(epsg=epsg, xmin=10 * round(x / 10), ymax=10 * round(y / 10), pixels=250)
    expected = on_patch(same, patch, 0)
    assert (expected == 0).sum() > 4_900
    assert np.array_equal(on_patch_here(reader, path, patch, "uint16"), expected)
