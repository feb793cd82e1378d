"""Splits: train, validation and test, apart in space or as the user's file has them."""

import hashlib
from typing import Any

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.columns import texts_of
from tasks.places.counters import GROUPS, SPLITS
from tasks.places.lattice import Lattice
from tasks.spec import Splits
from tasks.spec.splits import SPLITS as NAMES

BLOCK = Lattice(pixels=5000)
"""Cells of 100 km: all samples of one are in the same split, so that neighbours never are on both sides."""

_MEANT = {"val": "validation", "valid": "validation", "dev": "validation", "training": "train", "testing": "test"}
"""Words that others use."""

_SHOWN = 8
"""Values of a column that a message tells."""


def split_of(lon: NDArray[np.float64], lat: NDArray[np.float64], seed: int, shares: Splits) -> NDArray[np.object_]:
    """The split of points in degrees: (n,) texts. Depends on nothing but the block, the seed and the shares."""
    blocks = BLOCK.cells_at(lon, lat)
    known, inverse = np.unique(blocks, return_inverse=True)
    return _dealt([(SPLITS, int(block)) for block in known], seed, shares)[inverse]


def split_by(values: Any, seed: int, splits: Splits, key: str) -> NDArray[np.object_]:
    """The split of listed places by the values of a column: (n,) texts.

    They are the splits themselves, or groups, which are in one split as a whole: it depends on nothing but the group's
    name, the seed and the shares. `key` is that of the places, for messages.
    Raises PlacesError: a place has no value, or one that is no split.
    """
    column = str(splits.by)
    texts = texts_of(values, column, key)
    known, inverse = np.unique(texts, return_inverse=True)
    if not splits.as_given:
        counters = [int.from_bytes(hashlib.sha256(str(name).encode()).digest()[:8], "little") for name in known]
        return _dealt([(GROUPS, counter) for counter in counters], seed, splits)[inverse]
    if wrong := [str(value) for value in known if value not in NAMES]:
        meant = [f"{_MEANT[value.lower()]} for {value!r}" for value in wrong if value.lower() in _MEANT]
        meant += [f"{value.lower()} for {value!r}" for value in wrong if value.lower() in NAMES]
        told = f" (write {', '.join(meant)})" if meant else ""
        more = ", ..." if len(wrong) > _SHOWN else ""
        raise PlacesError(
            f"{key}: splits: by: the column {column!r} holds {', '.join(map(repr, wrong[:_SHOWN]))}{more}; expected "
            f"{', '.join(NAMES)}{told}. Or give shares, such as "
            f"`splits: {{by: {column}, validation: 0.1, test: 0.2}}`, and all places with one value are in one split."
        )
    return texts


def _dealt(counters: list[tuple[int, int]], seed: int, shares: Splits) -> NDArray[np.object_]:
    """The splits of streams and counters, drawn by the seed: (n,) texts."""
    names, ends = list(shares.shares), np.cumsum(list(shares.shares.values()))
    words = [Philox(key=[seed, stream], counter=counter).random_raw() >> 11 for stream, counter in counters]
    return np.array(names, dtype=object)[np.searchsorted(ends[:-1], np.array(words) * 2.0**-53, side="right")]
