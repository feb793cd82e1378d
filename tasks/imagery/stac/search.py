"""Items from a STAC API."""

import datetime as dt
from typing import Any

from pystac import Item
from pystac_client import Client
from pystac_client.exceptions import APIError

from tasks.errors import CatalogueError
from tasks.imagery.registry import Bounds
from tasks.imagery.stac.transport import ApiIO
from tasks.notices import Say
from tasks.scenes.roles import Rule

_PAGE = 500
"""Items a page; the largest that Earth Search and Planetary Computer both serve."""

_MOST = 200_000
"""Items of all collections: some 10 kB of memory each, and an hour of pages."""


def is_api(root: dict[str, Any]) -> bool:
    """Whether a landing page is that of an API with item search (STAC API, item-search conformance class)."""
    return any("item-search" in str(uri) for uri in root.get("conformsTo", ()))


def search_api(
    location: str, names: list[str], rule: Rule, bounds: Bounds, api_io: ApiIO, say: Say
) -> dict[str, list[Item]]:
    """Items of some collections that can serve a draw: within `bounds` and the window with its margins.

    Raises CatalogueError: the API fails, has no such collection, or too many items; PlatformUnreachable.
    """
    margin = max(rule.margin(role) for role in rule.roles)
    span = (_time(rule.window[0] - margin), _time(rule.window[1] + margin))
    found: dict[str, list[Item]] = {name: [] for name in names}
    try:
        client = Client.open(location, stac_io=api_io)
        held = sorted(c.id for c in client.get_collections())
        for name in names:
            if name not in held:
                raise CatalogueError(
                    f"{location}: has no collection {name!r}; it has {', '.join(held[:20]) or 'none'}. "
                    "Name them in the spec with sentinel2, sentinel2_b10 and sentinel1."
                )
        # An API need not offer POST, by which a long query fits.
        methods = {str(link.extra_fields.get("method", "GET")).upper() for link in client.get_links("search")}
        method = "POST" if "POST" in methods or not methods else "GET"
        for name in names:
            for item in client.search(
                collections=[name], datetime=span, bbox=bounds, limit=_PAGE, method=method
            ).items():
                found[name].append(item)
                count = sum(map(len, found.values()))
                if count > _MOST:
                    raise CatalogueError(
                        f"{location}: more than {_MOST:,} items lie within the places and the window of the spec, all "
                        "of which are looked up before a build begins. Choose smaller places or a shorter window, or "
                        "give `catalog` a GeoParquet table of items."
                    )
                say(count, None)
    except (APIError, OSError, ValueError) as error:
        raise CatalogueError(
            f"{location}: searching {', '.join(names)} failed ({' '.join(str(error).split())[:300]}). Run the same "
            "command later."
        ) from None
    return found


def _time(microseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
