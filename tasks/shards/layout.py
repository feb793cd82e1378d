"""The layout of a corpus: which object lies where, and what each array is."""

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec
from zarr.storage import MemoryStore

from tasks.imagery.platform import BANDS, POLARIZATIONS

SCHEMA = 1
"""Version of the layout; a reader refuses one it does not know."""

CENTIBEL = 0.01
"""Step of the stored backscatter in dB."""

S1_NODATA = -32768

CORPUS = "corpus.json"

PREVIEW = "release/preview.png"

PAIRING = "release/pairing.json"


@dataclass(frozen=True, kw_only=True)
class ArrayKind:
    """One array of a corpus."""

    path: str
    """In the corpus, e.g. stac/s2."""
    channels: tuple[str, ...]
    dimensions: tuple[str, str, str, str]
    dtype: str
    fill: int
    attributes: dict[str, Any]


def sentinel2_array(platform: str, bands: tuple[str, ...]) -> ArrayKind:
    """The Sentinel-2 array of a platform that has `bands`."""
    return ArrayKind(
        path=f"{platform}/s2",
        channels=BANDS,
        dimensions=("sample", "band", "y", "x"),
        dtype="uint16",
        fill=0,
        attributes={
            "long_name": "Sentinel-2 reflectance x 10,000, without the +1000 offset; 20 and 60 m bands repeated",
            "units": "1e-4",
            "nodata": 0,
            "bands": list(BANDS),
            "absent_bands": [band for band in BANDS if band not in bands],
        },
    )


def sentinel1_array(platform: str) -> ArrayKind:
    """The Sentinel-1 array of a platform. Readers that know CF conventions decode it to dB and NaN."""
    return ArrayKind(
        path=f"{platform}/s1",
        channels=POLARIZATIONS,
        # Not `band` again: xarray opens both arrays as one data set, in which a name has one length.
        dimensions=("sample", "polarization", "y", "x"),
        dtype="int16",
        fill=S1_NODATA,
        attributes={
            "long_name": "Sentinel-1 GRD backscatter",
            "units": "dB",
            "scale_factor": CENTIBEL,
            "_FillValue": S1_NODATA,
            "polarizations": list(POLARIZATIONS),
        },
    )


def shard_object(array: str, shard: int) -> str:
    """Where an array keeps a shard, e.g. stac/s2/c/3/0/0/0."""
    return f"{array}/c/{shard}/0/0/0"


def samples_object(shard: int) -> str:
    """Where the sample rows of a shard lie."""
    return f"samples/shard-{shard:05d}.parquet"


def commit_object(shard: int) -> str:
    """Where the commit record of a shard lies."""
    return f"commits/shard-{shard:05d}.json"


def run_object(shard: int) -> str:
    """Where the run record of a shard lies."""
    return f"runs/shard-{shard:05d}.json"


def shard_of(name: str) -> int | None:
    """The shard that a record belongs to, from its file name; None for other files."""
    number = name.removeprefix("shard-").partition(".")[0]
    return int(number) if name.startswith("shard-") and number.isdecimal() else None


def create_array(group: zarr.Group, kind: ArrayKind, *, samples: int, shard_size: int, pixels: int) -> zarr.Array[Any]:
    """Make an array of a corpus: one chunk a sample, one Zarr shard a corpus shard."""
    inner = (1, len(kind.channels), pixels, pixels)
    return group.create_array(
        kind.path.rpartition("/")[2],
        shape=(samples, *inner[1:]),
        chunks=(shard_size, *inner[1:]),
        dtype=kind.dtype,
        fill_value=kind.fill,
        compressors=None,
        filters=None,
        serializer=ShardingCodec(
            chunk_shape=inner,
            # The checksum comes after the compressor: blosc alone does not notice a flipped byte.
            codecs=(
                BytesCodec(endian="little"),
                BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=2),
                Crc32cCodec(),
            ),
            index_codecs=(BytesCodec(endian="little"), Crc32cCodec()),
            # At the end, it would have to be read with suffix ranges, which some stores do not serve.
            index_location="start",
        ),
        dimension_names=kind.dimensions,
        attributes=kind.attributes,
        # Without it a shard of nothing but nodata would not be written at all.
        config={"write_empty_chunks": True},
    )


def metadata_objects(
    arrays: list[ArrayKind], *, name: str, shards: int, shard_size: int, pixels: int
) -> dict[str, bytes]:
    """All Zarr metadata of a corpus of `shards` shards, and the names of its bands: object by path."""
    store = MemoryStore()
    with warnings.catch_warnings():
        # Consolidated metadata is an extension that zarr-python and xarray read; others ignore the key.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        root = zarr.create_group(store, attributes={"corpus": name, "schema": SCHEMA})
        for platform in dict.fromkeys(kind.path.partition("/")[0] for kind in arrays):
            group = root.create_group(platform)
            for kind in arrays:
                if kind.path.startswith(f"{platform}/"):
                    create_array(group, kind, samples=shards * shard_size, shard_size=shard_size, pixels=pixels)
                    axis = kind.dimensions[1]
                    names = group.create_array(
                        axis, shape=(len(kind.channels),), dtype=str, compressors=None, dimension_names=(axis,)
                    )
                    names[:] = np.array(kind.channels)
            zarr.consolidate_metadata(store, path=platform)
        zarr.consolidate_metadata(store)
    return {key: value.to_bytes() for key, value in sorted(store._store_dict.items())}  # pyright: ignore[reportPrivateUsage] a MemoryStore lists its keys only to coroutines


def to_json(content: Any) -> bytes:
    """JSON the same to the byte for the same content, and pleasant to read."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
