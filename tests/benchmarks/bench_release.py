"""What a release takes of a corpus of many shards whose records are made up: seconds and memory.

    BENCH_SHARDS=1000 pytest -s tests/benchmarks/bench_release.py

Each shard has 250 rows and counts of 15 bands, both as large as those of real ones, and no pixels. The page and the
items are in bench_page.py and bench_items.py.
"""

import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS
from tasks.release.card import data_card
from tasks.release.facts import read_facts
from tasks.release.pairing_report import pairing_report
from tasks.release.sample_map import sample_map
from tasks.release.samples import write_samples
from tasks.release.statistics import histograms, statistics
from tasks.shards.array_kinds import ArrayKind, platform_arrays
from tasks.shards.commits import Commit, StoredObject
from tasks.shards.description import describe_everywhere, need_description
from tasks.shards.destinations import LocalFolder
from tasks.shards.encoding import encode_shard
from tasks.shards.layout import (
    CARD,
    MAP,
    PAIRING,
    SAMPLES_FILE,
    STATISTICS_FILE,
    commit_object,
    samples_object,
    statistics_object,
    to_json,
)
from tasks.shards.pairing_counts import PairingCounts
from tasks.shards.release_files import put_release
from tasks.shards.rows import decode_rows, encode_rows
from tasks.shards.statistics import ValueCounts, count_values, encode_counts
from tests.unit.builders import MadeUp, described, made_up_builder

SHARDS, SAMPLES = int(os.environ.get("BENCH_SHARDS", "1000")), 250


def timed(what: str, act: Callable[[], Any]) -> Any:
    """Do it, and print wall and CPU seconds and the most memory this process has had."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = act()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(
        f"  {what:<28} {time.perf_counter() - wall:7.1f} s {time.process_time() - cpu:7.1f} CPU-s, "
        f"{peak:6.0f} MB at most so far"
    )
    return made


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """Rows of a built shard, spread over the world and repeated; counts of noise."""
    folder = tmp_path_factory.mktemp("release")
    builder = made_up_builder(folder, MadeUp(), size=5)
    described(builder)
    make_shard(builder, 0)
    rows = decode_rows(builder.destinations[0].get(samples_object(0)) or b"")
    rows = rows.iloc[np.resize(np.arange(5), SAMPLES)].reset_index(drop=True)
    made = need_description(builder.destinations[0])
    corpus = LocalFolder(str(folder / "large"))
    size = {"size": SHARDS * SAMPLES, "shard_size": SAMPLES}
    describe_everywhere([corpus], replace(made, shards=SHARDS, spec=made.spec | size))
    random = np.random.default_rng(1)
    counts = [_counts(random) for _ in range(8)]
    for shard in range(SHARDS):
        own = rows.assign(
            shard=shard,
            row=np.arange(SAMPLES),
            sample=shard * SAMPLES + np.arange(SAMPLES),
            sample_id=[f"large-{shard:05d}-{row:04d}" for row in range(SAMPLES)],
            lon=random.uniform(-170, 170, SAMPLES),
            lat=random.uniform(-50, 70, SAMPLES),
            split=np.resize(np.array(["train"] * 7 + ["validation"] + ["test"] * 2), SAMPLES),
        )
        contents = {samples_object(shard): encode_rows(own), statistics_object(shard): counts[shard % 8]}
        commit = Commit(
            shard=shard,
            rows=SAMPLES,
            objects=tuple(StoredObject.of(path, content) for path, content in contents.items()),
            replaced=(),
            missing=(),
            pairing=PairingCounts(tried=300, within=Counter({3: 280}), gaps=Counter({18: SAMPLES})),
        )
        for path, content in contents.items():
            corpus.put(path, content)
        corpus.put(commit_object(shard), commit.to_bytes())
    return corpus


def _counts(random: np.random.Generator) -> bytes:
    """Of 15 bands and three splits, some 4,000 values each."""
    bands = [("stac/s2", f"B{number:02d}") for number in range(1, 13)]
    bands += [("stac/s2", "B8A"), ("stac/s1", "VV"), ("stac/s1", "VH")]
    return encode_counts(
        ValueCounts(
            array=array, band=band, split=split,
            values=np.arange(4000, dtype=np.int32), counts=random.integers(1, 3000, 4000),
        )
        for array, band in bands for split in ("test", "train", "validation")
    )  # fmt: skip


def test_a_release(corpus: LocalFolder, tmp_path: Path) -> None:
    print(f"\n{SHARDS} shards of {SAMPLES} samples:")
    description = need_description(corpus)
    rows = timed("samples.parquet", lambda: write_samples(corpus, tmp_path / "samples.parquet"))
    facts = timed("facts of the card", lambda: read_facts(corpus, rows))
    counted = timed("adding up counts", lambda: histograms(corpus, description))
    figures = timed("statistics.json", lambda: statistics(description, counted, facts.digest))
    card = timed("card", lambda: data_card(facts, figures))
    drawn = timed("map", lambda: sample_map("large", "", facts.places))
    pairs = timed("pairing report", lambda: pairing_report(corpus))
    made = {SAMPLES_FILE: rows, STATISTICS_FILE: to_json(figures), CARD: card, MAP: drawn, PAIRING: pairs}
    timed("put", lambda: put_release([corpus], made))
    print(f"  samples.parquet {rows.stat().st_size / 1e6:.1f} MB")


@pytest.mark.parametrize("samples", [50])
def test_counting_a_shard(samples: int) -> None:
    """CPU and bytes that the counts of a shard take, beside encoding it: 250 px, 15 bands."""
    random = np.random.default_rng(1)
    counting, encoding, size, counts = 0.0, 0.0, 0, []
    for kind in platform_arrays("stac", ("s2", "s1"), BANDS, 250):
        pixels = _scene(kind, samples, random)
        began = time.process_time()
        counts += count_values(kind, pixels, ["train"] * samples)
        counting += time.process_time() - began
        began = time.process_time()
        size += len(encode_shard(kind, pixels, 0)[1])
        encoding += time.process_time() - began
    began = time.process_time()
    content = encode_counts(counts)
    counting += time.process_time() - began
    print(
        f"\n{samples} samples: counting {1000 * counting / samples:.2f} ms a sample, encoding "
        f"{1000 * encoding / samples:.2f}; counts {len(content) / 1e3:.0f} kB, {100 * len(content) / size:.2f} % of "
        f"{size / 1e6:.1f} MB"
    )


def _scene(kind: ArrayKind, samples: int, random: np.random.Generator) -> np.ndarray:
    """Noise around levels that differ from sample to sample, as land and clouds do."""
    levels = random.uniform(300, 9000, (samples, kind.shape[0], 1, 1))
    if kind.step:
        return (levels / -4 + random.normal(0, 150, (samples, *kind.shape))).astype(kind.dtype)
    return (levels + random.normal(0, 60, (samples, *kind.shape))).clip(1).astype(kind.dtype)
