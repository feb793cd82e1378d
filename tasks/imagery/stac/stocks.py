"""The collections of an archive: which one each role takes its scenes and files from."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.errors import CatalogueError, SceneUnavailable, SpecError
from tasks.imagery.bands import BANDS
from tasks.imagery.platform import Traffic
from tasks.imagery.registry import Bounds
from tasks.imagery.stac.assets import classes_key, keys_by_band
from tasks.imagery.stac.catalogue import read_collections
from tasks.imagery.stac.cells import Asked
from tasks.imagery.stac.channels import Channel, band_channels, mask_channel, optical_of, radar_channels
from tasks.imagery.stac.declared import band_keys
from tasks.imagery.stac.items import Records
from tasks.imagery.stac.scenes import OpticalScenes, sentinel1_scenes, sentinel2_scenes
from tasks.imagery.stac.searched import Searched
from tasks.imagery.stac.shelves import Shelf, Shelves
from tasks.imagery.stac.transport import Transport
from tasks.imagery.stac.twins import Twins
from tasks.places.patches import Patch
from tasks.scenes.looks import role_of
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import Rule, sensor_of
from tasks.scenes.scenes import Acquisition
from tasks.spec import StacSource
from tasks.spec.locations import is_url, local_path

Stock = Literal["l2a", "l1c", "sentinel1"]
"""What one collection holds."""


class Stocks:
    """The collections that the roles of a rule need, read once or searched as they are asked for. Safe to use from many
    threads."""

    def __init__(self, name: str, source: StacSource, rule: Rule, bounds: Bounds, transport: Transport) -> None:
        """Read the catalogues; an API is only asked what it has within `bounds` and the window of `rule`.

        `name` is the platform's. Raises SpecError: a role of Level 1C, and no collection of it is named;
        CatalogueError: it is not a catalogue, or lacks what the roles need; PlatformUnreachable.
        """
        self._name, self._rule, self._source = name, rule, source
        self._stock: dict[str, Stock] = {
            name: role.level if sensor_of(name) == "sentinel2" else "sentinel1" for name, role in rule.roles.items()
        }
        masked = [name for name, role in rule.roles.items() if role.mask]
        wanted = self._wanted(masked)
        # Two catalogues may well call their collections the same.
        held: dict[tuple[str, str], Records | Searched] = {}
        for catalog in dict.fromkeys((source.catalog, source.radar_catalog)):
            names = [name for stock, name in wanted.items() if self._catalog(stock) == catalog]
            if names:
                found = read_collections(catalog, list(dict.fromkeys(names)), rule, bounds, transport)
                held |= {(catalog, name): collection for name, collection in found.items()}
        self._shelves: dict[Stock, Shelves[Any]] = {}
        for stock, collection in wanted.items():
            make = sentinel1_scenes if stock == "sentinel1" else sentinel2_scenes
            self._shelves[stock] = Shelves(held[self._catalog(stock), collection], make)
        _refuse_ungrouped(source, rule, {role: self._shelves[stock] for role, stock in self._stock.items()})
        l2a, l1c = self._shelves.get("l2a"), self._shelves.get("l1c")
        self._b10 = Twins(l2a, l1c) if l2a and l1c and "l2a" in self._stock.values() else None
        self._classes = Twins(l1c, l2a) if l2a and l1c and any(self._stock[role] == "l1c" for role in masked) else None
        if masked and l2a and keys_by_band(l2a.asset_keys) and not classes_key(l2a.asset_keys):
            raise CatalogueError(
                f"{name}: collection {source.sentinel2} lists no scene classification (an asset SCL), which "
                f"`mask: cloud` of role {masked[0]} is made from. Leave the mask out, or name another archive."
            )
        self.bands = self._bands()
        """That a role of Sentinel-2 can have."""
        self.are_remote = (
            is_url(source.catalog)
            or is_url(source.radar_catalog)
            or any(_is_remote(shelves.whole) for shelves in self._shelves.values())
        )
        """Whether catalogue or files lie on servers."""

    @property
    def root(self) -> Shelf[Any] | None:
        """All scenes of the root role; None of an API, which gives only what it is asked for."""
        return self._shelves[self._stock[self._rule.root]].whole

    def over(self, asked: Mapping[str, Asked], traffic: Traffic) -> dict[str, Shelf[Any]]:
        """The scenes for what is asked of each role, a collection asked once for all of its roles.

        Raises CatalogueError, PlatformUnreachable: of an API.
        """
        by_stock: dict[Stock, list[Asked]] = defaultdict(list)
        for role, one in asked.items():
            by_stock[self._stock[role]].append(one)
        found = {stock: self._shelves[stock].over(Asked.all_of(parts), traffic) for stock, parts in by_stock.items()}
        return {role: found[self._stock[role]] for role in asked}

    def expect(
        self,
        role: str,
        shelf: Shelf[Any],
        scene: NDArray[np.int64],
        at: tuple[NDArray[np.float64], NDArray[np.float64]],
        traffic: Traffic,
    ) -> None:
        """Have at hand what is needed to read the scenes of a role over n places, by position; -1: none."""
        shelf.expect(scene, traffic)
        stock = self._stock[role]
        if stock == "l2a" and self._b10:
            self._b10.expect(shelf.scenes, scene, *at, traffic)
        if stock == "l1c" and self._classes and self._rule.roles[role].mask:
            self._classes.expect(shelf.scenes, scene, *at, traffic)

    def channels(self, look: str, patch: Patch, acquisition: Acquisition, traffic: Traffic) -> list[Channel]:
        """The files of a look, and of its mask. Raises CatalogueError: none are listed; SceneUnavailable: some are."""
        role = role_of(look)
        if self._stock[role] == "sentinel1":
            return radar_channels(look, acquisition)
        name, scenes, scene = acquisition.id, optical_of(acquisition), acquisition.scene
        files = band_channels(look, name, scenes, scene)
        if self._stock[role] == "l1c":
            lacking = {*self.bands} - {one.channel for one in files}
            if files and lacking:
                said = f"{name}: the catalogue lists no file of {' '.join(sorted(lacking))}, which level l1c needs"
                raise SceneUnavailable(Reason.NO_FILE, name, said)
        if not files:
            said = "the catalogue lists no files of its bands"
            if self.bands:  # other scenes have some
                raise SceneUnavailable(Reason.NO_FILE, name, said)
            raise CatalogueError(f"{name}: {said}, so only `plan` can use it.")
        if self._stock[role] != "l1c" and self._b10 and (twin := self._b10.find(patch, scenes, scene, traffic)):
            # The other bands of it are of the top of the atmosphere.
            files += band_channels(look, name, *twin, bands=[*({"B10"} - {one.channel for one in files})])
        if self._rule.roles[role].mask:
            files.append(self._mask(look, patch, acquisition, scenes, traffic))
        return files

    def close(self) -> None:
        """End connections to APIs; what was found is kept."""
        for shelves in self._shelves.values():
            shelves.close()

    def _wanted(self, masked: list[str]) -> dict[Stock, str]:
        """The collections that the roles need. Raises SpecError: one of Level 1C, and none is named."""
        source, stocks = self._source, {*self._stock.values()}
        if "l1c" in stocks and source.sentinel2_b10 is None:
            role = next(role for role, stock in self._stock.items() if stock == "l1c")
            raise SpecError(
                f"platforms: {self._name}: role {role} is of level l1c, but the archive names no collection of Level "
                "1C. Write one as sentinel2_b10, such as sentinel-2-l1c, or leave level out for surface reflectance."
            )
        found: dict[Stock, str] = {}
        if "l2a" in stocks or masked:
            found["l2a"] = source.sentinel2
        if source.sentinel2_b10 is not None and stocks & {"l2a", "l1c"}:
            found["l1c"] = source.sentinel2_b10
        if "sentinel1" in stocks:
            found["sentinel1"] = source.sentinel1
        return found

    def _catalog(self, stock: Stock) -> str:
        return self._source.radar_catalog if stock == "sentinel1" else self._source.catalog

    def _bands(self) -> tuple[str, ...]:
        """The bands that a role of Sentinel-2 can have."""
        found: set[str] = set()
        for stock in set(self._stock.values()):
            if stock != "sentinel1":
                found |= _bands_of(self._shelves[stock])
        if self._b10 and not self._b10.none:
            found |= _bands_of(self._shelves["l1c"]) & {"B10"}
        return tuple(band for band in BANDS if band in found)

    def _mask(
        self, look: str, patch: Patch, acquisition: Acquisition, scenes: OpticalScenes, traffic: Traffic
    ) -> Channel:
        """The scene classification of a scene, or of its Level-2A twin. Raises SceneUnavailable: there is none."""
        own = (scenes, acquisition.scene)
        if self._stock[role_of(look)] == "l1c":
            found = self._classes.find(patch, *own, traffic) if self._classes else None
            if found is None:
                said = f"{acquisition.id}: has no Level-2A twin, whose scene classification `mask: cloud` needs"
                raise SceneUnavailable(Reason.NO_FILE, acquisition.id, said)
            own = found
        return mask_channel(look, acquisition.id, *own)


def _refuse_ungrouped(source: StacSource, rule: Rule, shelves: Mapping[str, Shelves[Any]]) -> None:
    """Raises CatalogueError: roles or dates are given, and a collection that is known says nothing of groups."""
    asked = {role for name, one in rule.roles.items() if one.given for role in (name, str(one.near))}
    for role in sorted(asked | ({rule.root} if rule.given else set())):
        shelf = shelves[role].whole
        if shelf is not None and len(shelf.scenes) and shelf.scenes.given is None:
            raise CatalogueError(
                f"{source.catalog}: the items for role {role} have no property deepsentinel:group or "
                "deepsentinel:date, by which what is `given` is found. Name a catalogue that has them, or roles by "
                "time."
            )


def _bands_of(shelves: Shelves[Any]) -> set[str]:
    """The bands of a collection; of files of several bands, those that the first item names."""
    named, whole = keys_by_band(shelves.asset_keys), shelves.whole
    return {*(named or (band_keys(whole.scenes.assets(0)) if whole and len(whole.scenes) else ()))}


def _is_remote(shelf: Shelf[Any] | None) -> bool:
    """Whether the files of a catalogue lie on servers, going by its first item."""
    return (
        shelf is not None
        and bool(len(shelf.scenes))
        and any(local_path(said.href) is None for said in shelf.scenes.assets(0).values())
    )
