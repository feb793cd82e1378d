"""A small corpus with pixels, released or not, for tests of what reads it to train."""

import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.shards.commits import corpus_digest
from tasks.shards.description import Description
from tasks.shards.destinations import LocalFolder
from tasks.shards.encoding import encode_shard
from tasks.shards.layout import samples_object
from tasks.shards.release_files import put_release
from tasks.shards.writing import write_shard
from tests.unit.shards.made import L2A, LAYER, commit_of, small

PIXELS, SHARD_SIZE = 16, 5

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

    @property
    def destination(self) -> LocalFolder:
        return LocalFolder(str(self.folder))

    @property
    def digest(self) -> str:
        return corpus_digest(self.destination)

    def samples(self, split: str = "train") -> list[int]:
        """Where in the arrays the samples of a split are."""
        every = range(len(next(iter(self.pixels.values()))))
        return [sample for sample in every if SPLITS[sample % SHARD_SIZE] == split and sample != MISSING]

    def add(self, shard: int, seed: int = 0) -> None:
        """Build a shard: noise, in which some pixels are nodata."""
        random = np.random.default_rng([seed, shard])
        contents: dict[str, bytes] = {samples_object(shard): _rows(shard)}
        for kind in self.description.arrays:
            least, most = (-3000, 0) if kind.name == "s1" else (1, 10_000) if kind.name == "s2" else (0, 40)
            values = random.integers(least, most, (SHARD_SIZE, *kind.shape)).astype(kind.dtype)
            values[random.random(values.shape) < 0.1] = kind.fill
            for band, name in enumerate(kind.names.get("band", ())):
                if name in kind.attributes.get("absent_bands", ()):
                    values[:, band] = 0
            path, content = encode_shard(kind, values, shard)
            contents[path] = content
            self.pixels[kind.path] = np.concatenate([self.pixels.get(kind.path, values[:0]), values])
        write_shard(self.destination, commit_of(contents, shard), contents)

    def release(self, **changes: Any) -> None:
        """Put rows and statistics as a release does; `changes` are of the statistics."""
        shards = len(next(iter(self.pixels.values()))) // SHARD_SIZE
        tables = [pq.read_table(io.BytesIO(_rows(shard))) for shard in range(shards)]
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


def _rows(shard: int) -> bytes:
    rows = [
        {
            "sample": SHARD_SIZE * shard + row,
            "crs": f"EPSG:{32632 + row % 2}",
            "xmin": 500_000 + 1000 * row,
            "ymin": 5_000_000 + 1000 * shard,
            "xmax": 500_160 + 1000 * row,
            "ymax": 5_000_160 + 1000 * shard,
            "split": SPLITS[row],
            "missing": "no_scene" if SHARD_SIZE * shard + row == MISSING else None,
        }
        for row in range(SHARD_SIZE)
    ]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


@dataclass
class Web:
    """A web server over a folder: what was asked of it."""

    url: str
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths, and the range of each."""


@contextmanager
def web(folder: Path, latency: float = 0.0) -> Iterator[Web]:
    """Serve a folder on loopback, with ranges; every answer is late by `latency` seconds."""
    seen = Web("")

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            seen.asked.append((self.path.lstrip("/"), wanted))
            if latency:
                threading.Event().wait(latency)
            path = Path(self.translate_path(self.path))
            if not path.is_file():
                self.send_error(404)
                return
            first, last = map(int, wanted.removeprefix("bytes=").split("-")) if wanted else (0, path.stat().st_size)
            with path.open("rb") as file:
                file.seek(first)
                content = file.read(last - first + 1)
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
