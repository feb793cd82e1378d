"""A pass over an extract and the rasters made from its store.

pytest -s tests/benchmarks/bench_osm.py [with DEEPSENTINEL_BENCH_PBF=FILE.osm.pbf in the environment]
"""

import math
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import shapely.affinity
import zarr.codecs

from tasks.labels.osm.extract import Counts, features_of, open_extract
from tasks.labels.osm.layer import open_osm
from tasks.labels.osm.rules import Rules
from tasks.labels.osm.scheme import load_scheme
from tests.unit.labels.osm.world import ingest, places_of, spec_over

EXTRACT = Path(
    os.environ.get(
        "DEEPSENTINEL_BENCH_PBF", Path(__file__).parents[3] / "shared/data/labels/liechtenstein-2021.osm.pbf"
    )
)

pytestmark = pytest.mark.skipif(not EXTRACT.exists(), reason="no extract to measure with")


def test_objects_a_cpu_second(tmp_path: Path) -> None:
    cpu, counts, found = math.inf, Counts(), 0
    for _ in range(3):
        counts, start = Counts(), time.process_time()
        found = sum(1 for _ in features_of(EXTRACT, Rules(load_scheme()), counts, tmp_path, lambda done: None))
        cpu = min(cpu, time.process_time() - start)
    megabytes = EXTRACT.stat().st_size / 1e6
    print(
        f"\n{counts.objects / cpu:,.0f} filtered objects a CPU-s, {megabytes / cpu:.2f} MB a CPU-s, {found:,} features;"
        f" Europe (30 GB): {30_000 / megabytes * cpu / 3600:.1f} CPU-h, its index {30e9 / 7.6 * 16 / 1e9:.0f} GB"
    )


def test_rasters_a_cpu_second(tmp_path: Path) -> None:
    border = open_extract(EXTRACT).border
    assert border is not None
    inner = shapely.affinity.scale(shapely.box(*border.bounds), 0.5, 0.5)
    gpd.GeoDataFrame(geometry=[inner], crs=4326).to_file(tmp_path / "region.gpkg")
    spec = spec_over(tmp_path, places={"cover": str(tmp_path / "region.gpkg")}, patch={"pixels": 250}, shard_size=50)
    cpu = time.process_time()
    ingest(spec, EXTRACT)
    cpu = time.process_time() - cpu
    print(f"\nwhole pass with clipping and writing: {EXTRACT.stat().st_size / 1e6 / cpu:.2f} MB a CPU-s")
    places = places_of(spec)
    layer = open_osm(spec, places)
    patches = places.draws(0).patches
    layer.render(patches, 0)
    cpu = time.process_time()
    found = layer.render(patches, 0)
    cpu = time.process_time() - cpu
    features = found["osm_features"].mean()
    print(f"{len(patches) / cpu:.1f} patches a CPU-s with {features:,.0f} features each on average")
    codec = zarr.codecs.ZstdCodec(level=3)._zstd_codec  # pyright: ignore[reportPrivateUsage] the codec of labels
    for kind in ("point", "line", "polygon"):
        sizes = [len(codec.encode(np.ascontiguousarray(one))) for one in found[f"labels/osm_{kind}"]]
        print(f"osm_{kind}: {np.mean(sizes):,.0f} bytes a sample")


@pytest.mark.parametrize("places", [100, 100_000])
def test_memory_of_places(tmp_path: Path, places: int) -> None:
    """In a process of its own: a peak is not forgotten."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        before, after = apart.submit(_peaks, tmp_path, places).result()
    print(f"\n{places:,} places: at most {after} MB, of which {before} before the extract is read")


def _peaks(folder: Path, places: int) -> tuple[int, int]:
    spec = spec_over(
        folder, places={"random": ["EU27", "GB"]}, patch={"pixels": 250}, size=places, shard_size=min(places, 250)
    )
    places_of(spec)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    ingest(spec, EXTRACT)
    return before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
