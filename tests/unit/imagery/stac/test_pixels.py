"""Windows of rasters on a patch's grid: exact where the grids coincide, nearest elsewhere."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from tasks.errors import PixelsError, SceneUnavailable
from tasks.places.patches import Patch
from tests.archive import EPSG, LEFT, TOP, write_raster
from tests.unit.imagery.stac.opening import read_onto

COUNT = 120
"""Pixels of 10 m across."""


def numbered(count: int = COUNT, dtype: Any = np.uint16) -> np.ndarray:
    """1, 2, 3, ... by row and column."""
    return (np.arange(count * count).reshape(count, count) + 1).astype(dtype)


def patch(column: int, row: int, pixels: int = 32, epsg: int = EPSG) -> Patch:
    """A patch whose corner is a pixel of 10 m of the archive."""
    return Patch(epsg=epsg, xmin=LEFT + 10 * column, ymax=TOP - 10 * row, pixels=pixels)


def under(values: np.ndarray, column: int, row: int, pixels: int, resolution: int, fill: Any = 0) -> np.ndarray:
    """What lies under each centre, one pixel at a time."""
    result = np.full((pixels, pixels), fill, values.dtype)
    step = resolution // 10
    for i in range(pixels):
        for j in range(pixels):
            y, x = (row + i) // step, (column + j) // step
            if 0 <= y < values.shape[0] and 0 <= x < values.shape[1]:
                result[i, j] = values[y, x]
    return result


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """By resolution."""
    folder = tmp_path_factory.mktemp("rasters")
    return {
        resolution: write_raster(folder / f"{resolution}.tif", numbered(1200 // resolution), pixel=resolution)
        for resolution in (10, 20, 60)
    }


@pytest.mark.parametrize(("column", "row"), [(0, 0), (17, 3), (88, 88), (31, 33)])
def test_pixels_are_exact_copies_where_the_grids_coincide(rasters: dict[int, str], column: int, row: int) -> None:
    found = read_onto(rasters[10], patch(column, row), fill=0, dtype=np.uint16)
    assert np.array_equal(found, numbered()[row : row + 32, column : column + 32])
    assert found.dtype == np.uint16


@given(st.sampled_from([10, 20, 60]), st.integers(-40, 130), st.integers(-40, 130), st.sampled_from([16, 17, 32, 250]))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_pixel_is_the_one_under_its_centre_and_fill_beyond_the_raster(
    rasters: dict[int, str], resolution: int, column: int, row: int, pixels: int
) -> None:
    found = read_onto(rasters[resolution], patch(column, row, pixels), fill=0, dtype=np.uint16)
    assert np.array_equal(found, under(numbered(1200 // resolution), column, row, pixels, resolution))


def test_coarse_pixels_are_repeated_in_phase(rasters: dict[int, str]) -> None:
    found = read_onto(rasters[20], patch(1, 1, 16), fill=0, dtype=np.uint16)
    assert found[0, :6].tolist() == [1, 2, 2, 3, 3, 4]
    assert found[:6, 0].tolist() == [1, 61, 61, 121, 121, 181]
    found = read_onto(rasters[60], patch(4, 5, 16), fill=0, dtype=np.uint16)
    assert found[0, :9].tolist() == [1, 1, 2, 2, 2, 2, 2, 2, 3]
    assert found[:8, 0].tolist() == [1, 21, 21, 21, 21, 21, 21, 41]


def test_a_patch_beside_the_raster_is_all_fill(rasters: dict[int, str]) -> None:
    for column, row in ((-100, 0), (0, -100), (200, 0), (0, 10_000)):
        assert not read_onto(rasters[10], patch(column, row), fill=0, dtype=np.uint16).any()


def test_the_sources_own_nodata_becomes_fill(tmp_path: Path) -> None:
    values = numbered()
    values[10, 20] = 65_535
    path = write_raster(tmp_path / "a.tif", values, nodata=65_535)
    found = read_onto(path, patch(0, 0), fill=0, dtype=np.uint16)
    assert found[10, 20] == 0
    assert (found == 0).sum() == 1


def test_zero_is_a_value_where_it_is_not_nodata(tmp_path: Path) -> None:
    values = numbered(dtype=np.float32)
    values[3, 4], values[5, 6], values[7, 8] = 0, -9999, np.nan
    path = write_raster(tmp_path / "a.tif", values, nodata=-9999)
    found = read_onto(path, patch(0, 0), fill=np.nan, dtype=np.float32)
    assert found[3, 4] == 0
    assert np.isnan(found[5, 6])
    assert np.isnan(found[7, 8])
    assert np.isnan(found).sum() == 2
    assert found.dtype == np.float32


def test_zero_power_is_nodata_where_the_source_says_so(tmp_path: Path) -> None:
    values = numbered(dtype=np.float32)
    values[0] = 0
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    found = read_onto(path, patch(0, 0), fill=np.nan, dtype=np.float32)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1:]).all()


def test_a_grid_that_is_shifted_by_a_part_of_a_pixel_gives_the_pixel_under_the_centre(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbered(), left=LEFT + 4, top=TOP + 4)
    assert np.array_equal(read_onto(path, patch(10, 10), fill=0, dtype=np.uint16), under(numbered(), 10, 10, 32, 10))
    path = write_raster(tmp_path / "b.tif", numbered(), left=LEFT + 6, top=TOP - 6)
    assert np.array_equal(read_onto(path, patch(10, 10), fill=0, dtype=np.uint16), under(numbered(), 9, 9, 32, 10))


def test_southern_rasters_are_read_alike(tmp_path: Path) -> None:
    values = numbered()
    path = write_raster(tmp_path / "a.tif", values, crs="EPSG:32756", left=300_000, top=6_250_000)
    there = Patch(epsg=32756, xmin=300_100, ymax=6_249_800, pixels=32)
    assert np.array_equal(read_onto(path, there, fill=0, dtype=np.uint16), values[20:52, 10:42])


def test_a_crs_without_a_code_that_is_the_same_is_the_same(tmp_path: Path) -> None:
    crs = rasterio.crs.CRS.from_wkt(rasterio.crs.CRS.from_epsg(EPSG).to_wkt())
    path = write_raster(tmp_path / "a.tif", numbered(), crs=crs.to_proj4())
    assert np.array_equal(read_onto(path, patch(5, 6), fill=0, dtype=np.uint16), numbered()[6:38, 5:37])


# Other grids


def elsewhere(folder: Path, values: np.ndarray, *, crs: str = "EPSG:32633", **options: Any) -> str:
    """A raster of 10 m in the neighbouring zone, with the middle of the archive in its middle."""
    to = Transformer.from_crs(EPSG, crs, always_xy=True)
    x, y = to.transform(LEFT + 600, TOP - 600)
    half = 5 * len(values)
    return write_raster(folder / "other.tif", values, crs=crs, left=round(x) - half, top=round(y) + half, **options)


def test_another_zone_is_warped_to_the_nearest_within_one_pixel(tmp_path: Path) -> None:
    count = 250
    rows, columns = np.mgrid[:count, :count]
    paths = [elsewhere(tmp_path / name, v.astype(np.uint16) + 1) for name, v in (("r", rows), ("c", columns))]
    there = patch(40, 40)
    found_row, found_column = (read_onto(path, there, fill=0, dtype=np.uint16).astype(float) - 1 for path in paths)
    assert found_row.min() >= 0
    with rasterio.open(paths[0]) as source:
        transform = source.transform
    x, y = np.meshgrid(there.xmin + 5 + 10 * np.arange(32), there.ymax - 5 - 10 * np.arange(32))
    x, y = Transformer.from_crs(EPSG, 32633, always_xy=True).transform(x, y)
    true_column, true_row = (x - transform.c) / 10, (transform.f - y) / 10
    assert np.abs(found_column + 0.5 - true_column).max() <= 0.53
    assert np.abs(found_row + 0.5 - true_row).max() <= 0.53


def test_degrees_are_warped_too(tmp_path: Path) -> None:
    lon, lat = Transformer.from_crs(EPSG, 4326, always_xy=True).transform(LEFT + 600, TOP - 600)
    path = write_raster(
        tmp_path / "a.tif", numbered(200), crs="EPSG:4326", left=lon - 0.01, top=lat + 0.01, pixel=0.0001
    )
    found = read_onto(path, patch(44, 44), fill=0, dtype=np.uint16)
    assert (found > 0).all()


@pytest.mark.parametrize("nodata", [None, 0, 65_535])
def test_beyond_a_warped_raster_and_at_its_nodata_there_is_fill(tmp_path: Path, nodata: int | None) -> None:
    values = np.full((80, 80), 1_234, np.uint16)
    values[:40] = 1_234 if nodata is None else nodata
    found = read_onto(elsewhere(tmp_path, values, nodata=nodata), patch(0, 0, 120), fill=0, dtype=np.uint16)
    assert set(np.unique(found)) == {0, 1_234}
    share = (found == 1_234).mean()
    assert share == pytest.approx(80 * 80 / 120**2 / (1 if nodata is None else 2), rel=0.03)


@pytest.mark.parametrize("nodata", [None, 0, 65_535])
def test_a_patch_beside_a_warped_raster_is_all_fill(tmp_path: Path, nodata: int | None) -> None:
    path = elsewhere(tmp_path, np.full((80, 80), 7, np.uint16), nodata=nodata)
    assert not read_onto(path, patch(2_000, 2_000), fill=0, dtype=np.uint16).any()


@pytest.mark.parametrize("nodata", [None, -9999, float("nan")])
def test_beyond_a_warped_raster_of_decibels_there_is_nan(tmp_path: Path, nodata: float | None) -> None:
    values = np.full((80, 80), -12.5, np.float32)
    values[:40] = -12.5 if nodata is None else nodata
    found = read_onto(elsewhere(tmp_path, values, nodata=nodata), patch(0, 0, 120), fill=np.nan, dtype=np.float32)
    assert set(np.unique(found[np.isfinite(found)])) == {-12.5}
    assert np.isnan(found).any()


# What cannot be read


def test_a_file_that_does_not_exist_makes_its_scene_unavailable(tmp_path: Path) -> None:
    path = str(tmp_path / "none.tif")
    with pytest.raises(SceneUnavailable, match=r"^scene: the archive has no file none\.tif"):
        read_onto(path, patch(0, 0), fill=0, dtype=np.uint16)


@pytest.mark.parametrize("other_zone", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 8, 100, 0.3, 0.6])
def test_a_truncated_file_is_damaged_and_named(
    tmp_path: Path, rasters: dict[int, str], kept: float, other_zone: bool
) -> None:
    values = np.random.default_rng(1).integers(1, 10_000, (COUNT, COUNT)).astype(np.uint16)
    path = Path(write_raster(tmp_path / "a.tif", values))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 or kept == 0 else kept * len(content))])
    there = patch(0, 0, COUNT)
    if other_zone:
        x, y = Transformer.from_crs(EPSG, 32633, always_xy=True).transform(LEFT, TOP)
        there = Patch(epsg=32633, xmin=10 * round(x / 10), ymax=10 * round(y / 10), pixels=COUNT)
    with pytest.raises(PixelsError) as caught:
        read_onto(str(path), there, fill=0, dtype=np.uint16)
    assert str(path) in str(caught.value)
    assert "fetch it again" in str(caught.value)


def test_a_file_that_is_no_raster_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_text("<Error>AccessDenied</Error>")
    with pytest.raises(PixelsError, match=r"a\.tif"):
        read_onto(str(path), patch(0, 0), fill=0, dtype=np.uint16)


def test_a_folder_is_no_raster(tmp_path: Path) -> None:
    with pytest.raises(PixelsError):
        read_onto(str(tmp_path), patch(0, 0), fill=0, dtype=np.uint16)


def test_a_raster_without_a_crs_has_no_place(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", numbered(), crs=None)
    with pytest.raises(PixelsError, match="is not georeferenced"):
        read_onto(path, patch(0, 0), fill=0, dtype=np.uint16)


def test_damage_is_told_again_and_again_and_leaves_other_files_alone(tmp_path: Path, rasters: dict[int, str]) -> None:
    path = tmp_path / "a.tif"
    shutil.copy(rasters[10], path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for _ in range(3):
        with pytest.raises(PixelsError):
            read_onto(str(path), patch(0, 0, COUNT), fill=0, dtype=np.uint16)
        assert read_onto(rasters[10], patch(0, 0), fill=0, dtype=np.uint16).all()
