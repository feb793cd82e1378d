"""Rasters on patches: nearest, exact, whatever the CRS; and what cannot be one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import rasterio.vrt
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject

from tasks.errors import LabelsError, SpecError
from tasks.labels.rasters import RasterSource
from tasks.places.patches import Patch
from tests.archive import write_raster
from tests.unit.labels.made import LAEA, PATCH, around, exact, patches_of, source


def noise(side: int = 60, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(1, 45, (side, side)).astype(np.uint8)


def same(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels


def read(raster: RasterSource, patch: Patch = PATCH) -> NDArray[Any]:
    (pixels,) = raster.read(patch, fill=0, dtype=np.uint8, translate=same)
    return pixels


def test_every_pixel_has_the_value_of_the_source_under_its_centre(tmp_path: Path) -> None:
    values = noise()
    found = read(RasterSource(source(tmp_path, values), "key"))
    assert np.array_equal(found, exact(values, PATCH, *around(PATCH), 100))
    assert len(np.unique(found)) == 44


def test_it_is_what_gdal_makes_of_it_without_approximation(tmp_path: Path) -> None:
    path = source(tmp_path, noise())
    warped = np.zeros(PATCH.shape, np.uint8)
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, 1), warped, dst_transform=PATCH.transform, dst_crs=PATCH.crs,
            resampling=Resampling.nearest, tolerance=0,
        )  # fmt: skip
    assert (warped != read(RasterSource(path, "key"))).mean() <= 1e-4


@settings(max_examples=25)
@given(
    zone=st.integers(1, 60),
    north=st.integers(-7_000, 8_500).map(lambda km: km * 1_000),
    east=st.integers(200, 780).map(lambda km: km * 1_000),
    pixels=st.sampled_from([16, 33, 128]),
)
def test_degrees_anywhere_are_exact(
    tmp_path_factory: pytest.TempPathFactory, zone: int, north: int, east: int, pixels: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    values = np.random.default_rng(3).integers(1, 255, (1_800, 3_600)).astype(np.uint8)
    path = folder / "globe.tif"
    if not path.exists():
        write_raster(path, values, crs="EPSG:4326", left=-180, top=90, pixel=0.1)
    south = north < 0
    patch = Patch(epsg=(32700 if south else 32600) + zone, xmin=east, ymax=north + 10_000_000 * south, pixels=pixels)
    found = read(RasterSource(str(path), "key"), patch)
    assert (found != exact(values, patch, -180, 90, 0.1, "EPSG:4326")).mean() <= 1e-4
    assert found.all()


def test_a_patch_across_the_antimeridian_is_whole(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(1, 255, (1_800, 3_600)).astype(np.uint8)
    path = write_raster(tmp_path / "globe.tif", values, crs="EPSG:4326", left=-180, top=90, pixel=0.1)
    patch = Patch(epsg=32701, xmin=165_600, ymax=8_170_000, pixels=1_000)
    raster = RasterSource(path, "key")
    found = read(raster, patch)
    expected = exact(values, patch, -180, 90, 0.1, "EPSG:4326")
    assert len(np.unique(expected[:, :50])) and found.all()
    assert np.array_equal(found, expected)
    assert raster.covers(patches_of(patch)).all()


def test_what_lies_beyond_the_source_is_filled(tmp_path: Path) -> None:
    values = noise(side=12)
    raster = RasterSource(source(tmp_path, values), "key")
    found = read(raster)
    assert np.array_equal(found, exact(values, PATCH, *around(PATCH), 100))
    assert 0 < (found == 0).mean() < 1
    far = Patch(epsg=32632, xmin=300_000, ymax=9_000_000, pixels=250)
    assert not read(raster, far).any()


def test_a_source_covers_what_lies_wholly_within_it(tmp_path: Path) -> None:
    raster = RasterSource(source(tmp_path, noise()), "key")
    edge = Patch(epsg=32632, xmin=PATCH.xmin + 4_000, ymax=PATCH.ymax, pixels=250)
    far = Patch(epsg=32748, xmin=300_000, ymax=9_000_000, pixels=250)
    assert raster.covers(patches_of(PATCH, edge, far)).tolist() == [True, False, False]


def test_covered_is_what_has_no_pixel_beyond_the_source(tmp_path: Path) -> None:
    raster = RasterSource(source(tmp_path, noise(20)), "key")
    spots = np.random.default_rng(2).integers(-120, 220, (400, 2)) * 10
    patches = patches_of(*(
        Patch(epsg=32632, xmin=PATCH.xmin + int(x), ymax=PATCH.ymax - int(y), pixels=64) for x, y in spots
    ))  # fmt: skip
    whole = [bool(read(raster, patches[at]).all()) for at in range(len(patches))]
    assert raster.covers(patches).tolist() == whole
    assert 20 < sum(whole) < 380


def test_pixels_do_not_depend_on_what_was_read_before_nor_on_threads(tmp_path: Path) -> None:
    patches = [Patch(epsg=32632, xmin=PATCH.xmin + 10 * step, ymax=PATCH.ymax, pixels=64) for step in range(0, 60, 5)]
    path = source(tmp_path, noise())
    alone = [read(RasterSource(path, "key"), patch) for patch in patches]
    shared = RasterSource(path, "key")
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda patch: read(shared, patch), reversed(patches)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, reversed(together), strict=True))


def test_bands_are_found_by_number_or_name(tmp_path: Path) -> None:
    left, top = around(PATCH)
    path = tmp_path / "bands.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=2, height=60, width=60, dtype="uint8", crs=LAEA,
        transform=rasterio.Affine(100, 0, left, 0, -100, top),
    ) as file:  # fmt: skip
        for band, name in enumerate(("LC_Type1", "LC_Prop1"), 1):
            file.write(noise(seed=band), band)
            file.set_band_description(band, name)
    both = RasterSource(str(path), "key", ("LC_Prop1", 1))
    assert both.band_names == ("LC_Prop1", "LC_Type1")
    found = both.read(PATCH, fill=0, dtype=np.uint8, translate=same)
    assert np.array_equal(found[0], exact(noise(seed=2), PATCH, left, top, 100))
    assert np.array_equal(found[1], exact(noise(seed=1), PATCH, left, top, 100))
    with pytest.raises(SpecError, match=r"has no band 'LC_Prop9'. Use some of its bands: LC_Type1, LC_Prop1"):
        RasterSource(str(path), "key", ("LC_Prop9",))
    with pytest.raises(SpecError, match="has no band 3"):
        RasterSource(str(path), "key", (3,))


def not_a_raster(folder: Path) -> str:
    (folder / "source.tif").write_text("nothing")
    return str(folder / "source.tif")


def virtual(folder: Path) -> str:
    path = source(folder, noise())
    with rasterio.open(path) as file, rasterio.vrt.WarpedVRT(file) as warped:
        rasterio.shutil.copy(warped, folder / "source.vrt", driver="VRT")
    return str(folder / "source.vrt")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (not_a_raster, "key: .*source.tif cannot be read as a raster"),
        (lambda folder: source(folder, noise(), crs=None), "has no CRS. Write it again with its CRS and grid"),
        (lambda folder: source(folder, noise(), pixel=5), "has pixels of 5 m, finer than a patch's 10 m.*gdalwarp"),
        (
            lambda folder: source(folder, noise(), crs="EPSG:4326", left=6, top=51, pixel=1 / 24_000),
            "has pixels of 4.63 m",
        ),
        (virtual, "only names other files"),
    ],
)
def test_what_cannot_be_a_source_is_refused(tmp_path: Path, make: Callable[[Path], str], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        RasterSource(make(tmp_path), "key")


def test_ten_metres_on_a_grid_in_degrees_are_admitted(tmp_path: Path) -> None:
    RasterSource(source(tmp_path, noise(), crs="EPSG:4326", left=6, top=51, pixel=1 / 12_000), "key")


def test_a_damaged_raster_is_told_with_the_place(tmp_path: Path) -> None:
    path = Path(source(tmp_path, noise()))
    content = path.read_bytes()
    path.write_bytes(content[:900] + b"\xff" * (len(content) - 900))
    raster = RasterSource(str(path), "key")
    with pytest.raises(LabelsError, match=r"source.tif: cannot be read at column \d+, row \d+"):
        read(raster)
