"""A pass over an extract and the rasters made from its store.

pytest -s tests/benchmarks/bench_osm.py [with DEEPSENTINEL_BENCH_PBF=FILE.osm.pbf in the environment]
"""

import os
import resource
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import shapely.affinity
import zarr.codecs

from tasks.labels.osm.extract import Counts, features_of, open_extract
from tasks.labels.osm.frames import FrameIndex, Frames
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
    counts, cpu = Counts(), time.process_time()
    found = sum(1 for _ in features_of(EXTRACT, Rules(load_scheme()), counts, tmp_path, lambda done: None))
    cpu = time.process_time() - cpu
    megabytes = EXTRACT.stat().st_size / 1e6
    print(
        f"\n{counts.objects / cpu:,.0f} filtered objects a CPU-s, {megabytes / cpu:.2f} MB a CPU-s, {found:,} features"
    )


def test_rasters_a_cpu_second(tmp_path: Path) -> None:
    border = open_extract(EXTRACT).border
    assert border is not None
    inner = shapely.affinity.scale(shapely.box(*border.bounds), 0.5, 0.5)
    gpd.GeoDataFrame(geometry=[inner], crs=4326).to_file(tmp_path / "region.gpkg")
    spec = spec_over(tmp_path, places={"cover": str(tmp_path / "region.gpkg")}, patch={"pixels": 250}, shard_size=50)
    cpu = time.process_time()
    ingest(spec, EXTRACT)
    print(f"\nwhole pass with clipping and writing: {time.process_time() - cpu:.1f} CPU-s")
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
def test_memory_of_places(places: int) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform((-10, 36), (30, 60), (places, 2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    boxes = np.concatenate([low, low + np.array([0.07, 0.045])], axis=1)
    index = FrameIndex(Frames(shard=np.zeros(places, np.int32), place=np.arange(places), boxes=boxes))
    index.touching(boxes[:100])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\n{places:,} places: {(after - before) / 1024:.0f} MB more at most")
