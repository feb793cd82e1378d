"""The lattice: cells of equal area over the whole Earth, each of which holds at most one patch.

Rows are of equal latitude height. On the ellipsoid such rows differ in true height by 1 % between equator and pole;
each has as many cells as its exact area holds, so that cells are equal in area (to 0.1 % where a row has more than 500
of them) and near-square.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEMI_MAJOR, FLATTENING = 6_378_137.0, 1 / 298.257223563
"""WGS 84, metres."""

MERIDIAN = 20_003_931.4586
"""Length of a meridian from pole to pole in metres, WGS 84 (pyproj's Geod gives the same)."""

MAX_CONVERGENCE = np.radians(6.0)
"""How far grid north is from true north at most: 6 degrees, in the wide zones of Norway and Svalbard."""

MIN_SCALE = 0.9996
"""UTM's scale on the central meridian: a grid metre there is 1 / 0.9996 true metres."""


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """The cells for patches of `pixels` x `pixels`: their side is twice the patch's.

    A cell is an integer: the number of cells south of its row plus its column, eastwards from 180 W.
    """

    pixels: int

    @property
    def side(self) -> float:
        """Side of a cell in metres."""
        return 2 * 10 * self.pixels

    @cached_property
    def rows(self) -> int:
        """Number of rows from pole to pole."""
        return max(1, round(MERIDIAN / self.side))

    @property
    def row_height(self) -> float:
        """Degrees of latitude."""
        return 180 / self.rows

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """Cells of each row, south to north: (rows,)."""
        edges = -90 + self.row_height * np.arange(self.rows + 1)
        areas = np.diff(_area_from_equator(np.radians(edges)))
        return np.maximum(1, np.round(areas / self.side**2)).astype(np.int64)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The first cell of each row, and the number of all cells: (rows + 1,)."""
        return np.concatenate([[0], np.cumsum(self.columns)])

    def cells_at(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int64]:
        """The cells in which points lie, degrees: (n,)."""
        row = np.clip(np.floor((lat + 90) / self.row_height), 0, self.rows - 1).astype(np.int64)
        columns = self.columns[row]
        column = np.floor(((lon + 180) % 360) / 360 * columns).astype(np.int64)
        return self.first[row] + np.minimum(column, columns - 1)

    def rows_of(self, cells: NDArray[np.int64]) -> NDArray[np.intp]:
        """The rows in which cells lie: (n,)."""
        return np.searchsorted(self.first, cells, side="right") - 1

    def rows_between(self, south: float, north: float) -> range:
        """Rows that touch a span of latitudes in degrees."""
        low = int(np.clip((south + 90) / self.row_height, 0, self.rows - 1))
        high = int(np.clip((north + 90) / self.row_height, 0, self.rows - 1))
        return range(low, high + 1)

    def cells_between(self, row: int, west: float, east: float) -> NDArray[np.int64]:
        """Cells of a row that touch a span of longitudes, -180 <= west <= east <= 180."""
        columns = int(self.columns[row])
        low = int(np.clip((west + 180) / 360 * columns, 0, columns - 1))
        high = int(np.clip((east + 180) / 360 * columns, 0, columns - 1))
        return self.first[row] + np.arange(low, high + 1)

    def places_in(
        self, cells: NDArray[np.int64], u: NDArray[np.float64], v: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of patch centres in `cells`, jittered by `u`, `v` in [0, 1), degrees: (n,) each.

        Centres keep so far from the cell's borders that the patch, turned by the zone's meridian convergence and
        snapped to 10 m, stays inside its cell.
        """
        row = self.rows_of(cells)
        columns = self.columns[row]
        width = 360 / columns
        south = -90 + self.row_height * row
        margin_metres = self._patch_reach()
        latitude_metres, _ = _metres_a_degree(np.radians(south + self.row_height / 2))
        margin = margin_metres / latitude_metres
        lat = south + margin + v * (self.row_height - 2 * margin)
        # Meridians converge: the margin is measured along the row's edge nearer to the pole, where it is narrowest.
        poleward = np.where(south >= 0, south + self.row_height, south)
        _, longitude_metres = _metres_a_degree(np.radians(np.clip(poleward, -89.9, 89.9)))
        margin = np.minimum(margin_metres / longitude_metres, width / 2)
        lon = -180 + width * (cells - self.first[row]) + margin + u * (width - 2 * margin)
        return lon, lat

    def _patch_reach(self) -> float:
        """Metres that a patch reaches from its cell centre line at most: half its turned box, and the snap."""
        half = 10 * self.pixels / 2 / MIN_SCALE
        return half * (np.cos(MAX_CONVERGENCE) + np.sin(MAX_CONVERGENCE)) + 10


def _area_from_equator(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area between the equator and a latitude (radians), all longitudes, m2. Snyder (1987), equation 3-12."""
    e = np.sqrt(FLATTENING * (2 - FLATTENING))
    s = np.sin(latitude)
    q = (1 - e**2) * (s / (1 - (e * s) ** 2) + np.arctanh(e * s) / e)
    return np.pi * SEMI_MAJOR**2 * q


def _metres_a_degree(latitude: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True metres of one degree of latitude and of longitude at a latitude (radians)."""
    e2 = FLATTENING * (2 - FLATTENING)
    w = 1 - e2 * np.sin(latitude) ** 2
    meridian = SEMI_MAJOR * (1 - e2) / w**1.5
    parallel = SEMI_MAJOR / np.sqrt(w) * np.cos(latitude)
    return np.radians(1) * meridian, np.radians(1) * parallel
