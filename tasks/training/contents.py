"""What there is to read of a corpus: its samples with their places and splits, as columns of a few bytes a sample."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import CorpusError, SpecError
from tasks.shards.commits import StoredObject, committed_shards, corpus_digest
from tasks.shards.description import Description, read_description
from tasks.shards.destinations import Destination, Readable, Stored, is_web
from tasks.shards.layout import RELEASE_RECORD, SAMPLES_FILE, samples_object
from tasks.shards.release_files import parse_release

_COLUMNS = ["sample", "crs", "xmin", "ymin", "xmax", "ymax", "split", "missing"]

_MISSING_DATES = "missing_dates"

_AT_ONCE = 64
"""Objects read at once: a request to a store takes tens of milliseconds, nearly all of it waiting."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Samples with pixels, in the order of the arrays. n samples."""

    description: Description
    digest: str
    """Of the corpus, SHA-256 over its commit records."""
    samples: NDArray[np.int64]
    """Where in the arrays each one's pixels are: (n,)."""
    bounds: NDArray[np.int32]
    """(n, 4): xmin, ymin, xmax, ymax in metres, of the UTM zone."""
    epsg: NDArray[np.int32]
    """Of the UTM zone: (n,)."""
    there: NDArray[np.bool_]
    """Which dates of a sample have pixels: (n, dates)."""

    @property
    def shards(self) -> NDArray[np.int64]:
        """The shard of each sample: (n,)."""
        return self.samples // self.description.shard_size


def read_contents(source: Readable, *, split: str | None, digest: str | None) -> Contents:
    """What there is of a split, or with None of all: of the release where there is one, else of what is committed.

    `digest`: the corpus that is meant. Raises CorpusError: there is no corpus, it is another one, or nothing tells its
    samples; SpecError: there is no such split.
    """
    description = read_description(source)
    if description is None:
        raise CorpusError(f"{source.location}: no corpus here (corpus.json is absent). Give the place of one.")
    dates = description.dates
    found, tables = _released(source, dates) or _committed(source, dates)
    if digest is not None and digest != found:
        raise CorpusError(
            f"{source.location}: is the corpus {found[:16]}, not {digest[:16]} as asked: it has grown or was built "
            "anew since. Give its present digest, or none to read what is there."
        )
    rows = pa.concat_tables(tables)
    rows = rows.filter(pc.field("missing").is_null())
    if split is not None:
        known: Counter[str] = Counter(rows["split"].to_pylist())
        if not known[split]:
            counts = ", ".join(f"{name} ({count})" for name, count in sorted(known.items()))
            raise SpecError(
                f"split={split!r}: {source.location} has no samples of it; it has {counts or 'no samples at all'}. "
                "Name one of them, or None for all."
            )
        rows = rows.filter(pc.field("split") == split)
    rows = rows.sort_by("sample")
    zones = rows["crs"].dictionary_encode().combine_chunks()
    codes = [int(name.removeprefix("EPSG:")) for name in cast("list[str]", zones.dictionary.to_pylist())]
    return Contents(
        description=description,
        digest=found,
        samples=_numbers(rows["sample"], np.int64),
        bounds=np.stack([_numbers(rows[name], np.int32) for name in ("xmin", "ymin", "xmax", "ymax")], axis=1),
        epsg=np.array(codes, np.int32)[_numbers(zones.indices, np.int64)],
        there=_there(rows, dates),
    )


def _there(rows: pa.Table, dates: int) -> NDArray[np.bool_]:
    """Which dates have pixels, (rows, dates): those without a reason for having none."""
    if dates == 1:
        return np.ones((len(rows), 1), bool)
    values = rows[_MISSING_DATES].combine_chunks().flatten()
    return values.is_null().to_numpy(zero_copy_only=False).reshape(-1, dates)


def released_object(source: Readable, path: str) -> tuple[str, bytes] | None:
    """The digest of the corpus that is released, and a file of its release; None: there is no release, or none with it.

    Raises CorpusError: the release is damaged.
    """
    record = source.get(RELEASE_RECORD)
    if record is None:
        return None
    release = parse_release(record)
    why = release if isinstance(release, str) else ""
    if not isinstance(release, str):
        wanted = next((item for item in release.files if item.path == path), None)
        if wanted is None:
            return None
        content = source.get(path)
        why = _difference(wanted, content)
        if content is not None and not why:
            return release.corpus, content
    what = RELEASE_RECORD if isinstance(release, str) else path
    raise CorpusError(
        f"{source.location}/{what}: {why}. `deepsentinel verify --repair {source.location}` restores it, or building "
        "with the corpus' spec makes it anew."
    )


def _difference(wanted: StoredObject, content: bytes | None) -> str:
    return wanted.difference(None if content is None else Stored.of(content)) or ""


def _released(source: Readable, dates: int) -> tuple[str, list[pa.Table]] | None:
    found = released_object(source, SAMPLES_FILE)
    return None if found is None else (found[0], [_table(found[1], f"{source.location}/{SAMPLES_FILE}", dates)])


def _committed(source: Readable, dates: int) -> tuple[str, list[pa.Table]]:
    """Digest and rows of what is committed: of a corpus that is still being built, or was released without rows."""
    if is_web(source.location):
        raise CorpusError(
            f"{source.location}: {SAMPLES_FILE} is absent, and a web server lists no shards. Build with the "
            "corpus' spec, which releases it, and give what is then there."
        )
    destination = cast("Destination", source)
    shards = sorted(committed_shards(destination))
    if not shards:
        raise CorpusError(f"{source.location}: no shard is there yet. Build it first.")

    def rows(shard: int) -> pa.Table:
        content = source.get(samples_object(shard))
        where = f"{source.location}/{samples_object(shard)}"
        if content is None:
            raise CorpusError(
                f"{where}: is absent, though the shard is committed. `deepsentinel verify --repair {source.location}` "
                "withdraws the shard, and the next build makes it again."
            )
        return _table(content, where, dates)

    return corpus_digest(destination), list(_in_threads(rows, shards))


def _in_threads(read: Callable[[int], pa.Table], shards: Sequence[int]) -> Iterator[pa.Table]:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rows") as threads:
        for some in _portions(shards, 16 * _AT_ONCE):
            yield from threads.map(read, some)


def _portions(items: Iterable[int], most: int) -> Iterator[list[int]]:
    rest = iter(items)
    while some := list(islice(rest, most)):
        yield some


def _table(content: bytes, where: str, dates: int) -> pa.Table:
    """The columns that are used, with plain types. Raises CorpusError: they cannot be read."""
    columns = [*_COLUMNS, *([_MISSING_DATES] * (dates > 1))]
    try:
        table = pq.read_table(io.BytesIO(content), columns=columns)
        text, number = pa.string(), pa.int64()
        types = [text if name in ("crs", "split", "missing") else number for name in _COLUMNS]
        types += [pa.list_(text, dates)] * (dates > 1)
        return table.select(columns).cast(pa.schema(list(zip(columns, types, strict=True))))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise CorpusError(
            f"{where}: cannot be read as rows of samples ({type(error).__name__}). `deepsentinel verify --deep` tells "
            "what of the corpus is damaged."
        ) from None


def _numbers(column: Any, kind: type[np.integer[Any]]) -> NDArray[Any]:
    return column.to_numpy().astype(kind)
