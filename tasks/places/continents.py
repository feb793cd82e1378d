"""Continents, roughly: borders run through seas and along the usual mountains, and are straight between a few points.

They serve to count by, not to draw: near a border a place may be counted on the other side.
"""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

ELSEWHERE = "elsewhere"
"""What lies in none: islands far out."""

_TO_AFRICA = (
    (-32, 36), (-5.6, 35.95), (-2, 36), (3, 37.8), (8, 38.2), (10.8, 37.6), (11.5, 36.9), (13, 35.3), (20, 34),
)  # fmt: skip
"""From the Atlantic along the Mediterranean: between Europe and Africa."""

_OUTLINES: dict[str, tuple[Any, ...]] = {
    "Antarctica": (shapely.box(-180, -90, 180, -60),),
    "Europe": (
        shapely.Polygon(
            [
                *_TO_AFRICA, (27, 34.2), (28.2, 36), (26.8, 37.5), (26, 39.2), (26.2, 40), (29, 41.1), (30, 42.5),
                (40, 43.5), (45, 42.5), (48.5, 41.8), (50, 44), (51, 47), (59, 51), (60, 55), (60, 65), (66, 69),
                (68, 82), (-10, 82), (-10, 76), (-17, 71.5), (-26, 67.2), (-32, 64),
            ]
        ),
    ),
    "Africa": (
        shapely.Polygon(
            [
                *_TO_AFRICA, (31, 32.5), (32.5, 31.3), (32.55, 29.9), (34, 27.5), (38, 21), (42.5, 13.5), (43.3, 12.6),
                (45, 12.2), (51, 13.5), (56, 13.5), (60, -5), (60, -40), (-32, -40),
            ]
        ),
    ),
    "Oceania": (
        shapely.Polygon(
            [
                (110, -60), (110, -11), (126, -11.2), (130, -9.5), (130.5, -5), (129.8, 0.8), (131, 8), (140, 23),
                (160, 25), (180, 30), (180, -60),
            ]
        ),
        shapely.box(-180, -60, -120, 30),
    ),
    "Asia": (shapely.box(25, -12, 180, 84), shapely.box(-180, 60, -169, 72)),
    "South America": (
        shapely.Polygon(
            [
                (-92, -60), (-92, 5), (-79, 7), (-77.3, 7.9), (-76, 12.8), (-71, 12.9), (-60, 11.6), (-30, 10),
                (-30, -60),
            ]
        ),
    ),
    "North America": (shapely.box(-170, 7, -10, 84),),
}  # fmt: skip
"""In degrees; a place belongs to the first that holds it."""

CONTINENTS = (*_OUTLINES, ELSEWHERE)


def continents_of(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> list[str]:
    """The continent of n places in degrees."""
    found = np.full(len(lon), len(_OUTLINES), np.int64)
    for number, parts in reversed(list(enumerate(_OUTLINES.values()))):
        for part in parts:
            found[shapely.intersects_xy(part, lon, lat)] = number
    return [CONTINENTS[number] for number in found]
