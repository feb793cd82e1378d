"""What the ground can be covered with, and how the three label sources and two sensors call it.

Reflectances and backscatter are invented, but of the size that published spectral libraries and Sentinel-1
statistics give for such ground.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, auto


class Cover(IntEnum):
    """Ground cover; the value is an index into the tables of `spectra`."""

    SEA = 0
    UNMAPPED = auto()
    CEREAL = auto()
    MAIZE = auto()
    RAPESEED = auto()
    BEET = auto()
    MEADOW = auto()
    ORCHARD = auto()
    VINEYARD = auto()
    DECIDUOUS = auto()
    CONIFER = auto()
    MIXED = auto()
    SCRUB = auto()
    HEATH = auto()
    WETLAND = auto()
    BEACH = auto()
    LAKE = auto()
    RIVER = auto()
    RESIDENTIAL = auto()
    INDUSTRIAL = auto()
    PARK = auto()
    QUARRY = auto()
    ASPHALT = auto()
    GRAVEL = auto()
    RAIL = auto()
    RED_ROOF = auto()
    GREY_ROOF = auto()
    WHITE_ROOF = auto()
    TREE = auto()
    PYLON = auto()


CORINE: dict[Cover, int] = {
    Cover.SEA: 44,
    Cover.UNMAPPED: 21,
    Cover.CEREAL: 12,
    Cover.MAIZE: 12,
    Cover.RAPESEED: 12,
    Cover.BEET: 12,
    Cover.MEADOW: 18,
    Cover.ORCHARD: 16,
    Cover.VINEYARD: 15,
    Cover.DECIDUOUS: 23,
    Cover.CONIFER: 24,
    Cover.MIXED: 25,
    Cover.SCRUB: 29,
    Cover.HEATH: 27,
    Cover.WETLAND: 35,
    Cover.BEACH: 30,
    Cover.LAKE: 41,
    Cover.RIVER: 40,
    Cover.RESIDENTIAL: 2,
    Cover.INDUSTRIAL: 3,
    Cover.PARK: 10,
    Cover.QUARRY: 7,
    Cover.ASPHALT: 4,
    Cover.GRAVEL: 12,
    Cover.RAIL: 4,
    Cover.RED_ROOF: 2,
    Cover.GREY_ROOF: 2,
    Cover.WHITE_ROOF: 3,
    Cover.TREE: 23,
    Cover.PYLON: 12,
}
"""CORINE Land Cover 2018 raster codes, 1..44 in the order of its legend (1 = 111 ... 44 = 523)."""

_BARE = (Cover.BEACH, Cover.RESIDENTIAL, Cover.INDUSTRIAL, Cover.QUARRY, Cover.ASPHALT, Cover.GRAVEL, Cover.RAIL)
_ROOFS = (Cover.RED_ROOF, Cover.GREY_ROOF, Cover.WHITE_ROOF, Cover.PYLON)

SCENE_CLASSES: dict[Cover, int] = {
    **dict.fromkeys(Cover, 4),
    **dict.fromkeys((*_BARE, *_ROOFS), 5),
    **dict.fromkeys((Cover.SEA, Cover.LAKE, Cover.RIVER), 6),
}
"""Sentinel-2's scene classification of clear ground: 4 vegetation, 5 not vegetated, 6 water."""

OSM_TAGS: dict[Cover, dict[str, str]] = {
    Cover.CEREAL: {"landuse": "farmland", "crop": "cereal"},
    Cover.MAIZE: {"landuse": "farmland", "crop": "maize"},
    Cover.RAPESEED: {"landuse": "farmland", "crop": "rape"},
    Cover.BEET: {"landuse": "farmland", "crop": "beet"},
    Cover.MEADOW: {"landuse": "meadow"},
    Cover.ORCHARD: {"landuse": "orchard"},
    Cover.VINEYARD: {"landuse": "vineyard"},
    Cover.DECIDUOUS: {"landuse": "forest", "leaf_type": "broadleaved"},
    Cover.CONIFER: {"landuse": "forest", "leaf_type": "needleleaved"},
    Cover.MIXED: {"natural": "wood", "leaf_type": "mixed"},
    Cover.SCRUB: {"natural": "scrub"},
    Cover.HEATH: {"natural": "heath"},
    Cover.WETLAND: {"natural": "wetland", "wetland": "marsh"},
    Cover.BEACH: {"natural": "beach", "surface": "sand"},
    Cover.LAKE: {"natural": "water", "water": "lake"},
    Cover.RIVER: {"natural": "water", "water": "river"},
    Cover.RESIDENTIAL: {"landuse": "residential"},
    Cover.INDUSTRIAL: {"landuse": "industrial"},
    Cover.PARK: {"leisure": "park"},
    Cover.QUARRY: {"landuse": "quarry"},
    Cover.RED_ROOF: {"building": "house"},
    Cover.GREY_ROOF: {"building": "yes"},
    Cover.WHITE_ROOF: {"building": "industrial"},
}

WATER = frozenset({Cover.SEA, Cover.LAKE, Cover.RIVER})
FOREST = frozenset({Cover.DECIDUOUS, Cover.CONIFER, Cover.MIXED})


@dataclass(frozen=True)
class Phases:
    """How a cover changes with the season: shares of three spectra at days of the year."""

    spectra: tuple[str, str, str]
    shares: dict[int, tuple[float, float, float]] = field(default_factory=lambda: {1: (1.0, 0.0, 0.0)})


SPECTRA: dict[str, tuple[int, ...]] = {
    #             B01   B02   B03   B04   B05   B06   B07   B08   B8A   B09  B10  B11   B12
    "crop": (300, 330, 640, 330, 1000, 3000, 3900, 4100, 4200, 4100, 16, 1900, 900),
    "soil": (620, 760, 1060, 1390, 1650, 1850, 2050, 2200, 2350, 2400, 16, 3100, 2600),
    "ripe": (640, 790, 1290, 1640, 2150, 2600, 2850, 3000, 3200, 3200, 16, 3300, 2200),
    "rape": (380, 420, 900, 620, 1300, 2700, 3400, 3600, 3700, 3600, 16, 2100, 1100),
    "grass": (350, 420, 790, 480, 1200, 2600, 3200, 3400, 3500, 3450, 16, 2100, 1150),
    "dry grass": (500, 600, 980, 950, 1600, 2300, 2600, 2750, 2900, 2900, 16, 2800, 1800),
    "leaves": (230, 250, 480, 250, 750, 2400, 3200, 3400, 3500, 3400, 16, 1500, 650),
    "autumn": (300, 330, 600, 720, 1200, 1900, 2200, 2400, 2500, 2500, 16, 1700, 850),
    "needles": (180, 190, 310, 200, 450, 1300, 1650, 1750, 1850, 1800, 14, 850, 380),
    "scrub": (300, 350, 620, 430, 950, 2100, 2500, 2650, 2750, 2700, 14, 1800, 950),
    "heath": (350, 420, 600, 680, 980, 1500, 1700, 1850, 1950, 1950, 14, 2000, 1250),
    "bloom": (420, 500, 640, 820, 1080, 1500, 1700, 1800, 1900, 1900, 14, 2000, 1300),
    "marsh": (340, 390, 620, 500, 900, 1700, 2000, 2100, 2150, 2100, 14, 1100, 550),
    "lake": (420, 390, 400, 240, 190, 130, 120, 100, 90, 80, 12, 40, 24),
    "river": (480, 500, 580, 400, 340, 220, 200, 170, 150, 130, 12, 60, 40),
    "deep sea": (520, 430, 280, 150, 120, 90, 85, 75, 70, 60, 12, 32, 24),
    "shallows": (700, 800, 780, 360, 240, 140, 120, 110, 100, 90, 12, 40, 32),
    "sand": (1700, 2000, 2500, 2850, 3100, 3200, 3300, 3400, 3500, 3500, 20, 4100, 3700),
    "gardens": (620, 720, 920, 860, 1300, 2050, 2350, 2450, 2550, 2550, 16, 2100, 1550),
    "yards": (1300, 1450, 1600, 1650, 1750, 1850, 1900, 1950, 2000, 2000, 16, 2200, 2000),
    "rock": (1700, 1950, 2300, 2550, 2700, 2750, 2800, 2850, 2900, 2900, 18, 3400, 3000),
    "asphalt": (780, 880, 970, 1020, 1080, 1120, 1150, 1200, 1250, 1280, 16, 1400, 1300),
    "gravel": (950, 1130, 1450, 1700, 1900, 2050, 2200, 2300, 2400, 2400, 16, 2900, 2600),
    "ballast": (700, 790, 880, 960, 1060, 1130, 1180, 1250, 1300, 1300, 16, 1700, 1600),
    "tiles": (850, 950, 1250, 1950, 2200, 2300, 2400, 2500, 2550, 2550, 16, 2700, 2300),
    "slate": (1150, 1250, 1330, 1380, 1450, 1500, 1550, 1600, 1650, 1650, 16, 1800, 1650),
    "metal": (3200, 3500, 3600, 3600, 3600, 3600, 3600, 3600, 3600, 3600, 20, 3000, 2700),
    "cloud": (7200, 7300, 7100, 7000, 7100, 7200, 7300, 7300, 7300, 5000, 240, 4300, 3500),
}
"""Reflectance x 10,000 in the order B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12."""

PHASES: dict[Cover, Phases] = {
    Cover.SEA: Phases(("deep sea", "shallows", "shallows")),
    Cover.UNMAPPED: Phases(
        ("scrub", "dry grass", "soil"), {150: (0.9, 0.1, 0), 225: (0.5, 0.5, 0), 280: (0.7, 0.3, 0)}
    ),
    Cover.CEREAL: Phases(
        ("crop", "ripe", "soil"),
        {
            120: (1, 0, 0),
            160: (0.9, 0.1, 0),
            193: (0.1, 0.9, 0),
            212: (0, 0.9, 0.1),
            224: (0, 0.3, 0.7),
            262: (0.1, 0.05, 0.85),
            290: (0.5, 0, 0.5),
        },
    ),
    Cover.MAIZE: Phases(
        ("crop", "ripe", "soil"),
        {
            120: (0, 0, 1),
            163: (0.25, 0, 0.75),
            192: (0.9, 0, 0.1),
            245: (0.95, 0.05, 0),
            265: (0.5, 0.5, 0),
            285: (0, 0.3, 0.7),
        },
    ),
    Cover.RAPESEED: Phases(
        ("rape", "ripe", "soil"),
        {
            120: (1, 0, 0),
            165: (0.7, 0.3, 0),
            190: (0.1, 0.9, 0),
            203: (0, 0.3, 0.7),
            245: (0.3, 0, 0.7),
            280: (1, 0, 0),
        },
    ),
    Cover.BEET: Phases(
        ("crop", "dry grass", "soil"),
        {130: (0.1, 0, 0.9), 170: (0.6, 0, 0.4), 200: (1, 0, 0), 270: (0.9, 0.1, 0), 300: (0.2, 0, 0.8)},
    ),
    Cover.MEADOW: Phases(
        ("grass", "dry grass", "soil"), {150: (1, 0, 0), 200: (0.7, 0.3, 0), 230: (0.5, 0.5, 0), 275: (0.95, 0.05, 0)}
    ),
    Cover.ORCHARD: Phases(("leaves", "grass", "soil"), {150: (0.45, 0.3, 0.25), 280: (0.3, 0.4, 0.3)}),
    Cover.VINEYARD: Phases(("leaves", "autumn", "soil"), {150: (0.3, 0, 0.7), 220: (0.5, 0, 0.5), 285: (0, 0.5, 0.5)}),
    Cover.DECIDUOUS: Phases(("leaves", "autumn", "soil"), {150: (1, 0, 0), 262: (0.9, 0.1, 0), 290: (0.3, 0.7, 0)}),
    Cover.CONIFER: Phases(("needles", "leaves", "soil")),
    Cover.MIXED: Phases(("needles", "leaves", "autumn"), {150: (0.45, 0.55, 0), 262: (0.45, 0.45, 0.1)}),
    Cover.SCRUB: Phases(("scrub", "dry grass", "soil"), {150: (0.95, 0.05, 0), 230: (0.8, 0.2, 0)}),
    Cover.HEATH: Phases(("heath", "bloom", "soil"), {180: (1, 0, 0), 232: (0.2, 0.8, 0), 275: (0.9, 0.1, 0)}),
    Cover.WETLAND: Phases(("marsh", "lake", "soil"), {150: (0.9, 0.1, 0), 230: (1, 0, 0)}),
    Cover.BEACH: Phases(("sand", "rock", "soil")),
    Cover.LAKE: Phases(("lake", "river", "soil")),
    Cover.RIVER: Phases(("river", "lake", "soil")),
    Cover.RESIDENTIAL: Phases(("gardens", "dry grass", "yards"), {150: (0.9, 0, 0.1), 230: (0.7, 0.2, 0.1)}),
    Cover.INDUSTRIAL: Phases(("yards", "grass", "soil")),
    Cover.PARK: Phases(("grass", "leaves", "dry grass"), {150: (0.6, 0.4, 0), 230: (0.4, 0.4, 0.2)}),
    Cover.QUARRY: Phases(("rock", "sand", "soil")),
    Cover.ASPHALT: Phases(("asphalt", "gravel", "soil")),
    Cover.GRAVEL: Phases(("gravel", "grass", "soil"), {1: (0.75, 0.25, 0)}),
    Cover.RAIL: Phases(("ballast", "gravel", "soil")),
    Cover.RED_ROOF: Phases(("tiles", "slate", "soil")),
    Cover.GREY_ROOF: Phases(("slate", "metal", "soil")),
    Cover.WHITE_ROOF: Phases(("metal", "slate", "soil")),
    Cover.TREE: Phases(("leaves", "autumn", "soil"), {150: (1, 0, 0), 262: (0.9, 0.1, 0), 290: (0.3, 0.7, 0)}),
    Cover.PYLON: Phases(("grass", "gravel", "soil"), {1: (0.6, 0.2, 0.2)}),
}

BACKSCATTER: dict[Cover, tuple[float, float]] = {
    Cover.SEA: (-16.0, -26.0),
    Cover.LAKE: (-20.0, -27.5),
    Cover.RIVER: (-18.5, -26.0),
    Cover.UNMAPPED: (-11.0, -17.0),
    Cover.MEADOW: (-12.0, -18.5),
    Cover.ORCHARD: (-9.5, -15.5),
    Cover.VINEYARD: (-10.0, -17.0),
    Cover.DECIDUOUS: (-8.5, -13.5),
    Cover.CONIFER: (-9.0, -14.0),
    Cover.MIXED: (-8.75, -13.75),
    Cover.TREE: (-8.0, -13.5),
    Cover.SCRUB: (-10.0, -16.0),
    Cover.HEATH: (-12.0, -18.0),
    Cover.WETLAND: (-10.0, -17.5),
    Cover.BEACH: (-15.0, -23.0),
    Cover.RESIDENTIAL: (-7.0, -14.0),
    Cover.INDUSTRIAL: (-7.5, -15.0),
    Cover.PARK: (-10.5, -16.5),
    Cover.QUARRY: (-9.0, -18.0),
    Cover.ASPHALT: (-15.0, -22.0),
    Cover.GRAVEL: (-13.0, -20.0),
    Cover.RAIL: (-9.0, -17.0),
    Cover.RED_ROOF: (-1.5, -10.0),
    Cover.GREY_ROOF: (-1.0, -9.5),
    Cover.WHITE_ROOF: (2.0, -8.0),
    Cover.PYLON: (4.0, -7.0),
}
"""VV, VH in dB; crops are not here: their backscatter goes with their greenness."""

CROP_BACKSCATTER = ((-10.0, -15.5), (-11.5, -17.5), (-12.0, -20.5))
"""VV, VH in dB of a green, a ripe and a bare field."""
