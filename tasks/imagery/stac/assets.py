"""Assets of STAC items: what archives call the bands, and what is not a band."""

import re
from collections.abc import Iterable

from tasks.imagery.bands import BANDS, POLARIZATIONS

EPSG_KEYS = ("proj:code", "proj:epsg")
"""Where items or their assets tell the CRS of the pixels."""

_COMMON_NAMES = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06",
    "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09", "cirrus": "B10", "swir16": "B11", "swir22": "B12",
}  # fmt: skip
"""Asset keys of Earth Search, which names bands by what they see."""

_BAND = re.compile(r"[Bb]0?(8[Aa]|\d{1,2})(?:_\d\dm)?")
"""B1, B01, b8a, B04_10m."""


SCL = "SCL"
"""The scene classification of Level 2A, among a scene's channels."""

_CLASSES = re.compile(r"(?i)scl(?:_\d\dm)?")
"""SCL, scl, SCL_20m."""


def band_of(key: str) -> str | None:
    """The Sentinel-2 band that an asset key names, None if it names none."""
    if key in _COMMON_NAMES:
        return _COMMON_NAMES[key]
    found = _BAND.fullmatch(key)
    if not found:
        return None
    number = found[1].upper()
    band = f"B{number}" if number == "8A" else f"B{int(number):02d}"
    return band if band in BANDS else None


def polarization_of(key: str) -> str | None:
    """The polarization that an asset key names, None if it names none: vv, VV, ..."""
    return key.upper() if key.upper() in POLARIZATIONS else None


def band_named(names: Iterable[str]) -> str | None:
    """The Sentinel-2 band that one of the names of a band in a file names, None if none does."""
    return next((band for name in names if (band := band_of(name))), None)


def keys_by_band(keys: Iterable[str]) -> dict[str, str]:
    """Asset keys by the band that they name; where several name one, the finest (B04_10m before B04_20m)."""
    found: dict[str, str] = {}
    for key in sorted(keys):
        band = band_of(key)
        if band:
            found.setdefault(band, key)
    return found


def keys_by_polarization(keys: Iterable[str]) -> dict[str, str]:
    """Asset keys by the polarization that they name."""
    return {name: key for key in sorted(keys, reverse=True) if (name := polarization_of(key))}


def classes_key(keys: Iterable[str]) -> str | None:
    """The asset key of the scene classification, the finest (SCL_20m before SCL_60m); None where there is none."""
    return next((key for key in sorted(keys) if _CLASSES.fullmatch(key)), None)


def is_read(key: str) -> bool:
    """Whether an asset is one that may be read: a band, a polarization or the scene classification."""
    return bool(band_of(key) or polarization_of(key) or _CLASSES.fullmatch(key))
