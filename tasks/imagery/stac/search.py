"""A STAC API: what it has and can, and searches with all of their pages."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

import shapely
from pystac_client import ItemSearch
from pystac_client.exceptions import APIError

from tasks.errors import CatalogueError
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.registry import Bounds
from tasks.imagery.stac.cells import Search
from tasks.imagery.stac.items import PROPERTIES
from tasks.imagery.stac.refusals import CatalogueFailed, TooLarge, without_query
from tasks.imagery.stac.transport import ApiIO, Transport

AT_ONCE = 8
"""Searches under way to an API: they are heavy for it, and it is everybody's."""

_PAGES = (1000, 250, 60, 15)
"""Items a page, the fewer the more often it failed: Earth Search has answers of at most 6 MB and says no more than that
it failed (Element84/earth-search#17: 99 items of its Sentinel-2 with all of their assets). Planetary Computer has at
most 1,000."""

_WITH_ASSETS = 1
"""Where in `_PAGES` items with their assets begin."""

_NAMED = 50
"""Items that are asked for by their ids at once: 2 MB of them, and 4,000 characters of ids in an address."""

_AGAIN = 20
"""Searches after which larger pages are tried again: it may have been a bad moment."""

_MOST = 50_000
"""Items of one search, that has some thousand: the server does not heed what it is asked for."""

_PROBED = 10
"""Items that are looked at for what the collection has."""

_TOGETHER = {"POST": 64, "GET": 8}
"""Places of one search, by method: an address has some 8,000 characters at most."""


def is_api(root: dict[str, Any]) -> bool:
    """Whether a landing page is that of an API with item search (STAC API, item-search conformance class)."""
    return any("item-search" in str(uri) for uri in root.get("conformsTo", ()))


class Api:
    """A STAC API. Safe to use from many threads."""

    def __init__(self, location: str, root: dict[str, Any], transport: Transport) -> None:
        """`root` is its landing page. Raises CatalogueError: it says nowhere how it is searched."""
        self.location = location
        self._io = ApiIO(replace(transport, limit=Limit(min(AT_ONCE, transport.limit.at_most))))
        links = [link for link in root.get("links", ()) if link.get("rel") == "search" and link.get("href")]
        if not links:
            raise CatalogueError(f"{location}: its landing page has no link to its search. Correct the address.")
        self._address = urljoin(location, str(links[0]["href"]))
        # An API need not offer POST, by which a long question fits.
        methods = {str(link.get("method", "GET")).upper() for link in links}
        self._method = "POST" if "POST" in methods else "GET"
        self.together = _TOGETHER[self._method]
        self.selects = any("item-search" in str(uri) and str(uri).endswith("fields") for uri in root["conformsTo"])
        self._step, self._since = {True: 0, False: _WITH_ASSETS}, 0

    def close(self) -> None:
        """End connections; later searches open new ones."""
        self._io.session.close()

    def collection(self, name: str) -> dict[str, Any]:
        """A collection. Raises CatalogueError: there is none of that name, tells which are; PlatformUnreachable."""
        collections = f"{self.location.rstrip('/')}/collections"
        try:
            return self._io.read_json(f"{collections}/{name}")
        except CatalogueFailed as error:
            if error.status != 404:
                raise
        except (OSError, ValueError, TypeError) as error:
            raise self._failed(name, error) from None
        listed = self._io.read_json(collections).get("collections", ())
        held = sorted(str(one.get("id")) for one in listed)
        raise CatalogueError(
            f"{self.location}: has no collection {name!r}; it has {', '.join(held[:20]) or 'none'}. "
            "Name them in the spec with sentinel2, sentinel2_b10 and sentinel1."
        )

    def some(self, name: str, bounds: Bounds, window: tuple[int, int]) -> list[dict[str, Any]]:
        """A few items of a collection within bounds and a time, if there are any."""
        asked = {"bbox": bounds, "datetime": _interval(*window), "limit": _PROBED}
        return self._items(name, asked, self._io, "the places of the spec", enough=_PROBED)

    def find(self, name: str, search: Search, traffic: Traffic, *, assets: bool) -> list[dict[str, Any]]:
        """All items of a collection that a search wants, with `assets` or without them, where the API leaves them out.

        Raises CatalogueError: the API fails, or finds more than can be; PlatformUnreachable.
        """
        asked: dict[str, Any] = {
            "intersects": shapely.geometry.mapping(search.area),
            "datetime": _interval(*search.span),
        }
        if not assets:
            # They are most of an item, and one item in thirty is used.
            properties = [f"properties.{key}" for key in PROPERTIES]
            asked["fields"] = {"include": ["type", "id", "collection", "geometry", *properties], "exclude": ["assets"]}
        what = f"{len({cell[:2] for cell in search.cells})} places and {asked['datetime']}"
        lean = not assets
        while True:
            step = self._step[lean]
            io = self._io.counting(traffic, divisible=_PAGES[step:] != _PAGES[-1:])
            try:
                found = self._items(name, {**asked, "limit": _PAGES[step]}, io, what)
            except TooLarge:
                self._step[lean], self._since = max(self._step[lean], step + 1), 0
            else:
                self._since += 1
                if self._since >= _AGAIN:
                    self._step[lean], self._since = max(0 if lean else _WITH_ASSETS, self._step[lean] - 1), 0
                return found

    def named(self, name: str, ids: Sequence[str], assets: Iterable[str], traffic: Traffic) -> list[dict[str, Any]]:
        """Items of a collection by their ids, with some of their assets. Raises as `find`."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), _NAMED):
            some = list(ids[start : start + _NAMED])
            fields = ["type", "id", "collection", "properties.datetime", *(f"assets.{key}" for key in sorted(assets))]
            asked = {"ids": some, "limit": len(some), "fields": {"include": fields}}
            found += self._items(name, asked, self._io.counting(traffic), f"{len(some)} ids")
        return found

    def _items(
        self, name: str, asked: dict[str, Any], io: ApiIO, what: str, *, enough: int | None = None
    ) -> list[dict[str, Any]]:
        search = ItemSearch(self._address, method=self._method, collections=[name], stac_io=io, **asked)
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        try:
            for page in io.get_pages(search.url, search.method, search.get_parameters()):
                items: list[dict[str, Any]] = page["features"]
                known = len(seen)
                seen.update(str(item["id"]) for item in items)
                if items and len(seen) == known:
                    raise CatalogueError(
                        f"{self.location}: its pages of {name} lead in a circle, the same items come again. Give "
                        "`catalog` a GeoParquet table of items, or name another archive."
                    )
                found += items
                if len(found) > _MOST:
                    raise CatalogueError(
                        f"{self.location}: finds more than {_MOST:,} items of {name} for {what}, so it does not heed "
                        "what it is asked for. Give `catalog` a GeoParquet table of items, or name another archive."
                    )
                if enough is not None and len(found) >= enough:
                    break
        except (APIError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._failed(name, error) from None
        return found

    def _failed(self, name: str, error: Exception) -> CatalogueError:
        said = without_query(" ".join(str(error).split())[:300])
        return CatalogueError(f"{self.location}: searching {name} failed ({said}). Run the same command later.")


def _interval(first: int, end: int) -> str:
    return f"{_text(first)}/{_text(end)}"


def _text(instant: int) -> str:
    """Microseconds since 1970 UTC as RFC 3339 has them."""
    return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=instant)).isoformat(timespec="milliseconds") + "Z"
