"""The page of a batch, in Markdown: a few of its samples as small pictures, replaced candidates by reason, traffic."""

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from PIL import Image

from tasks.imagery.bands import array_path
from tasks.release.quicklooks import picture_of
from tasks.release.rules import is_pair
from tasks.scenes.roles import sensor_of
from tasks.shards.commits import read_commits, reasons_of
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows
from tasks.shards.runs import Failure, read_runs

SHOWN = 6
"""Samples on the page."""

_COLUMNS = 2
"""Samples beside each other: what fits on the page of a laptop."""

_ROLES = 3
"""Pictures of a sample at most."""

_SIDE = 160
"""Pixels of a picture's side: six samples are some 60 kB, which Prefect keeps in its database."""


def batch_page(destination: Destination, shards: Sequence[int], errors: Mapping[int, BaseException]) -> str:
    """The page of the shards that a batch has built and of those that it failed to build.

    Raises CorpusError, DestinationError.
    """
    lines: list[str] = []
    commits = list(read_commits(destination, shards))
    samples = sum(commit.samples for commit in commits)
    lines += [f"**{len(commits)} shards built, {samples:,} samples**, {sum(c.size for c in commits) / 1e6:,.1f} MB", ""]
    looks = _looks(destination, list(shards))
    if looks:
        columns = min(_COLUMNS, len(looks))
        lines += ["|" + " |" * columns, "|" + " --- |" * columns]
        for start in range(0, len(looks), columns):
            row = looks[start : start + columns]
            lines.append("| " + " | ".join(f"{picture} {caption}" for caption, picture in row) + " |")
        lines += ["", _legend(need_description(destination)), ""]
    replaced = sum((reasons_of((*commit.replaced, *commit.missing)) for commit in commits), start=reasons_of(()))
    lines += _table("candidates rejected", {reason.words: count for reason, count in replaced.most_common()})
    traffic: dict[str, Counter[str]] = {}
    for record in read_runs(destination, shards).values():
        for platform, counts in record.platforms.items():
            traffic.setdefault(platform, Counter()).update(counts)
    for platform, counts in traffic.items():
        lines += _table(platform, counts)
    lines += _table(
        "shards failed", {str(shard): Failure.of(error).message.partition("\n")[0] for shard, error in errors.items()}
    )
    return "\n".join(lines)


def _table(title: str, values: Mapping[str, object]) -> list[str]:
    rows = [
        f"| {name} | {f'{value:,}' if isinstance(value, int) else _cell(value)} |" for name, value in values.items()
    ]
    return [f"| {title} | |", "| --- | --- |", *rows, ""] if rows else []


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def _looks(destination: Destination, shards: list[int]) -> list[tuple[str, str]]:
    """Captions and pictures of samples spread over shards."""
    description = need_description(destination)
    platform = next(iter(description.bands))
    arrays: list[Any] = [
        zarr.open_array(destination.store(), mode="r", path=array_path(platform, role)) for role in _shown(description)
    ]
    found: list[tuple[str, str]] = []
    for turn in range(SHOWN) if shards else ():
        shard = shards[turn * len(shards) // SHOWN]
        content = destination.get(samples_object(shard))
        rows = pd.DataFrame() if content is None else decode_rows(content).loc[lambda table: table["missing"].isna()]
        if rows.empty:
            continue
        row = rows.iloc[turn % len(rows)]
        # Of a series the first date that has pixels.
        date = next((at for at, why in enumerate(row.get("missing_dates", ())) if why is None), 0)
        at = (row["sample"], date) if description.dates > 1 else row["sample"]
        pictures = [picture_of(np.asarray(array[at])) for array in arrays]
        found.append((f"{row['sample_id']}, {row['lat']:.2f} {row['lon']:.2f}", _inline(pictures)))
    return found


def _shown(description: Description) -> list[str]:
    """The roles that are shown, those of Sentinel-2 first."""
    return sorted(description.roles, key=lambda role: sensor_of(role) != "sentinel2")[:_ROLES]


def _legend(description: Description) -> str:
    if is_pair(description):
        return "Left Sentinel-2 true colour, right Sentinel-1 VV / VH / ratio."
    several = ", at the first date that has pixels" if description.dates > 1 else ""
    return f"From left to right {', '.join(_shown(description))}{several}."


def _inline(pictures: Sequence[NDArray[np.uint8]]) -> str:
    """Pictures side by side as a Markdown image that holds its own bytes."""
    sheet = Image.new("RGB", (len(pictures) * (_SIDE + 2) - 2, _SIDE), "white")
    for index, picture in enumerate(pictures):
        sheet.paste(
            Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), (index * (_SIDE + 2), 0)
        )
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=80)
    return f"![sample](data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()})"
