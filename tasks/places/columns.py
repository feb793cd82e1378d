"""Columns of the user's file of places that the rows keep, as they are: text, whole numbers and numbers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tasks.errors import PlacesError

TEXT, WHOLE, NUMBER = "string", "Int64", "float64"
"""The types that columns have in the rows."""

_WORDS = {TEXT: "text", WHOLE: "whole numbers", NUMBER: "numbers"}


def kept_columns(table: Any, names: Sequence[str], path: Path, key: str) -> dict[str, Any]:
    """Columns of a data frame by name: pandas' arrays of one of the three types, (n,) each.

    `key` is the spec's, for messages. Raises PlacesError: a column is not there, or of another type.
    """
    geometry = table.geometry.name
    kinds = {name: _kind(table[name]) for name in map(str, table.columns) if name != geometry}
    has = ", ".join(f"{name} ({_WORDS.get(kind, kind)})" for name, kind in kinds.items()) or "no columns"
    found: dict[str, Any] = {}
    for name in names:
        kind = kinds.get(name)
        if kind is None:
            raise PlacesError(f"{key}: {path} has no column {name!r}, which `columns` names; it has {has}.")
        if kind not in _WORDS:
            raise PlacesError(
                f"{key}: {path}: the column {name!r} holds {kind}; expected text, whole numbers or numbers. Write it "
                f"as one of them, or leave it out of `columns`. The file has {has}."
            )
        found[name] = pd.array(table[name].astype(object) if kind == TEXT else table[name], dtype=kind)
    return found


def column_bytes(columns: Mapping[str, Any]) -> bytes:
    """What a digest of places covers of the columns that are kept of them; nothing without any."""
    told = [
        [name, str(values.dtype), [None if pd.isna(value) else value for value in values.tolist()]]
        for name, values in columns.items()
    ]
    return json.dumps(told).encode() if told else b""


def texts_of(values: Any, name: str, key: str) -> NDArray[np.object_]:
    """What splits go by, as text: (n,). Raises PlacesError: a place has nothing, or the column holds other numbers."""
    if values.dtype == NUMBER:
        raise PlacesError(
            f"{key}: splits: by: the column {name!r} holds numbers; expected text or whole numbers, which name a group"
            " or a split."
        )
    lacking = np.flatnonzero(pd.isna(values))
    if len(lacking):
        raise PlacesError(
            f"{key}: splits: by: {len(lacking)} of {len(values)} places have nothing in the column {name!r}, the first "
            f"is place {lacking[0]}; expected a value for each. Fill them in, or remove the places."
        )
    return np.array([str(value) for value in values.tolist()], dtype=object)


def _kind(column: Any) -> str:
    """The type that a column gets in the rows, or, if it has none of the three, what it holds, in words."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if types.is_bool_dtype(column.dtype):
        return "true and false"
    if types.is_integer_dtype(column.dtype):
        return WHOLE if not len(column.dropna()) or int(column.max()) < 2**63 else "whole numbers beyond 63 bits"
    if types.is_float_dtype(column.dtype):
        return NUMBER
    if types.is_string_dtype(column.dtype) or types.is_object_dtype(column.dtype):
        others = sorted({type(value).__name__ for value in column.dropna() if not isinstance(value, str)})
        return " and ".join(others) if others else TEXT
    return str(column.dtype)
