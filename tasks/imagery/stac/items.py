"""Catalogue records as columns: the properties of many STAC items, wherever they were read."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pystac import Item
from shapely.geometry import shape

from tasks.errors import CatalogueError
from tasks.imagery.stac.assets import EPSG_KEYS
from tasks.imagery.stac.declared import Said, said_of


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
    whole: bool = True
    """Whether these are all items of the collection, not only those that were asked for."""

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
            whole=self.whole,
        )


def records_of_items(items: Iterable[Item], *, whole: bool = True) -> Records:
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
        rows.append({**row, "id": item.id, "datetime": start.isoformat() if start else None})
    footprint = np.empty(len(kept), dtype=object)
    footprint[:] = [_geometry(item) for item in kept]
    return Records(
        properties=pd.DataFrame.from_records(rows) if rows else pd.DataFrame({"id": [], "datetime": []}),
        footprint=footprint,
        assets=lambda index: {
            key: said_of(asset.get_absolute_href() or asset.href, asset.extra_fields)
            for key, asset in kept[index].assets.items()
        },
        asset_keys=frozenset(key for item in kept for key in item.assets),
        whole=whole,
    )


def _start(item: Item) -> dt.datetime | None:
    try:
        return item.common_metadata.start_datetime or item.datetime
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise CatalogueError(
            f"item {item.id}: its start_datetime cannot be read ({error}). Correct the item or take it out."
        ) from None


def _geometry(item: Item) -> Any:
    if not item.geometry:
        return None
    try:
        return shape(item.geometry)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise CatalogueError(f"item {item.id}: its geometry cannot be read: {error}. Correct the item.") from None
