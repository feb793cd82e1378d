"""Splits: train, validation and test, apart in space."""

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from tasks.places.counters import SPLITS
from tasks.places.lattice import Lattice
from tasks.spec import Splits

BLOCK = Lattice(pixels=5000)
"""Cells of 100 km: all samples of one are in the same split, so that neighbours never are on both sides."""


def split_of(lon: NDArray[np.float64], lat: NDArray[np.float64], seed: int, shares: Splits) -> NDArray[np.object_]:
    """The split of points in degrees: (n,) texts. Depends on nothing but the block, the seed and the shares."""
    blocks = BLOCK.cells_at(lon, lat)
    names, ends = list(shares.shares), np.cumsum(list(shares.shares.values()))
    known, inverse = np.unique(blocks, return_inverse=True)
    drawn = np.array([Philox(key=[seed, SPLITS], counter=int(block)).random_raw() >> 11 for block in known]) * 2.0**-53
    return np.array(names, dtype=object)[np.searchsorted(ends[:-1], drawn, side="right")[inverse]]
