"""Seeded random numbers, smooth random fields and the organic outlines drawn from them."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from PIL import Image
from shapely.geometry.base import BaseGeometry

from tasks.demo.square import Floats, Square

Field = npt.NDArray[np.float32]

FIELD_RESOLUTION = 60
"""Metres a pixel of the fields that coasts, forests and heights are drawn from."""


def stream(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on seed and names only, so that no part of the archive disturbs another."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))


def enlarge(field: Field, width: int) -> Field:
    """A square field (n, n) smoothly enlarged to (width, width)."""
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.array(image.resize((width, width), Image.Resampling.BICUBIC), dtype=np.float32)


def fractal(rng: np.random.Generator, square: Square, wavelength: float, octaves: int, gain: float = 0.5) -> Field:
    """A smooth random field over the square at `FIELD_RESOLUTION`, zero mean, unit deviation.

    Args:
        wavelength: of the coarsest octave, metres; each further octave halves it.
        gain: amplitude of an octave relative to the one before.
    """
    width = square.width(FIELD_RESOLUTION)
    total = np.zeros((width, width), np.float32)
    for octave in range(octaves):
        cells = max(2, round(square.size / wavelength * 2**octave)) + 1
        total += gain**octave * enlarge(rng.standard_normal((cells, cells), dtype=np.float32), width)
    total -= total.mean()
    return total / total.std()


def sample(field: Field, square: Square, xy: Floats) -> Floats:
    """Values (n,) of a field at (n, 2) metres, nearest pixel, clamped to the square."""
    pixels = np.clip(square.to_pixels(xy, square.size / len(field)).astype(int), 0, len(field) - 1)
    return field[pixels[:, 1], pixels[:, 0]].astype(float)


def outlines(mask: npt.NDArray[np.bool_], square: Square, min_area: float) -> list[shapely.Polygon]:
    """The connected parts of a mask at `FIELD_RESOLUTION` as rounded polygons, EPSG:32629, largest first.

    Args:
        min_area: square metres; smaller parts and smaller holes are dropped.
    """
    found = rasterio.features.shapes(
        mask.astype(np.uint8), mask=mask, transform=square.transform(FIELD_RESOLUTION), connectivity=4
    )
    rings = [outline["coordinates"] for outline, _ in found]
    rounded = [_round_off(shapely.Polygon(first, rest), min_area) for first, *rest in rings]
    parts = [part for polygon in rounded for part in polygons_of(polygon) if part.area >= min_area]
    return sorted(parts, key=lambda part: (-part.area, part.bounds))


def polygons_of(geometry: BaseGeometry) -> list[shapely.Polygon]:
    """The non-empty polygons a geometry consists of."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if isinstance(part, shapely.Polygon) and not part.is_empty]


def round_corners(xy: Floats, *, closed: bool, times: int = 2) -> Floats:
    """Chaikin's corner cutting of a line (n, 2); a closed one repeats its first vertex at the end."""
    for _ in range(times):
        cut = np.empty((2 * (len(xy) - 1), 2))
        cut[0::2] = 0.75 * xy[:-1] + 0.25 * xy[1:]
        cut[1::2] = 0.25 * xy[:-1] + 0.75 * xy[1:]
        xy = np.vstack([cut, cut[:1]]) if closed else np.vstack([xy[:1], cut, xy[-1:]])
    return xy


def _round_off(polygon: shapely.Polygon, min_area: float) -> BaseGeometry:
    coarse = polygon.simplify(0.8 * FIELD_RESOLUTION)
    assert isinstance(coarse, shapely.Polygon)  # simplification keeps the type
    rings = [
        round_corners(np.asarray(ring.coords), closed=True)
        for ring in [coarse.exterior, *coarse.interiors]
        if shapely.Polygon(ring).area >= min_area
    ]
    if not rings:
        return shapely.Polygon()
    return shapely.buffer(shapely.Polygon(rings[0], rings[1:]), 0)
