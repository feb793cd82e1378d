"""Rows with several dates, as far as the page tells of them: what speaks for a sample, and how often what occurs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

_COMPUTE: Any = pyarrow.compute  # whose functions are made when it is imported, so that no checker knows them


def by_date(table: pa.Table, name: str, dates: int) -> NDArray[np.float64]:
    """A column of lists of numbers or instants, as floats: (rows, dates), NaN = null; instants as minutes since 1970.

    All NaN where there is no such column, or a row has no list of so many.
    """
    found = np.full((len(table), dates), np.nan)
    if name not in table.column_names or not pa.types.is_list(table.schema.field(name).type):
        return found
    column = table[name].combine_chunks()
    values = _COMPUTE.list_flatten(column)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        scale = 60_000_000.0
    else:
        scale = 1.0
    there = _COMPUTE.equal(_COMPUTE.list_value_length(column), dates).fill_null(False).to_numpy(zero_copy_only=False)
    if len(values) == dates * int(there.sum()):
        numbers = _COMPUTE.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        found[there] = numbers.reshape(-1, dates) / scale
    return found


def largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row, (rows, dates), the value farthest from 0, with its sign; NaN where there is none: (rows,)."""
    at = np.where(np.isnan(values), -1.0, np.abs(values)).argmax(axis=1)
    return values[np.arange(len(values)), at]


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row, (rows, dates), the mean of its values; NaN where there is none: (rows,)."""
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def first_and_last(minutes: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each row of instants, (rows, dates), the earliest and the latest; 0 where there is none: (rows,) each."""
    none = np.isnan(minutes)
    gone = none.all(axis=1)
    first = np.where(none, np.inf, minutes).min(axis=1)
    last = np.where(none, -np.inf, minutes).max(axis=1)
    return np.where(gone, 0, first).astype(np.int64), np.where(gone, 0, last).astype(np.int64)
