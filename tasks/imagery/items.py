"""STAC items to scenes: what each property is called by the archives there are."""

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from pystac import Asset, Item
from shapely.geometry import shape

from tasks.errors import CatalogueError
from tasks.imagery.platform import BANDS, POLARIZATIONS
from tasks.imagery.products import SENTINEL2_PRODUCT
from tasks.scenes import Sentinel1Scenes, Sentinel2Scenes

_COMMON_NAMES = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06",
    "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09", "cirrus": "B10", "swir16": "B11", "swir22": "B12",
}  # fmt: skip
"""Asset keys of Earth Search, which names bands by what they see."""

def band_assets(item: Item) -> dict[str, Asset]:
    """Assets of the Sentinel-2 bands that an item has, by band: B01, B1, B1_20m, coastal, ..."""
    return _matching(item, _band_of)


def polarization_assets(item: Item) -> dict[str, Asset]:
    """Assets of an item's polarizations, by VV and VH: vv, VV, ..."""
    return _matching(item, lambda key: key.upper() if key.upper() in POLARIZATIONS else None)


def already_removed(item: Item) -> bool | None:
    """What the archive says of the +1000 offset; None where it says nothing."""
    value = item.properties.get("earthsearch:boa_offset_applied", item.properties.get("boa_offset_applied"))
    return None if value is None else bool(value)


def sentinel2_scenes(items: Iterable[Item]) -> Sentinel2Scenes:
    """Items of a Sentinel-2 collection as scenes. Raises CatalogueError."""
    rows = [_sentinel2_row(item) for item in items]
    return Sentinel2Scenes(
        id=_texts(row["id"] for row in rows),
        time=np.array([row["time"] for row in rows], np.int64),
        footprint=_objects([row["footprint"] for row in rows]),
        orbit=np.array([row["orbit"] for row in rows], np.int64),
        epsg=np.array([row["epsg"] for row in rows], np.int64),
        tile=_texts(row["tile"] for row in rows),
        datatake=_texts(row["datatake"] for row in rows),
        baseline=_texts(row["baseline"] for row in rows),
        processed=np.array([row["processed"] for row in rows], np.int64),
        cloud_cover=np.array([row["cloud_cover"] for row in rows], float),
    )


def sentinel1_scenes(items: Iterable[Item]) -> tuple[list[Item], Sentinel1Scenes]:
    """Items of a Sentinel-1 collection as scenes, without those that are not IW with VV and VH; and the items kept."""
    kept = [item for item in items if _is_dual_iw(item)]
    return kept, Sentinel1Scenes(
        id=_texts(item.id for item in kept),
        time=np.array([_start(item) for item in kept], np.int64),
        footprint=_objects([_footprint(item) for item in kept]),
        orbit=np.array([int(item.properties.get("sat:relative_orbit") or 0) for item in kept], np.int64),
        product=_texts(str(item.properties.get("s1:source_product") or item.id) for item in kept),
        direction=_texts(str(item.properties.get("sat:orbit_state") or "").lower() for item in kept),
    )


def _sentinel2_row(item: Item) -> dict[str, Any]:
    properties = item.properties
    names = (str(properties.get(key) or "") for key in ("s2:product_uri", "s2:product_id", "s2:source_product"))
    named = next((found for name in (*names, item.id) if (found := SENTINEL2_PRODUCT.search(name))), None)
    tile = str(properties.get("s2:mgrs_tile") or properties.get("grid:code") or (named["tile"] if named else ""))
    tile = tile.removeprefix("MGRS-").removeprefix("T")
    baseline = str(
        properties.get("s2:processing_baseline") or properties.get("processing:version")
        or (f"{named['baseline'][:2]}.{named['baseline'][2:]}" if named else "")
    )  # fmt: skip
    platform = str(properties.get("platform") or (named["platform"] if named else ""))
    if named:
        datatake = f"{named['platform']} {named['datatake']}"
    elif properties.get("s2:datatake_id"):
        # GS2A_20180503T104021_014949_N02.06: the last part is the baseline, in which processings differ.
        datatake = str(properties["s2:datatake_id"]).rsplit("_N", 1)[0]
    elif platform and tile:
        datatake = f"{platform} {_iso(properties.get('s2:datastrip_start')) or _start(item) // 1_000_000}"
    else:
        datatake = item.id
    processed = _iso(properties.get("s2:generation_time") or properties.get("created"))
    if not processed and named:
        processed = _iso(named["processed"])
    cloud = properties.get("eo:cloud_cover")
    return {
        "id": item.id,
        "time": _start(item),
        "footprint": _footprint(item),
        "orbit": int(properties.get("sat:relative_orbit") or (named["orbit"] if named else 0)),
        "epsg": _epsg(item),
        "tile": tile,
        "datatake": datatake,
        "baseline": baseline,
        "processed": processed,
        "cloud_cover": np.nan if cloud is None else float(cloud),
    }


def _is_dual_iw(item: Item) -> bool:
    mode = str(item.properties.get("sar:instrument_mode") or "")
    return mode == "IW" and set(polarization_assets(item)) == set(POLARIZATIONS)


def _start(item: Item) -> int:
    start = item.common_metadata.start_datetime or item.datetime
    if start is None:
        raise CatalogueError(f"item {item.id}: has neither start_datetime nor datetime. Correct the item.")
    return round(start.timestamp() * 1_000_000)


def _iso(text: Any) -> int:
    """A time as text to microseconds since 1970 UTC; 0 where there is none."""
    if not text:
        return 0
    try:
        instant = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return 0
    return round((instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)).timestamp() * 1_000_000)


def _footprint(item: Item) -> Any:
    if not item.geometry:
        raise CatalogueError(
            f"item {item.id}: has no geometry, so nothing tells what it covers. Correct the item or take it out."
        )
    try:
        polygon = shape(item.geometry)
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise CatalogueError(f"item {item.id}: its geometry cannot be read: {error}. Correct the item.") from None
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
        raise CatalogueError(
            f"item {item.id}: its geometry is {polygon.geom_type}, expected a polygon. Correct the item."
        )
    return polygon if polygon.is_valid else shapely.make_valid(polygon, method="structure")


def _epsg(item: Item) -> int:
    code = item.properties.get("proj:code") or item.properties.get("proj:epsg")
    if code is None:
        for asset in band_assets(item).values():
            code = asset.extra_fields.get("proj:code") or asset.extra_fields.get("proj:epsg")
            if code is not None:
                break
    try:
        return int(str(code).removeprefix("EPSG:"))
    except ValueError:
        raise CatalogueError(
            f"item {item.id}: proj:code and proj:epsg tell no UTM zone (found {code!r}). Correct the item."
        ) from None


def _matching(item: Item, name_of: Any) -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for key, asset in item.assets.items():
        name = name_of(key)
        if name and name not in found and not asset.href.endswith((".jp2.aux.xml", ".xml", ".json")):
            found[name] = asset
    return found


def _band_of(key: str) -> str | None:
    if key in _COMMON_NAMES:
        return _COMMON_NAMES[key]
    found = re.fullmatch(r"[Bb]0?(8[Aa]|\d{1,2})(?:_\d\dm)?", key)
    if not found:
        return None
    number = found[1].upper()
    band = f"B{number}" if number == "8A" else f"B{int(number):02d}"
    return band if band in BANDS else None


def _texts(values: Iterable[str]) -> Any:
    return np.array(list(values), dtype=object)


def _objects(values: list[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
