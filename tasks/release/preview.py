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
from tasks.release.quicklooks import Picture, Quicklook, contact_sheet, picture_of
from tasks.release.rules import first_gap, is_pair
from tasks.release.sheets import panels_of
from tasks.shards.commits import committed_shards
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows

SHOWN = 12
"""Samples on the sheet."""

_DATES = 12
"""Of a series at most."""


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
    panels = panels_of(description, _DATES * len(description.roles))
    dates = list(dict.fromkeys(panel.date for panel in panels))
    imagery = [_pictures(destination, description, array_path(platform, one.role), places, one.date) for one in panels]
    labels = [
        label_pictures(layer, {kind.path: _pixels(destination, kind.path, places) for kind in layer.arrays})
        for layer in description.layers.values()
    ]
    looks = [
        Quicklook(
            imagery=tuple(pictures[at] for pictures in imagery),
            labels=tuple(label.pictures[at] for label in labels),
            captions=_captions(row, description),
        )
        for at, row in enumerate(shown.to_dict("records"))
    ]
    subtitle = (
        f"{len(rows):,} of {description.size:,} samples in the shards shown, {platform}{_apart(rows, description)}"
    )
    return contact_sheet(
        description.name,
        subtitle,
        looks,
        heads=[
            *([panel.title for panel in panels] if description.dates == 1 else [description.times[at] for at in dates]),
            *(label.title for label in labels),
        ],
        lines=list(dict.fromkeys(panel.role for panel in panels)) if description.dates > 1 else (),
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


def _pictures(
    destination: Destination, description: Description, path: str, samples: Sequence[int], date: int
) -> list[Picture]:
    """A role of some samples at a date, one after the other: those of a series would not fit into memory together."""
    array: Any = zarr.open_array(destination.store(), mode="r", path=path)
    return [picture_of(array[sample, date] if description.dates > 1 else array[sample]) for sample in samples]


def _apart(rows: pd.DataFrame, description: Description) -> str:
    """How far apart acquisitions are, in words."""
    told = first_gap(description)
    if told is None:
        return ""
    gaps = pd.Series(np.abs(np.concatenate([np.atleast_1d(one) for one in rows[told[0]]]).astype(float)))
    if not gaps.notna().any():
        return ""
    _, role, near = told
    which = "acquisitions" if is_pair(description) else f"{role} and {near}"
    return f"; {which} {gaps.median():.0f} h apart (median), {gaps.max():.0f} h at most"


def _captions(row: dict[Any, Any], description: Description) -> tuple[str, str]:
    if description.dates > 1:
        times = pd.Series(row[f"{description.roles[0]}_time"]).dropna()
        first, last = f"{times.min():%Y-%m-%d}", f"{times.max():%Y-%m-%d}"
        told = f"{len(times)} of {description.dates} dates, {first} to {last}"
    else:
        short = len(description.roles) > 2
        times = {role: at for role in description.roles if pd.notna(at := row[f"{role}_time"])}
        told = "   ".join(
            f"{role.upper() if role in ('s2', 's1') else role} {time:{'%Y-%m-%d' if short else '%Y-%m-%d %H:%M'}}"
            for role, time in times.items()
        )
        gap = first_gap(description)
        told += f"   {row[gap[0]]:+.1f} h" if gap and pd.notna(row[gap[0]]) else ""
    return told, f"{row['sample_id']}   {_degrees(row['lat'], 'NS')} {_degrees(row['lon'], 'EW')}   {row['crs']}"


def _footnotes(description: Description) -> list[str]:
    """How the sources of labels want to be named wherever they are shown."""
    told = (layer.facts.get("attribution") or layer.facts.get("licence") for layer in description.layers.values())
    return [str(text) for text in told if text]


def _degrees(value: float, names: str) -> str:
    return f"{abs(value):.3f}\N{DEGREE SIGN}{names[value < 0]}"
