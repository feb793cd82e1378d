"""What a build from the demo archive costs, by stage, and what Prefect adds to it.

    make bench  or  pytest -s tests/benchmarks/bench_build.py

The archive is made once, in the folder named by BENCH_ARCHIVE or a temporary one.
"""

import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.assembly.builder import Builder, open_builder
from tasks.assembly.shard import STAGES, make_shard
from tasks.demo import make_archive
from tasks.shards.description import describe_everywhere
from tasks.spec import CorpusSpec

SHARDS, SHARD_SIZE = 4, 12


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo archive at full size."""
    folder = Path(os.environ.get("BENCH_ARCHIVE") or tmp_path_factory.mktemp("bench")) / "archive"
    make_archive(folder)
    return folder


def test_stages_and_orchestration(archive: Path, tmp_path: Path) -> None:
    """Samples a second and CPU a sample: the shards alone, one after the other, then the same through the flow."""
    samples = SHARDS * SHARD_SIZE
    builder = _builder(archive, tmp_path / "alone")
    describe_everywhere(builder.destinations, builder.description)
    alone = dict.fromkeys(STAGES, 0.0)
    wall = time.perf_counter()
    with _cpu() as direct:
        for shard in range(SHARDS):
            for stage, seconds in make_shard(builder, shard).seconds.items():
                alone[stage] += seconds
    wall = time.perf_counter() - wall
    print(f"\n{samples} samples of 250 px, shards of {SHARD_SIZE}, without Prefect: {samples / wall:.1f} samples/s")
    print(f"  CPU {1000 * direct[0] / samples:.0f} ms a sample")
    for stage, seconds in alone.items():
        print(f"  {stage:<10} {1000 * seconds / samples:7.1f} ms a sample, {100 * seconds / wall:5.1f} % of the time")

    from flows.build_corpus import build_corpus

    # The first run starts Prefect's embedded server: not a cost of a run, but of a session.
    first = _builder(archive, tmp_path / "first", size=SHARD_SIZE)
    build_corpus(first.spec)
    through = _builder(archive, tmp_path / "through")
    wall_flow = time.perf_counter()
    with _cpu() as flow:
        assert build_corpus(through.spec, return_state=True).is_completed()  # pyright: ignore
    wall_flow = time.perf_counter() - wall_flow
    print(f"through the flow, 2 shards in flight: {samples / wall_flow:.1f} samples/s")
    added = flow[0] - direct[0]
    print(f"  CPU {1000 * flow[0] / samples:.0f} ms a sample; Prefect adds {1000 * added / SHARDS:.0f} ms a shard")
    print(f"  at the default of 250 samples a shard that is {100 * added / SHARDS / (250 * direct[0] / samples):.1f} %")
    shutil.rmtree(tmp_path)


def _builder(archive: Path, destination: Path, size: int = SHARDS * SHARD_SIZE) -> Builder:
    spec = CorpusSpec.model_validate(
        {
            "name": "bench",
            "seed": 1,
            "size": size,
            "places": {"random": str(archive / "country.geojson")},
            "window": ["2020-01-01", "2025-01-01"],
            "pairing": {"search_days": 2000},
            "platforms": [{"stac": {"catalog": str(archive / "catalog.json"), "sentinel2_b10": "sentinel-2-l1c"}}],
            "shard_size": SHARD_SIZE,
            "destinations": [str(destination)],
        }
    )
    return open_builder(spec)


@contextmanager
def _cpu() -> Generator[list[float]]:
    """CPU seconds of this process and of the children that are still there when the block ends (Linux)."""
    found = [0.0]
    before = _cpu_of_all()
    yield found
    found[0] = _cpu_of_all() - before


def _cpu_of_all() -> float:
    ticks = os.sysconf("SC_CLK_TCK")
    total = time.process_time()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / ticks
    return total
