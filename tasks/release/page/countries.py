"""The country of many places."""

from functools import cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.places.world import world


@cache
def _parts() -> tuple[NDArray[Any], NDArray[np.intp], shapely.STRtree]:
    parts, country = shapely.get_parts(world().geometry.to_numpy(), return_index=True)
    shapely.prepare(parts)
    return parts, country, shapely.STRtree(parts)


def country_of(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int16]:
    """The row of `world()` in which each place lies, (n,); -1 at sea. On a border the first of the countries."""
    parts, country, tree = _parts()
    place, part = tree.query(shapely.points(lon, lat))
    hit = shapely.intersects_xy(parts[part], lon[place], lat[place])
    found = np.full(len(lon), len(world()), np.int16)
    np.minimum.at(found, place[hit], country[part[hit]].astype(np.int16))
    return np.where(found == len(world()), np.int16(-1), found)
