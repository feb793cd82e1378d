"""Pixel grids that a file of points gives its places: those of files that were published, off every lattice."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.patches import Patches, to_degrees

COLUMNS = ("epsg", "xmin", "ymax")
"""UTM zone, and the upper left corner in metres; a file that has all three gives grids."""

ZONES = {*range(32601, 32661), *range(32701, 32761)}
"""EPSG codes of UTM zones, north and south."""

_BESIDE = 1e-3
"""Degrees by which a point may lie off the centre of its grid, 100 m: more is another place."""


def given_grids(
    frame: Any, lon: NDArray[np.float64], lat: NDArray[np.float64], pixels: int, path: Path
) -> Patches | None:
    """The patches on the grids that a file of points gives; None if it gives none.

    Edges are floats, unless all are whole metres. Raises PlacesError: a value is missing, none of a UTM zone, or of
    another place than its point.
    """
    if not {*COLUMNS} <= {*map(str, frame.columns)}:
        return None
    epsg, xmin, ymax = (_numbers(frame[name]) for name in COLUMNS)
    known = np.isin(epsg, [*ZONES])
    wrong = np.flatnonzero(~(known & np.isfinite(xmin) & np.isfinite(ymax)))
    if len(wrong):
        first = wrong[0]
        told = ", ".join(f"{name} {frame[name].iloc[first]}" for name in COLUMNS)
        raise PlacesError(
            f"places.points: {path}: the grid of feature {first} is {told} ({len(wrong)} of {len(frame)} are none); "
            "expected a UTM zone such as 32632 and metres of the upper left corner. Correct them, or rename the "
            "columns, and patches are centred on the points."
        )
    whole = not (np.mod(xmin, 1).any() or np.mod(ymax, 1).any())
    dtype = np.int64 if whole else np.float64
    patches = Patches(epsg=epsg.astype(np.int32), xmin=xmin.astype(dtype), ymax=ymax.astype(dtype), pixels=pixels)
    half = 5 * pixels
    centre = to_degrees(patches.epsg, xmin + half, ymax - half)
    off = np.maximum(np.abs((centre[0] - lon + 180) % 360 - 180) * np.cos(np.radians(lat)), np.abs(centre[1] - lat))
    wrong = np.flatnonzero(~(off <= _BESIDE))
    if len(wrong):
        first = wrong[0]
        raise PlacesError(
            f"places.points: {path}: feature {first} lies at {lon[first]:.5f}, {lat[first]:.5f}, and the centre of its "
            f"grid, for patches of {pixels} pixels, at {centre[0][first]:.5f}, {centre[1][first]:.5f} ({len(wrong)} of "
            f"{len(frame)} differ). Give `patch: {{pixels: ...}}` the size that the grids are for, or correct them."
        )
    return patches


def _numbers(column: Any) -> NDArray[np.float64]:
    """A column as numbers, NaN where it holds none: (n,)."""
    numbers: Any = pd.to_numeric(column, errors="coerce")
    return numbers.to_numpy(np.float64, na_value=np.nan)
