"""Whether the objects of a shard can be decoded, chunk by chunk and row by row."""

import io
from collections import Counter

import pyarrow.parquet as pq
import zarr
from PIL import Image, UnidentifiedImageError
from pyarrow import ArrowException
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from tasks.shards.array_kinds import ArrayKind
from tasks.shards.commits import Commit
from tasks.shards.description import Description
from tasks.shards.layout import quicklooks_object, samples_object, shard_object, statistics_object
from tasks.shards.statistics import decode_counts
from tasks.shards.zarr_metadata import create_array

_AT_ONCE = 26_000_000
"""Bytes decoded at once, a sample at least: those of a whole shard of imagery would be half a gigabyte."""


def undecodable(description: Description, commit: Commit, path: str, content: bytes) -> str | None:
    """What keeps an object of a shard from being read, in words; None: nothing does."""
    if path == samples_object(commit.shard):
        return _wrong_rows(content, commit.rows)
    if path == statistics_object(commit.shard):
        return _wrong_counts(description, content, commit.samples)
    if path == quicklooks_object(commit.shard):
        return _wrong_picture(content)
    for kind in description.arrays:
        if path == shard_object(kind.path, commit.shard, 1 + len(kind.shape)):
            return _wrong_chunks(kind, description.shard_size, content)
    return None  # no part of a shard, which is said of the record


def _wrong_rows(content: bytes, rows: int) -> str | None:
    try:
        found = pq.read_table(io.BytesIO(content)).num_rows
    except (ArrowException, OSError) as error:
        return f"cannot be decoded: {type(error).__name__}"
    return None if found == rows else f"has {found} rows, {rows} recorded"


def _wrong_counts(description: Description, content: bytes, samples: int) -> str | None:
    try:
        found = decode_counts(content)
    except ValueError as error:
        return f"cannot be decoded: {error}"
    counted = Counter[tuple[str, str]]()
    for one in found:
        counted[one.array, one.band] += int(one.counts.sum())
    bands = [(kind.path, band) for kind in description.imagery for band in kind.bands]
    pixels = samples * description.dates * description.pixels**2
    if counted != Counter(dict.fromkeys(bands, pixels)):
        return f"does not count {pixels:,} pixels of each band"
    return None


def _wrong_picture(content: bytes) -> str | None:
    try:
        Image.open(io.BytesIO(content), formats=["JPEG"]).load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        return f"cannot be decoded: {type(error).__name__}"
    return None


def _wrong_chunks(kind: ArrayKind, samples: int, content: bytes) -> str | None:
    store = MemoryStore()
    array = create_array(zarr.create_group(store), kind, samples=samples, shard_size=samples)
    store._store_dict[shard_object(kind.name, 0, 1 + len(kind.shape))] = (  # pyright: ignore[reportPrivateUsage] a MemoryStore is written only by coroutines
        default_buffer_prototype().buffer.from_bytes(content)
    )
    together = max(1, _AT_ONCE // kind.bytes_a_sample)
    for first in range(0, samples, together):
        try:
            array[first : first + together]
        except (ValueError, RuntimeError, OSError) as error:
            return f"cannot be decoded: samples {first} to {min(first + together, samples) - 1}, {type(error).__name__}"
    return None
