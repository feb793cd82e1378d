"""STAC items: items a CPU-second and memory, against the library that turns dictionaries into the same file.

pytest -s tests/benchmarks/bench_items.py
"""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from stac_geoparquet.arrow import parse_stac_items_to_parquet, stac_table_to_items

from tasks.places.patches import patches_around
from tasks.release.collection import collection_of
from tasks.release.items import write_items
from tasks.release.sample_table import SampleTable
from tests.unit.release.catalogued import description

ROWS, PEER = 200_000, 2_000
"""Items that are written, and those of which the library is asked for the same."""


def rows_of(count: int) -> geopandas.GeoDataFrame:
    """Made-up rows of two platforms and a label, all over the land's latitudes."""
    generator = np.random.default_rng(1)
    lon, lat = generator.uniform(-179, 179, count), generator.uniform(-60, 75, count)
    patches = patches_around(lon, lat, 250)
    number = np.arange(count)
    moments = pd.to_datetime(1_525_344_021_024_017 + generator.integers(0, 10**14, count), unit="us", utc=True)
    texts = {name: [f"{name}-{one:012d}-20180503T104021" for one in number] for name in ("zulu_s2_id", "zulu_s1_id")}
    return geopandas.GeoDataFrame(
        {
            "sample_id": [f"made-{one // 250:05d}-{one % 250:04d}" for one in number],
            "sample": number,
            "shard": number // 250,
            "row": number % 250,
            "crs": [f"EPSG:{code}" for code in patches.epsg],
            "xmin": patches.xmin,
            "ymin": patches.ymax - 2500,
            "xmax": patches.xmin + 2500,
            "ymax": patches.ymax,
            "lon": lon,
            "lat": lat,
            "s2_time": moments.astype("datetime64[us, UTC]"),
            "s1_time": (moments + pd.Timedelta(hours=7)).astype("datetime64[us, UTC]"),
            "gap_hours": 7.0,
            "s2_orbit": 8,
            "s2_cloud_cover": generator.uniform(0, 100, count),
            "s1_orbit": 15,
            "s1_direction": "ascending",
            **texts,
            "zulu_s2_nodata": 0.0,
            "zulu_s1_nodata": 0.0,
            "split": "train",
            "missing": pd.array([None] * count, dtype="string"),
        },
        geometry=patches.outlines(),
        crs="EPSG:4326",
    )


def written(folder: Path) -> dict[str, float]:
    """Seconds of CPU for the collection and the items, and by how many MB memory grew: in a process of its own."""
    import stac_geoparquet.arrow  # noqa: F401 its import is none of the work

    before = peak()
    samples = SampleTable.open(folder / "samples.parquet")
    start = time.process_time()
    collection = collection_of(description(), samples)
    surveyed = time.process_time()
    write_items(description(), samples, folder, collection)
    return {"survey": surveyed - start, "write": time.process_time() - surveyed, "grown": peak() - before}


def peak() -> float:
    """The most memory that this process has had, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def test_items(tmp_path: Path) -> None:
    rows_of(ROWS).to_parquet(tmp_path / "samples.parquet", index=False, compression="zstd", row_group_size=20_000)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        cost = apart.submit(written, tmp_path).result()
    path = tmp_path / "items.parquet"
    with pq.ParquetFile(path) as file:
        groups, items = file.num_row_groups, list(stac_table_to_items(next(file.iter_batches(PEER))))
    print(
        f"\n{ROWS} items: collection {ROWS / cost['survey']:,.0f}/CPU-s, items {ROWS / cost['write']:,.0f}/CPU-s, "
        f"{path.stat().st_size / ROWS:.0f} bytes each, {groups} row groups, memory + {cost['grown']:.0f} MB"
    )
    start = time.process_time()
    parse_stac_items_to_parquet(items, output_path=str(tmp_path / "peer.parquet"), compression="zstd")
    peer = time.process_time() - start
    print(f"stac-geoparquet from dictionaries: {len(items) / peer:,.0f}/CPU-s")
