"""The platform `stac`: a static STAC catalogue of cloud-optimised GeoTIFFs."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray
from pystac import Collection, Item

from tasks.errors import CatalogueError, SceneUnavailable
from tasks.imagery.backscatter import power_to_db
from tasks.imagery.cog import read_onto
from tasks.imagery.items import (
    already_removed,
    band_assets,
    polarization_assets,
    sentinel1_scenes,
    sentinel2_scenes,
)
from tasks.imagery.platform import BANDS, POLARIZATIONS, Tiles, Traffic
from tasks.imagery.reflectance import carries_offset, remove_offset
from tasks.places import PIXEL, Draws, Patch, Patches
from tasks.scenes import Candidates, Resolver, Rule, SceneIndex, ScenePair
from tasks.spec import StacSource


class StacArchive:
    """Scenes of two collections of a catalogue, read once, and their pixels.

    Safe to use from many threads.
    """

    def __init__(self, source: StacSource, catalog: Path, *, rule: Rule, in_flight: int) -> None:
        """Read the catalogue at `catalog`, of which `rule` says how far from a draw scenes matter.

        Raises CatalogueError: it is not a catalogue, lacks a collection, or an item in it cannot be used.
        """
        self.name = source.name
        self.in_flight = in_flight
        self._rule = rule
        self._power = source.backscatter == "power"
        collections = _collections(catalog, [source.sentinel2, source.sentinel1, source.sentinel2_b10])
        self._s2_items = list(_items(collections[source.sentinel2]))
        self._s2 = sentinel2_scenes(self._s2_items)
        self._s1_items, self._s1 = sentinel1_scenes(_items(collections[source.sentinel1]))
        self._twins = self._twins_of(collections[source.sentinel2_b10]) if source.sentinel2_b10 else {}
        self._s2_index, self._s1_index = SceneIndex(self._s2), SceneIndex(self._s1)
        self._resolver = Resolver(self._s2, self._s1)
        held = {band for item in self._s2_items for band in band_assets(item)}
        self.bands = tuple(band for band in BANDS if band in held or (band == "B10" and self._twins))

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near the patches in space and time."""
        lon, lat = draws.patches.centres()
        s2_draw, s2_scene = self._s2_index.near(lon, lat, draws.preferred, self._rule.search)
        s1_draw, s1_scene = self._s1_index.near(lon, lat, draws.preferred, self._rule.search + self._rule.max_gap)
        return Candidates(
            sentinel2=self._s2,
            s2_draw=s2_draw,
            s2_scene=s2_scene,
            sentinel1=self._s1,
            s1_draw=s1_draw,
            s1_scene=s1_scene,
        )

    def resolve(self, pairs: list[ScenePair], patches: Patches, traffic: Traffic) -> list[ScenePair | str]:
        """The same acquisitions in this catalogue."""
        outlines = patches.outlines(inset=PIXEL / 2)
        return [self._resolver.resolve(pair, outline) for pair, outline in zip(pairs, outlines, strict=True)]

    def fetch(self, patch: Patch, pair: ScenePair, traffic: Traffic) -> Tiles:
        """Read both scenes' windows. Raises SceneUnavailable, PixelsError."""
        item = self._s2_items[pair.s2_scene]
        s2 = np.zeros((len(BANDS), *patch.shape), np.uint16)
        absent: list[str] = []
        sources = [(item, band_assets(item))]
        if twin := self._twins.get(int(pair.s2.acquisition[pair.s2_scene])):
            sources.append((twin, band_assets(twin)))
        for index, band in enumerate(BANDS):
            owner, asset = next(((owner, assets[band]) for owner, assets in sources if band in assets), (None, None))
            if owner is None or asset is None:
                if band in self.bands:
                    absent.append(band)
                continue
            s2[index] = self._reflectance(owner, asset, patch, traffic)
        radar = self._s1_items[pair.s1_scene]
        assets = polarization_assets(radar)
        s1 = np.stack([self._read(radar, assets[p], patch, traffic, np.nan, np.float32) for p in POLARIZATIONS])
        # Outside a swath archives write NaN or, where they keep power, 0; in dB, 0 has become minus infinity.
        s1 = power_to_db(s1) if self._power else np.where(np.isfinite(s1), s1, np.float32(np.nan))
        return Tiles(s2=s2, s1=s1, absent=tuple(absent))

    def _reflectance(self, item: Item, asset: Any, patch: Patch, traffic: Traffic) -> NDArray[np.uint16]:
        scene = sentinel2_scenes([item])
        offset = carries_offset(
            baseline=str(scene.baseline[0]),
            already_removed=already_removed(item),
            acquired=dt.datetime.fromtimestamp(int(scene.time[0]) / 1e6, tz=dt.UTC),
        )
        if offset is None:
            raise SceneUnavailable(f"{item.id}: nothing tells whether its pixels carry the +1000 offset")
        values = self._read(item, asset, patch, traffic, 0, np.uint16)
        return remove_offset(values) if offset else values

    def _read(self, item: Item, asset: Any, patch: Patch, traffic: Traffic, fill: float, dtype: Any) -> NDArray[Any]:
        href = asset.get_absolute_href() or asset.href
        try:
            values = read_onto(href, patch, fill=fill, dtype=dtype)
        except FileNotFoundError:
            raise SceneUnavailable(f"{item.id}: the archive has no file {href}") from None
        traffic.add(requests=1, bytes=values.nbytes)
        return values

    def _twins_of(self, collection: Collection) -> dict[int, Item]:
        """The newest L1C item of each acquisition that the Sentinel-2 collection has, by acquisition number."""
        items = list(_items(collection))
        scenes = sentinel2_scenes(items)
        numbers = {
            (d, t): int(n) for d, t, n in zip(self._s2.datatake, self._s2.tile, self._s2.acquisition, strict=True)
        }
        twins: dict[int, Item] = {}
        for index in np.argsort(scenes.newness):
            number = numbers.get((scenes.datatake[index], scenes.tile[index]))
            if number is not None:
                twins[number] = items[index]
        return twins


def _collections(path: Path, names: list[str | None]) -> dict[str | None, Collection]:
    """Find collections by id.

    Raises CatalogueError: no catalogue, or a collection that it does not have.
    """
    path = path / "catalog.json" if path.is_dir() else path
    try:
        root = pystac.read_file(str(path))
    except FileNotFoundError:
        raise CatalogueError(f"{path}: no such catalogue. Give the path of its catalog.json.") from None
    except (OSError, pystac.STACError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CatalogueError(
            f"{path}: is not a STAC catalogue ({_short(error)}). Give the path of its catalog.json."
        ) from None
    if not isinstance(root, pystac.Catalog):
        raise CatalogueError(f"{path}: is a STAC {type(root).__name__}, expected a catalogue or collection.")
    try:
        held = {c.id: c for c in root.get_all_collections()}
    except (OSError, pystac.STACError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CatalogueError(f"{path}: a collection of it cannot be read: {_short(error)}") from None
    if isinstance(root, Collection):
        held[root.id] = root
    for name in names:
        if name is not None and name not in held:
            raise CatalogueError(
                f"{path}: has no collection {name!r}; it has {', '.join(sorted(held)) or 'none'}. "
                "Name them in the spec with sentinel2, sentinel2_b10 and sentinel1."
            )
    return {name: held[name] for name in names if name is not None}


def _items(collection: Collection) -> Iterator[Item]:
    items = collection.get_items(recursive=True)
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except (
            OSError,
            pystac.STACError,
            json.JSONDecodeError,
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
        ) as error:
            raise CatalogueError(
                f"collection {collection.id}: an item of it cannot be read: {_short(error)}. Correct or remove it."
            ) from None
        yield item


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
