"""Which acquisitions the archive holds: their times, orbits, processing, coverage and names.

Dates follow the real repeat cycles (10 days and 143 orbits for Sentinel-2, 12 days and 175 orbits for Sentinel-1A);
that any of them saw this place is invented.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import shapely
from shapely.geometry.base import BaseGeometry

from tasks.demo.noise import stream
from tasks.demo.square import MGRS_TILE, Square


@dataclass(frozen=True)
class Edge:
    """A straight border of a swath; data lie where `x * east + y * north <= reach`."""

    bearing: float  # degrees clockwise from north, of the direction that points out of the data
    reach: float  # distance from the square's centre, in sides of the square

    def half_plane(self, square: Square) -> tuple[float, float, float]:
        """east, north, limit: data lie where east * x + north * y <= limit, x and y in EPSG:32629."""
        east, north = math.sin(math.radians(self.bearing)), math.cos(math.radians(self.bearing))
        middle = square.outline.centroid
        return east, north, east * middle.x + north * middle.y + self.reach * square.size


@dataclass(frozen=True)
class OpticalScene:
    """One processing of one Sentinel-2 acquisition."""

    satellite: str  # S2A or S2B
    time: datetime  # start of the datatake, UTC
    relative_orbit: int
    absolute_orbit: int
    baseline: str  # "04.00"
    processed: datetime
    edges: tuple[Edge, ...] = ()
    cloudiness: float = 0.0  # share of the square that clouds cover, about
    offset_removed: bool | None = None  # what the item states; None: it states nothing, as on most platforms
    haze: float = 0.0  # share of cloud light that this processing failed to remove
    share: float = 1.0  # side of the raster in sides of the square
    least: float = 0.0  # side of the raster in metres at least
    whole_l1c: bool = False  # whether Level 1C holds all bands; otherwise B10 alone

    def frame(self, square: Square) -> Square:
        """What the rasters cover."""
        return square.inner(self.share, self.least)

    @property
    def has_offset(self) -> bool:
        """Whether +1000 is in the L2A pixels: since baseline 04.00, unless the archive removed it."""
        return self.offset_in_product and not self.offset_removed

    @property
    def offset_in_product(self) -> bool:
        """Whether the processing itself adds +1000, to L1C as to L2A."""
        return self.baseline >= "04.00"

    @property
    def datatake(self) -> str:
        """Identifier of the datatake as products give it, with the baseline at its end."""
        return f"G{self.satellite}_{self.time:%Y%m%dT%H%M%S}_{self.absolute_orbit:06d}_N{self.baseline}"

    def product(self, level: str) -> str:
        """The product's name without `.SAFE`; `level` is L1C or L2A."""
        made = self.processed if level == "L2A" else self.processed - timedelta(hours=2, minutes=7)
        return (
            f"{self.satellite}_MSI{level}_{self.time:%Y%m%dT%H%M%S}_N{self.baseline.replace('.', '')}"
            f"_R{self.relative_orbit:03d}_T{MGRS_TILE}_{made:%Y%m%dT%H%M%S}"
        )

    @property
    def day(self) -> int:
        """Day of the year."""
        return self.time.timetuple().tm_yday


@dataclass(frozen=True)
class RadarScene:
    """One Sentinel-1 GRD product."""

    time: datetime  # start, UTC
    relative_orbit: int
    absolute_orbit: int
    direction: str  # ascending or descending
    edges: tuple[Edge, ...] = ()
    mode: str = "IW"
    polarisations: tuple[str, ...] = ("VV", "VH")
    spacing: int = 10  # metres
    shift: float = 0.0  # metres by which the pixel lattice lies east and south of the 10 m lattice
    share: float = 1.0  # side of the raster in sides of the square
    least: float = 0.0  # side of the raster in metres at least
    wind: float = 0.0  # dB that waves add at sea
    wetness: float = 0.0  # dB that moisture adds on land

    def frame(self, square: Square) -> Square:
        """What the rasters cover, but for the shift."""
        return square.inner(self.share, self.least)

    @property
    def end(self) -> datetime:
        """End of the acquisition, UTC."""
        return self.time + timedelta(seconds=25)

    @property
    def product(self) -> str:
        """The product's name."""
        kind = {"IW": "IW_GRDH", "EW": "EW_GRDM"}[self.mode]
        code = "1SDV" if len(self.polarisations) == 2 else "1SSV"
        unique = stream(0, "product", self.time.isoformat()).integers(0, 16**4)
        return (
            f"S1A_{kind}_{code}_{self.time:%Y%m%dT%H%M%S}_{self.end:%Y%m%dT%H%M%S}"
            f"_{self.absolute_orbit:06d}_{self.absolute_orbit * 8 + 5:06X}_{unique:04X}"
        )

    @property
    def day(self) -> int:
        """Day of the year."""
        return self.time.timetuple().tm_yday


def footprint(square: Square, edges: tuple[Edge, ...], frame: shapely.Polygon | None = None) -> shapely.Polygon:
    """The part of a raster's `frame`, by default the square, that a swath covers, EPSG:32629."""
    covered: BaseGeometry = frame or square.outline
    far = 4.0 * square.size
    for edge in edges:
        east, north, limit = edge.half_plane(square)
        x, y = east * limit, north * limit  # the foot of the perpendicular from the CRS's origin
        middle = square.outline.centroid
        along = (middle.x - x) * -north + (middle.y - y) * east
        x, y = x - north * along, y + east * along
        side = [(x - north * far, y + east * far), (x + north * far, y - east * far)]
        deep = [(px - east * far, py - north * far) for px, py in reversed(side)]
        covered = covered.intersection(shapely.Polygon([*side, *deep]))
    if not isinstance(covered, shapely.Polygon) or covered.is_empty:
        raise ValueError(f"the swath {edges} does not cover the square in one piece")
    return covered


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_WEST_OF_RIGHT_EDGE = Edge(104.0, 0.02)  # descending orbits head for about 194 degrees
_EAST_OF_LEFT_EDGE = Edge(284.0, -0.05)

OPTICAL = (
    OpticalScene(
        "S2B",
        _utc("2021-08-29T11:33:19"),
        37,
        23396,
        "03.01",
        _utc("2021-08-29T13:41:52"),
        edges=(_EAST_OF_LEFT_EDGE,),
    ),
    OpticalScene(
        "S2A", _utc("2022-06-13T11:44:01"), 80, 36432, "04.00", _utc("2022-06-13T17:50:22"), offset_removed=False
    ),
    OpticalScene(
        "S2B",
        _utc("2022-07-25T11:33:29"),
        37,
        28115,
        "04.00",
        _utc("2022-07-25T14:26:34"),
        edges=(_EAST_OF_LEFT_EDGE,),
        offset_removed=True,
        haze=0.10,
    ),
    OpticalScene(
        "S2B",
        _utc("2022-07-25T11:33:29"),
        37,
        28115,
        "05.10",
        _utc("2024-06-28T03:15:47"),
        edges=(_EAST_OF_LEFT_EDGE,),
        offset_removed=True,
    ),
    OpticalScene(
        "S2A",
        _utc("2022-08-15T11:54:11"),
        123,
        37333,
        "04.00",
        _utc("2022-08-15T18:06:05"),
        edges=(_WEST_OF_RIGHT_EDGE,),
        cloudiness=0.10,
        offset_removed=False,
    ),
    OpticalScene("S2B", _utc("2022-09-16T11:43:59"), 80, 28873, "04.00", _utc("2022-09-16T14:03:41"), cloudiness=0.22),
)
"""In the order of their times; 2022-07-25 is there twice, once reprocessed."""

ORBIT_45 = (Edge(76.0, 0.28),)
ORBIT_125 = (Edge(284.0, 0.22),)

RADAR = (
    RadarScene(_utc("2021-08-28T18:22:11"), 45, 39438, "ascending", edges=ORBIT_45, wind=1.5, wetness=0.4),
    RadarScene(_utc("2022-06-12T18:22:14"), 45, 43638, "ascending", edges=ORBIT_45, shift=4.0, wetness=-0.3),
    RadarScene(_utc("2022-07-23T06:48:17"), 125, 44222, "descending", edges=ORBIT_125, wind=-1.5, wetness=-0.8),
    RadarScene(_utc("2022-08-14T06:56:30"), 52, 44543, "descending", mode="EW", spacing=40, polarisations=("VV",)),
    RadarScene(_utc("2022-08-15T18:30:41"), 147, 44565, "ascending", polarisations=("VV",), share=0.2),
    RadarScene(_utc("2022-09-14T06:56:32"), 52, 44995, "descending", edges=(Edge(194.0, 0.05),), wind=2.0, wetness=0.6),
    RadarScene(_utc("2022-09-16T18:22:19"), 45, 45038, "ascending", edges=ORBIT_45, wind=0.5, wetness=0.3),
)
"""In the order of their times; those of August 2022 do not qualify for pairs."""
