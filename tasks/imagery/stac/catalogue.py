"""Reading catalogues: a static one, an API, an item collection, or a table of footprints."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pystac
from pystac import Collection, Item, ItemCollection
from pystac.errors import STACTypeError
from pystac_client.exceptions import APIError
from urllib3.exceptions import HTTPError

from tasks.errors import CatalogueError
from tasks.imagery.stac.item_table import is_table, read_table
from tasks.imagery.stac.items import Records, records_of_items
from tasks.imagery.stac.search import api_io, is_api, search_api
from tasks.scenes import Rule
from tasks.spec.locations import is_url

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

_UNREADABLE = (
    OSError,
    pystac.STACError,
    STACTypeError,
    APIError,
    HTTPError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
)
"""What pystac raises for a file that is absent, out of reach or not what it should be."""


def read_collections(location: str, names: list[str], rule: Rule, bounds: Bounds) -> dict[str, Records]:
    """The items of some collections of a catalogue.

    `location` is a path or URL: of a catalog.json (or the folder that has one), a STAC API, an item collection
    (GeoJSON), or a GeoParquet table of items. An API is asked only for what lies within `bounds` and the rule's reach.
    Raises CatalogueError: it is none of these, lacks a collection, or an item cannot be read.
    """
    if is_table(location):
        return read_table(location, names)
    root = _read(location)
    if is_api(root):
        return {name: records_of_items(search_api(location, name, rule, bounds)) for name in names}
    if root.get("type") == "FeatureCollection":
        items = _item_collection(location, root)
        return {name: records_of_items(_of_collection(items, name, location)) for name in names}
    return _static(location, names)


def _read(location: str) -> Any:
    """The JSON at a location."""
    path = _catalog_file(location)
    try:
        content: Any = (api_io() if is_url(path) else pystac.StacIO.default()).read_json(path)
    except FileNotFoundError:
        raise CatalogueError(f"{location}: no such catalogue. Give the path of its catalog.json.") from None
    except _UNREADABLE as error:
        raise CatalogueError(
            f"{location}: is not a STAC catalogue ({_short(error)}). Give the path or URL of its catalog.json, "
            "of a STAC API, or of a GeoParquet table of items."
        ) from None
    if not isinstance(content, dict) or content.get("type") not in ("Catalog", "Collection", "FeatureCollection"):
        found = content.get("type") if isinstance(content, dict) else type(content).__name__
        raise CatalogueError(
            f"{location}: is not a STAC catalogue (its type is {found!r}). Give the path of its catalog.json."
        )
    return content


def _static(location: str, names: list[str]) -> dict[str, Records]:
    try:
        root = pystac.read_file(_catalog_file(location))
        held = {c.id: c for c in root.get_all_collections()} if isinstance(root, pystac.Catalog) else {}
    except _UNREADABLE as error:
        raise CatalogueError(f"{location}: a collection of it cannot be read: {_short(error)}") from None
    if isinstance(root, Collection):
        held[root.id] = root
    for name in names:
        if name not in held:
            raise CatalogueError(
                f"{location}: has no collection {name!r}; it has {', '.join(sorted(held)) or 'none'}. "
                "Name them in the spec with sentinel2, sentinel2_b10 and sentinel1."
            )
    return {name: records_of_items(_items(held[name])) for name in names}


def _items(collection: Collection) -> Iterator[Item]:
    items = collection.get_items(recursive=True)
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except _UNREADABLE as error:
            raise CatalogueError(
                f"collection {collection.id}: an item of it cannot be read: {_short(error)}. Correct or remove it."
            ) from None
        yield item


def _item_collection(location: str, content: dict[str, Any]) -> ItemCollection:
    """An item collection, its relative asset paths resolved against where it lies."""
    try:
        items = ItemCollection.from_dict(content)
    except _UNREADABLE as error:
        raise CatalogueError(
            f"{location}: an item of it cannot be read: {_short(error)}. Correct or remove it."
        ) from None
    for item in items:
        item.set_self_href(location if is_url(location) else str(Path(location).resolve()))
        item.make_asset_hrefs_absolute()
    return items


def _of_collection(items: ItemCollection, name: str, location: str) -> Iterator[Item]:
    found = [item for item in items if item.collection_id == name]
    if not found:
        held = sorted({str(item.collection_id) for item in items})
        raise CatalogueError(f"{location}: has no items of collection {name!r}; it has {', '.join(held) or 'none'}.")
    yield from found


def _catalog_file(location: str) -> str:
    if not is_url(location) and Path(location).is_dir():
        return str(Path(location) / "catalog.json")
    return location


def _short(error: Exception) -> str:
    # Errors of HTTP quote the path with its query, which may hold a token.
    text = re.sub(r"\?\S*", "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text}"
