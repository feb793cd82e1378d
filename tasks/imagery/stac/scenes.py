"""Records to scenes: what each property is called by the archives there are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError
from tasks.imagery.bands import POLARIZATIONS
from tasks.imagery.stac.assets import EPSG_KEYS
from tasks.imagery.stac.declared import Said, polarization_keys
from tasks.imagery.stac.items import Records
from tasks.scenes.footprints import unwrap
from tasks.scenes.products import SENTINEL2_PRODUCT, datatake_of
from tasks.scenes.roles import DAY
from tasks.scenes.scenes import Given, Sentinel1Scenes, Sentinel2Scenes

_YES_OR_NO = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
"""Tables may hold them as numbers or texts; what is neither says nothing."""

_NAMES = ("s2:product_uri", "s2:product_id", "s2:source_product", "title", "id")
"""Properties that may hold the product name."""


@dataclass(frozen=True, kw_only=True)
class OpticalScenes(Sentinel2Scenes):
    """Sentinel-2 products of an archive."""

    assets: Callable[[int], dict[str, Said]]
    """Where the files of the scene at a position are, and what is said of them, by asset key."""
    offset_removed: NDArray[np.object_]
    """What the archive says of the +1000 offset: (n,) True, False, or None where it says nothing."""


@dataclass(frozen=True, kw_only=True)
class RadarScenes(Sentinel1Scenes):
    """Sentinel-1 products of an archive."""

    assets: Callable[[int], dict[str, Said]]
    """As of `OpticalScenes`."""


def offset_removed(records: Records) -> NDArray[np.object_]:
    """What the archive says of the +1000 offset: (n,) True, False, or None where it says nothing."""
    said = records.column("earthsearch:boa_offset_applied", "boa_offset_applied")
    return np.array([_YES_OR_NO.get(str(value).strip().lower()) for value in said], dtype=object)


def sentinel2_scenes(records: Records) -> OpticalScenes:
    """Records of a Sentinel-2 collection as scenes.

    Raises CatalogueError: an item without a time, a geometry or a UTM zone; names it.
    """
    named = _named(records)
    ids = records.column("id").astype(str)
    time = _times(records)
    tile = records.column("s2:mgrs_tile", "grid:code").fillna(named["tile"]).fillna("").astype(str)
    # MGRS writes zone 5 as 5 or 05, products always as 05.
    tile = (
        tile.str.removeprefix("MGRS-")
        .str.removeprefix("T")
        .where(lambda text: text == "", lambda text: text.str.zfill(5))
    )
    datatake = named["platform"].str.cat(named["datatake"], sep=" ")
    datatake = datatake.fillna(records.column("s2:datatake_id").map(_datatake, na_action="ignore").astype("string"))
    seconds = pd.Series(time // 1_000_000).astype("string")
    by_time = records.column("platform").astype("string").str.cat(seconds, sep=" ").where(tile != "")
    baseline = named["baseline"].str[:2].str.cat(named["baseline"].str[2:], sep=".")
    sun = _numbers(records.column("view:sun_elevation"))
    processed = _instants(records.column("s2:generation_time", "created"))
    from_name = _instants(named["processed"].astype(object))
    return OpticalScenes(
        id=_shared(ids),
        time=time,
        footprint=_footprints(records),
        orbit=_whole(records.column("sat:relative_orbit").fillna(named["orbit"])),
        epsg=_zones(records),
        tile=_shared(tile),
        datatake=_shared(datatake.fillna(by_time).fillna(ids.astype("string"))),
        baseline=_shared(records.column("s2:processing_baseline", "processing:version").fillna(baseline).fillna("")),
        processed=np.where(processed == _NO_TIME, np.where(from_name == _NO_TIME, 0, from_name), processed),
        cloud_cover=_numbers(records.column("eo:cloud_cover")),
        dated=_dated(records),
        given=_given(records),
        satellite=_satellites(named["platform"], records),
        sun_elevation=np.where(np.isnan(sun), 90 - _numbers(records.column("s2:mean_solar_zenith")), sun),
        assets=records.assets,
        offset_removed=offset_removed(records),
    )


def sentinel1_scenes(records: Records) -> RadarScenes:
    """Records of a Sentinel-1 collection as scenes, without those that are not IW with VV and VH.

    Raises CatalogueError: an item without a time or a geometry; names it.
    """
    kept = records.take(np.flatnonzero(_is_dual_iw(records)))
    ids = kept.column("id").astype(str)
    return RadarScenes(
        id=_shared(ids),
        time=_times(kept),
        footprint=_footprints(kept),
        orbit=_whole(kept.column("sat:relative_orbit")),
        product=_shared(kept.column("s1:source_product", "s1:product_id", "title").fillna(ids)),
        direction=_shared(kept.column("sat:orbit_state").fillna("").astype(str).str.lower()),
        dated=_dated(kept),
        given=_given(kept),
        satellite=_satellites(ids.astype("string").str.extract(_RADAR_PRODUCT)[0], kept),
        incidence=_numbers(kept.column("view:incidence_angle")),
        assets=kept.assets,
    )


_RADAR_PRODUCT = r"^(S1[A-Z])_"
"""How names of Sentinel-1 products begin."""

_PLATFORM = r"(?i)^sentinel-?([12])([a-z])$"


def _satellites(named: Any, records: Records) -> NDArray[np.object_]:
    """Such as S2A, by the product's name or the property `platform`; "" where neither tells: (n,)."""
    parts = records.column("platform").astype("string").str.extract(_PLATFORM)
    told = "S" + parts[0] + parts[1].str.upper()
    return _shared(named.fillna(told).fillna(""))


def _named(records: Records) -> pd.DataFrame:
    """What product names tell, in columns platform, datatake, baseline, orbit, tile, processed."""
    found: pd.DataFrame | None = None
    for name in _NAMES:
        if name in records.properties.columns:
            parts = records.properties[name].astype("string").str.extract(SENTINEL2_PRODUCT.pattern)
            found = parts if found is None else found.fillna(parts)
    return found if found is not None else pd.DataFrame()


def _datatake(identifier: Any) -> str:
    return datatake_of(str(identifier)) or str(identifier)


def _is_dual_iw(records: Records) -> NDArray[np.bool_]:
    is_iw = records.column("sar:instrument_mode").astype("string").eq("IW").fillna(False).to_numpy(bool)
    given = records.column("sar:polarizations")
    # Where the property is absent, the assets tell.
    dual = [
        set(POLARIZATIONS) <= {str(p).upper() for p in held}
        if held is not None
        else set(polarization_keys(records.assets(index))) == set(POLARIZATIONS)
        for index, held in enumerate(given)
    ]
    return is_iw & np.array(dual, bool)


def starts_of(texts: Any) -> NDArray[np.int64]:
    """Times as text to microseconds since 1970 UTC: (n,); the smallest integer where there is none."""
    return _instants(pd.Series(texts, dtype=object))


def _times(records: Records) -> NDArray[np.int64]:
    time = _instants(records.column("start_datetime", "datetime"))
    _refuse(records, time == _NO_TIME, "has neither start_datetime nor datetime")
    return time


_NO_TIME = np.iinfo(np.int64).min

_LONGEST = DAY
"""Microseconds between start and end of an item without `datetime` beyond which nobody knows when it was: no
acquisition takes longer, and files that are named for a day are known to the day."""


def _dated(records: Records) -> NDArray[np.bool_] | None:
    """Whether the times of items are known: (n,), None if all are."""
    if "end_datetime" not in records.properties.columns:
        return None
    start, end = _instants(records.column("start_datetime")), _instants(records.column("end_datetime"))
    null = _instants(records.column("datetime")) == _NO_TIME
    known = ~null | (start == _NO_TIME) | (end == _NO_TIME) | (end - start <= _LONGEST)
    return None if known.all() else known


def _given(records: Records) -> Given | None:
    """What items say of the groups that they are of; None if none says anything."""
    said = [f"deepsentinel:{name}" for name in ("role", "group", "date")]
    if not {*said} & {*records.properties.columns}:
        return None
    role, group, date = (records.column(name) for name in said)
    return Given(
        role=_shared(role.fillna("")),
        group=np.nan_to_num(_numbers(group), nan=-1).astype(np.int64),
        date=np.nan_to_num(_numbers(date)).astype(np.int64),
    )


def _instants(texts: Any) -> NDArray[np.int64]:
    """Times as text or stamps to microseconds since 1970 UTC; the smallest integer where there is none."""
    parsed = pd.to_datetime(pd.Series(texts), utc=True, errors="coerce", format="ISO8601")
    values = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(values), _NO_TIME, values.astype(np.int64))


def _footprints(records: Records) -> NDArray[np.object_]:
    footprint = records.footprint
    _refuse(records, shapely.is_missing(footprint), "has no geometry, so nothing tells what it covers")
    kind = shapely.get_type_id(footprint)
    polygonal = (kind == shapely.GeometryType.POLYGON) | (kind == shapely.GeometryType.MULTIPOLYGON)
    _refuse(records, ~polygonal | shapely.is_empty(footprint), "has a geometry that is no polygon")
    # Before validity: a ring that jumps across the map looks as if it crossed itself.
    footprint = unwrap(footprint)
    broken = np.flatnonzero(~shapely.is_valid(footprint))
    if len(broken):
        footprint = footprint.copy()
        footprint[broken] = shapely.make_valid(footprint[broken], method="structure", keep_collapsed=False)
    return footprint


def _zones(records: Records) -> NDArray[np.int64]:
    codes = _numbers(records.column(*EPSG_KEYS).astype("string").str.removeprefix("EPSG:"))
    _refuse(records, np.isnan(codes), "tells no UTM zone in proj:code or proj:epsg")
    return codes.astype(np.int64)


def _refuse(records: Records, wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        first = records.properties["id"].iloc[int(np.flatnonzero(wrong)[0])]
        more = f" ({int(wrong.sum())} items of {len(records)})" if wrong.sum() > 1 else ""
        raise CatalogueError(f"item {first}: {what}{more}. Correct the item or take it out.")


def _whole(values: Any) -> NDArray[np.int64]:
    return np.nan_to_num(_numbers(values)).astype(np.int64)


def _numbers(values: Any) -> NDArray[np.float64]:
    numbers: Any = pd.to_numeric(values, errors="coerce")
    return np.asarray(numbers.astype("float64"))


def _shared(values: Any) -> NDArray[np.object_]:
    """Texts as objects, equal ones as one object: a million scenes have a few thousand tiles."""
    return pd.Series(values).astype(str).astype("category").astype(object).to_numpy(dtype=object)
