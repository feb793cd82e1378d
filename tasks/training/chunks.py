"""Single chunks out of a shard's object, without zarr: its index, and the bytes of one chunk to pixels.

What zarr's pipeline would do, by the same libraries and with the same checksums, at a fraction of its cost: it fetches
and checks the whole index anew at every read. https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/
"""

from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc, zstd  # pyright: ignore[reportAttributeAccessIssue] compiled, without stubs
from numpy.typing import NDArray

from tasks.shards.array_kinds import ArrayKind

_CHECKSUM = 4
"""Bytes of a crc32c, little-endian, which follows what it is of."""

_WHOLE = 0x48674BC7
"""The crc32c of anything that is followed by its own crc32c (RFC 3385, section 7): bytes need no copy to be checked."""

_ABSENT = np.iinfo(np.uint64).max
"""Offset and size of a chunk that is not there, which reads as nodata."""


class Damaged(ValueError):
    """Bytes that are not what was written; says how."""


def index_size(chunks: int) -> int:
    """Bytes of the index of so many chunks, which is at the start of a shard's object: 16 each, and its checksum."""
    return 16 * chunks + _CHECKSUM


def read_index(content: bytes, chunks: int) -> NDArray[np.uint64]:
    """The index of a shard: (chunk, 2), offset and size of each chunk in bytes, checksum included. Raises Damaged."""
    if len(content) != index_size(chunks):
        raise Damaged(f"its index has {len(content)} bytes instead of {index_size(chunks)}")
    return np.frombuffer(_checked(content, "its index"), "<u8").reshape(chunks, 2)


def span(index: NDArray[np.uint64], chunk: int) -> tuple[int, int] | None:
    """Where a chunk lies: offset and size; None where it is not there."""
    start, size = map(int, index[chunk])
    return None if start == _ABSENT else (start, size)


def decode(kind: ArrayKind, content: bytes | None) -> NDArray[Any]:
    """The pixels of one chunk, `kind.chunk`, as stored; of no chunk, nodata. Raises Damaged."""
    if content is None:
        return np.full(kind.chunk, kind.fill, kind.dtype)
    packed = _checked(content, "a chunk")
    pixels: NDArray[Any] = np.empty(kind.chunk, np.dtype(kind.dtype).newbyteorder("<"))
    try:
        (blosc if kind.codec == "blosc" else zstd).decompress(packed, pixels)
    except (RuntimeError, ValueError) as error:
        raise Damaged(f"a chunk cannot be decoded ({error})") from None
    return pixels


def _checked(content: bytes, what: str) -> memoryview:
    """What comes before a checksum. Raises Damaged: it is another one."""
    if len(content) <= _CHECKSUM or google_crc32c.value(content) != _WHOLE:
        raise Damaged(f"the checksum of {what} is another one")
    return memoryview(content)[:-_CHECKSUM]
