"""The preview of a corpus: which samples are shown, and what is written under them."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from tasks.imagery.bands import array_path
from tasks.release.label_pictures import label_pictures
from tasks.release.quicklooks import Quicklook, backscatter_composite, contact_sheet, true_colour
from tasks.shards.array_kinds import CENTIBEL, S1_NODATA
from tasks.shards.commits import committed_shards
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows

SHOWN = 12
"""Samples on the sheet."""


def preview(
    destination: Destination, samples: Sequence[int] | None = None, *, columns: int | None = None
) -> bytes | None:
    """The contact sheet of a corpus as PNG; None while it has no samples. The same corpus gives the same bytes.

    `samples` are those to show, by their place in the arrays; without them some from all over the corpus.
    """
    description = need_description(destination)
    rows = _rows(destination)
    if rows.empty:
        return None
    if samples is None:
        shown = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, SHOWN).round().astype(int))]
    else:
        shown = rows.set_index("sample", drop=False).loc[list(samples)]
    places = [int(place) for place in shown["sample"]]
    platform = next(iter(description.bands))
    s2, s1 = (_pixels(destination, array_path(platform, role), places) for role in ("s2", "s1"))
    labels = [
        label_pictures(layer, {kind.path: _pixels(destination, kind.path, places) for kind in layer.arrays})
        for layer in description.layers.values()
    ]
    looks = [
        Quicklook(
            imagery=(true_colour(s2[at]), backscatter_composite(_decibels(s1[at]))),
            labels=tuple(label.pictures[at] for label in labels),
            captions=_captions(row),
        )
        for at, row in enumerate(shown.to_dict("records"))
    ]
    gaps = rows["gap_hours"].abs()
    subtitle = (
        f"{len(rows):,} of {description.size:,} samples in the shards shown, {platform}; "
        f"acquisitions {gaps.median():.0f} h apart (median), {gaps.max():.0f} h at most"
    )
    return contact_sheet(
        description.name,
        subtitle,
        looks,
        heads=("Sentinel-2 true colour", "Sentinel-1 VV / VH / ratio", *(label.title for label in labels)),
        keys=[key for label in labels for key in label.keys],
        footnotes=_footnotes(description),
        columns=columns,
    )


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


def _pixels(destination: Destination, path: str, samples: Sequence[int]) -> NDArray[Any]:
    """Some samples of an array, as stored: (n, ...)."""
    array: Any = zarr.open_array(destination.store(), mode="r", path=path)
    return np.stack([array[sample] for sample in samples])


def _decibels(steps: NDArray[np.int16]) -> NDArray[np.float32]:
    return np.where(steps == S1_NODATA, np.nan, steps * CENTIBEL).astype(np.float32)


def _captions(row: dict[Any, Any]) -> tuple[str, str]:
    return (
        f"S2 {row['s2_time']:%Y-%m-%d %H:%M}   S1 {row['s1_time']:%Y-%m-%d %H:%M}   {row['gap_hours']:+.1f} h",
        f"{row['sample_id']}   {_degrees(row['lat'], 'NS')} {_degrees(row['lon'], 'EW')}   {row['crs']}",
    )


def _footnotes(description: Description) -> list[str]:
    """How the sources of labels want to be named wherever they are shown."""
    told = (layer.facts.get("attribution") or layer.facts.get("licence") for layer in description.layers.values())
    return [str(text) for text in told if text]


def _degrees(value: float, names: str) -> str:
    return f"{abs(value):.3f}\N{DEGREE SIGN}{names[value < 0]}"
