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

_FIRST_ORBIT = {"S1A": 73, "S1B": 27}
"""Absolute orbits whose relative orbit is 1 (P. Meadows, Sentinel-1 Mission Performance Centre, STEP forum 7042)."""


def relative_orbit(platform: str, absolute: int) -> int:
    """Relative orbit of a Sentinel-1 satellite, 1..175; 0 for one whose numbering is not known here."""
    first = _FIRST_ORBIT.get(platform)
    return 0 if first is None else (absolute - first) % 175 + 1
