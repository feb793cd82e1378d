"""The +1000 offset of Sentinel-2 products: when pixels carry it, and how it is taken out, once."""

import datetime as dt

import numpy as np
from numpy.typing import NDArray

OFFSET = 1000
"""Added to every digital number since processing baseline 04.00 (ESA, S2 Products Specification, issue 14.9)."""

FIRST_BASELINE = 4.0

FIRST_DAY = dt.datetime(2022, 1, 25, tzinfo=dt.UTC)
"""Baseline 04.00 was switched on; a later acquisition has it or a newer one."""


def carries_offset(*, baseline: str, already_removed: bool | None, acquired: dt.datetime) -> bool | None:
    """Whether the pixels of a product are 1000 too high; None where nothing tells.

    By the product's baseline, not by its date: reprocessed products of older acquisitions carry the offset as well.
    `already_removed` is the archive's own word (`earthsearch:boa_offset_applied`).
    """
    if already_removed is not None and already_removed:
        return False
    try:
        return float(baseline) >= FIRST_BASELINE
    except ValueError:
        pass
    if already_removed is False:
        return True
    return None if acquired >= FIRST_DAY else False


def remove_offset(values: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Take the offset out: 0 stays nodata; what would fall to 0 or below becomes 1, the darkest valid value."""
    lowered = np.maximum(values, OFFSET + 1) - np.uint16(OFFSET)
    return np.where(values == 0, np.uint16(0), lowered).astype(np.uint16)
