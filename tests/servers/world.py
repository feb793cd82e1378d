"""A synthetic archive: Sentinel-2 and Sentinel-1 acquisitions over given places, and the pixels of each.

Every pixel's value tells scene, band and place on earth, so whatever is swapped or shifted shows.
"""

import datetime as dt
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from tests.servers.assets import Made

L2A, L1C, GRD = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S2_HARMONIZED", "COPERNICUS/S1_GRD"

SCORE, PROBABILITY = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY"

DAY = 86_400_000
"""Milliseconds."""

RESOLUTION = {
    "B1": 60, "B2": 10, "B3": 10, "B4": 10, "B5": 20, "B6": 20, "B7": 20, "B8": 10, "B8A": 20, "B9": 60, "B10": 60,
    "B11": 20, "B12": 20, "VV": 10, "VH": 10, "angle": 10, "cs": 10, "cs_cdf": 10, "probability": 10,
}  # fmt: skip
"""Metres."""

OFF_LATTICE = 3
"""Sentinel-1's pixels do not begin at multiples of 10 m."""


_OTHER_BANDS = {GRD: ("VV", "VH", "angle"), SCORE: ("cs", "cs_cdf"), PROBABILITY: ("probability",)}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An image as the archive holds it."""

    collection: str
    index: str
    time: int
    """Milliseconds since 1970 UTC."""
    epsg: int
    outline: Any
    """Polygon in degrees, WGS 84."""
    written_as: str = "polygon"
    """How the footprint is written: ring, polygon or multipolygon."""
    properties: dict[str, Any] = field(default_factory=dict)
    masked_west_of: float = -np.inf
    """Pixels whose x in metres is less have no data."""

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        return self.outline.bounds

    @property
    def id(self) -> str:
        return f"{self.collection}/{self.index}"

    @property
    def bands(self) -> tuple[str, ...]:
        optical = tuple(band for band in RESOLUTION if band.startswith("B"))
        if self.collection in _OTHER_BANDS:
            return _OTHER_BANDS[self.collection]
        return optical if self.collection == L1C else tuple(band for band in optical if band != "B10")

    @cached_property
    def coordinates(self) -> list[Any]:
        ring = [list(point) for point in self.outline.exterior.coords]
        ring = [[(x + 180) % 360 - 180, y] for x, y in ring] if self.outline.bounds[2] > 180 else ring
        return {"ring": ring, "polygon": [ring], "multipolygon": [[ring]]}[self.written_as]

    def get(self, name: str) -> Any:
        """A property, None where it is missing."""
        return self._properties.get(name)

    @cached_property
    def _properties(self) -> dict[str, Any]:
        own = {"system:index": self.index, "system:id": self.id, "system:time_start": self.time}
        return {**self.properties, **own}

    @cached_property
    def number(self) -> int:
        return zlib.crc32(self.id.encode()) % 9973

    def values(self, band: str, x: Any, y: Any) -> Any:
        """Pixels at places, metres in the scene's own zone: reflectance x 10,000 or dB; masked ones are not told."""
        size = RESOLUTION[band]
        shift = OFF_LATTICE if self.collection == GRD else 0
        column, row = np.floor((x - shift) / size).astype(int), np.floor((y - shift) / size).astype(int)
        if band == "angle":
            return 30 + self.number % 1500 / 100 + column % 100 / 1000
        code = self.number * 31 + list(RESOLUTION).index(band) * 613 + column * 7 + row * 13
        if self.collection in (SCORE, PROBABILITY):
            return code % 101 if band == "probability" else code % 1001 / 1000
        return code % 4000 / 100 - 30 if self.collection == GRD else 1 + code % 9999


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that the archive holds."""

    scenes: list[Scene]
    assets: dict[str, Made] = field(default_factory=dict)
    """What is no acquisition, by id."""

    @cached_property
    def by_id(self) -> dict[str, Scene]:
        return {scene.id: scene for scene in self.scenes}

    def collection(self, name: str) -> list[Scene]:
        return [scene for scene in self.scenes if scene.collection == name]


def world_over(lon: Any, lat: Any, epsg: Any, *, first: dt.date, days: int, seed: int = 0) -> World:
    """Acquisitions of `days` days from `first` on over places in degrees, on the tiles of the given UTM zones.

    A tile is 110 km wide and begins every 100 km; Sentinel-2 passes every 5 days, Sentinel-1 every 6. One tile in four
    is cut by the edge of the swath, one acquisition in five was processed twice, one in seven has no L1C twin, nor a
    cloud mask.
    """
    rng = np.random.default_rng(seed)
    start = int(dt.datetime(first.year, first.month, first.day, tzinfo=dt.UTC).timestamp() * 1000)
    tiles: set[tuple[int, int, int]] = set()
    for x0, y0, code in zip(np.asarray(lon, float), np.asarray(lat, float), np.asarray(epsg, int), strict=True):
        x, y = Transformer.from_crs(4326, int(code), always_xy=True).transform(x0, y0)
        tiles |= {(int(code), int(a // 100_000), int(b // 100_000)) for a in (x - 10_000, x) for b in (y - 10_000, y)}
    scenes: list[Scene] = []
    for code, column, row in sorted(tiles):
        scenes += _optical(code, column, row, start, days, rng) + _radar(code, column, row, start, days, rng)
    return World(scenes=scenes)


def _optical(code: int, column: int, row: int, start: int, days: int, rng: Any) -> list[Scene]:
    name = f"{code % 100:02d}{'NPQRSTUVWX'[row // 10 % 10] if code < 32700 else 'CDEFGHJKLM'[row // 10 % 10]}"
    tile = f"{name}{chr(65 + column % 26)}{chr(65 + row % 26)}"
    x, y = column * 100_000, row * 100_000
    cut = rng.random() < 0.25
    outline = _outline(code, x, y, x + (70_000 if cut else 110_000), y + 110_000, slanted=20_000 if cut else 0)
    scenes: list[Scene] = []
    for passage in range(days // 5):
        time = start + (passage * 5 + int(rng.integers(0, 2))) * DAY + 38_400_000 + int(rng.integers(0, 900_000))
        mission = "S2A" if passage % 2 else "S2B"
        taken = _stamp(time // 60_000 * 60_000)
        for baseline in ("02.12", "05.00") if rng.random() < 0.2 else ("02.12",):
            made = time + (1 if baseline < "05" else 900) * DAY
            properties = {
                "MGRS_TILE": tile,
                "DATATAKE_IDENTIFIER": f"G{mission}_{taken}_{10_000 + passage:06d}_N{baseline}",
                "PROCESSING_BASELINE": baseline,
                "GENERATION_TIME": made,
                "CLOUDY_PIXEL_PERCENTAGE": round(float(rng.uniform(0, 100)), 3),
                "SENSING_ORBIT_NUMBER": 1 + column % 143,
                "MEAN_SOLAR_ZENITH_ANGLE": 20 + (column * 7 + passage * 3) % 50 + 0.125,
            }
            index = f"{taken}_{_stamp(made)}_T{tile}"
            common: dict[str, Any] = {
                "time": time,
                "epsg": code,
                "outline": outline,
                "properties": properties,
                "written_as": ("ring", "polygon", "multipolygon")[passage % 3],
            }
            scenes.append(Scene(collection=L2A, index=index, **common))
            if rng.random() > 1 / 7:
                scenes.append(Scene(collection=L1C, index=index, **common))
                scenes += [Scene(collection=mask, index=index, **common) for mask in (SCORE, PROBABILITY)]
    return scenes


def _radar(code: int, column: int, row: int, start: int, days: int, rng: Any) -> list[Scene]:
    scenes: list[Scene] = []
    x, y = column * 100_000 - 30_000, row * 100_000 - 30_000
    for passage in range(days // 6):
        time = start + passage * 6 * DAY + 20_000_000 + int(rng.integers(0, DAY))
        mode, polarizations = [("IW", ["VV", "VH"]), ("IW", ["VV", "VH"]), ("IW", ["VV"]), ("EW", ["HH", "HV"])][
            int(rng.integers(0, 4))
        ]
        product = f"S1A_{mode}_GRDH_1SDV_{_stamp(time)}_{_stamp(time + 25_000)}_{20_000 + passage:06d}"
        properties = {
            "instrumentMode": mode,
            "transmitterReceiverPolarisation": polarizations,
            "relativeOrbitNumber_start": 1 + row % 175,
            "orbitProperties_pass": "ASCENDING" if passage % 2 else "DESCENDING",
        }
        scenes.append(
            Scene(
                collection=GRD,
                index=f"{product}_{zlib.crc32(f'{code}{column}{row}{passage}'.encode()):08X}",
                time=time,
                epsg=code,
                outline=_outline(code, x, y, x + 170_000, y + 170_000),
                properties=properties,
                written_as="ring" if passage % 2 else "polygon",
            )
        )
    return scenes


def _outline(code: int, x0: float, y0: float, x1: float, y1: float, slanted: float = 0) -> Any:
    x, y = np.array([x0, x1, x1 + slanted, x0, x0]), np.array([y0, y0, y1, y1, y0])
    lon, lat = Transformer.from_crs(code, 4326, always_xy=True).transform(x, y)
    lon = lon[0] + (lon - lon[0] + 180) % 360 - 180
    return shapely.Polygon(np.stack([lon, lat], axis=-1))


def _stamp(time: int) -> str:
    return f"{dt.datetime.fromtimestamp(time // 1000, tz=dt.UTC):%Y%m%dT%H%M%S}"
