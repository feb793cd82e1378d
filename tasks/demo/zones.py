"""The local climate zones of the invented country: how it is built up or what grows there, in pixels of 100 m."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.demo.land_cover import Cover
from tasks.demo.rasters import write_raster
from tasks.demo.square import EPSG
from tasks.demo.surface import Surface, covers_at

RESOLUTION = 100

ZONES: dict[Cover, int] = {
    **dict.fromkeys(Cover, 14),
    **dict.fromkeys((Cover.RED_ROOF, Cover.GREY_ROOF), 3),
    Cover.RESIDENTIAL: 6,
    Cover.INDUSTRIAL: 8,
    Cover.WHITE_ROOF: 8,
    **dict.fromkeys((Cover.DECIDUOUS, Cover.CONIFER, Cover.MIXED, Cover.TREE), 11),
    **dict.fromkeys((Cover.PARK, Cover.ORCHARD), 12),
    **dict.fromkeys((Cover.SCRUB, Cover.HEATH), 13),
    **dict.fromkeys((Cover.ASPHALT, Cover.RAIL, Cover.QUARRY), 15),
    Cover.BEACH: 16,
    Cover.SEA: 17,
    Cover.LAKE: 17,
    Cover.RIVER: 17,
}
"""Zones by cover, numbered as So2Sat does: 1 to 10 built up, 11 to 17 the letters A to G (Stewart and Oke, 2012)."""

Zones = npt.NDArray[np.uint8]


def climate_zones(surface: Surface) -> Zones:
    """(height, width) zones 1..17 from the square's upper left corner on: of each pixel the zone of most of it."""
    side = RESOLUTION // 10
    whole = surface.square.width(10) // side
    zones = np.array([ZONES[cover] for cover in Cover], np.uint8)[covers_at(surface)[: whole * side, : whole * side]]
    count = np.zeros((18, whole, whole), np.uint8)
    for zone in np.unique(zones):
        rows = np.add.reduceat(zones == zone, np.arange(0, whole * side, side), axis=0, dtype=np.uint8)
        count[zone] = np.add.reduceat(rows, np.arange(0, whole * side, side), axis=1, dtype=np.uint8)
    return count.argmax(axis=0).astype(np.uint8)


def write_zones(path: Path, zones: Zones, surface: Surface) -> None:
    """Write the raster as a GeoTIFF."""
    write_raster(path, zones, surface.square.transform(RESOLUTION), f"EPSG:{EPSG}", nodata=0)
