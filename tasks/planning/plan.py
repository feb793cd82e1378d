"""A plan: draws and pairs of some shards, before a pixel is fetched."""

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
from geopandas import GeoDataFrame

from tasks.assembly.builder import Builder
from tasks.assembly.filling import Filling
from tasks.errors import SpecError
from tasks.notices import told_if_slow


def plan(builder: Builder, shards: range) -> GeoDataFrame:
    """Candidates of some shards in the order in which they would be tried, until the shard is full.

    The columns are those of a corpus' samples; `missing` says why a candidate has no pair, and would be replaced.
    Raises SpecError: shards that the corpus does not have. CatalogueError, PlatformUnreachable, CredentialsError.
    """
    last = builder.description.shards
    if not 0 <= shards.start < shards.stop <= last:
        raise SpecError(f"--shards {shards.start}:{shards.stop}: the corpus has shards 0:{last}; stay within.")
    tables: list[GeoDataFrame] = []
    with told_if_slow(f"{builder.spec.name}: planning") as say:
        for shard in shards:
            tables.append(Filling(builder=builder, shard=shard, traffic=builder.traffic()).plan())
            say(len(tables), len(shards))
    return GeoDataFrame(pd.concat(tables, ignore_index=True), crs="EPSG:4326")


def parse_shards(text: str) -> range:
    """`0:4` are the shards 0 to 3, `7` is one. Raises SpecError."""
    first, colon, end = text.partition(":")
    try:
        start = int(first) if first or not colon else 0
        return range(start, int(end) if colon else start + 1)
    except ValueError:
        raise SpecError(f"--shards {text!r}: expected first:end, such as 0:4, or one number.") from None


def without_lists(rows: GeoDataFrame) -> GeoDataFrame:
    """Rows for formats that have no lists: these become texts of JSON, instants as in ISO 8601, null where unknown."""
    lists = [name for name, kind in rows.dtypes.items() if isinstance(kind, pd.ArrowDtype)]
    plain: Any = rows.assign(**{str(name): [_as_json(values) for values in rows[name].array] for name in lists})
    return plain


def _as_json(values: Any) -> str:
    told = [None if pd.isna(one) else one.isoformat() if isinstance(one, dt.datetime) else one for one in values]
    return json.dumps([one.item() if isinstance(one, np.generic) else one for one in told])
