"""The landscape as pixels: one 10 m raster of indices from which every band of every date is looked up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from shapely.geometry.base import BaseGeometry

from tasks.demo.land_cover import Cover
from tasks.demo.landscape import Feature, Landscape
from tasks.demo.noise import Field, enlarge, fractal, stream
from tasks.demo.square import Square

SHADES, NOISES = 8, 4
"""Levels of illumination (slope, soil, depth of water), and of the texture of single pixels."""

LEVELS = SHADES * NOISES

_ROWS = 300

_NOISE_STEPS = (0.80, 0.88, 0.94)
"""Cumulative shares of the texture levels; uneven, because an even mix would double the size of the archive."""


@dataclass(frozen=True)
class Units:
    """Pieces of ground that look the same all over: a field, a forest, all roofs of one kind. Arrays are (units,)."""

    cover: npt.NDArray[np.uint8]  # a `Cover`
    vigour: npt.NDArray[np.float32]  # brightness relative to its cover, around 1
    shift: npt.NDArray[np.float32]  # days its season is ahead of the calendar


@dataclass(frozen=True)
class Surface:
    """What lies at every pixel."""

    square: Square
    units: Units
    index: npt.NDArray[np.int32]  # (height, width) at 10 m: unit * LEVELS + shade * NOISES + noise
    _parts: dict[Square, Surface] = field(default_factory=dict["Square", "Surface"], repr=False, compare=False)

    def part(self, frame: Square) -> Surface:
        """What lies in a frame around the same centre, with the units that are in it: tables of all take their time."""
        if frame == self.square:
            return self
        if frame not in self._parts:
            start = (self.square.size - frame.size) // 20
            inner = slice(start, start + frame.width(10))
            index = self.index[inner, inner]
            there, unit = np.unique(index // LEVELS, return_inverse=True)
            units = Units(cover=self.units.cover[there], vigour=self.units.vigour[there], shift=self.units.shift[there])
            renumbered = unit.reshape(index.shape).astype(np.int32) * LEVELS + index % LEVELS
            self._parts[frame] = Surface(frame, units, renumbered)
        return self._parts[frame]


def make_surface(landscape: Landscape, seed: int) -> Surface:
    """Burn all features, later ones over earlier ones, and add shade and texture."""
    square = landscape.square
    covers = [Cover.SEA]
    shared: dict[Cover, int] = {}
    numbers: list[int] = []
    for feature in landscape.features:
        if feature.cover is None:
            numbers.append(0)
        elif _has_own_look(feature):
            numbers.append(len(covers))
            covers.append(feature.cover)
        else:
            if feature.cover not in shared:
                shared[feature.cover] = len(covers)
                covers.append(feature.cover)
            numbers.append(shared[feature.cover])
    width = square.width(10)
    index = np.zeros((width, width), np.int32)
    for touched, shapes in _runs(landscape.features, numbers):
        rasterio.features.rasterize(shapes, out=index, transform=square.transform(10), all_touched=touched)
    rng = stream(seed, "units")
    index *= LEVELS
    _add_texture(index, landscape, seed)
    return Surface(
        square,
        Units(
            cover=np.array(covers, np.uint8),
            vigour=np.clip(rng.normal(1, 0.09, len(covers)), 0.75, 1.3).astype(np.float32),
            shift=rng.normal(0, 6, len(covers)).astype(np.float32),
        ),
        index,
    )


def covers_at(surface: Surface, step: int = 1) -> npt.NDArray[np.uint8]:
    """The `Cover` of every pixel, or of every `step`-th one: (height, width)."""
    return surface.units.cover[surface.index[step // 2 :: step, step // 2 :: step] // LEVELS]


def _has_own_look(feature: Feature) -> bool:
    return isinstance(feature.geometry, shapely.Polygon) and "building" not in feature.tags


def _runs(features: tuple[Feature, ...], numbers: list[int]) -> list[tuple[bool, list[tuple[BaseGeometry, int]]]]:
    """Features in their order, in runs that share one rasterisation rule.

    Areas and wide roads take the pixels whose centres they cover, narrow lines a chain of single pixels, tertiary
    roads, of 8 m, every pixel they touch.
    """
    runs: list[tuple[bool, list[tuple[BaseGeometry, int]]]] = []
    for feature, number in zip(features, numbers, strict=True):
        if feature.cover is None:
            continue
        wide = feature.width >= 10
        touched = 8 <= feature.width < 10
        geometry = feature.geometry.buffer(feature.width / 2) if wide else feature.geometry
        if not runs or runs[-1][0] != touched:
            runs.append((touched, []))
        runs[-1][1].append((geometry, number))
    return runs


def _add_texture(index: npt.NDArray[np.int32], landscape: Landscape, seed: int) -> None:
    width = landscape.square.width(10)
    rng = stream(seed, "texture")
    # Texture has a grain of 20 m, shade one of 40 m: borders stay sharp to the pixel, and the files small.
    shade = enlarge(_shade(landscape, seed), -(-width // 4))
    shade += 0.15 * rng.standard_normal(shade.shape, dtype=np.float32)  # hides the steps between shades
    levels = np.clip(np.rint(shade), 0, SHADES - 1).astype(np.int32) * NOISES
    half = width // 2
    for start in range(0, half, _ROWS):
        rows = slice(start, min(start + _ROWS, half))
        level = levels[rows.start // 2 : -(-rows.stop // 2)].repeat(2, 0).repeat(2, 1)[: rows.stop - start, :half]
        grain = np.searchsorted(_NOISE_STEPS, rng.random(level.shape, dtype=np.float32)).astype(np.int32)
        index[2 * start : 2 * rows.stop] += (level + grain).repeat(2, 0).repeat(2, 1)


def _shade(landscape: Landscape, seed: int) -> Field:
    """Light on slopes and patches of soil on land, nearness to the coast at sea; 0..SHADES-1, at 60 m."""
    soil = fractal(stream(seed, "soil"), landscape.square, 1_200, 3, 0.7)
    relief = landscape.height + 0.004 * soil
    # The sun stands in the south-east at the time of overpass.
    light = np.gradient(relief, axis=0) + np.gradient(relief, axis=1)
    light = light / max(float(np.std(light[landscape.inland > 0])), 1e-9)
    land = 3.5 + 1.1 * light + 0.9 * soil
    sea = 7 + 70 * np.minimum(landscape.inland, 0) + 0.5 * soil
    return np.where(landscape.inland > 0, land, sea).astype(np.float32)
