"""FROM WHOM: platforms behind one protocol."""

from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.imagery.platform import Platform, Tiles, Traffic, nodata_fraction
from tasks.imagery.rooms import Bounds, Cost, Opening, Room, open_platforms, platform_settings, room_of, rooms

__all__ = [
    "BANDS",
    "POLARIZATIONS",
    "Bounds",
    "Cost",
    "Opening",
    "Platform",
    "Room",
    "Tiles",
    "Traffic",
    "array_path",
    "nodata_fraction",
    "open_platforms",
    "platform_settings",
    "room_of",
    "rooms",
]
