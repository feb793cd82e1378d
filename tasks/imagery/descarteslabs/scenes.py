"""The catalogue's images to scenes.

Catalogues of different accounts fill different attributes. What ESA's product name says is taken from it, wherever it
stands: provider_id, name, id or a text among the extra properties; then from attributes; what nothing tells is unknown.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.scenes.footprints import unwrap
from tasks.scenes.products import SENTINEL1_PRODUCT, SENTINEL2_PRODUCT, relative_orbit, tile_epsg
from tasks.scenes.roles import DATATAKE
from tasks.scenes.scenes import Acquisition, Sentinel1Scenes, Sentinel2Scenes

_TILE = re.compile(r"(?:^|_)T?(?P<tile>\d{2}[C-X][A-Z]{2})_")
"""The tile in the platform's own names, e.g. 2018-01-08_35MKR_99_S2B_v1."""

_SATELLITE = re.compile(r"(?:^|[^A-Z0-9])S(?:ENTINEL)?[-_ ]?(?P<mission>[12])[-_ ]?(?P<unit>[A-D])(?![A-Z])", re.I)

_ABOUT = "~"
"""Marks a datatake that only the time of acquisition tells."""


def sentinel2_scenes(images: Iterable[Any]) -> Sentinel2Scenes:
    """Images of the Sentinel-2 product as scenes, in the order of their ids; those without a footprint are left out."""
    rows = [_sentinel2_row(image) for image in _usable(images)]
    return Sentinel2Scenes(
        id=_column(row["id"] for row in rows),
        time=np.array([row["time"] for row in rows], np.int64),
        footprint=unwrap(_column(row["footprint"] for row in rows)),
        orbit=np.array([row["orbit"] for row in rows], np.int64),
        epsg=np.array([row["epsg"] for row in rows], np.int64),
        tile=_column(row["tile"] for row in rows),
        datatake=_column(row["datatake"] for row in rows),
        baseline=_column(row["baseline"] for row in rows),
        processed=np.array([row["processed"] for row in rows], np.int64),
        cloud_cover=np.array([row["cloud_cover"] for row in rows], float),
        satellite=_column(row["satellite"] for row in rows),
        sun_elevation=np.array([row["sun_elevation"] for row in rows], float),
    )


def sentinel1_scenes(images: Iterable[Any]) -> Sentinel1Scenes:
    """Images of the Sentinel-1 product as scenes, in the order of their ids, without those known not to be IW, VV+VH.

    Where nothing tells mode or polarization the scene stays: without VV or VH its pixels are masked, and it is then
    replaced like any other scene without pixels.
    """
    rows = [row for image in _usable(images) if (row := _sentinel1_row(image))]
    return Sentinel1Scenes(
        id=_column(row["id"] for row in rows),
        time=np.array([row["time"] for row in rows], np.int64),
        footprint=unwrap(_column(row["footprint"] for row in rows)),
        orbit=np.array([row["orbit"] for row in rows], np.int64),
        product=_column(row["product"] for row in rows),
        direction=_column(row["direction"] for row in rows),
        satellite=_column(row["satellite"] for row in rows),
        incidence=np.array([row["incidence"] for row in rows], float),
    )


def adopt_datatakes(scenes: Sentinel2Scenes, wanted: Iterable[Acquisition]) -> Sentinel2Scenes:
    """Scenes whose datatake only their time tells get that of the wanted acquisition of their satellite, tile and pass.

    A pass is told by `DATATAKE`: no satellite sees a tile twice in so short a time (an orbit lasts 100 minutes).
    """
    passes: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for acquisition in wanted:
        if not isinstance(acquisition.scenes, Sentinel2Scenes):
            raise TypeError("a Sentinel-2 role holds a scene of another sensor")
        datatake, tile = (str(c[acquisition.scene]) for c in (acquisition.scenes.datatake, acquisition.scenes.tile))
        passes.setdefault((datatake[:3], tile), []).append((acquisition.time, datatake))
    datatakes = scenes.datatake.copy()
    for index, (datatake, tile, time) in enumerate(zip(scenes.datatake, scenes.tile, scenes.time, strict=True)):
        satellite, about, _ = str(datatake).partition(f" {_ABOUT}")
        if about:
            near = [found for at, found in passes.get((satellite, tile), ()) if abs(at - time) <= DATATAKE]
            datatakes[index] = near[0] if near else datatake
    return replace(scenes, datatake=datatakes)


def _sentinel2_row(image: Any) -> dict[str, Any]:
    extra, texts = dict(image.extra_properties or {}), _texts(image)
    named = next((found for name in texts if (found := SENTINEL2_PRODUCT.search(name))), None)
    tile = named["tile"] if named else str(extra.get("mgrs_tile") or extra.get("tile_id") or _in(_TILE, texts, "tile"))
    tile = tile.removeprefix("T")
    satellite = named["platform"] if named else _satellite(image, texts)
    time = _micros(image.acquired)
    if named:
        datatake = f"{satellite} {named['datatake']}"
    elif satellite and tile:
        datatake = f"{satellite} {_ABOUT}{image.acquired:%Y%m%dT%H%M%S}"
    else:
        datatake = image.id
    baseline = f"{named['baseline'][:2]}.{named['baseline'][2:]}" if named else _text(extra, "processing_baseline")
    processed = _micros(dt.datetime.strptime(named["processed"], "%Y%m%dT%H%M%S")) if named else 0
    cloud = image.cloud_fraction
    return {
        "id": image.id,
        "time": time,
        "footprint": _footprint(image.geometry),
        "orbit": int(named["orbit"]) if named else _orbit(extra),
        "epsg": _epsg(tile, str(image.cs_code or "")),
        "tile": tile,
        "datatake": datatake,
        "baseline": baseline,
        "processed": processed or _micros(image.published) or _micros(image.created),
        "cloud_cover": np.nan if cloud is None else 100.0 * float(cloud),
        "satellite": satellite,
        "sun_elevation": _angle(image.solar_elevation_angle),
    }


def _sentinel1_row(image: Any) -> dict[str, Any] | None:
    extra, texts = dict(image.extra_properties or {}), _texts(image)
    named = next((found for name in texts if (found := SENTINEL1_PRODUCT.search(name))), None)
    mode = named["mode"] if named else _text(extra, "mode", "instrument_mode", "sar:instrument_mode")
    polarizations = named["polarization"] if named else _text(extra, "polarization", "polarisation")
    if (mode or "IW").upper() != "IW" or (polarizations or "DV").upper() not in ("DV", "VV+VH", "VV,VH", "VV VH"):
        return None
    orbit = _orbit(extra)
    if not orbit and named:
        orbit = relative_orbit(named["platform"], int(named["orbit"]))
    direction = _text(extra, "orbit_state", "sat:orbit_state", "pass", "orbit_direction", "orbit_pass").lower()
    return {
        "id": image.id,
        "time": _micros(image.acquired),
        "footprint": _footprint(image.geometry),
        "orbit": orbit,
        "product": named[0] if named else str(image.provider_id or image.name or image.id),
        "direction": direction if direction in ("ascending", "descending") else "",
        "satellite": named["platform"] if named else _satellite(image, texts),
        "incidence": _angle(image.incidence_angle),
    }


def _angle(degrees: Any) -> float:
    return np.nan if degrees is None else float(degrees)


def _usable(images: Iterable[Any]) -> list[Any]:
    """Of each id one image, in the order of the ids, if it has pixels, a time and a footprint."""
    unique = {image.id: image for image in images}
    return [
        unique[key]
        for key in sorted(unique)
        if unique[key].geometry is not None
        and unique[key].acquired is not None
        # `remote`: known to the catalogue, but its pixels are not kept (earthone, StorageState).
        and str(unique[key].storage_state or "available") != "remote"
    ]


def _texts(image: Any) -> list[str]:
    extra = dict(image.extra_properties or {})
    own = (image.provider_id, image.name, image.id)
    return [str(text) for text in (*own, *extra.values()) if isinstance(text, str)]


def _satellite(image: Any, texts: list[str]) -> str:
    for name in (str(image.satellite_id or ""), *texts):
        if found := _SATELLITE.search(name):
            return f"S{found['mission']}{found['unit'].upper()}"
    return ""


def _in(pattern: re.Pattern[str], texts: list[str], group: str) -> str:
    return next((found[group] for name in texts if (found := pattern.search(name))), "")


def _text(extra: dict[str, Any], *keys: str) -> str:
    return next((str(extra[key]) for key in keys if extra.get(key)), "")


def _orbit(extra: dict[str, Any]) -> int:
    found = _text(extra, "relative_orbit", "sat:relative_orbit", "relative_orbit_number", "relativeOrbitNumber")
    return int(float(found)) if re.fullmatch(r"\d+(\.0*)?", found) else 0


def _epsg(tile: str, code: str) -> int:
    """UTM zone as EPSG code; 0 = unknown.

    The tile before the image's own CRS: archives write southern tiles in northern zones with negative northings too,
    which is the same lattice of pixels.
    """
    found = re.fullmatch(r"(?:EPSG:)?(32[67]\d\d)", code)
    return tile_epsg(tile) or (int(found[1]) if found else 0)


def _footprint(geometry: Any) -> Any:
    return geometry if geometry.is_valid else shapely.make_valid(geometry, method="structure")


def _micros(instant: dt.datetime | None) -> int:
    if instant is None:
        return 0
    return round((instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)).timestamp() * 1_000_000)


def _column(values: Iterable[Any]) -> NDArray[np.object_]:
    held = list(values)
    column = np.empty(len(held), dtype=object)
    column[:] = held
    return column
