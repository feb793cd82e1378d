"""Outlines of samples as GeoJSON wants them: cut at the antimeridian."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from tasks.release.columns import Column

_GLOBE = shapely.box(-180, -90, 180, 90)


def on_the_globe(outlines: Column) -> tuple[Column, Iterator[NDArray[np.float64]]]:
    """Outlines (WKB, WGS 84) and their bounds west, south, east, north in degrees, (n,) each.

    What runs beyond 180 degrees becomes two parts, and of these bounds west is larger than east. Source: RFC 7946,
    sections 3.1.9 and 5.2.
    """
    shapes = shapely.from_wkb(outlines.to_numpy(zero_copy_only=False))
    bounds = shapely.bounds(shapes).reshape(-1, 4)
    beyond = np.flatnonzero((bounds[:, 0] < -180) | (bounds[:, 2] > 180))
    for at in beyond:
        shapes[at] = _cut(shapes[at])
    if len(beyond):
        bounds[beyond, ::2] = (bounds[beyond, ::2] + 180) % 360 - 180
        outlines = pa.array(shapely.to_wkb(shapes, flavor="iso"), pa.binary())
    return outlines.cast(pa.binary()), iter(bounds.T)


def _cut(shape: Any) -> Any:
    turned = [shapely.transform(shape, lambda xy, turn=turn: xy + np.array([turn, 0])) for turn in (-360, 0, 360)]
    parts = [shapely.intersection(one, _GLOBE) for one in turned]
    return shapely.multipolygons([part for part in parts if part.area > 0])
