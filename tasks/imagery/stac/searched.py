"""Collections of an API: searched as places and times are asked for, each of them once."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import numpy as np
import shapely

from tasks.errors import CatalogueError
from tasks.imagery.bands import POLARIZATIONS
from tasks.imagery.platform import Traffic
from tasks.imagery.registry import Bounds
from tasks.imagery.stac.assets import EPSG_KEYS, band_of, is_read
from tasks.imagery.stac.cells import Asked, Cell, Search, searches
from tasks.imagery.stac.cogs.kept import Dropped, Kept
from tasks.imagery.stac.items import Entry, Records, geometry_of, records_of_entries, start_of
from tasks.imagery.stac.scenes import starts_of
from tasks.imagery.stac.search import AT_ONCE, Api
from tasks.imagery.threads import Threads
from tasks.notices import told_if_slow
from tasks.scenes.footprints import unwrap

_KEPT = 50_000
"""Items and cells of a collection that are kept: some 100 MB."""

_KEPT_ASSETS = 10_000
"""Items whose assets are kept: some 10 MB."""


class Searched:
    """The items of one collection, as far as they were asked for. Safe to use from many threads."""

    def __init__(self, api: Api, name: str, asset_keys: frozenset[str], threads: Threads, *, lean: bool) -> None:
        """`asset_keys` are those that its items have; `lean`: they are asked for of scenes that are used."""
        self._api, self._name, self.asset_keys, self._threads = api, name, asset_keys, threads
        self._lean = lean
        self._kept: Kept[tuple[Entry, ...]] = Kept(_KEPT)
        self._assets: Kept[bytes] = Kept(_KEPT_ASSETS)

    def over(self, asked: Asked, traffic: Traffic) -> Records:
        """All items over places in their times, and others near them, in few searches.

        What has been searched before, for whichever shard, is not searched again, nor is what another thread searches
        just now. Raises CatalogueError, PlatformUnreachable.
        """
        found: dict[str, Entry] = {}
        left: Iterable[Any] = asked.cells()
        while left:
            held, mine = self._kept.claim(left)
            try:
                self._search(mine, traffic)
            finally:
                self._kept.drop_undone(mine)
            left = []
            for cell, future in held.items():
                try:
                    found |= {entry.row["id"]: entry for entry in future.result()}
                except Dropped:
                    left.append(cell)
        entries = [found[name] for name in sorted(found)]
        return records_of_entries(entries, self.asset_keys, lambda name: self._assets_of([name], Traffic())[name])

    def expect(self, ids: Iterable[str], traffic: Traffic) -> None:
        """Ask for the assets of items that are going to be used, in few requests. Raises as `over`."""
        if self._lean:
            self._assets_of(sorted(set(ids)), traffic)

    def _assets_of(self, ids: Sequence[str], traffic: Traffic) -> dict[str, bytes]:
        """The assets of items, each asked for once."""
        held, mine = self._assets.claim(ids)
        asked: list[str] = [str(name) for name in mine]
        try:
            for item in self._api.named(self._name, asked, self.asset_keys, traffic) if asked else ():
                packed = Entry.of(item, None, self._address_of(item), lean=True).assets
                if packed is not None and not mine[str(item["id"])].done():
                    self._assets.give(str(item["id"]), packed, 1)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unreadable(error) from None
        finally:
            self._assets.drop_undone(mine)
        found: dict[str, bytes] = {}
        for name, future in held.items():
            try:
                found[str(name)] = future.result()
            except Dropped:
                if name in mine:
                    raise CatalogueError(
                        f"{self._api.location}: {name} of {self._name} is found by its place, but not by its id, or "
                        "without files. Run the same command later; if it stays so, name another archive."
                    ) from None
                found |= self._assets_of([str(name)], traffic)
        return found

    def close(self) -> None:
        """End threads and connections; later searches start new ones."""
        self._threads.close()
        self._api.close()

    def _search(self, cells: Mapping[Any, Any], traffic: Traffic) -> None:
        """Search cells, several searches at once, and keep what they hold."""
        planned = list(searches(cells, together=self._api.together))
        pending: set[Future[None]] = {self._threads.submit(0, self._keep, search, traffic) for search in planned}
        try:
            with told_if_slow(f"{self._api.location}: searching {self._name}") as say:
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    say(len(planned) - len(pending), len(planned))
        finally:
            # After an error nobody wants the rest; what runs already is waited for.
            wait([future for future in pending if not future.cancel()])

    def _keep(self, search: Search, traffic: Traffic) -> None:
        for cell, entries in self._found(search, traffic).items():
            # An empty cell is known to be empty, which has its weight too.
            self._kept.give(cell, entries, 1 + len(entries))

    def _found(self, search: Search, traffic: Traffic) -> dict[Cell, tuple[Entry, ...]]:
        items = self._api.find(self._name, search, traffic, assets=not self._lean)
        try:
            footprints = np.empty(len(items), dtype=object)
            footprints[:] = [geometry_of(str(item["id"]), item.get("geometry")) for item in items]
            footprints = unwrap(footprints)
            times = starts_of([start_of(item["properties"]) for item in items])
            within = search.sorted_in(shapely.bounds(footprints).reshape(-1, 4), times)
            wanted = {int(at) for positions in within.values() for at in positions}
            entries = {
                at: Entry.of(items[at], footprints[at], self._address_of(items[at]), lean=self._lean) for at in wanted
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unreadable(error) from None
        return {cell: tuple(entries[int(at)] for at in positions) for cell, positions in within.items()}

    def _unreadable(self, error: Exception) -> CatalogueError:
        return CatalogueError(
            f"{self._api.location}: an item of {self._name} cannot be read ({type(error).__name__}: {error}). Name "
            "another archive, or give `catalog` a GeoParquet table of items."
        )

    def _address_of(self, item: Any) -> str:
        return f"{self._api.location.rstrip('/')}/collections/{self._name}/items/{item['id']}"


def searched_collections(api: Api, names: list[str], bounds: Bounds, window: tuple[int, int]) -> Mapping[str, Searched]:
    """Some collections of an API. A few items within bounds and a time tell what they have, or the collection does.

    Raises CatalogueError: it has no such collection, or fails; PlatformUnreachable.
    """
    threads = Threads(AT_ONCE, "search")
    found: dict[str, Searched] = {}
    for name in names:
        told = api.collection(name)
        items = api.some(name, bounds, window)
        keys = {str(key) for item in items for key in item.get("assets", {})} or {*(told.get("item_assets") or {})}
        held = {key for key in keys if is_read(key)}
        both = {spelled for name in POLARIZATIONS for spelled in (name, name.lower())}
        found[name] = Searched(
            api,
            name,
            frozenset(held if any(map(band_of, held)) else held | both),
            threads,
            lean=api.selects and bool(items) and all(map(_tells_without_assets, items)),
        )
    return found


def _tells_without_assets(item: Mapping[str, Any]) -> bool:
    """Whether the properties of an item tell all that some archives tell with its assets only."""
    properties = item.get("properties", {})
    if any(map(band_of, item.get("assets", {}))):
        return any(properties.get(key) for key in EPSG_KEYS)
    return bool(properties.get("sar:polarizations") and item.get("assets"))
