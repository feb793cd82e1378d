"""The platform itself: its catalogue, its pixels, and whether it can be used."""

import datetime as dt
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import reduce
from operator import or_
from threading import Lock
from typing import Any

import numpy as np
from earthdaily.earthone.catalog import Band, Image
from earthdaily.earthone.catalog import properties as p

from tasks.errors import CatalogueError, SceneUnavailable
from tasks.imagery.backscatter import power_to_db
from tasks.imagery.descarteslabs.catalogue import Search, searches, text
from tasks.imagery.descarteslabs.login import Gate, Login, open_catalog, open_raster
from tasks.imagery.descarteslabs.pixels import Rendering, render, rendering_of
from tasks.imagery.descarteslabs.scenes import adopt_datatakes, sentinel1_scenes, sentinel2_scenes
from tasks.imagery.platform import BANDS, POLARIZATIONS, Tiles, Traffic
from tasks.imagery.reflectance import carries_offset, remove_offset
from tasks.imagery.retries import Limit
from tasks.places import PIXEL, Draws, Patch, Patches
from tasks.scenes import Candidates, Resolver, Rule, SceneIndex, ScenePair
from tasks.settings import Settings

_ABSENT = "-"

_TOLERANCE = 3_600_000_000
"""Microseconds by which two catalogues may differ over when a scene begins: at its datatake, or at its own first line.
A datatake lasts up to 50 minutes; what is found is compared by name afterwards."""


class DescartesLabs:
    """Scenes and pixels of one account. Safe to use from many threads; long-lived ones keep their connections."""

    name = "descarteslabs"

    def __init__(self, settings: Settings, rule: Rule) -> None:
        """Asks nothing of the platform yet."""
        self._settings, self._rule = settings, rule
        self.in_flight = settings.descarteslabs_requests
        self._gate = Gate(Limit(self.in_flight), settings.descarteslabs_deadline)
        self._login = Login(settings, self._gate)
        self._catalog = open_catalog(settings, self._login, self._gate)
        self._raster = open_raster(settings, self._login)
        self._searchers = ThreadPoolExecutor(self.in_flight, thread_name_prefix="descarteslabs")
        names = dict(zip(BANDS, settings.descarteslabs_sentinel2_bands, strict=True))
        self._bands = {band: name for band, name in names.items() if name != _ABSENT}
        self.bands = tuple(self._bands)
        self._opening = Lock()
        self._renderings: tuple[Rendering, Rendering] | None = None

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near each draw that the pairing rule could choose: two searches for some 16 draws.

        Raises CatalogueError, CredentialsError, PixelsError.
        """
        outlines, rule = draws.patches.outlines(), self._rule
        first = np.maximum(draws.preferred - rule.search, rule.window[0])
        end = np.minimum(draws.preferred + rule.search + 1, rule.window[1])
        together = self._settings.descarteslabs_search_patches
        s2_images, s1_images = self._found(
            list(searches(outlines, first, end, together=together)),
            list(searches(outlines, first - rule.reach, end + rule.reach, together=together)),
            traffic,
        )
        s2, s1 = sentinel2_scenes(s2_images), sentinel1_scenes(s1_images)
        lon, lat = draws.patches.centres()
        s2_draw, s2_scene = SceneIndex(s2).near(lon, lat, draws.preferred, rule.search)
        s1_draw, s1_scene = SceneIndex(s1).near(lon, lat, draws.preferred, rule.search + rule.reach)
        return Candidates(
            sentinel2=s2, s2_draw=s2_draw, s2_scene=s2_scene, sentinel1=s1, s1_draw=s1_draw, s1_scene=s1_scene
        )

    def resolve(self, pairs: list[ScenePair], patches: Patches, traffic: Traffic) -> list[ScenePair | str]:
        """The same acquisitions in this catalogue: two searches for some 16 pairs.

        Raises CatalogueError, CredentialsError, PixelsError.
        """
        if not pairs:
            return []
        outlines, together = patches.outlines(), self._settings.descarteslabs_search_patches
        s2_time = np.array([pair.s2.time[pair.s2_scene] for pair in pairs], np.int64)
        s1_time = np.array([pair.s1.time[pair.s1_scene] for pair in pairs], np.int64)
        s2_images, s1_images = self._found(
            list(searches(outlines, s2_time - _TOLERANCE, s2_time + _TOLERANCE, together=together)),
            list(searches(outlines, s1_time - _TOLERANCE, s1_time + _TOLERANCE, together=together)),
            traffic,
        )
        s2 = adopt_datatakes(sentinel2_scenes(s2_images), pairs)
        resolver = Resolver(s2, sentinel1_scenes(s1_images))
        inner = patches.vertices(inset=PIXEL / 2)
        return [resolver.resolve(pair, outline) for pair, outline in zip(pairs, inner, strict=True)]

    def fetch(self, patch: Patch, pair: ScenePair, traffic: Traffic) -> Tiles:
        """Render both scenes: two requests. Raises SceneUnavailable, PixelsError, CredentialsError, CatalogueError."""
        with self._gate.counting(traffic):
            of_s2, of_s1 = self._asked()
            values, masked = render(self._raster, self._gate, of_s2, patch, pair.s2_id)
            # Where the platform says that a pixel is valid, 0 is a dark pixel and not the lack of one.
            values = np.where(masked, np.uint16(0), np.maximum(values, np.uint16(1)))
            if self._carries_offset(pair):
                values = remove_offset(values)
            s2 = np.zeros((len(BANDS), *patch.shape), np.uint16)
            s2[[BANDS.index(band) for band in self._bands]] = values
            s1, masked = render(self._raster, self._gate, of_s1, patch, pair.s1_id)
            s1 = np.where(masked | ~np.isfinite(s1), np.float32(np.nan), s1)
            if self._settings.descarteslabs_backscatter == "power":
                s1 = power_to_db(s1)
            return Tiles(s2=s2, s1=s1)

    def check(self) -> str:
        """Log in and ask for the bands of both products; says what was found.

        Raises CredentialsError, CatalogueError, PixelsError, SettingsError: each with what to do.
        """
        with self._gate.counting(Traffic()):
            self._asked(again=True)
        s2, s1 = self._settings.descarteslabs_sentinel2, self._settings.descarteslabs_sentinel1
        return (
            f"logged in; {s2} with {len(self.bands)} of {len(BANDS)} bands, {s1} with {' and '.join(POLARIZATIONS)}; "
            f"at most {self.in_flight} requests in flight"
        )

    def _asked(self, *, again: bool = False) -> tuple[Rendering, Rendering]:
        """What to ask of both products; their bands are fetched once, by the thread that comes first."""
        with self._opening:
            if self._renderings is None or again:
                settings, prefix = self._settings, "DEEPSENTINEL_DESCARTESLABS_SENTINEL"
                self._renderings = (
                    rendering_of(
                        self._held(settings.descarteslabs_sentinel2, f"{prefix}2"),
                        tuple(self._bands.values()),
                        level=settings.descarteslabs_processing_level,
                        data_type="UInt16",
                        times=10_000,
                        setting=f"{prefix}2_BANDS",
                    ),
                    rendering_of(
                        self._held(settings.descarteslabs_sentinel1, f"{prefix}1"),
                        settings.descarteslabs_sentinel1_bands,
                        level=None,
                        data_type="Float32",
                        times=1,
                        setting=f"{prefix}1_BANDS",
                    ),
                )
            return self._renderings

    def _held(self, product: str, setting: str) -> dict[str, Any]:
        found: list[Any] = list(Band.search(client=self._catalog).filter(p.product_id == product))
        held = {band.name: band for band in found}
        if not held:
            raise CatalogueError(
                f"descarteslabs: there is no product {product!r}, or this account may not see it. Set {setting} to the "
                "id of one that it may; product ids differ between accounts."
            )
        return held

    def _found(self, of_s2: list[Search], of_s1: list[Search], traffic: Traffic) -> tuple[Iterator[Any], Iterator[Any]]:
        """Images of both products, over as many connections as there may be requests in flight."""
        with self._gate.counting(traffic):
            # An unknown product has no scenes, which would look like a platform without any: better said at once.
            self._asked()
        settings = self._settings
        s2 = [self._searchers.submit(self._search, settings.descarteslabs_sentinel2, one, traffic) for one in of_s2]
        s1 = [self._searchers.submit(self._search, settings.descarteslabs_sentinel1, one, traffic) for one in of_s1]
        try:
            return _flat(s2), _flat(s1)
        finally:
            # After an error nobody wants the rest; what runs already is waited for.
            for future in (*s2, *s1):
                future.cancel()
            wait((*s2, *s1))

    def _search(self, product: str, search: Search, traffic: Traffic) -> list[Any]:
        spans = [(p.acquired >= text(first)) & (p.acquired < text(end)) for first, end in search.spans]
        with self._gate.counting(traffic):
            asked = Image.search(client=self._catalog).filter(p.product_id == product)
            return list(asked.filter(reduce(or_, spans)).intersects(search.area))

    def _carries_offset(self, pair: ScenePair) -> bool:
        if self._settings.descarteslabs_offset == "removed":
            return False
        s2, scene = pair.s2, pair.s2_scene
        acquired = dt.datetime.fromtimestamp(int(s2.time[scene]) / 1e6, tz=dt.UTC)
        offset = carries_offset(baseline=str(s2.baseline[scene]), already_removed=None, acquired=acquired)
        if offset is None:
            raise SceneUnavailable(f"{pair.s2_id}: nothing tells whether its pixels carry the +1000 offset")
        return offset


def _flat(futures: Iterable[Future[list[Any]]]) -> Iterator[Any]:
    return iter([image for future in futures for image in future.result()])
