"""The preview of a corpus: which samples are shown, and what is written under them."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import zarr

from tasks.imagery.bands import array_path
from tasks.release.quicklooks import Quicklook, backscatter_composite, contact_sheet, true_colour
from tasks.shards.array_kinds import CENTIBEL, S1_NODATA
from tasks.shards.commits import committed_shards
from tasks.shards.description import need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows

SHOWN = 12
"""Samples on the sheet."""


def preview(destination: Destination) -> bytes | None:
    """The contact sheet of a corpus as PNG; None while it has no samples. The same corpus gives the same bytes."""
    description = need_description(destination)
    rows = _rows(destination)
    if rows.empty:
        return None
    shown = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, SHOWN).round().astype(int))]
    platform = next(iter(description.bands))
    s2, s1 = (zarr.open_array(destination.store(), mode="r", path=array_path(platform, role)) for role in ("s2", "s1"))
    looks = [_look(s2, s1, row) for row in shown.to_dict("records")]
    gaps = rows["gap_hours"].abs()
    subtitle = (
        f"{len(rows):,} of {description.size:,} samples in the shards shown, {platform}; "
        "left Sentinel-2 true colour, right Sentinel-1 VV / VH / ratio; "
        f"acquisitions {gaps.median():.0f} h apart (median), {gaps.max():.0f} h at most"
    )
    return contact_sheet(description.name, subtitle, looks)


def _rows(destination: Destination, most_shards: int = SHOWN) -> pd.DataFrame:
    """Rows with pixels from a few shards spread over the corpus: a preview must not read a million rows."""
    done = np.array(sorted(committed_shards(destination)))
    if not len(done):
        return pd.DataFrame()
    chosen = done[np.unique(np.linspace(0, len(done) - 1, most_shards).round().astype(int))]
    tables = [decode_rows(content) for shard in chosen if (content := destination.get(samples_object(int(shard))))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # pandas: columns that are all null in one shard
        rows = pd.concat([pd.DataFrame(table.drop(columns="geometry")) for table in tables], ignore_index=True)
    return rows.loc[rows["missing"].isna()]


def _look(s2: zarr.Array[Any], s1: zarr.Array[Any], row: dict[Any, Any]) -> Quicklook:
    steps = np.asarray(s1[row["sample"]])
    db = np.where(steps == S1_NODATA, np.nan, steps * CENTIBEL).astype(np.float32)
    return Quicklook(
        true_colour=true_colour(np.asarray(s2[row["sample"]])),
        backscatter=backscatter_composite(db),
        captions=(
            f"S2 {row['s2_time']:%Y-%m-%d %H:%M}   S1 {row['s1_time']:%Y-%m-%d %H:%M}   {row['gap_hours']:+.1f} h",
            f"{row['sample_id']}   {_degrees(row['lat'], 'NS')} {_degrees(row['lon'], 'EW')}   {row['crs']}",
        ),
    )


def _degrees(value: float, names: str) -> str:
    return f"{abs(value):.3f}\N{DEGREE SIGN}{names[value < 0]}"
