"""Backscatter: linear power to decibels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def power_to_db(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """10 log10, element by element; what is not above 0, or not finite, becomes NaN (nodata)."""
    positive = (power > 0) & np.isfinite(power)
    logarithm = np.full(power.shape, np.nan, np.float32)
    np.log10(power, out=logarithm, where=positive)
    return logarithm * np.float32(10)


def looks_like_decibels(power: NDArray[Any]) -> bool:
    """Whether values that are said to be linear power are not: power is never negative, but where noise was taken out.

    Any shape, NaN where there is nothing.
    """
    return bool(np.count_nonzero(power < 0) > np.count_nonzero(power > 0))
