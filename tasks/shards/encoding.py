"""Pixels to the bytes of a shard."""

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from tasks.shards.layout import CENTIBEL, S1_NODATA, ArrayKind, create_array, shard_object


def backscatter_to_steps(db: NDArray[np.float32]) -> NDArray[np.int16]:
    """dB to steps of 0.01 dB, any shape; NaN becomes -32768, what is beyond +-327.67 dB the nearest step."""
    steps = np.round(db.astype(np.float64) / CENTIBEL)
    return np.where(np.isnan(steps), S1_NODATA, np.clip(steps, -32767, 32767)).astype(np.int16)


def encode_shard(kind: ArrayKind, values: NDArray[Any], shard: int) -> tuple[str, bytes]:
    """Encode all samples of a shard, (shard size, channels, height, width): the object's path and its bytes.

    The bytes are those of a Zarr shard, which do not depend on where in the array it lies.
    """
    store = MemoryStore()
    group = zarr.create_group(store)
    samples, _, _, pixels = values.shape
    array = create_array(group, kind, samples=samples, shard_size=samples, pixels=pixels)
    array[:] = values
    encoded = store._store_dict[shard_object(kind.path.rpartition("/")[2], 0)]  # pyright: ignore[reportPrivateUsage] a MemoryStore is read only by coroutines
    return shard_object(kind.path, shard), encoded.to_bytes()
