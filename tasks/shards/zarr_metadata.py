"""The Zarr metadata of a corpus, and the one place where its arrays are made."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec
from zarr.storage import MemoryStore

from tasks.shards.array_kinds import ArrayKind


def create_array(group: zarr.Group, kind: ArrayKind, *, samples: int, shard_size: int) -> zarr.Array[Any]:
    """Make an array of a corpus: one chunk a sample and date, one Zarr shard a corpus shard."""
    item = np.dtype(kind.dtype).itemsize
    codecs = {
        "blosc": BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=item),
        "zstd": ZstdCodec(level=3),
    }
    return group.create_array(
        kind.name,
        shape=(samples, *kind.shape),
        chunks=(shard_size, *kind.shape),
        dtype=kind.dtype,
        fill_value=kind.fill,
        compressors=None,
        filters=None,
        serializer=ShardingCodec(
            chunk_shape=(1, *kind.chunk),
            # The checksum comes after the compressor: blosc alone does not notice a flipped byte.
            codecs=(BytesCodec(endian="little" if item > 1 else None), codecs[kind.codec], Crc32cCodec()),
            index_codecs=(BytesCodec(endian="little"), Crc32cCodec()),
            # At the end, it would have to be read with suffix ranges, which some stores do not serve.
            index_location="start",
        ),
        dimension_names=("sample", *kind.dimensions),
        attributes=dict(kind.attributes),
        # Without it a shard of nothing but nodata would not be written at all.
        config={"write_empty_chunks": True},
    )


def metadata_objects(
    arrays: list[ArrayKind], *, attributes: Mapping[str, Any], shards: int, shard_size: int
) -> dict[str, bytes]:
    """All Zarr metadata of a corpus of `shards` shards, and the names along its dimensions: object by path.

    `attributes` are those of the root group.
    """
    store = MemoryStore()
    with warnings.catch_warnings():
        # Consolidated metadata is an extension that zarr-python and xarray read; others ignore the key.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        root = zarr.create_group(store, attributes=dict(attributes))
        for path in dict.fromkeys(kind.group for kind in arrays):
            group = root.create_group(path)
            for kind in arrays:
                if kind.group == path:
                    create_array(group, kind, samples=shards * shard_size, shard_size=shard_size)
                    for axis, values in kind.names.items():
                        _name(group, axis, values)
            zarr.consolidate_metadata(store, path=path)
        zarr.consolidate_metadata(store)
    return {key: value.to_bytes() for key, value in sorted(store._store_dict.items())}  # pyright: ignore[reportPrivateUsage] a MemoryStore lists its keys only to coroutines


def _name(group: zarr.Group, axis: str, values: tuple[str, ...]) -> None:
    """Keep what is along a dimension, once a group: its arrays share their dimensions."""
    if axis in group:
        return
    names = group.create_array(axis, shape=(len(values),), dtype=str, compressors=None, dimension_names=(axis,))
    names[:] = np.array(values)
