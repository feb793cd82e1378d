"""CORINE Land Cover: a raster or vectors of the Copernicus Land Monitoring Service, stored as 1 to 44."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import LabelsError, SpecError
from tasks.imagery.assets import Overlay
from tasks.labels.assets import OfPlatforms, bands_of, look_up, overlay_of, within
from tasks.labels.classes import ClassLayer
from tasks.labels.laid import Covers, Draw
from tasks.labels.legends import CORINE
from tasks.labels.pins import pin, source_name
from tasks.labels.rasters import RasterSource, WrongValue, first_where
from tasks.labels.vectors import VectorSource, is_vectors
from tasks.spec import CorpusSpec
from tasks.spec.labels import EARTHENGINE

LICENCE = "Copernicus data and information policy: free, full and open access (Regulation (EU) 1159/2013)"
ATTRIBUTION = (
    "Copernicus Land Monitoring Service, European Environment Agency (EEA): CORINE Land Cover. "
    "https://land.copernicus.eu"
)
LONG_NAME = "CORINE Land Cover, level 3, class 1 to 44; 0 = nodata, sea that is not mapped, and outside"

KEY = "sources.corine"

_NO_CLASS = (0, 48, 49, 50, 128, -128, 255, 990, 995, 999)
"""What deliveries and extracts hold where there is no class: nodata by generation and type of file, and the
unclassified land (49, 990) and water (50, 995). No class has any of these numbers in either numbering."""

_LEAST, _MOST, _OUTSIDE = -128, 999, -32768
"""The least and the most number that means anything, and what extracts of 16 bits hold outside."""

_COLUMNS = r"(code|clc)_?(\d\d|code|18|2018)?(_\d\d)?"
"""Columns of CLC codes: Code_18 of the delivery, CODE_12, code, clc_code, clc, ..."""

_UNKNOWN = 255

_EXPECTED = (
    "expected CORINE's classes, 1 to 44 or 111 to 523, and no class as 0, 48, 128 or 255. Give the raster of the "
    "Copernicus Land Monitoring Service, or an extract of it that was not resampled by averaging."
)


ASSET, BAND = "COPERNICUS/CORINE/V20/100m/2018", "landcover"
"""CORINE Land Cover 2018 in Earth Engine's catalogue, in CLC codes."""


def open_corine(spec: CorpusSpec, of_platforms: OfPlatforms | None = None) -> ClassLayer:
    """The layer of `labels: [corine]`: the file that the spec names, else Earth Engine's own.

    Raises SpecError: its source is absent, unreadable, or has no such codes; what `look_up` raises.
    """
    location, pixels = spec.sources.corine, spec.patch.pixels
    if location is None and EARTHENGINE in spec.platform_names:
        return _corine_of_earthengine(spec, of_platforms)
    if location is None:
        raise SpecError(
            f"labels: [corine] needs its source. Give the raster of CORINE Land Cover 2018 as `{KEY}`, a file or URL "
            "(https://land.copernicus.eu/en/products/corine-land-cover/clc2018), or build with `earthengine` among the "
            "platforms, which has its own."
        )
    facts = facts_of(pin(location, KEY), location)
    if is_vectors(location):
        return corine_of_vectors(location, pixels, facts)
    source = RasterSource(location, KEY)
    if source.dtype.kind not in "iuf":
        raise SpecError(f"{KEY}: {location} holds {source.dtype}, expected whole numbers. {_EXPECTED}")
    return corine_layer(
        pixels,
        facts,
        draw=lambda patch: source.read(
            patch, fill=0, dtype=np.uint8, translate=lambda codes: classes_of(codes, source.nodata)
        ),
        covers=source.covers,
    )


def _corine_of_earthengine(spec: CorpusSpec, of_platforms: OfPlatforms | None) -> ClassLayer:
    key = "labels: corine"
    asset = look_up(spec, ASSET, key, of_platforms)
    overlay = overlay_of("corine", asset, bands_of(asset, (BAND,), key), dtype="<u2", translate=_sent)
    facts = {
        "source": {"asset": asset.id, **asset.version},
        "named": {"source": asset.id, "year": 2018},
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
    }
    return corine_layer(spec.patch.pixels, facts, draw=None, covers=within(asset), overlay=overlay)


def _sent(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """What Earth Engine sends, (1, height, width), as classes (height, width). Raises LabelsError."""
    try:
        return classes_of(codes)[0]
    except WrongValue as wrong:
        raise LabelsError(f"{ASSET}: has the value {wrong.value:g}; {wrong.expected}") from None


def corine_of_vectors(location: str, pixels: int, facts: dict[str, Any]) -> ClassLayer:
    """The layer from polygons with a column of CLC codes."""
    codes = {one.code: one.index for one in CORINE} | {str(code): 0 for code in (990, 995, 999)}
    source = VectorSource(location, KEY, codes, column_pattern=_COLUMNS)
    if source.unknown:
        raise SpecError(
            f"{KEY}: {location} has {', '.join(map(repr, source.unknown[:3]))} in its column "
            f"{source.column}; {_EXPECTED}"
        )
    return corine_layer(pixels, facts | source.facts(), draw=source.draw, covers=source.covers)


def corine_layer(
    pixels: int, facts: dict[str, Any], *, draw: Draw | None, covers: Covers, overlay: Overlay | None = None
) -> ClassLayer:
    """The layer, wherever its classes come from: columns `corine_<code>` and `corine_nodata`."""
    return ClassLayer(
        "corine",
        schemes={"clc": CORINE},
        pixels=pixels,
        facts=facts,
        draw=draw,
        covers=covers,
        overlay=overlay,
        long_name=LONG_NAME,
    )


def facts_of(source: dict[str, Any], location: str) -> dict[str, Any]:
    """What a corpus says of its CORINE."""
    name = source_name(location)
    return {
        "source": source,
        "named": {"source": name, "year": year_of(name)},
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
    }


def year_of(name: str) -> int | None:
    """The reference year that the name of a delivery tells, e.g. U2018_CLC2018_V2020_20u1, g100_clc12_V18_5."""
    # The first year, if there are two, is that of the update with which the second one's map was revised.
    found = re.findall(r"CLC_?(20\d\d|19\d\d|\d\d)(?!\d)", name, re.IGNORECASE)
    if not found:
        return None
    year = int(found[-1])
    return year if year > 100 else (1900 if year >= 90 else 2000) + year


def classes_of(codes: NDArray[Any], nodata: float | None = None) -> NDArray[np.uint8]:
    """Codes of a source, of either numbering, as classes 1 to 44, 0 = none; any shape. Raises WrongValue."""
    none = codes == _OUTSIDE
    if codes.dtype.kind == "f":
        none |= np.isnan(codes)
    if nodata is not None:
        none |= codes == nodata
    whole = np.where(none, 0, codes)
    broken = (whole < _LEAST) | (whole > _MOST) | (whole % 1 != 0)
    if broken.any():
        raise first_where(broken, codes, _EXPECTED)
    classes = _TABLE[whole.astype(np.int64) - _LEAST]
    if (unknown := classes == _UNKNOWN).any():
        raise first_where(unknown, codes, _EXPECTED)
    return classes


def _table() -> NDArray[np.uint8]:
    """The class of every number from the least on."""
    table = np.full(_MOST - _LEAST + 1, _UNKNOWN, np.uint8)
    for one in CORINE:
        table[[one.index - _LEAST, int(one.code) - _LEAST]] = one.index
    table[np.array(_NO_CLASS) - _LEAST] = 0
    return table


_TABLE = _table()
