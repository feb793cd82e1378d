"""The quicklooks of a shard: one JPEG with a small picture of every sample, drawn while its pixels are at hand."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.imagery.bands import array_path
from tasks.release.label_pictures import label_pictures
from tasks.release.legends import legends_of
from tasks.release.quicklooks import Picture, backscatter_composite, true_colour
from tasks.release.rules import spread
from tasks.scenes.roles import sensor_of
from tasks.shards.array_kinds import CENTIBEL, S1_NODATA
from tasks.shards.description import Description, LayerDescription

SIDE = 96
"""Pixels of a picture's side at most: a whole number of JPEG's blocks, so that no picture runs into its neighbour."""

_BLOCK = 16
"""Pixels of a block of JPEG, colours at half the resolution."""

_QUALITY = 75

_AT_ONCE = 64
"""Samples whose labels are drawn at once."""


_MOST = 8
"""Pictures of a sample's imagery at most: of many dates some are shown."""

_LOOKS = {"sentinel2": "Sentinel-2 true colour", "sentinel1": "Sentinel-1 VV / VH / ratio"}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A picture that every sample has: a role at a date."""

    role: str
    date: int
    title: str


def panels_of(description: Description, most: int = _MOST) -> list[Panel]:
    """Which pictures show a sample's imagery, `most` of them at most but each role once: role by role, of many dates
    some evenly spread. Sentinel-2 comes first."""
    roles = sorted(description.roles, key=lambda role: sensor_of(role) != "sentinel2")
    of_sensor = {role: [other for other in roles if sensor_of(other) == sensor_of(role)] for role in roles}
    dates = spread(description.dates, max(1, most // len(roles)))
    return [
        Panel(
            role=role,
            date=date,
            title=(_LOOKS[sensor_of(role)] if len(of_sensor[role]) == 1 else role)
            + (f", {description.times[date]}" if description.dates > 1 else ""),
        )
        for role in roles
        for date in dates
    ]


@dataclass(frozen=True, kw_only=True)
class SheetLayout:
    """Where the pictures of a sample lie on the sheet of its shard; the same for all shards of a corpus."""

    side: int
    """Pixels of a picture's side."""
    panels: tuple[str, ...]
    """What the pictures of a sample are, from left to right."""
    columns: int
    """Samples beside each other: the sheet is about square, for a side of a JPEG has 65,535 pixels at most."""
    rows: int

    def corner(self, row: int) -> tuple[int, int]:
        """Left and top of the first picture of a row of the shard, pixels."""
        return row % self.columns * self.side * len(self.panels), row // self.columns * self.side


def sheet_layout(description: Description) -> SheetLayout:
    """The layout of a corpus' sheets: its imagery, and the first label if it has any."""
    panels = [*(panel.title for panel in panels_of(description)), *list(description.layers)[:1]]
    samples = description.shard_size
    columns = math.ceil(math.sqrt(samples / len(panels)))
    return SheetLayout(
        side=min(SIDE, description.pixels // _BLOCK * _BLOCK),
        panels=tuple(panels),
        columns=columns,
        rows=-(-samples // columns),
    )


def draw_sheet(description: Description, arrays: Mapping[str, NDArray[Any]], rows: Sequence[int]) -> bytes:
    """The sheet of a shard as JPEG, from its arrays by path, (shard size, ...) as stored; only `rows` have pictures.

    All else is black. The same pixels give the same bytes, whatever the clock or the host.
    """
    layout = sheet_layout(description)
    side, sheet = layout.side, np.zeros((layout.rows * layout.side, layout.columns * _width(layout), 3), np.uint8)
    platform = next(iter(description.bands))
    shown = [(array_path(platform, panel.role), panel.date) for panel in panels_of(description)]
    dated = description.dates > 1
    labels = next(iter(description.layers.values()), None)
    for start in range(0, len(rows), _AT_ONCE):
        some = list(rows[start : start + _AT_ONCE])
        pictures: list[Sequence[Picture] | NDArray[np.uint8]] = []
        for path, date in shown:
            pixels = [arrays[path][row, date] if dated else arrays[path][row] for row in some]
            draw = _optical if arrays[path].dtype == np.uint16 else _radar
            pictures.append([draw(one, side) for one in pixels])
        if labels is not None:
            pictures.append(_labels(labels, arrays, some, side))
        for row, *of_sample in zip(some, *pictures, strict=True):
            left, top = layout.corner(row)
            sheet[top : top + side, left : left + _width(layout)] = np.concatenate(of_sample, axis=1)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "JPEG", quality=_QUALITY, subsampling="4:2:0")
    return file.getvalue()


def _width(layout: SheetLayout) -> int:
    return layout.side * len(layout.panels)


def _optical(stored: NDArray[np.uint16], side: int) -> Picture:
    """True colour of a sample, (13, h, w) as stored."""
    # The first band is not looked at.
    return true_colour(_small(stored[:4], side).mean(axis=0))


def _radar(stored: NDArray[np.int16], side: int) -> Picture:
    """The composite of a sample, (2, h, w) as stored; black where a pixel that counts has no data."""
    steps = _small(stored, side)
    return backscatter_composite(CENTIBEL * np.where(steps == S1_NODATA, np.nan, steps).mean(axis=0))


def _small(stored: NDArray[Any], side: int) -> NDArray[np.float32]:
    """What a picture of bands, (b, h, w), is the mean of: the four pixels around each of its own, (4, b, side, side).

    Of 2.6 x 2.6 pixels that is enough, and takes a tenth of the time of a mean of all.
    """
    middle = (np.arange(side) + 0.5) * stored.shape[-1] / side - 0.5
    ends = np.floor(middle).astype(int), np.ceil(middle).astype(int)
    lines = [stored[:, y] for y in ends]
    return np.stack([line[..., x] for line in lines for x in ends]).astype(np.float32)


def _labels(
    layer: LayerDescription, arrays: Mapping[str, NDArray[Any]], rows: Sequence[int], side: int
) -> Sequence[Picture] | NDArray[np.uint8]:
    """A label of some samples: (n, side, side, 3), its pixels as they are, without what lies between two classes.

    Measured values go from the least to the most of each sample.
    """
    pixels = layer.arrays[0].shape[-1]
    taken = (2 * np.arange(side) + 1) * pixels // (2 * side)
    small = {
        kind.path: np.stack([arrays[kind.path][row][..., taken[:, None], taken] for row in rows])
        for kind in layer.arrays
    }
    if legends_of(layer.arrays[0]) is not None:
        return label_pictures(layer, small).pictures
    return [
        label_pictures(layer, {path: values[at : at + 1] for path, values in small.items()}).pictures[0]
        for at in range(len(rows))
    ]
