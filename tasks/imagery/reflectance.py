"""Reflectance x 10,000, and the +1000 offset of Sentinel-2 products: when pixels carry it, and how it is taken out."""

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 10_000
"""Of reflectance 1, as arrays hold it and ESA's products (L1C and L2A: QUANTIFICATION_VALUE)."""

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


def darkened(values: NDArray[np.uint16]) -> int:
    """How many pixels `remove_offset` makes the darkest valid value because nothing would be left of them."""
    # One comparison: 0 becomes the largest number.
    return int(np.count_nonzero(values - np.uint16(1) < OFFSET))


def to_steps(values: NDArray[Any], there: NDArray[np.bool_], *, scale: float, offset: float) -> NDArray[np.float64]:
    """Pixels of any real type as numbers of steps, unrounded and unbounded: (values * scale + offset) x 10,000.

    Not finite where nothing is `there`, whatever `values` hold.
    """
    steps = np.full(values.shape, np.nan)
    np.multiply(values, scale * STEPS, out=steps, where=there, dtype=np.float64)
    return steps + offset * STEPS


def stored_steps(steps: NDArray[np.float64]) -> tuple[NDArray[np.uint16], int]:
    """Numbers of steps as arrays hold them, and how many were out of their bounds.

    The nearest whole number; 0 where there is none (NaN); what is 0 or below becomes 1, the darkest valid value, and
    what is beyond 65,535 that.
    """
    rounded = np.rint(steps)
    clipped = np.count_nonzero(rounded < 1) + np.count_nonzero(rounded > 65_535)
    whole = np.nan_to_num(np.clip(rounded, 1, 65_535), nan=0.0)
    return whole.astype(np.uint16), int(clipped)
