"""Patches: squares of 10 m pixels on the UTM lattice that Sentinel-2 tiles share."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import Affine

PIXEL = 10
"""Side of a pixel in metres."""

_STRAIGHT = 2500
"""Metres between the vertices of an outline: how far a straight line in degrees is one in UTM to 1.5 m, up to 84 N."""

MIN_LATITUDE, MAX_LATITUDE = -80.0, 84.0
"""Where UTM is defined, degrees."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """The pixel grid of one sample: north up, 10 m, snapped to multiples of 10 m unless it is given otherwise."""

    epsg: int
    """UTM zone, 326xx north or 327xx south."""
    xmin: float
    """West edge in metres; a whole number but for grids that are given."""
    ymax: float
    """North edge in metres."""
    pixels: int
    """Height and width."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.pixels, self.pixels

    @property
    def xmax(self) -> float:
        """East edge in metres."""
        return self.xmin + PIXEL * self.pixels

    @property
    def ymin(self) -> float:
        """South edge in metres."""
        return self.ymax - PIXEL * self.pixels

    @property
    def crs(self) -> str:
        """The CRS as text, e.g. EPSG:32632."""
        return f"EPSG:{self.epsg}"

    @property
    def transform(self) -> Affine:
        """From (column, row) of a pixel's upper left corner to (x, y) in metres."""
        return Affine(PIXEL, 0, self.xmin, 0, -PIXEL, self.ymax)


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Many patches of one size, as columns of length n."""

    epsg: NDArray[np.int32]
    xmin: NDArray[Any]
    """Whole metres, int64; float64 of grids that are given."""
    ymax: NDArray[Any]
    pixels: int

    def __len__(self) -> int:
        return len(self.epsg)

    def __getitem__(self, index: int) -> Patch:
        return Patch(
            epsg=int(self.epsg[index]), xmin=self.xmin[index].item(), ymax=self.ymax[index].item(), pixels=self.pixels
        )

    def take(self, indices: NDArray[Any]) -> "Patches":
        """The patches at `indices` (or under a mask), in that order."""
        return Patches(epsg=self.epsg[indices], xmin=self.xmin[indices], ymax=self.ymax[indices], pixels=self.pixels)

    def outlines(self, *, inset: float = 0.0) -> NDArray[Any]:
        """Outlines in WGS 84 longitude and latitude: (n,) polygons of the `vertices`."""
        return np.asarray(shapely.polygons(self.vertices(inset=inset)))

    def vertices(self, *, inset: float = 0.0) -> NDArray[np.float64]:
        """Outlines in WGS 84, moved `inset` metres inwards: closed rings, (n, vertices, 2) longitude and latitude.

        A vertex at least every 2.5 km; between two the side is straight in degrees, off the true one by 1.5 m at most.
        An outline across the antimeridian runs beyond 180 degrees instead of around the globe.
        """
        side = PIXEL * self.pixels
        parts = -(-side // _STRAIGHT)
        up, stay = np.arange(parts) / parts, np.zeros(parts)
        # Around the unit square from the lower left corner, and back to it.
        u = np.concatenate([up, stay + 1, 1 - up, stay, [0]])
        v = np.concatenate([stay, up, stay + 1, 1 - up, [0]])
        x = self.xmin[:, None] + inset + u * (side - 2 * inset)
        y = self.ymax[:, None] - side + inset + v * (side - 2 * inset)
        lon, lat = to_degrees(self.epsg[:, None], x, y)
        lon = lon[:, :1] + (lon - lon[:, :1] + 180) % 360 - 180
        return np.stack([lon, lat], axis=-1)

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of the centres in degrees, WGS 84."""
        half = PIXEL * self.pixels / 2
        return to_degrees(self.epsg, self.xmin + half, self.ymax - half)


def patches_around(lon: NDArray[np.float64], lat: NDArray[np.float64], pixels: int) -> Patches:
    """Patches of `pixels` x `pixels` whose centres are nearest to the given points (degrees, WGS 84).

    The zone is that of the point; the edges are snapped to multiples of 10 m, so the centre moves by at most 5 m in
    each direction.
    """
    return _snapped(utm_epsg(lon, lat), lon, lat, pixels)


def in_neighbouring_zone(patches: Patches) -> Patches:
    """The same places on the grid of the UTM zone next to theirs, on the nearer side."""
    lon, lat = patches.centres()
    # The nearest border is found by stepping, so that the exceptions of Norway and Svalbard need no word of their own.
    neighbour, hemisphere = patches.epsg.copy(), patches.epsg // 100 * 100
    for step in np.arange(0.25, 12.5, 0.25):
        for beside in (utm_epsg(lon - step, lat), utm_epsg(lon + step, lat)):
            neighbour = np.where(neighbour == patches.epsg, hemisphere + beside % 100, neighbour)
    return _snapped(neighbour.astype(np.int32), lon, lat, patches.pixels)


def interleave(first: Patches, second: Patches) -> Patches:
    """Patches of two lists of one length by turns: first[0], second[0], first[1], ..."""
    columns = {
        name: np.stack([getattr(first, name), getattr(second, name)], axis=1).ravel()
        for name in ("epsg", "xmin", "ymax")
    }
    return Patches(**columns, pixels=first.pixels)


def _snapped(epsg: NDArray[np.int32], lon: NDArray[np.float64], lat: NDArray[np.float64], pixels: int) -> Patches:
    x, y = np.empty(len(lon)), np.empty(len(lon))
    for code in np.unique(epsg):
        inside = epsg == code
        x[inside], y[inside] = _from_degrees(int(code)).transform(lon[inside], lat[inside])
    half = PIXEL * pixels / 2
    xmin = np.floor((x - half) / PIXEL + 0.5).astype(np.int64) * PIXEL
    ymax = np.floor((y + half) / PIXEL + 0.5).astype(np.int64) * PIXEL
    return Patches(epsg=epsg, xmin=xmin, ymax=ymax, pixels=pixels)


def utm_epsg(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int32]:
    """EPSG code of the UTM zone of points in degrees, with the exceptions of Norway (32V) and Svalbard (31X-37X).

    Source: DMA TM 8358.2, "The Universal Grids", chapter 2; band X ends at 84 degrees north.
    """
    lon = (np.asarray(lon) + 180) % 360 - 180
    zone = np.floor((lon + 180) / 6).astype(np.int32) + 1
    norway = (lat >= 56) & (lat < 64) & (lon >= 3) & (lon < 12)
    zone = np.where(norway, 32, zone)
    svalbard = (lat >= 72) & (lon >= 0) & (lon < 42)
    zone = np.where(svalbard, np.select([lon < 9, lon < 21, lon < 33], [31, 33, 35], 37), zone)
    return (np.where(lat >= 0, 32600, 32700) + zone).astype(np.int32)


def to_degrees(epsg: NDArray[Any], x: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """UTM metres to longitude and latitude in degrees; `epsg` broadcasts against `x` and `y`."""
    codes, x, y = np.broadcast_arrays(epsg, x, y)
    lon, lat = np.empty(x.shape), np.empty(x.shape)
    for code in np.unique(codes):
        inside = codes == code
        lon[inside], lat[inside] = _from_degrees(int(code)).transform(x[inside], y[inside], direction="INVERSE")
    return lon, lat


@lru_cache(maxsize=128)
def _from_degrees(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)
