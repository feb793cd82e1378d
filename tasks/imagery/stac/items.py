"""Catalogue records as columns: the properties of many STAC items, wherever they were read."""

import datetime as dt
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pystac import Item
from pystac.utils import make_absolute_href
from shapely.geometry import shape

from tasks.errors import CatalogueError
from tasks.imagery.stac.assets import EPSG_KEYS, is_read
from tasks.imagery.stac.declared import DECLARING, Said, said_of

PROPERTIES = (
    "datetime", "start_datetime", "end_datetime", "platform", "title", "created", "proj:code", "proj:epsg", "grid:code",
    "s2:mgrs_tile", "s2:product_uri", "s2:product_id", "s2:source_product", "s2:processing_baseline",
    "processing:version", "s2:datatake_id", "s2:generation_time", "eo:cloud_cover", "earthsearch:boa_offset_applied",
    "boa_offset_applied", "sar:instrument_mode", "sar:polarizations", "sat:relative_orbit", "sat:orbit_state",
    "s1:source_product", "s1:product_id", "deepsentinel:role", "deepsentinel:group", "deepsentinel:date",
    "view:sun_elevation", "s2:mean_solar_zenith", "view:incidence_angle",
)  # fmt: skip
"""What is kept of the properties of many items; the others may be large."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """The items of one collection: n of them."""

    properties: pd.DataFrame
    """n rows: `id` and the items' properties under their STAC names; absent ones are null or have no column."""
    footprint: NDArray[np.object_]
    """Outlines as the items have them, WGS 84 degrees: (n,) polygons, None where an item has none."""
    assets: Callable[[int], dict[str, Said]]
    """Where the assets of the item at a position lie, and what is said of their pixels, by asset key."""
    asset_keys: frozenset[str]
    """Asset keys that items of the collection have."""

    def __len__(self) -> int:
        return len(self.properties)

    def column(self, *names: str) -> pd.Series:
        """The first of some properties that an item has: (n,), None where it has none."""
        found = pd.Series(np.full(len(self), None, dtype=object), index=self.properties.index, dtype=object)
        for name in names:
            if name in self.properties.columns:
                values = self.properties[name].astype(object)
                found = found.where(found.notna(), values)
        return found.where(found.notna(), None)

    def take(self, positions: NDArray[Any]) -> "Records":
        """The records at `positions`."""
        assets = self.assets  # not `self`: the properties of all records may be large, and need not live on
        return Records(
            properties=self.properties.iloc[positions].reset_index(drop=True),
            footprint=self.footprint[positions],
            assets=lambda index: assets(int(positions[index])),
            asset_keys=self.asset_keys,
        )


def records_of_items(items: Iterable[Item]) -> Records:
    """Items that were read one by one, as records. Raises CatalogueError: one without an id, a time or geometry that
    is none.
    """
    kept = list(items)
    nameless = next((item for item in kept if not item.id), None)
    if nameless is not None:
        where = nameless.get_self_href() or "an item"
        raise CatalogueError(f"{where}: has no id, so nothing can refer to it. Correct the item or take it out.")
    rows: list[dict[str, Any]] = []
    for item in kept:
        row: dict[str, Any] = {
            name: value for name, value in item.properties.items() if not isinstance(value, list | dict)
        }
        row["sar:polarizations"] = item.properties.get("sar:polarizations")
        if not any(row.get(key) for key in EPSG_KEYS):
            # Older items give the zone with each asset only.
            for asset in item.assets.values():
                row |= {key: asset.extra_fields[key] for key in EPSG_KEYS if asset.extra_fields.get(key)}
        start = _start(item)
        times = {"datetime": item.datetime, "start_datetime": start}
        rows.append({**row, "id": item.id} | {name: at.isoformat() if at else None for name, at in times.items()})
    footprint = np.empty(len(kept), dtype=object)
    footprint[:] = [geometry_of(item.id, item.geometry) for item in kept]
    return Records(
        properties=pd.DataFrame.from_records(rows) if rows else pd.DataFrame({"id": [], "datetime": []}),
        footprint=footprint,
        assets=lambda index: {
            key: said_of(asset.get_absolute_href() or asset.href, asset.extra_fields)
            for key, asset in kept[index].assets.items()
        },
        asset_keys=frozenset(key for item in kept for key in item.assets),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An item that is kept: some 2 KB, half of it assets."""

    row: Mapping[str, Any]
    """Its id and properties."""
    footprint: Any
    """Its outline, WGS 84 degrees."""
    assets: bytes | None
    """Those that hold bands, as deflated JSON; None: they have not been asked for yet."""

    @classmethod
    def of(cls, item: Mapping[str, Any], footprint: Any, address: str, *, lean: bool) -> "Entry":
        """Of an item as JSON has it, whose relative addresses are meant from `address`; `lean`: without assets it was
        asked for without them.

        Raises KeyError, TypeError, ValueError, AttributeError: it is none.
        """
        properties: Mapping[str, Any] = item["properties"]
        row = {name: value for name in PROPERTIES if (value := properties.get(name)) is not None}
        assets = {key: asset for key, asset in (item.get("assets") or {}).items() if asset.get("href")}
        if not any(row.get(key) for key in EPSG_KEYS):
            for asset in assets.values():
                row |= {key: asset[key] for key in EPSG_KEYS if asset.get(key)}
        row |= {"id": str(item["id"])}
        held = {
            key: {
                **{name: asset[name] for name in DECLARING if asset.get(name) is not None},
                "href": make_absolute_href(str(asset["href"]), address),
            }
            for key, asset in assets.items()
            if is_read(key)
        }
        packed = zlib.compress(json.dumps(held).encode(), 1) if item.get("assets") or not lean else None
        return cls(row=row, footprint=footprint, assets=packed)


def start_of(properties: Mapping[str, Any]) -> str | None:
    """When the acquisition of an item started, as its properties have it."""
    return properties.get("start_datetime") or properties.get("datetime")


def records_of_entries(
    entries: Sequence[Entry], asset_keys: frozenset[str], assets_of: Callable[[str], bytes]
) -> Records:
    """Items that were kept, as records; `assets_of` gives the assets of an item by its id where they are not there."""
    footprint = np.empty(len(entries), dtype=object)
    footprint[:] = [entry.footprint for entry in entries]
    packed = [(entry.row["id"], entry.assets) for entry in entries]

    def assets(index: int) -> dict[str, Said]:
        name, held = packed[index]
        content: dict[str, Any] = json.loads(zlib.decompress(held or assets_of(name)))
        return {key: said_of(asset["href"], asset) for key, asset in content.items()}

    return Records(
        properties=pd.DataFrame.from_records([entry.row for entry in entries])
        if entries
        else pd.DataFrame({"id": [], "datetime": []}),
        footprint=footprint,
        assets=assets,
        asset_keys=asset_keys,
    )


def _start(item: Item) -> dt.datetime | None:
    try:
        return item.common_metadata.start_datetime or item.datetime
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise CatalogueError(
            f"item {item.id}: its start_datetime cannot be read ({error}). Correct the item or take it out."
        ) from None


def geometry_of(name: str, geometry: Any) -> Any:
    """The outline of an item, None where it has none. Raises CatalogueError: it is none."""
    if not geometry:
        return None
    try:
        return shape(geometry)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise CatalogueError(f"item {name}: its geometry cannot be read: {error}. Correct the item.") from None
