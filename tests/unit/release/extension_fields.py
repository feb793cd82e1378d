"""What the published schemas of STAC's extensions admit, field by field: those cannot be fetched in tests.

Versions: projection 2.0.0, raster 2.0.0, eo 2.0.0, sar 1.3.2, sat 1.2.0, label 1.0.1, classification 2.0.0.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tasks.release.sensors import SPECTRAL_BANDS

Check = Callable[[Any], bool]


def _number(low: float = float("-inf"), high: float = float("inf"), kind: Any = int | float) -> Check:
    return lambda value: isinstance(value, kind) and not isinstance(value, bool) and low <= value <= high


def _text(*among: str) -> Check:
    return lambda value: isinstance(value, str) and value != "" and (not among or value in among)


def _list(check: Check, *lengths: int) -> Check:
    return lambda value: (
        isinstance(value, list) and (not lengths or len(value) in lengths) and all(check(one) for one in value)
    )


def _object(*needed: str) -> Check:
    return lambda value: isinstance(value, dict) and set(needed) <= set(value)


def _label_class(value: Any) -> bool:
    return set(value) == {"name", "classes"} and value["name"] is None and _list(_text())(value["classes"])


def _class(value: Any) -> bool:
    name = isinstance(value.get("name"), str) and re.fullmatch(r"[0-9A-Za-z_-]+", value["name"])
    colour = re.fullmatch(r"[0-9A-F]{6}", value.get("color_hint", "000000"))
    return isinstance(value.get("value"), int) and bool(name) and bool(colour)


def _bitfield(value: Any) -> bool:
    return value["offset"] >= 0 and value["length"] >= 1 and _list(_class)(value["classes"])


FIELDS: Mapping[str, Check] = {
    "proj:code": _text(),
    "proj:bbox": _list(_number(), 4, 6),
    "proj:centroid": _object("lat", "lon"),
    "proj:shape": _list(_number(kind=int), 2),
    "proj:transform": _list(_number(), 6, 9),
    "raster:scale": _number(),
    "eo:cloud_cover": _number(0, 100),
    "eo:common_name": _text(*(band.common_name for band in SPECTRAL_BANDS.values())),
    "eo:center_wavelength": _number(0),
    "eo:full_width_half_max": _number(0),
    "sar:instrument_mode": _text(),
    "sar:frequency_band": _text("P", "L", "S", "C", "X", "Ku", "K", "Ka"),
    "sar:center_frequency": _number(0),
    "sar:polarizations": _list(_text("HH", "VV", "HV", "VH")),
    "sar:product_type": _text(),
    "sat:orbit_state": _text("ascending", "descending", "geostationary"),
    "sat:relative_orbit": _number(1, kind=int),
    "label:properties": lambda value: value is None,
    "label:classes": _list(_label_class),
    "label:description": _text(),
    "label:type": _text("raster", "vector"),
    "label:tasks": _list(_text()),
    "classification:classes": _list(_class),
    "classification:bitfields": _list(_bitfield),
}


def faults(item: Mapping[str, Any]) -> list[str]:
    """What the extensions' schemas would find wrong with an item or a collection; null is taken for absent."""
    told = {uri.split("/")[3] for uri in item["stac_extensions"]}
    named = {"proj": "projection"}
    found: list[str] = []
    for name, value in _fields(item):
        prefix = name.partition(":")[0]
        if prefix == "deepsentinel" or (value is None and name != "label:properties"):
            continue
        if named.get(prefix, prefix) not in told:
            found.append(f"{name}: its extension is not listed")
        elif name not in FIELDS or not FIELDS[name](value):
            found.append(f"{name}: {value!r}")
    if item["type"] == "Feature":
        properties = item["properties"]
        if "sat" in told and not any(properties.get(f"sat:{name}") for name in ("orbit_state", "relative_orbit")):
            found.append("sat: none of its fields in the properties")
        if "label" in told and not {"label:properties", "label:description", "label:type"} <= set(properties):
            found.append("label: fields are missing")
    return found


def _fields(item: Any) -> Iterator[tuple[str, Any]]:
    """All fields with a prefix, wherever they stand; summaries are sets and ranges of values, and stay out."""
    if isinstance(item, Mapping):
        for name, value in item.items():
            if ":" in name and "/" not in name:
                yield name, value
            elif name != "summaries":
                yield from _fields(value)
    elif isinstance(item, list):
        for one in item:
            yield from _fields(one)
