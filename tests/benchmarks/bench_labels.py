"""Labels: patches a CPU-second, pixels off exact, bytes a sample.

pytest -s tests/benchmarks/bench_labels.py
"""

import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.vrt import WarpedVRT

from tasks.labels.opening import open_layers
from tasks.labels.rasters import RasterSource
from tasks.places.patches import Patches
from tasks.shards.encoding import encode_shard
from tests.archive import write_raster
from tests.unit.builders import spec_over
from tests.unit.labels.made import LAEA, exact, polygons

PATCHES = 500

REAL = Path(__file__).parents[3] / "shared" / "data" / "labels" / "clc-aachen_clipped_geokit.tif"


def patches_in(left: int, bottom: int, right: int, top: int, count: int = PATCHES) -> Patches:
    """Patches at random in a box of zone 32."""
    generator = np.random.default_rng(1)
    return Patches(
        epsg=np.full(count, 32632, np.int32),
        xmin=generator.integers(left // 10, right // 10, count) * 10,
        ymax=generator.integers(bottom // 10, top // 10, count) * 10,
        pixels=250,
    )


def country(folder: Path) -> str:
    """Spots of classes over 80 km, as CORINE draws them: 25 ha and more."""
    spots = np.random.default_rng(1).integers(1, 45, (160, 160)).astype(np.uint8)
    held = np.kron(spots, np.ones((5, 5), np.uint8))
    return write_raster(folder / "clc.tif", held, crs=LAEA, left=4_012_000, top=3_111_000, pixel=100)


def test_corine(tmp_path: Path) -> None:
    for path in filter(None, (country(tmp_path), str(REAL) if REAL.exists() else None)):
        spec = spec_over(tmp_path, labels="corine", sources={"corine": path}, patch={"pixels": 250})
        (layer,) = open_layers(spec)
        patches = patches_in(290_000, 5_610_000, 330_000, 5_655_000)
        start = time.process_time()
        pixels = layer.render(patches, 0)
        drawn = time.process_time() - start
        start = time.process_time()
        layer.facts(patches, 0, pixels)
        shares = time.process_time() - start
        (kind,) = layer.arrays
        held = pixels[kind.path]
        with rasterio.open(path) as file:
            values, grid = file.read(1), file.transform
        off = [(held[at] != exact(values, patches[at], grid.c, grid.f, 100)).sum() for at in range(0, PATCHES, 10)]
        _, content = encode_shard(kind, held, 0)
        print(
            f"\n{Path(path).name}: {PATCHES / drawn:.0f} patches a CPU-s, {PATCHES / (drawn + shares):.0f} with shares;"
            f" {np.sum(off) / (len(off) * held[0].size):.1e} pixels off exact; {len(content) / PATCHES:.0f} bytes each"
        )
        with rasterio.open(path) as file, WarpedVRT(file, crs="EPSG:32632", tolerance=0) as warped:
            start = time.process_time()
            for at in range(PATCHES):
                patch = patches[at]
                bounds = (patch.xmin, patch.ymin, patch.xmax, patch.ymax)
                warped.read(1, window=warped.window(*bounds), out_shape=patch.shape)
            print(f"WarpedVRT of the same, on its own grid: {PATCHES / (time.process_time() - start):.0f}")


@pytest.mark.parametrize("pixel", [10, 464])
def test_another_raster(tmp_path: Path, pixel: int) -> None:
    held = np.random.default_rng(1).integers(1, 18, (60_000 // pixel, 60_000 // pixel)).astype(np.uint8)
    source = RasterSource(
        write_raster(tmp_path / "cover.tif", held, crs=LAEA, left=4_022_000, top=3_101_000, pixel=pixel,
                     blockxsize=256, blockysize=256), "bench",
    )  # fmt: skip
    patches = patches_in(300_000, 5_620_000, 320_000, 5_640_000)
    start = time.process_time()
    for at in range(PATCHES):
        source.read(patches[at], fill=0, dtype=np.uint8, translate=lambda pixels: pixels)
    print(f"\nraster of {pixel} m: {PATCHES / (time.process_time() - start):.0f} patches a CPU-s")


def test_vectors(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    centres = generator.uniform((290_000, 5_600_000), (330_000, 5_660_000), (20_000, 2))
    areas = [shapely.Point(*centre).buffer(generator.uniform(50, 800)) for centre in centres]
    kinds = generator.choice(["Ia", "Ib", "II"], len(areas))
    path = polygons(tmp_path / "areas.gpkg", [(area, {"kind": kind}) for area, kind in zip(areas, kinds, strict=True)])
    item = {"areas": {"vectors": path, "column": "kind", "values": ["Ia", "Ib", "II"]}}
    (layer,) = open_layers(spec_over(tmp_path, labels=[item], patch={"pixels": 250}))
    patches = patches_in(295_000, 5_610_000, 325_000, 5_650_000, 100)
    start = time.process_time()
    pixels = layer.render(patches, 0)
    print(f"\nvectors, about 70 features a patch: {100 / (time.process_time() - start):.0f} patches a CPU-s")
    assert pixels["labels/areas"].any()
