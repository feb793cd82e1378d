"""Reading catalogues: a static one, an API, an item collection, or a table of footprints."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pystac import Item, ItemCollection

from tasks.errors import CatalogueError
from tasks.imagery.registry import Bounds
from tasks.imagery.stac.item_table import is_table, read_table
from tasks.imagery.stac.items import Records, records_of_items
from tasks.imagery.stac.refusals import UNREADABLE, short, without_query
from tasks.imagery.stac.search import Api, is_api
from tasks.imagery.stac.searched import Searched, searched_collections
from tasks.imagery.stac.static import catalogue_file, read_static
from tasks.imagery.stac.transport import ApiIO, StaticIO, Transport
from tasks.notices import told_if_slow
from tasks.scenes.roles import Rule
from tasks.spec.locations import is_url


def read_collections(
    location: str, names: list[str], rule: Rule, bounds: Bounds, transport: Transport
) -> Mapping[str, Records | Searched]:
    """Some collections of a catalogue.

    `location` is a path or URL: of a catalog.json (or the folder that has one), a STAC API, an item collection
    (GeoJSON), or a GeoParquet table of items. All are read whole but an API, which is asked what its collections hold
    within `bounds` and the rule's window, and searched later.
    Raises CatalogueError: it is none of these, lacks a collection, or an item cannot be read; PlatformUnreachable.
    """
    api_io = ApiIO(transport)
    with told_if_slow(f"{transport.platform}: reading the catalogue {without_query(location)}") as say, api_io.session:
        if is_table(location):
            return read_table(location, names, transport)
        static_io = StaticIO(api_io)
        root = _read(location, static_io)
        if is_api(root):
            return searched_collections(Api(location, root, transport), names, bounds, rule.window)
        if root.get("type") == "FeatureCollection":
            items = _item_collection(location, root)
            return {name: records_of_items(_of_collection(items, name, location)) for name in names}
        return read_static(location, names, static_io, say)


def _read(location: str, static_io: StaticIO) -> Any:
    """The JSON at a location."""
    try:
        content: Any = static_io.read_json(catalogue_file(location))
    except FileNotFoundError:
        raise CatalogueError(f"{location}: no such catalogue. Give the path of its catalog.json.") from None
    except UNREADABLE as error:
        raise CatalogueError(
            f"{location}: is not a STAC catalogue ({short(error)}). Give the path or URL of its catalog.json, "
            "of a STAC API, or of a GeoParquet table of items."
        ) from None
    if not isinstance(content, dict) or content.get("type") not in ("Catalog", "Collection", "FeatureCollection"):
        found = content.get("type") if isinstance(content, dict) else type(content).__name__
        raise CatalogueError(
            f"{location}: is not a STAC catalogue (its type is {found!r}). Give the path of its catalog.json."
        )
    return content


def _item_collection(location: str, content: dict[str, Any]) -> ItemCollection:
    """An item collection, its relative asset paths resolved against where it lies."""
    try:
        items = ItemCollection.from_dict(content)
    except UNREADABLE as error:
        raise CatalogueError(
            f"{location}: an item of it cannot be read: {short(error)}. Correct or remove it."
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
