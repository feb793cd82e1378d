"""Regions: where the samples of a corpus may lie."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from tasks.errors import PlacesError
from tasks.places.antimeridian import Polygons
from tasks.places.containment import Grid, grid_over
from tasks.places.polygons import read_polygons
from tasks.places.world import ANTARCTICA, country_codes, world

LAND = "land"


@dataclass(frozen=True, kw_only=True)
class Region:
    """Polygons on the Earth, and the question whether points lie in them. Equal if the polygons and notes are."""

    name: str
    """For people: "land", "FR+DE", "basin.gpkg"."""
    polygons: Polygons = field(compare=False, repr=False)
    """(n,) shapely polygons, EPSG:4326, valid, cut at 180 degrees; they may touch or overlap."""
    digest: str
    """SHA-256 (hexadecimal) of the polygons, whatever their order."""
    notes: tuple[str, ...] = ()
    """What was mended, cut or left out, with counts."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees; -180 and 180 if the region lies on both sides of the 180th meridian."""
        west, south, east, north = shapely.total_bounds(self.polygons)
        return float(west), float(south), float(east), float(north)

    def contains(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
        """True for points in a polygon or on its border, False for NaN.

        `lon` in [-180, 180] and `lat`: degrees WGS 84 (EPSG:4326); the result has the shape they broadcast to.
        """
        return self._grid.contain(lon, lat)

    @cached_property
    def _grid(self) -> Grid:
        return grid_over(self.polygons)


def load_region(source: str | Sequence[str] | Path) -> Region:
    """The region that `source` names.

    "land" is the world without Antarctica; a list has ISO 3166-1 alpha-2 codes and the shorthands of `world.GROUPS`; a
    path names a file of polygons in any format geopandas reads and any CRS.

    Raises PlacesError: an unknown code, or a file that `polygons.read_polygons` refuses.
    """
    if isinstance(source, Path):
        own = read_polygons(source)
        return _region(source.name, own.polygons, own.notes)
    if source == LAND:
        return _region(LAND, _polygons([code != ANTARCTICA for code in world()["alpha2"]]))
    if isinstance(source, str):
        raise PlacesError(
            f'{source!r} is no region; expected "{LAND}", a list of countries or a file of polygons.'
            f" Write a country as a list: [{source}]."
        )
    codes = country_codes(source)
    return _region("+".join(source), _polygons([code in codes for code in world()["alpha2"]]))


def _region(name: str, polygons: Polygons, notes: tuple[str, ...] = ()) -> Region:
    # Sorted, because [FR, DE] and [DE, FR] are one region; of one length each, so that nothing can be shifted across.
    parts = sorted(hashlib.sha256(wkb).digest() for wkb in shapely.to_wkb(polygons, byte_order=1, output_dimension=2))
    return Region(name=name, polygons=polygons, digest=hashlib.sha256(b"".join(parts)).hexdigest(), notes=notes)


def _polygons(chosen: list[bool]) -> Polygons:
    """The single polygons of the chosen rows of the world."""
    return shapely.get_parts(world().geometry.to_numpy()[chosen])
