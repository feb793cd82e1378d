"""What a shard records of its imagery: how often each stored value occurs, by array, band and split.

Exact, because what is stored are 16-bit integers; `release/statistics.json` is made of it without reading pixels again.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from numpy.typing import NDArray

from tasks.errors import CorpusError
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows

VALUES = 1 << 16
"""Values that 16 bits can have."""

_SCHEMA = pa.schema(
    {
        "array": pa.dictionary(pa.int32(), pa.string()),
        "band": pa.dictionary(pa.int32(), pa.string()),
        "split": pa.dictionary(pa.int32(), pa.string()),
        "value": pa.int32(),
        "count": pa.int64(),
    }
)
"""A row a value that occurs, as it is stored in the array."""

_AT_ONCE = 26_000_000
"""Bytes read at once, a sample at least: those of a whole shard would be half a gigabyte."""

_GROUP = ("array", "band", "split")

Splits = Sequence[str | None]
"""Of a shard's rows, in order; None where a row has no pixels."""


@dataclass(frozen=True, kw_only=True)
class ValueCounts:
    """How often the values of one band occur in the samples of one split, nodata included."""

    array: str
    band: str
    split: str
    values: NDArray[np.int32]
    """(n,), as stored, ascending."""
    counts: NDArray[np.int64]
    """(n,), none of them 0."""


def count_values(kind: ArrayKind, values: NDArray[Any], splits: Splits) -> Iterator[ValueCounts]:
    """Count the pixels of an imagery array, (samples[, time], band, y, x) of 16 bits, band by band.

    Samples beyond `splits` are none. What it holds besides is half a megabyte a split, and a band of one sample.
    """
    rows = {split: [row for row, of in enumerate(splits) if of == split] for split in _named(splits)}
    for number, band in enumerate(kind.bands):
        for split, members in rows.items():
            found = np.zeros(VALUES, np.int64)
            for row in members:
                counts = np.bincount(_indices(values[row, ..., number, :, :]))
                found[: len(counts)] += counts
            present = np.flatnonzero(found)
            yield ValueCounts(
                array=kind.path,
                band=band,
                split=split,
                values=(present + np.iinfo(kind.dtype).min).astype(np.int32),
                counts=found[present],
            )


def encode_counts(found: Iterable[ValueCounts]) -> bytes:
    """Counts as Parquet, a few bytes a value. The same counts give the same bytes."""
    groups = list(found)
    sizes = [len(one.values) for one in groups]
    columns: list[pa.Array] = [_repeated([getattr(one, name) for one in groups], sizes) for name in _GROUP]
    columns.append(pa.array(np.concatenate([np.empty(0, np.int32), *(one.values for one in groups)])))
    columns.append(pa.array(np.concatenate([np.empty(0, np.int64), *(one.counts for one in groups)])))
    file = io.BytesIO()
    pq.write_table(
        pa.Table.from_arrays(columns, schema=_SCHEMA),
        file,
        compression="zstd",
        use_dictionary=list(_GROUP),  # pyright: ignore[reportArgumentType] names of columns are admitted too
        # Values ascend, and most counts are small.
        column_encoding=dict.fromkeys(("value", "count"), "DELTA_BINARY_PACKED"),
        store_schema=False,
    )
    return file.getvalue()


def decode_counts(content: bytes) -> list[ValueCounts]:
    """Counts from their bytes. Raises ValueError: they are none."""
    try:
        # In this thread alone: what reads many shards has threads of its own.
        file = pq.ParquetFile(io.BytesIO(content), read_dictionary=list(_GROUP))
        table = file.read(use_threads=False).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{type(error).__name__}: no counts of values") from None
    if not table.schema.equals(_SCHEMA):
        raise ValueError(f"no counts of values: columns {', '.join(table.schema.names)}")
    if not table.num_rows:
        return []
    groups = [table.column(name).chunk(0) for name in _GROUP]
    key = np.zeros(table.num_rows, np.int64)
    for group in groups:
        key = key * len(group.dictionary) + group.indices.to_numpy()
    starts = [0, *(np.flatnonzero(key[1:] != key[:-1]) + 1).tolist(), len(key)]
    values, counts = (table.column(name).chunk(0).to_numpy() for name in ("value", "count"))
    return [
        ValueCounts(
            **{name: group[first].as_py() for name, group in zip(_GROUP, groups, strict=True)},
            values=values[first:end],
            counts=counts[first:end],
        )
        for first, end in pairwise(starts)
    ]


def counts_of_pixels(destination: Destination, description: Description, shard: int) -> Iterator[ValueCounts]:
    """The counts of a shard that recorded none, by reading its pixels: those of one band may come in several parts.

    Raises CorpusError: its rows are gone; DestinationError.
    """

    content = destination.get(samples_object(shard))
    if content is None:
        raise CorpusError(
            f"{destination.location}/{samples_object(shard)}: is missing. `deepsentinel verify --repair "
            f"{destination.location}` restores it from another copy, or withdraws the shard."
        )
    splits = splits_of(decode_rows(content))
    first = shard * description.shard_size
    for kind in description.imagery:
        array: Any = zarr.open_array(destination.store(), mode="r", path=kind.path)
        together = max(1, _AT_ONCE // kind.bytes_a_sample)
        for start in range(0, len(splits), together):
            some = splits[start : start + together]
            yield from count_values(kind, np.asarray(array[first + start : first + start + len(some)]), some)


def splits_of(rows: Any) -> list[str | None]:
    """Of the rows of a shard, a data frame: their splits, None where a place has no pixels."""
    return [str(split) if served else None for split, served in zip(rows["split"], rows["missing"].isna(), strict=True)]


def _named(splits: Splits) -> list[str]:
    return sorted({split for split in splits if split is not None})


def _indices(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Values as numbers from 0 for the smallest that the type has: (n,)."""
    flat = values.ravel()
    return flat if flat.dtype == np.uint16 else flat.view(np.uint16) ^ np.uint16(1 << 15)


def _repeated(names: list[str], sizes: list[int]) -> Any:
    known = list(dict.fromkeys(names))
    codes = np.repeat(np.array([known.index(name) for name in names], np.int32), sizes)
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(known, pa.string()))
