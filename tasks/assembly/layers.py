"""Laying layers beside the pixels of a shard."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.labels.layer import Layer
from tasks.shards.rows import Sample, patches_of


def lay(layers: Sequence[Layer], samples: list[Sample], shard: int, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Fill the arrays of layers for the samples that have pixels, and give the layers' columns: (n,) each.

    A row without pixels stays nodata, and null in the columns. Raises what the layers raise.
    """
    rows = [sample.row for sample in samples if sample.missing is None]
    columns: dict[str, Any] = {}
    patches = patches_of([samples[row] for row in rows]) if rows else None
    for layer in layers:
        values: dict[str, Any] = {}
        if patches is not None:
            pixels = layer.render(patches, shard)
            for kind in layer.arrays:
                arrays[kind.path][rows] = kind.stored(pixels[kind.path])
            values = dict(layer.facts(patches, shard, pixels))
        for name, dtype in layer.columns.items():
            column = np.full(len(samples), None, dtype=object)
            if rows:
                column[rows] = values[name]
            columns[name] = pd.array(column, dtype=dtype)
    return columns
