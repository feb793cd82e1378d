"""What reading to train costs: the reader against decoding the same bytes from memory, and against the peers' layouts.

    make bench  or  pytest -s tests/benchmarks/bench_reader.py

CPU is that of this process and its children; samples a second are of the wall, and on a busy machine say little. With
30 ms a request they are mostly waiting, which is the subject there.
"""

import resource
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.shards.description import Description, describe
from tasks.shards.layout import shard_object
from tasks.spec import CorpusSpec
from tasks.training.chunks import decode, index_size, read_index, span
from tasks.training.scaling import physical
from tests.servers.web import web_apart
from tests.unit.shards.made import VALUES
from tests.unit.training.made import Made

SHARDS, SHARD_SIZE, PIXELS, LATENCY, EPOCHS = 4, 16, 250, 0.03, 6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """64 samples of 250 pixels, as smooth as land is, so that they compress to about a third."""
    values = VALUES | {
        "size": SHARDS * SHARD_SIZE, "shard_size": SHARD_SIZE, "patch": {"pixels": PIXELS},
        "platforms": VALUES["platforms"][:1],
    }  # fmt: skip
    spec = CorpusSpec.model_validate(values)
    described: Description = describe(spec, places="digest", shards=SHARDS, capacity=100, bands={"zulu": BANDS})
    corpus = Land(tmp_path_factory.mktemp("reader") / "corpus", described)
    for path, content in described.objects().items():
        corpus.destination.put(path, content)
    for shard in range(SHARDS):
        corpus.add(shard)
    corpus.release()
    return corpus


class Land(Made):
    """With images instead of noise, all in the train split."""

    shard_size, splits, missing = SHARD_SIZE, ("train",) * SHARD_SIZE, -1

    def noise(self, kind: Any, random: np.random.Generator) -> Any:
        coarse = random.normal(size=(SHARD_SIZE, *kind.shape[:-2], 26, 26)).cumsum(-1).cumsum(-2)
        fine = np.kron(coarse, np.ones((10, 10)))[..., :PIXELS, :PIXELS] + random.normal(0, 0.1, (PIXELS, PIXELS))
        if kind.name == "s2":
            return np.clip(1500 + 60 * fine, 1, 10_000).astype(np.uint16)
        return np.clip(-1200 + 40 * fine + random.normal(0, 150, (PIXELS, PIXELS)), -3000, 500).astype(np.int16)


def cost(read: Callable[[], int], rounds: int = 3) -> tuple[float, float]:
    """Samples a second, and milliseconds of CPU a sample; the best of some rounds."""
    rates, cpus = list[float](), list[float]()
    for _ in range(rounds):
        began, before = time.monotonic(), _cpu()
        samples = read()
        rates.append(samples / (time.monotonic() - began))
        cpus.append(1000 * (_cpu() - before) / samples)
    return max(rates), min(cpus)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def show(name: str, found: tuple[float, float], floor: float) -> None:
    print(f"  {name:<46}{found[0]:8.1f} samples/s {found[1]:8.2f} ms CPU {found[1] / floor:6.2f} x decoding")


def one_by_one(dataset: Any, order: Iterable[int]) -> int:
    """Read, and keep nothing."""
    return sum(dataset[index]["sample"] >= 0 for index in order)


def count(batches: Iterable[Any]) -> int:
    return sum(len(batch["sample_id"]) for batch in batches)


def floor_of(corpus: Made) -> tuple[float, float]:
    """Decoding the same bytes from memory."""
    held = chunks_of(corpus)

    def read() -> int:
        for kind, content in held:
            decode(kind, content)
        return SHARDS * SHARD_SIZE

    return cost(read)


def scaled_floor_of(corpus: Made) -> tuple[float, float]:
    """And making floats of them, which are more than twice as many bytes."""
    held = chunks_of(corpus)
    scalings = {kind.path: physical(kind, kind.shape[0], 0.0) for kind, _ in held}

    def read() -> int:
        for kind, content in held:
            scalings[kind.path].apply(decode(kind, content), np.empty(kind.shape, np.float32))
        return SHARDS * SHARD_SIZE

    return cost(read)


def chunks_of(corpus: Made) -> list[tuple[Any, bytes]]:
    """Every chunk of a corpus, and the array that it is of."""
    held: list[tuple[Any, bytes]] = []
    for kind in corpus.description.arrays:
        for shard in range(SHARDS):
            content = (corpus.folder / shard_object(kind.path, shard, 4)).read_bytes()
            index = read_index(content[: index_size(SHARD_SIZE)], SHARD_SIZE)
            for row in range(SHARD_SIZE):
                start, size = span(index, row) or (0, 0)
                held.append((kind, content[start : start + size]))
    return held


def test_reading_from_disk_and_from_afar(corpus: Made, tmp_path: Path) -> None:
    import torch
    from torch.utils.data import DataLoader

    from tasks.training.reader import CorpusDataset
    from tasks.training.sampling import ShardSampler

    torch.set_num_threads(1)
    _warm(corpus)
    floor = floor_of(corpus)
    print(f"\n{SHARDS * SHARD_SIZE} samples of 15 bands of {PIXELS} pixels")
    show("decoding from memory", floor, floor[1])
    show("decoding and scaling from memory", scaled_floor_of(corpus), floor[1])
    _peers(corpus, tmp_path, floor[1])

    for values, stack in (("stored", False), ("normalised", True)):
        dataset = CorpusDataset(corpus.folder, values=values, stack=stack)
        order = np.random.default_rng(1).permutation(len(dataset)).tolist()
        show(f"{values}, at random", cost(lambda d=dataset, o=order: one_by_one(d, o)), floor[1])
        order = list(ShardSampler(dataset.shards, seed=1))
        show(f"{values}, by shard", cost(lambda d=dataset, o=order: one_by_one(d, o)), floor[1])

    def load(dataset: Any, workers: int) -> int:
        # Some epochs in one: to start workers takes as long as to read what is here.
        sampler = EPOCHS * list(ShardSampler(dataset.shards, seed=1))
        options: Any = {"multiprocessing_context": "fork"} if workers else {}
        return count(DataLoader(dataset, batch_size=8, sampler=sampler, num_workers=workers, **options))

    near = CorpusDataset(corpus.folder)
    for workers in (1, 2):
        show(f"disk, {workers} workers, in batches of 8", cost(lambda w=workers: load(near, w), 1), floor[1])
    with web_apart(corpus.folder, LATENCY) as url:
        far = CorpusDataset(url)
        show("30 ms, one at a time", cost(lambda: one_by_one(far, range(16))), floor[1])
        for workers in (0, 1, 2):
            name = f"30 ms, {workers or 'no'} workers, in batches of 8"
            show(name, cost(lambda w=workers: load(far, w), 1), floor[1])


def _warm(corpus: Made) -> None:
    for path in corpus.folder.rglob("*"):
        if path.is_file():
            path.read_bytes()


def _peers(corpus: Made, folder: Path, floor: float) -> None:
    """An npz file a sample, and a GeoTIFF a band."""
    s2, s1 = corpus.pixels["zulu/s2"], corpus.pixels["zulu/s1"]
    some = range(0, SHARDS * SHARD_SIZE, 4)
    for sample in some:
        np.savez_compressed(folder / f"{sample}.npz", s2=s2[sample], s1=s1[sample])
        for names, pixels in ((BANDS, s2[sample]), (POLARIZATIONS, s1[sample])):
            for name, band in zip(names, pixels, strict=True):
                with rasterio.open(
                    folder / f"{sample}-{name}.tif", "w", driver="GTiff", width=PIXELS, height=PIXELS, count=1,
                    dtype=band.dtype, crs="EPSG:32632", transform=Affine(10, 0, 5e5, 0, -10, 5e6), compress="deflate",
                    predictor=2,
                ) as file:  # fmt: skip
                    file.write(band, 1)

    def npz() -> int:
        for sample in some:
            with np.load(folder / f"{sample}.npz") as held:
                _ = held["s2"], held["s1"]
        return len(some)

    def tiffs() -> int:
        for sample in some:
            for name in (*BANDS, *POLARIZATIONS):
                with rasterio.open(folder / f"{sample}-{name}.tif") as file:
                    file.read(1)
        return len(some)

    show("npz a sample (compressed)", cost(npz), floor)
    show("GeoTIFF a band (deflate)", cost(tiffs), floor)
