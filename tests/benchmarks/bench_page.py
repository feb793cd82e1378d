"""The page of a corpus of 1,000,000 samples all over the land: what it costs to make, to load and to filter.

Run with `pytest -s tests/benchmarks/bench_page.py`; `PAGE_SAMPLES` sets another number, `PAGE_FOLDER` keeps the corpus.
"""

import os
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.release.page.countries import country_of
from tasks.release.page.page import write_page
from tasks.shards.commits import Commit, StoredObject
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object, samples_object
from tasks.shards.pairing_counts import PairingCounts
from tests.integration.browser import browsing, watched
from tests.unit.shards.made import described

SAMPLES = int(os.environ.get("PAGE_SAMPLES", "1000000"))
SHARD = 250


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(os.environ.get("PAGE_FOLDER") or tmp_path_factory.mktemp("million"))
    if (root / "corpus.json").exists():
        return root
    folder = LocalFolder(str(root))
    here = described(size=SAMPLES, shard_size=SHARD, platforms=[{"stac": {"catalog": "/data/a", "name": "zulu"}}])
    for path, content in here.objects().items():
        folder.put(path, content)
    rng = np.random.default_rng(1)
    for shard, lon_lat in enumerate(np.split(_places(rng), SAMPLES // SHARD)):
        sink = pa.BufferOutputStream()
        pq.write_table(_rows(rng, shard, *lon_lat.T), sink, compression="zstd")
        content = sink.getvalue().to_pybytes()
        folder.put(samples_object(shard), content)
        commit = Commit(
            shard=shard, rows=SHARD, objects=(StoredObject.of(samples_object(shard), content),), replaced=(),
            missing=(), pairing=PairingCounts(tried=SHARD, within=Counter(), gaps=Counter()),
        )  # fmt: skip
        folder.put(commit_object(shard), commit.to_bytes())
    return root


def _places(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Uniform over the land: (n, lon lat)."""
    found: list[np.ndarray[Any, Any]] = []
    while sum(map(len, found)) < SAMPLES:
        lon, lat = rng.uniform(-180, 180, 500_000), np.degrees(np.arcsin(rng.uniform(-0.85, 0.995, 500_000)))
        found.append(np.stack([lon, lat], axis=1)[country_of(lon, lat) >= 0])
    return np.concatenate(found)[:SAMPLES]


def _rows(rng: np.random.Generator, shard: int, lon: np.ndarray[Any, Any], lat: np.ndarray[Any, Any]) -> pa.Table:
    gap = rng.triangular(-72, 0, 72, SHARD)
    time_s2 = rng.integers(1_546_300_800, 1_640_995_200, SHARD) * 1_000_000
    cloud = np.where(rng.random(SHARD) < 0.3, 0.0, 100 * rng.beta(0.6, 0.9, SHARD))
    instants = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "sample": shard * SHARD + np.arange(SHARD),
            "crs": [f"EPSG:{32600 + int((value + 180) // 6) + 1}" for value in lon],
            "lon": lon,
            "lat": lat,
            "s2_time": pa.array(time_s2, instants),
            "s1_time": pa.array(time_s2 + (gap * 3.6e9).astype(np.int64), instants),
            "gap_hours": gap,
            "s2_cloud_cover": pa.array(cloud),
            "s1_direction": rng.choice(["ascending", "descending"], SHARD),
            "split": rng.choice(["train", "validation", "test"], SHARD, p=[0.7, 0.1, 0.2]),
            "missing": pa.nulls(SHARD, pa.string()),
        }
    )


def test_a_page_of_a_million(corpus: Path) -> None:
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    written = write_page(LocalFolder(str(corpus)), corpus, digest="0" * 64)
    spent = time.process_time() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = {path: (corpus / path).stat().st_size for path in written}
    areas = [size for path, size in sizes.items() if "/area-" in path]
    land = [size for path, size in sizes.items() if "/land-" in path]
    print(f"\nmade in {spent:.1f} s of CPU, {(most - before) / 1e3:.0f} MB above the {before / 1e3:.0f} MB before")
    print(f"{sum(sizes.values()) / 1e6:.1f} MB in {len(sizes)} files; page {sizes['release/index.html'] / 1e3:.0f} kB,")
    print(
        f"summary {sizes['release/page/summary.js'] / 1e6:.2f} MB, world {sizes['release/page/world.js'] / 1e3:.0f} kB"
    )
    print(f"{len(areas)} areas, {max(areas) / 1e3:.0f} kB at most; {len(land)} tiles of land, {sum(land) / 1e6:.2f} MB")
    with browsing() as browser, watched(browser) as (page, complaints):
        start = time.perf_counter()
        page.goto((corpus / "release/index.html").as_uri())
        page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        page.wait_for_selector("#canvas[data-drawn=cells]")
        print(f"map drawn {time.perf_counter() - start:.2f} s after it was asked for")
        for kind, value in (("split", "1"), ("gap", "2"), ("country", page.eval_on_selector(
            "#filter-country option:nth-child(40)", "option => option.value"))):  # fmt: skip
            spent = page.evaluate(
                """async ([kind, value]) => {
                    const select = document.getElementById(`filter-${kind}`), start = performance.now();
                    select.value = value;
                    select.dispatchEvent(new Event('change'));
                    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                    return performance.now() - start;
                }""",
                [kind, value],
            )
            print(f"filter {kind}: {spent:.0f} ms until the map is drawn anew")
        assert not complaints
