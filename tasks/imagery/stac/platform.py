"""The platform `stac`: any STAC catalogue of cloud-optimised GeoTIFFs."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError, CredentialsError, SceneUnavailable
from tasks.imagery.backscatter import power_to_db
from tasks.imagery.platform import BANDS, POLARIZATIONS, Tiles, Traffic
from tasks.imagery.reflectance import carries_offset, remove_offset
from tasks.imagery.retries import Limit, Verdict, request
from tasks.imagery.stac.assets import keys_by_band, keys_by_polarization
from tasks.imagery.stac.catalogue import Bounds, read_collections
from tasks.imagery.stac.items import Records
from tasks.imagery.stac.pixels import TooManyRequests, read_onto
from tasks.imagery.stac.scenes import offset_removed, sentinel1_scenes, sentinel2_scenes
from tasks.places import PIXEL, Draws, Patch, Patches
from tasks.scenes import Candidates, Resolver, Rule, SceneIndex, ScenePair, Sentinel2Scenes
from tasks.spec import StacSource

_ROUNDING = 0.01
"""Share of a scene that its twin may leave uncovered."""


@dataclass(frozen=True, kw_only=True)
class _Optical:
    """The Sentinel-2 scenes of one collection and where their files are."""

    hrefs: Callable[[int], dict[str, str]]
    asset_keys: frozenset[str]
    scenes: Sentinel2Scenes
    offset_removed: NDArray[np.object_]

    @classmethod
    def of(cls, records: Records) -> "_Optical":
        return cls(
            hrefs=records.hrefs,
            asset_keys=records.asset_keys,
            scenes=sentinel2_scenes(records),
            offset_removed=offset_removed(records),
        )

    def carries_offset(self, index: int) -> bool | None:
        """Whether a scene's pixels are 1000 too high; None where nothing tells."""
        return carries_offset(
            baseline=str(self.scenes.baseline[index]),
            already_removed=self.offset_removed[index],
            acquired=dt.datetime.fromtimestamp(int(self.scenes.time[index]) / 1e6, tz=dt.UTC),
        )


class StacArchive:
    """Scenes of two collections of a catalogue, read once, and their pixels.

    Safe to use from many threads.
    """

    def __init__(
        self, source: StacSource, catalog: str, *, rule: Rule, bounds: Bounds, in_flight: int, patience: float = 300
    ) -> None:
        """Read the catalogue at `catalog`, as far as places within `bounds` and `rule` need it.

        `patience` is for how many seconds a failing read is tried again.

        Raises CatalogueError: it is not a catalogue, lacks a collection, or an item in it cannot be used.
        """
        self.name = source.name
        self.in_flight = in_flight
        self._limit, self._patience = Limit(in_flight), patience
        self._rule = rule
        self._power = source.backscatter == "power"
        names = [source.sentinel2, source.sentinel1, *([source.sentinel2_b10] if source.sentinel2_b10 else [])]
        records = read_collections(catalog, names, rule, bounds)
        self._optical = _Optical.of(records[source.sentinel2])
        radar, self._s1 = sentinel1_scenes(records[source.sentinel1])
        self._radar_hrefs = radar.hrefs
        self._l1c = _Optical.of(records[source.sentinel2_b10]) if source.sentinel2_b10 else None
        self._twins = twins_of(self._s2, self._l1c.scenes) if self._l1c else {}
        self._s2_index, self._s1_index = SceneIndex(self._s2), SceneIndex(self._s1)
        self._resolver = Resolver(self._s2, self._s1)
        held = keys_by_band(self._optical.asset_keys)
        self.bands = tuple(band for band in BANDS if band in held or (band == "B10" and self._twins))

    @property
    def _s2(self) -> Sentinel2Scenes:
        return self._optical.scenes

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near the patches in space and time."""
        lon, lat = draws.patches.centres()
        s2_draw, s2_scene = self._s2_index.near(lon, lat, draws.preferred, self._rule.search)
        s1_draw, s1_scene = self._s1_index.near(lon, lat, draws.preferred, self._rule.search + self._rule.reach)
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
        outlines = patches.vertices(inset=PIXEL / 2)
        return [self._resolver.resolve(pair, outline) for pair, outline in zip(pairs, outlines, strict=True)]

    def fetch(self, patch: Patch, pair: ScenePair, traffic: Traffic) -> Tiles:
        """Read both scenes' windows.

        Raises SceneUnavailable, PixelsError, CredentialsError; CatalogueError: no files are listed.
        """
        s2 = np.zeros((len(BANDS), *patch.shape), np.uint16)
        absent: list[str] = []
        hrefs = self._optical_hrefs(pair.s2_scene)
        for index, band in enumerate(BANDS):
            if band in hrefs:
                href, offset = hrefs[band]
                values = self._read(pair.s2_id, href, patch, traffic, 0, np.uint16)
                s2[index] = remove_offset(values) if offset else values
            elif band in self.bands:
                absent.append(band)
        files = self._radar_hrefs(pair.s1_scene)
        keys = keys_by_polarization(files)
        if set(keys) != set(POLARIZATIONS):
            raise CatalogueError(f"{pair.s1_id}: the catalogue lists no files of VV and VH, so only `plan` can use it.")
        name = pair.s1_id
        s1 = np.stack([self._read(name, files[keys[p]], patch, traffic, np.nan, np.float32) for p in POLARIZATIONS])
        # Outside a swath archives write NaN or, where they keep power, 0; in dB, 0 has become minus infinity.
        s1 = power_to_db(s1) if self._power else np.where(np.isfinite(s1), s1, np.float32(np.nan))
        return Tiles(s2=s2, s1=s1, absent=tuple(absent))

    def _optical_hrefs(self, scene: int) -> dict[str, tuple[str, bool]]:
        """File of each band of a scene and of its twin, and whether its pixels carry the offset.

        Raises SceneUnavailable: nothing tells whether they do. CatalogueError: no files are listed.
        """
        sources = [(self._optical, scene)]
        twin = self._twins.get(scene)
        if self._l1c and twin is not None:
            sources.append((self._l1c, twin))
        found: dict[str, tuple[str, bool]] = {}
        for optical, index in sources:
            offset = optical.carries_offset(index)
            if offset is None:
                name = optical.scenes.id[index]
                raise SceneUnavailable(f"{name}: nothing tells whether its pixels carry the +1000 offset")
            files = optical.hrefs(index)
            for band, key in keys_by_band(files).items():
                found.setdefault(band, (files[key], offset))
        if not found:
            name = self._s2.id[scene]
            raise CatalogueError(f"{name}: the catalogue lists no files of its bands, so only `plan` can use it.")
        return found

    def _read(self, scene: str, href: str, patch: Patch, traffic: Traffic, fill: float, dtype: Any) -> NDArray[Any]:
        name = href.partition("?")[0].rpartition("/")[2]
        try:
            values = request(
                lambda: read_onto(href, patch, fill=fill, dtype=dtype),
                judge=_judge,
                limit=self._limit,
                traffic=traffic,
                deadline=self._patience,
                what=f"{self.name}: {scene}: {name}",
            )
        except FileNotFoundError:
            # The reason becomes part of the corpus, which must not depend on where the archive lies.
            raise SceneUnavailable(f"{scene}: the archive has no file {name}") from None
        except PermissionError:
            raise CredentialsError(
                f"{self.name}: the archive refuses to give {name} of {scene}. Check that its files may be read, "
                "or that their signed addresses have not expired; then run the same command."
            ) from None
        traffic.add(bytes=values.nbytes)
        return values


def _judge(error: Exception) -> Verdict:
    if isinstance(error, TooManyRequests):
        return Verdict.THROTTLED
    return Verdict.TRANSIENT if isinstance(error, ConnectionError) else Verdict.FINAL


def twins_of(scenes: Sentinel2Scenes, twins: Sentinel2Scenes) -> dict[int, int]:
    """The newest twin of each scene that covers what the scene does: by position in `scenes`, position in `twins`.

    Datastrips may split a tile, so one datatake and tile can have several scenes, each with a twin of its own.
    """
    by_acquisition: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index in np.argsort(-twins.newness):
        by_acquisition[str(twins.datatake[index]), str(twins.tile[index])].append(int(index))
    found: dict[int, int] = {}
    for scene, key in enumerate(zip(scenes.datatake, scenes.tile, strict=True)):
        ground = scenes.footprint[scene]
        for twin in by_acquisition.get(key, ()):
            # Footprints of the two levels are rounded, and need not be equal to the metre.
            if shapely.area(shapely.difference(ground, twins.footprint[twin])) <= _ROUNDING * shapely.area(ground):
                found[scene] = twin
                break
    return found
