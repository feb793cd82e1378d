"""Where and when for a million samples: a year of the planet as a catalogue, its draws and pairs.

pytest -s tests/benchmarks/bench_pairing.py
"""

import multiprocessing
import os
import resource
import time
from pathlib import Path

import numpy as np

from tasks.assembly.builder import Builder, open_builder
from tasks.assembly.candidates import pair_draws
from tasks.imagery.platform import Traffic
from tasks.scenes.pairing import Outcome
from tasks.spec import CorpusSpec
from tests.benchmarks.planet import write_planet

_builder: Builder


def test_draws_and_pairs_of_a_million_samples(tmp_path: Path) -> None:
    global _builder
    print("\n", write_planet(tmp_path / "planet.parquet"), "items")
    spec = CorpusSpec.model_validate(
        {
            "name": "bench",
            "size": 1_000_000,
            "places": {"random": "land"},
            "window": ["2019-01-01", "2020-01-01"],
            "platforms": [{"stac": {"catalog": str(tmp_path / "planet.parquet")}}],
            "destinations": [str(tmp_path / "corpus")],
        }
    )
    start = time.perf_counter()
    _builder = open_builder(spec)
    opened = time.perf_counter() - start
    print(f"opened (cells, catalogue, index) in {opened:.0f} s, {_peak():.1f} GB at most")
    _pair(0)
    for samples in (10_000, 100_000, 1_000_000):
        shards = range(samples // 250)
        cpu = time.process_time()
        start = time.perf_counter()
        if samples <= 10_000:
            matched = sum(map(_pair, shards))
            cpu = time.process_time() - cpu
            print(f"one process: {1000 * cpu / len(shards):.1f} ms CPU a shard of 250 draws")
        else:
            with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
                matched = sum(pool.imap_unordered(_pair, shards, chunksize=20))
        wall = time.perf_counter() - start
        print(
            f"{samples:>9,} draws paired in {wall:6.1f} s, {1e6 * wall / samples:.0f} us each; "
            f"{100 * matched / samples:.1f} % have a pair"
        )
    print(f"{_peak():.1f} GB at most in the parent")


def _pair(shard: int) -> int:
    draws = _builder.places.draws(shard).take(slice(0, 250))
    _, pairs = pair_draws(_builder, draws, {"stac": Traffic()})
    return int(np.count_nonzero(pairs.outcome == Outcome.PAIRED))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
