"""What catalogues say of the pixels of an asset: `raster:bands` (STAC 1.0) and `bands` (STAC 1.1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import CatalogueError
from tasks.imagery.stac.assets import (
    band_named,
    band_of,
    keys_by_band,
    keys_by_polarization,
    polarization_of,
)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a catalogue says of one band of an asset; None where it says nothing."""

    scale: float | None = None
    """What pixels are to be multiplied with."""
    offset: float | None = None
    """What is to be added after that."""
    unit: str = ""
    """As written; "" where it says nothing."""
    nodata: float | None = None
    """What stands for nothing; NaN where it says that that does."""
    names: tuple[str, ...] = ()
    """What the band is called: B04, red, vv."""


NOTHING = Declared()


@dataclass(frozen=True, kw_only=True)
class Said:
    """An asset of an item."""

    href: str
    bands: tuple[Declared, ...] = ()
    """In the order of the file; empty where the catalogue lists none."""

    def at(self, band: int) -> Declared:
        """What is said of a band, counted from 1."""
        return self.bands[band - 1] if band <= len(self.bands) else NOTHING

    def numbers(self, wanted: str) -> list[int]:
        """Which bands, counted from 1, are called `wanted`: a Sentinel-2 band or a polarization."""
        return [
            number
            for number, band in enumerate(self.bands, 1)
            if any(wanted in (band_of(name), name.upper()) for name in band.names)
        ]


def band_keys(assets: Mapping[str, Said]) -> dict[str, str]:
    """Asset keys of an item by Sentinel-2 band: those that name one; where none does, of files of several bands."""
    return keys_by_band(assets) or {
        band: key for key in sorted(assets) for one in assets[key].bands if (band := band_named(one.names))
    }


def polarization_keys(assets: Mapping[str, Said]) -> dict[str, str]:
    """The same by polarization."""
    return keys_by_polarization(assets) or {
        found: key
        for key in sorted(assets)
        for one in assets[key].bands
        for name in one.names
        if (found := polarization_of(name))
    }


def said_of(href: str, asset: Mapping[str, Any]) -> Said:
    """An asset as its catalogue has it, a JSON object.

    What STAC 1.1 says of the asset as a whole holds for each of its bands. Raises CatalogueError: a value is no number.
    """
    raster = _listed(asset.get("raster:bands"))
    common, named = _listed(asset.get("bands")), _listed(asset.get("eo:bands"))
    count = max(len(raster), len(common), len(named))
    whole = {key: value for key, value in asset.items() if key in _OF_BANDS and value is not None}
    if not count and not whole:
        return Said(href=href)
    bands: list[Declared] = []
    for index in range(max(count, 1)):
        held = dict(whole)
        for source in (named, common, raster):
            if index < len(source):
                held |= {key: value for key, value in source[index].items() if value is not None}
        bands.append(_declared(held, href))
    return Said(href=href, bands=tuple(bands))


_OF_BANDS = ("scale", "offset", "raster:scale", "raster:offset", "unit", "nodata", "eo:common_name")

DECLARING = ("raster:bands", "bands", "eo:bands", *_OF_BANDS)
"""What of an asset is looked at."""

_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""How STAC writes what JSON has no numbers for."""


def _listed(value: Any) -> list[dict[str, Any]]:
    # Tables hold lists as arrays, and maps as pairs.
    return [] if value is None or isinstance(value, str) else [dict(one) for one in value if one]


def _declared(held: dict[str, Any], href: str) -> Declared:
    # A general `scale` of STAC 1.0's raster:bands, and the raster extension 2.0's of STAC 1.1.
    return Declared(
        scale=_number(held.get("raster:scale", held.get("scale")), href, "scale"),
        offset=_number(held.get("raster:offset", held.get("offset")), href, "offset"),
        unit=str(held.get("unit") or "").strip(),
        nodata=_number(held.get("nodata"), href, "nodata"),
        names=tuple(str(held[key]) for key in ("name", "eo:common_name", "common_name") if held.get(key)),
    )


def _number(value: Any, href: str, key: str) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return _NUMBERS.get(str(value).strip().lower()) or float(value)
    except (TypeError, ValueError):
        where = href.partition("?")[0].rpartition("/")[2]
        raise CatalogueError(
            f"{where}: its {key} is {str(value)[:40]!r}, expected a number. Correct the item."
        ) from None
