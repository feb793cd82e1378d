"""Counter-based random numbers: what is drawn for a cell depends on nothing but the seed and the cell.

Philox (Salmon et al., 2011), keyed by the seed and a stream and counted by the cell, so that whoever draws it, in
whatever order, draws the same.
"""

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

CELLS, POINTS, SPLITS, GROUPS = 1, 2, 3, 4
"""Streams, the second half of the key: what the counter counts."""

ATTEMPT = 16
"""Step of the stream between two attempts at a cell."""


def words_of(seed: int, stream: int, counters: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Four random 64-bit words a counter: order, jitter east, jitter north, instant. (n, 4)."""
    words = np.empty((len(counters), 4), np.uint64)
    if not len(counters):
        return words
    # Philox yields one block of four words a counter value: a run of neighbours is one call.
    starts = np.flatnonzero(np.diff(counters, prepend=counters[0] - 2) != 1)
    for start, end in zip(starts, [*starts[1:], len(counters)], strict=True):
        generator = Philox(key=[seed, stream], counter=int(counters[start]))
        words[start:end] = generator.random_raw(4 * (end - start)).reshape(-1, 4)
    return words


def to_unit(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Words to [0, 1), 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def to_instants(words: NDArray[np.uint64], window: tuple[int, int]) -> NDArray[np.int64]:
    """Words to instants, uniform in a half open window, microseconds since 1970 UTC."""
    first, end = window
    return first + np.floor(to_unit(words) * (end - first)).astype(np.int64)
