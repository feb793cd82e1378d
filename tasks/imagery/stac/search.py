"""Items from a STAC API."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from pystac import Item
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from tasks.errors import CatalogueError
from tasks.scenes import Rule

_PAGE = 500
"""Items a page; the largest that Earth Search and Planetary Computer both serve."""

_RETRIES = Retry(
    total=5,
    backoff_factor=0.5,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=None,  # POST too: a search changes nothing
)


def api_io() -> StacApiIO:
    """Reads from an API, again after failures that pass."""
    return StacApiIO(max_retries=_RETRIES, timeout=60)


def is_api(root: dict[str, Any]) -> bool:
    """Whether a landing page is that of an API with item search (STAC API, item-search conformance class)."""
    return any("item-search" in str(uri) for uri in root.get("conformsTo", ()))


def search_api(location: str, collection: str, rule: Rule, bounds: tuple[float, float, float, float]) -> Iterator[Item]:
    """Items of a collection that can serve a draw: within `bounds` (degrees) and the window with its gap.

    Raises CatalogueError: the API fails, or has no such collection.
    """
    first, end = rule.window[0] - rule.reach, rule.window[1] + rule.reach
    try:
        client = Client.open(location, stac_io=api_io())
        held = {c.id for c in client.get_collections()}
        if collection not in held:
            raise CatalogueError(
                f"{location}: has no collection {collection!r}; it has {', '.join(sorted(held)[:20])}. "
                "Name them in the spec with sentinel2, sentinel2_b10 and sentinel1."
            )
        search = client.search(collections=[collection], datetime=[_time(first), _time(end)], bbox=bounds, limit=_PAGE)
        yield from search.items()
    except (APIError, OSError, ValueError) as error:
        raise CatalogueError(
            f"{location}: searching {collection!r} failed ({' '.join(str(error).split())[:300]}). Run the same command "
            "later."
        ) from None


def _time(microseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
