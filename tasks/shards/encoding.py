"""Pixels to the bytes of a shard, and back."""

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from tasks.shards.array_kinds import ArrayKind
from tasks.shards.layout import shard_object
from tasks.shards.zarr_metadata import create_array


def encode_shard(kind: ArrayKind, values: NDArray[Any], shard: int) -> tuple[str, bytes]:
    """Encode all samples of a shard, (shard size, *kind.shape): the object's path and its bytes.

    The bytes are those of a Zarr shard, which do not depend on where in the array it lies.
    """
    if values.shape[1:] != kind.shape or values.dtype != np.dtype(kind.dtype):
        raise ValueError(f"{kind.path}: got {values.shape} of {values.dtype}, expected (n, *{kind.shape}) {kind.dtype}")
    store = MemoryStore()
    group = zarr.create_group(store)
    array = create_array(group, kind, samples=len(values), shard_size=len(values))
    array[:] = values
    encoded = store._store_dict[shard_object(kind.name, 0, values.ndim)]  # pyright: ignore[reportPrivateUsage] a MemoryStore is read only by coroutines
    return shard_object(kind.path, shard, values.ndim), encoded.to_bytes()
