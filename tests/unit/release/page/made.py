"""A small corpus for tests of its page: rows like those of a build, sheets whose pictures tell the sample."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.release.sheets import draw_sheet
from tasks.scenes.reasons import Reason
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.commits import Commit, StoredObject
from tasks.shards.description import Description, LayerDescription
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object, quicklooks_object, samples_object
from tasks.shards.pairing_counts import PairingCounts
from tests.unit.shards.made import rejected, small

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
"""What a user's file may call a class or a place."""

COVER = LayerDescription(
    arrays=(
        ArrayKind(
            path="labels/cover", dimensions=("y", "x"), shape=(32, 32), dtype="uint8", fill=0,
            attributes={
                "long_name": "Cover",
                "legend": [
                    {"index": 1, "code": "1", "name": "water", "rgb": [0, 90, 255]},
                    {"index": 2, "code": "2", "name": HOSTILE, "rgb": [0, 160, 0]},
                    {"index": 3, "code": "3", "name": "town"},
                ],
            },
        ),
    ),
    facts={"licence": HOSTILE, "attribution": "Tom & Jerry <tom@example.org>"},
)  # fmt: skip


def rows_of(samples: int, *, seed: int = 1, missing: bool = True, labels: bool = True) -> pd.DataFrame:
    """Rows of samples in Central Europe, as far as the page looks at them."""
    rng = np.random.default_rng(seed)
    gap = np.round(rng.uniform(-72, 72, samples), 3)
    gap[: samples // 10] = np.resize([6.0, -6.0, 12.0, 0.0], samples // 10)
    cloud = np.where(rng.random(samples) < 0.2, np.nan, rng.uniform(0, 100, samples))
    cloud[: samples // 20] = np.resize([0.0, 20.0, 100.0], samples // 20)
    instants = pd.to_datetime(rng.integers(1_514_764_800, 1_609_459_200, samples), unit="s", utc=True)
    rows = pd.DataFrame(
        {
            "sample": np.arange(samples), "crs": "EPSG:32632",
            "lon": rng.uniform(6, 18, samples), "lat": rng.uniform(44, 54, samples),
            "s2_time": instants, "s1_time": instants + pd.to_timedelta(gap, unit="h"), "gap_hours": gap,
            "s2_cloud_cover": cloud, "s1_direction": rng.choice(["ascending", "descending"], samples),
            "split": rng.choice(["train", "validation", "test"], samples, p=[0.7, 0.1, 0.2]),
            "place_id": [HOSTILE if at % 3 else f"field {at}" for at in range(samples)],
        }
    )  # fmt: skip
    if labels:
        shares = rng.dirichlet([1, 1, 1], samples)
        rows = rows.assign(**{f"cover_{at + 1}": shares[:, at] for at in range(3)})
    rows["missing"] = pd.array([None] * samples, dtype="string")
    if missing:
        gone = rng.random(samples) < 0.1
        rows.loc[gone, "missing"] = str(Reason.TOO_CLOUDY)
        told = [name for name in rows if str(name).startswith(("gap", "s1_", "s2_", "cover_"))]
        rows.loc[gone, told] = None
    return rows


def table_of(rows: pd.DataFrame) -> pa.Table:
    """Rows as a build keeps them."""
    return pa.Table.from_pandas(rows, preserve_index=False)


def corpus_of(
    folder: Path, rows: pd.DataFrame, *, shard_size: int = 20, sheets: bool = True, labels: bool = True
) -> LocalFolder:
    """A corpus of these rows in a folder, with sheets: the optical picture of sample n is of one grey, 20 + 3 n."""
    shards = len(rows) // shard_size
    here = small(
        shards, size=len(rows), shard_size=shard_size, patch={"pixels": 32}, layers={"cover": COVER} if labels else {}
    )
    here = replace(here, spec=here.spec | {"places": {"points": "sites.csv", "digest": "x"}})
    destination = LocalFolder(str(folder))
    for path, content in here.objects().items():
        destination.put(path, content)
    for shard in range(shards):
        part = rows.iloc[shard * shard_size : (shard + 1) * shard_size]
        sink = pa.BufferOutputStream()
        pq.write_table(table_of(part), sink)
        contents = {samples_object(shard): sink.getvalue().to_pybytes()}
        if sheets:
            contents[quicklooks_object(shard)] = _sheet(here, part)
        for path, content in contents.items():
            destination.put(path, content)
        gone = int(part["missing"].notna().sum())
        commit = Commit(
            shard=shard,
            rows=len(part),
            objects=tuple(StoredObject.of(path, content) for path, content in contents.items()),
            replaced=(),
            missing=tuple(rejected(at, Reason.TOO_CLOUDY) for at in range(gone)),
            pairing=PairingCounts(tried=len(part), within=Counter(), gaps=Counter()),
        )
        destination.put(commit_object(shard), commit.to_bytes())
    return destination


def grey_of(sample: int) -> int:
    """Of the optical picture of a sample."""
    return 20 + 3 * sample


def _sheet(here: Description, part: pd.DataFrame) -> bytes:
    arrays: dict[str, Any] = {kind.path: kind.empty(here.shard_size) for kind in here.arrays}
    for row, sample in enumerate(part["sample"]):
        arrays["zulu/s2"][row] = round(3000 * ((grey_of(int(sample)) + 0.5) / 255) ** (1 / 0.6))
        arrays["zulu/s1"][row] = -1000
        if "labels/cover" in arrays:
            arrays["labels/cover"][row] = 1 + sample % 3
    return draw_sheet(here, arrays, np.flatnonzero(part["missing"].isna()).tolist())
