"""The summary: how many samples of each kind lie in each cell of the map, so that filters apply to all of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.release.page.facts import DEGREE

KINDS = ("country", "split", "gap", "cloud", "month", "label", "missing")
"""Columns by which samples are told apart."""

_SIDES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Degrees that a cell may have."""

_ACROSS = 300
"""Cells along the longer side of a corpus: no screen shows more of them apart."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where the samples are: the map that shows them all."""

    west: float
    south: float
    east: float
    """Above 180 where the samples lie on both sides of that meridian."""
    north: float

    @property
    def extent(self) -> float:
        """The longer side, degrees."""
        return max(self.east - self.west, self.north - self.south)

    @property
    def cell(self) -> float:
        """Degrees of a cell's side."""
        return next((side for side in _SIDES if self.extent <= _ACROSS * side), _SIDES[-1])


def frame_of(lon: NDArray[np.int32], lat: NDArray[np.int32]) -> Frame:
    """The frame of places in steps of a degree: all but the widest gap between meridians. The world without places."""
    if not len(lon):
        return Frame(west=-180, south=-60, east=180, north=80)
    meridians = np.unique(lon) / DEGREE
    gaps = np.diff(meridians, append=meridians[0] + 360)
    widest = int(np.argmax(gaps))
    west, east = meridians[(widest + 1) % len(meridians)], meridians[widest]
    return Frame(
        west=float(west),
        south=float(lat.min() / DEGREE),
        east=float(east + 360 if east < west else east),
        north=float(lat.max() / DEGREE),
    )


def summary(columns: dict[str, NDArray[Any]], cell: float) -> dict[str, NDArray[Any]]:
    """Counts of samples by cell and kind, cells in order: columns `cell` (to be summed up), `count` and the kinds.

    A cell is numbered row by row from 180 W and 90 S, `360 / cell` to a row.
    """
    across, side = round(360 / cell), cell * DEGREE
    x = np.clip((columns["lon"].astype(np.int64) + 180 * DEGREE) // side, 0, across - 1).astype(np.int64)
    y = ((columns["lat"].astype(np.int64) + 90 * DEGREE) // side).astype(np.int64)
    sizes = [int(columns[kind].max(initial=0)) + 1 for kind in KINDS]
    # Cells are numbered as they occur, so that a million of them, 20 bits, and all kinds of a legend of thousands of
    # classes fit into 63 bits, however small the cells are.
    cells, keys = np.unique(y * across + x, return_inverse=True)
    for kind, size in zip(KINDS, sizes, strict=True):
        keys = keys * size + columns[kind]
    keys, counts = np.unique(keys, return_counts=True)
    found: dict[str, NDArray[Any]] = {}
    for kind, size in zip(reversed(KINDS), reversed(sizes), strict=True):
        keys, found[kind] = keys // size, _narrow(keys % size)
    return {
        "cell": np.diff(cells[keys], prepend=0).astype(np.uint32),
        "count": counts.astype(np.uint32),
        **{kind: found[kind] for kind in KINDS},
    }


def _narrow(values: NDArray[np.int64]) -> NDArray[Any]:
    return values.astype(np.uint8 if values.max(initial=0) < 256 else np.uint16)
