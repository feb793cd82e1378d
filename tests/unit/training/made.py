"""A small corpus with pixels, released or not, for tests of what reads it to train."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.shards.array_kinds import ArrayKind
from tasks.shards.commits import corpus_digest
from tasks.shards.description import Description
from tasks.shards.destinations import LocalFolder
from tasks.shards.encoding import encode_shard
from tasks.shards.layout import samples_object
from tasks.shards.release_files import put_release
from tasks.shards.writing import write_shard
from tests.unit.shards.made import L2A, LAYER, commit_of, small

SHARD_SIZE = 5

SPLITS = ("train", "train", "validation", "train", "test")
"""Of the rows of every shard."""

MISSING = 7
"""The sample that is a listed place without pixels."""


@dataclass
class Made:
    """A corpus, and what is in it."""

    folder: Path
    description: Description
    pixels: dict[str, NDArray[Any]] = field(default_factory=dict)
    """As stored, by path of the array: (sample, ...)."""
    shard_size: ClassVar[int] = SHARD_SIZE
    splits: ClassVar[tuple[str, ...]] = SPLITS
    missing: ClassVar[int] = MISSING

    @property
    def destination(self) -> LocalFolder:
        return LocalFolder(str(self.folder))

    @property
    def digest(self) -> str:
        return corpus_digest(self.destination)

    def samples(self, split: str = "train") -> list[int]:
        """Where in the arrays the samples of a split are."""
        every = range(len(next(iter(self.pixels.values()))))
        return [n for n in every if self.splits[n % self.shard_size] == split and n != self.missing]

    def add(self, shard: int, seed: int = 0) -> None:
        """Build a shard."""
        random = np.random.default_rng([seed, shard])
        contents: dict[str, bytes] = {samples_object(shard): self._rows(shard)}
        for kind in self.description.arrays:
            values = self.noise(kind, random)
            for band, name in enumerate(kind.names.get("band", ())):
                if name in kind.attributes.get("absent_bands", ()):
                    values[:, band] = 0
            path, content = encode_shard(kind, values, shard)
            contents[path] = content
            self.pixels[kind.path] = np.concatenate([self.pixels.get(kind.path, values[:0]), values])
        write_shard(self.destination, commit_of(contents, shard), contents)

    def noise(self, kind: ArrayKind, random: np.random.Generator) -> NDArray[Any]:
        """What is in an array of a shard; some pixels are nodata."""
        least, most = (-3000, 0) if kind.name == "s1" else (1, 10_000) if kind.name == "s2" else (0, 40)
        values = random.integers(least, most, (self.shard_size, *kind.shape)).astype(kind.dtype)
        values[random.random(values.shape) < 0.1] = kind.fill
        return values

    def release(self, **changes: Any) -> None:
        """Put rows and statistics as a release does; `changes` are of the statistics."""
        shards = len(next(iter(self.pixels.values()))) // self.shard_size
        tables = [pq.read_table(io.BytesIO(self._rows(shard))) for shard in range(shards)]
        file = io.BytesIO()
        pq.write_table(pa.concat_tables(tables, promote_options="default"), file)
        arrays = {
            kind.path: {"unit": "dB", "bands": self._statistics(kind.path, kind.names[kind.dimensions[0]])}
            for kind in self.description.arrays
            if kind.name in ("s1", "s2")
        }
        statistics = {"schema": 1, "corpus": self.digest, "split": "train", "samples": 1, "arrays": arrays} | changes
        files = {"release/samples.parquet": file.getvalue(), "release/statistics.json": json.dumps(statistics).encode()}
        put_release([self.destination], files)

    def _statistics(self, path: str, bands: Sequence[str]) -> dict[str, Any]:
        stored = self.pixels[path][self.samples()]
        kind = next(kind for kind in self.description.arrays if kind.path == path)
        found: dict[str, Any] = {}
        for band, name in enumerate(bands):
            values = stored[:, band][stored[:, band] != kind.fill].astype(np.float64) * (kind.step or 1)
            known = {"mean": values.mean(), "std": values.std()} if len(values) else {"mean": None, "std": None}
            found[name] = {"valid": len(values), "nodata": 0, **known}
        return found

    def _rows(self, shard: int) -> bytes:
        rows = [
            {
                "sample": self.shard_size * shard + row,
                "crs": f"EPSG:{32632 + row % 2}",
                "xmin": 500_000 + 1000 * row,
                "ymin": 5_000_000 + 1000 * shard,
                "xmax": 500_160 + 1000 * row,
                "ymax": 5_000_160 + 1000 * shard,
                "split": self.splits[row],
                "missing": "no_scene" if self.shard_size * shard + row == self.missing else None,
            }
            for row in range(self.shard_size)
        ]
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file.getvalue()


def made(folder: Path, *, shards: int = 3, built: int | None = None, released: bool = True) -> Made:
    """Shards of five samples of 16 pixels a side: Sentinel-2 without B10, Sentinel-1, classes and heights."""
    corpus = Made(folder, small(shards, zulu=L2A, layers={"cover": LAYER}))
    for path, content in corpus.description.objects().items():
        corpus.destination.put(path, content)
    for shard in range(shards if built is None else built):
        corpus.add(shard)
    if released:
        corpus.release()
    return corpus
