"""What ESA's product names say."""

import re

SENTINEL2_PRODUCT = re.compile(
    r"(?P<platform>S2[A-D])_MSIL(?:1C|2A)_(?P<datatake>\d{8}T\d{6})_N(?P<baseline>\d{4})_R(?P<orbit>\d{3})"
    r"_T(?P<tile>\d{2}[A-Z]{3})_(?P<processed>\d{8}T\d{6})"
)
"""Sentinel-2 product names since 2016-12-06 (ESA, S2 Products Specification)."""

SENTINEL1_PRODUCT = re.compile(
    r"(?P<platform>S1[A-D])_(?P<mode>IW|EW|WV|S\d)_GRD(?P<resolution>[FHM])_\d[SA](?P<polarization>[SD][HV])"
    r"_(?P<start>\d{8}T\d{6})_(?P<stop>\d{8}T\d{6})_(?P<orbit>\d{6})_(?P<datatake>[0-9A-F]{6})(?:_[0-9A-F]{4})?"
)
"""Sentinel-1 ground range product names (ESA, Sentinel-1 Product Specification)."""

DATATAKE_IDENTIFIER = re.compile(r"G?(?P<platform>S2[A-D])_(?P<datatake>\d{8}T\d{6})_\d+_N[^_]*$")
"""Sentinel-2 datatakes: GS2A_20180503T104021_014949_N02.06; the last part is the baseline, in which processings of one
datatake differ."""

_TILE = re.compile(r"(\d{2})([C-X])[A-Z]{2}")
"""MGRS tiles such as 32UMA: zone, latitude band, square."""

_FIRST_ORBIT = {"S1A": 73, "S1B": 27}
"""Absolute orbits whose relative orbit is 1 (P. Meadows, Sentinel-1 Mission Performance Centre, STEP forum 7042)."""


def relative_orbit(platform: str, absolute: int) -> int:
    """Relative orbit of a Sentinel-1 satellite, 1..175; 0 for one whose numbering is not known here."""
    first = _FIRST_ORBIT.get(platform)
    return 0 if first is None else (absolute - first) % 175 + 1


def datatake_of(identifier: str) -> str | None:
    """What all tiles and processings of one pass share, from a datatake's identifier: S2A 20180503T104021."""
    found = DATATAKE_IDENTIFIER.match(identifier)
    return f"{found['platform']} {found['datatake']}" if found else None


def product_key(product: str) -> str:
    """What all processings of one Sentinel-1 acquisition share, from ESA's product name; other names as they are."""
    found = SENTINEL1_PRODUCT.search(product)
    return " ".join(found.group("platform", "start", "stop", "orbit")) if found else product


def tile_epsg(tile: str) -> int:
    """UTM zone of an MGRS tile such as 32UMA, as EPSG code: bands from N on are north of the equator; 0 = no tile."""
    found = _TILE.fullmatch(tile)
    return (32600 if found[2] >= "N" else 32700) + int(found[1]) if found else 0
