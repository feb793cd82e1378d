"""The square of open ocean where the invented country lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import Transformer
from shapely import Polygon, box, segmentize, transform

EPSG = 32629
"""UTM zone 29 north: every raster of the archive but CORINE."""

MGRS_TILE = "29UMP"
"""The 100 km square of the military grid that holds the whole country: 400-500 km east, 5,300-5,400 km north."""

CENTRE = (436_020.0, 5_364_000.0)
"""Easting, northing in metres, EPSG:32629: 48.4 N, 9.9 W, some 350 km off the nearest coast; multiples of 60 m."""

MIN_SIZE_KM, MAX_SIZE_KM = 8.0, 72.0
"""Below: no room for a coast around a 2.5 km patch. Above: the square would leave tile 29UMP."""

RESOLUTIONS = (10, 20, 60)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Square:
    """A square on the 60 m lattice of EPSG:32629, around `CENTRE`."""

    size: int  # side in metres, a multiple of 120

    @classmethod
    def of_size_km(cls, size_km: float) -> Square:
        """The square of the size nearest to `size_km` that lies on the 60 m lattice.

        Raises:
            ValueError: if the size is outside `MIN_SIZE_KM`..`MAX_SIZE_KM`.
        """
        if not MIN_SIZE_KM <= size_km <= MAX_SIZE_KM:
            raise ValueError(f"size_km is {size_km}; a demo country is {MIN_SIZE_KM:g} to {MAX_SIZE_KM:g} km wide")
        return cls(size=round(size_km * 1000 / 120) * 120)

    @property
    def left(self) -> float:
        """Easting of the western border, metres."""
        return CENTRE[0] - self.size / 2

    @property
    def top(self) -> float:
        """Northing of the northern border, metres."""
        return CENTRE[1] + self.size / 2

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax in metres, EPSG:32629."""
        return self.left, self.top - self.size, self.left + self.size, self.top

    @property
    def outline(self) -> Polygon:
        """The square as a polygon, EPSG:32629."""
        return box(*self.bounds)

    def inner(self, share: float, least: float = 0.0) -> Square:
        """The square around the same centre of a share of the side, of so many metres at least, on the same lattice.

        Its pixels of 10 m begin `(self.size - inner.size) // 20` of this one's further in.
        """
        return Square(min(int(max(self.size * share, least)) // 120 * 120, self.size))

    def transform(self, resolution: float) -> Affine:
        """Pixel (column, row) to metres, north up."""
        return Affine(resolution, 0, self.left, 0, -resolution, self.top)

    def width(self, resolution: int) -> int:
        """Pixels on a side."""
        return self.size // resolution

    def to_pixels(self, xy: Floats, resolution: float) -> Floats:
        """(n, 2) metres to (n, 2) fractional column, row."""
        return (xy - (self.left, self.top)) / (resolution, -resolution)


_to_wgs84 = Transformer.from_crs(EPSG, 4326, always_xy=True)


def to_lonlat(xy: Floats) -> Floats:
    """(n, 2) metres in EPSG:32629 to (n, 2) degrees, rounded to 1e-7 as OpenStreetMap does (about 1 cm)."""
    lon, lat = _to_wgs84.transform(xy[:, 0], xy[:, 1])
    return np.round(np.column_stack([lon, lat]).astype(np.float64), 7)


def polygon_to_lonlat(polygon: Polygon) -> Polygon:
    """An EPSG:32629 polygon in WGS 84 with so many vertices that its straight edges stay straight to 0.1 m."""
    return transform(segmentize(polygon, 2_000.0), to_lonlat)
