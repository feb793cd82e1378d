"""From longitude and latitude to the pixels of one patch, fast."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from tasks.labels.osm.frames import MARGIN
from tasks.places.patches import PIXEL, Patch, to_degrees

_DEGREE = 4
"""Of the polynomials: over 10 km they are off the projection by less than a micrometre, which a test measures."""

_NODES = 9
"""Points a side where the projection is asked for."""

_LARGEST = 0.3
"""Degrees: frames up to which the polynomials hold; on larger ones every point is projected."""

_POWERS = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Projects points near one patch."""

    patch: Patch
    centre: NDArray[np.float64]
    half: NDArray[np.float64]
    """Degrees from the centre to the frame's border."""
    factors: NDArray[np.float64] | None
    """(2, terms) of x and y in pixels; None: the projection itself is asked."""
    reach: tuple[float, float, float, float]
    """West, south, east, north in degrees: outside of it no feature reaches into the patch."""

    def __call__(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) degrees to (n, 2) pixels, x eastwards and y southwards."""
        if self.factors is None:
            return _project(self.patch, lonlat)
        u, v = ((lonlat - self.centre) / self.half).T
        x, y = np.zeros_like(u), np.zeros_like(u)
        # Horner's rule in v for each power of u, so that no power is stored.
        for i in range(_DEGREE, -1, -1):
            of_x, of_y = np.zeros_like(u), np.zeros_like(u)
            for j in range(_DEGREE - i, -1, -1):
                term = _POWERS.index((i, j))
                of_x = of_x * v + self.factors[0, term]
                of_y = of_y * v + self.factors[1, term]
            x, y = x * u + of_x, y * u + of_y
        return np.stack([x, y], axis=1)


def to_pixels(patch: Patch, box: NDArray[np.float64]) -> Projection:
    """The projection of points in a frame, (4,) degrees, that holds the patch."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    factors: NDArray[np.float64] | None = None
    if half.max() * 2 <= _LARGEST:
        steps = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
        u, v = (part.ravel() for part in np.meshgrid(steps, steps))
        known: NDArray[np.float64] = _project(patch, centre + np.stack([u, v], axis=1) * half)
        terms = np.stack([u**i * v**j for i, j in _POWERS], axis=1)
        factors = np.asarray(np.linalg.lstsq(terms, known, rcond=None)[0].T, np.float64)
    return Projection(patch=patch, centre=centre, half=half, factors=factors, reach=_reach(patch, float(centre[0])))


def _project(patch: Patch, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = _transformer(patch.epsg).transform(lonlat[:, 0], lonlat[:, 1])
    return np.stack([(x - patch.xmin) / PIXEL, (patch.ymax - y) / PIXEL], axis=1)


@lru_cache(maxsize=128)
def _transformer(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)


def _reach(patch: Patch, near: float) -> tuple[float, float, float, float]:
    steps = np.linspace(0, 1, 9)
    side = PIXEL * patch.pixels + 2 * MARGIN
    x = patch.xmin - MARGIN + side * np.concatenate([steps, steps, 0 * steps, 0 * steps + 1])
    y = patch.ymin - MARGIN + side * np.concatenate([0 * steps, 0 * steps + 1, steps, steps])
    lon, lat = to_degrees(np.array([patch.epsg]), x, y)
    lon = near + (lon - near + 180) % 360 - 180
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())
