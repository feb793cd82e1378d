"""Which patches overlap, and whether any do across splits."""

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.places.patches import PIXEL, Patches

FALSE_NORTHING = 10_000_000
"""Metres: northing of the equator in the southern hemisphere, whose EPSG codes are 100 higher."""

_AT_ONCE = 20_000
"""Patches looked at at a time: bounds the memory for pairs, of which crowded places have thousands each."""


def corners(patches: Patches) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Zone (1 to 60), x and y of the lower left corners in metres, negative south of the equator: (n,) each."""
    south = patches.epsg // 100 == 327
    return patches.epsg % 100, patches.xmin, patches.ymax - PIXEL * patches.pixels - FALSE_NORTHING * south


def overlapping(patches: Patches) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of patches of one UTM zone that share ground, each both ways, in portions: (m,) positions each."""
    zones, x, y = corners(patches)
    side = PIXEL * patches.pixels
    for zone in np.unique(zones):
        here = np.flatnonzero(zones == zone)
        # Edges are multiples of 10 m: a metre inside them, those that only touch do not meet.
        boxes = shapely.box(x[here] + 1, y[here] + 1, x[here] + side - 1, y[here] + side - 1)
        tree = shapely.STRtree(boxes)
        for start in range(0, len(here), _AT_ONCE):
            first, second = tree.query(boxes[start : start + _AT_ONCE])
            first = first + start
            apart = first != second
            yield here[first[apart]], here[second[apart]]


def overlap_counts(patches: Patches, split: NDArray[np.object_]) -> tuple[int, int, tuple[int, int] | None]:
    """How many patches overlap another of their zone, how many one of another split, and the first two that do."""
    any_, across = np.zeros(len(patches), bool), np.zeros(len(patches), bool)
    pair: tuple[int, int] | None = None
    for first, second in overlapping(patches):
        any_[first] = True
        parted = np.flatnonzero(split[first] != split[second])
        across[first[parted]] = True
        if pair is None and len(parted):
            pair = int(first[parted[0]]), int(second[parted[0]])
    return int(any_.sum()), int(across.sum()), pair
