"""Reflectance and backscatter of every unit of ground on a given day, as lookup tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.demo.land_cover import BACKSCATTER, CROP_BACKSCATTER, FOREST, PHASES, SPECTRA, Cover
from tasks.demo.noise import stream
from tasks.demo.surface import LEVELS, NOISES, SHADES, Units

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")

QUANTUM = 8
"""Steps of reflectance x 10,000 in all bands but B10: half of what noise a real pixel has, and it compresses."""

DB_STEP = 0.5
"""dB; speckle of single looks is four times as much."""

_CROPS = (Cover.CEREAL, Cover.MAIZE, Cover.RAPESEED, Cover.BEET)
_SMOOTH = {Cover.SEA: 0.0, Cover.LAKE: 0.0, Cover.RIVER: 0.0, Cover.ASPHALT: 0.05, Cover.BEACH: 0.05}
_ROUGH = {Cover.RESIDENTIAL: 0.16, Cover.INDUSTRIAL: 0.14, Cover.QUARRY: 0.10, Cover.PARK: 0.12, Cover.SCRUB: 0.11}

_AIR = {
    "B01": (0.16, 1_080), "B02": (0.13, 760), "B03": (0.12, 430), "B04": (0.09, 240), "B05": (0.08, 170),
    "B06": (0.06, 120), "B07": (0.05, 100), "B08": (0.09, 80), "B8A": (0.03, 60), "B09": (0.60, 30),
}  # fmt: skip
"""Of Level 1C: share of the light that the air takes, and reflectance x 10,000 that it adds."""

Table = npt.NDArray[np.float32]


def phase_shares(units: Units, day: int) -> Table:
    """(units, 3) shares of the three spectra of each unit's cover on a day of the year."""
    shares = np.zeros((len(units.cover), 3), np.float32)
    for cover in np.unique(units.cover):
        mine = units.cover == cover
        course = PHASES[Cover(cover)].shares
        days = day + units.shift[mine]
        for part in range(3):
            shares[mine, part] = np.interp(days, list(course), [values[part] for values in course.values()])
    return shares


def reflectance_table(units: Units, band: str, day: int, seed: int) -> npt.NDArray[np.uint16]:
    """(units * LEVELS,) reflectance x 10,000 on a day of the year, at least 1.

    Args:
        band: one of `BANDS`.
        seed: texture levels mean something else for every seed, so that dates and bands do not share their noise.
    """
    column = BANDS.index(band)
    members = np.array([[SPECTRA[name][column] for name in PHASES[cover].spectra] for cover in Cover], np.float32)
    base = (members[units.cover] * phase_shares(units, day)).sum(1)
    covers = [Cover(cover) for cover in range(len(Cover))]
    slope = np.array([_slope(cover) for cover in covers], np.float32)[units.cover]
    rough = np.array([_ROUGH.get(c, _SMOOTH.get(c, 0.08 if c in FOREST else 0.045)) for c in covers], np.float32)
    # Vegetation index and brightness go apart: a vigorous field is darker in red and brighter in infrared.
    vigour = units.vigour if column >= 5 else 2 - units.vigour
    water = np.isin(units.cover, (Cover.SEA,))
    base = np.where(water, base, base * vigour)
    shade = (np.arange(SHADES) - 3.5) / 3.5
    odd = stream(seed, "levels", band, str(day)).permutation(np.array([-1.3, -0.7, 0.8, 1.5]))[1:]
    steps = np.concatenate([[0.0], odd])  # the first level is the usual one
    gain = 1 + slope[:, None, None] * shade[None, :, None] + rough[units.cover][:, None, None] * steps[None, None, :]
    table = base[:, None, None] * gain
    shallows = SPECTRA["shallows"][column] - SPECTRA["deep sea"][column]
    table[water] += (np.arange(SHADES) / (SHADES - 1))[None, :, None] ** 2 * shallows
    quantum = 2 if band == "B10" else QUANTUM
    return np.maximum(np.rint(table / quantum) * quantum, quantum).astype(np.uint16).reshape(len(base) * LEVELS)


def top_of_atmosphere(reflectance: npt.NDArray[np.integer[Any]], band: str) -> npt.NDArray[np.uint16]:
    """Reflectance x 10,000 as Level 1C has it, in steps of `QUANTUM`: the air takes a little and scatters blue."""
    lost, scattered = _AIR.get(band, (0.05, 40))
    seen = reflectance * np.float32(1 - lost) + np.float32(scattered)
    return (np.rint(seen / QUANTUM) * QUANTUM).astype(np.uint16)


def backscatter_table(units: Units, polarisation: int, day: int, wind: float, wetness: float) -> Table:
    """(units,) backscatter in dB, rounded to `DB_STEP`.

    Args:
        polarisation: 0 for VV, 1 for VH.
        wind: dB that waves add at sea, a third of it on lakes.
        wetness: dB that moisture adds on land.
    """
    fixed = np.array([BACKSCATTER.get(cover, (0.0, 0.0))[polarisation] for cover in Cover], np.float32)[units.cover]
    green_to_bare = np.array([pair[polarisation] for pair in CROP_BACKSCATTER], np.float32)
    crops = np.isin(units.cover, _CROPS)
    decibel = np.where(crops, phase_shares(units, day) @ green_to_bare, fixed)
    water = np.isin(units.cover, (Cover.SEA, Cover.LAKE, Cover.RIVER))
    decibel += np.where(units.cover == Cover.SEA, wind, np.where(water, wind / 3, wetness))
    decibel += np.where(water, 0, (units.vigour - 1) * 9 * (0.4 if polarisation == 0 else 0.6))
    return (np.rint(decibel / DB_STEP) * DB_STEP).astype(np.float32)


def _slope(cover: Cover) -> float:
    """How much light on slopes changes the brightness of a cover."""
    if cover in (Cover.SEA, Cover.LAKE, Cover.RIVER):
        return 0.0
    return 0.20 if cover in FOREST else 0.13


assert LEVELS == SHADES * NOISES
