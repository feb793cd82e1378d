"""Arrow columns of what is alike in every record but for some values: records written once, as one of them reads."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute

Column: TypeAlias = Any
"""A `pyarrow.Array`, whose types no checker knows: the values of a field that vary, one a record."""

compute: Any = pyarrow.compute
"""Its functions are made when it is imported, so that checkers see none."""


def columns_of(record: Mapping[str, Any], rows: int) -> dict[str, Column]:
    """The columns of `rows` records. `record` reads as one of them, with a column wherever their values vary.

    The types are those that pyarrow finds for the records as dictionaries.
    """
    return {name: _column(value, rows) for name, value in record.items()}


def flat(column: Column) -> Column:
    """The values of a column; of lists, one after the other. A column in chunks too."""
    return compute.list_flatten(column) if pa.types.is_list(column.type) else column


def ends(column: Column) -> tuple[Column, Column]:
    """The least and the most of each row of a column, nulls left out; of one without lists the column itself."""
    if not pa.types.is_list(column.type):
        return column, column
    values, rows = compute.list_flatten(column), compute.list_parent_indices(column)
    there = values.is_valid()
    numbers, at = values.filter(there).cast(pa.int64()).to_numpy(), rows.filter(there).to_numpy()
    bounds = np.iinfo(np.int64)
    least, most = np.full(len(column), bounds.max), np.full(len(column), bounds.min)
    np.minimum.at(least, at, numbers)
    np.maximum.at(most, at, numbers)
    nothing = least > most
    return tuple(pa.array(found, mask=nothing).cast(column.type.value_type) for found in (least, most))


def texts(column: Column) -> Column:
    """A column of text with 32-bit offsets, which is what pyarrow makes of Python's."""
    return column.cast(pa.list_(pa.string()) if pa.types.is_list(column.type) else pa.string())


def instants(column: Column) -> Column:
    """Instants (UTC) as text of RFC 3339, such as 2018-05-03T10:40:21.024017Z; null stays null."""
    return compute.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")


def _column(value: Any, rows: int) -> Column:
    if isinstance(value, pa.Array):
        return value
    if not _varies(value):
        return pa.nulls(rows) if value is None else pa.array([value]).take(pa.array(np.zeros(rows, np.int32)))
    if isinstance(value, Mapping):
        held = columns_of(value, rows)
        return pa.StructArray.from_arrays(list(held.values()), names=list(held))
    # A list of numbers, some of them the same in every record.
    numbers = np.stack([np.broadcast_to(np.asarray(one), rows) for one in value], axis=1)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * len(value))
    return pa.ListArray.from_arrays(offsets, pa.array(numbers.ravel()))


def _varies(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_varies(one) for one in value.values())
    return isinstance(value, pa.Array) or (isinstance(value, list | tuple) and any(_varies(one) for one in value))
