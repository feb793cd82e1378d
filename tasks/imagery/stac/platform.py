"""The platform `stac`: any STAC catalogue of cloud-optimised GeoTIFFs."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError, SceneUnavailable, SpecError
from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.reflectance import carries_offset
from tasks.imagery.registry import Bounds, Opening
from tasks.imagery.sounding import sounded
from tasks.imagery.stac.assets import keys_by_band, keys_by_polarization
from tasks.imagery.stac.catalogue import read_collections
from tasks.imagery.stac.cogs.facts import Facts, File
from tasks.imagery.stac.cogs.reader import Reader
from tasks.imagery.stac.declared import Said
from tasks.imagery.stac.items import Records
from tasks.imagery.stac.meaning import CALIBRATION, Backscatter, Reflectance, backscatter_of, reflectance_of
from tasks.imagery.stac.pixels import Wanted, lay
from tasks.imagery.stac.refusals import Unplaced
from tasks.imagery.stac.scenes import offset_removed, sentinel1_scenes, sentinel2_scenes
from tasks.imagery.stac.settings import StacSettings
from tasks.imagery.stac.signing import signer_of
from tasks.imagery.stac.tiles import Tile, tile_of
from tasks.imagery.stac.transport import Transport
from tasks.imagery.stac.twins import twins_of
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.scenes.index import SceneIndex
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import Rule, sensor_of
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates, Nearby, Sentinel2Scenes
from tasks.spec import StacSource
from tasks.spec.locations import is_url, local_path, need_file

_TRIED = 6
"""Pairs that are looked at in a check."""


def open_archive(opening: Opening, settings: StacSettings) -> "StacArchive":
    """Open the archive that an item of a spec names, or the demo archive.

    Raises SpecError: there is no such file; CatalogueError: it cannot be used; PlatformUnreachable.
    """
    source = opening.item.stac
    if source is None:
        path = settings.demo_archive / "catalog.json"
        if not path.is_file():
            raise SpecError(
                f"platforms: demo: there is no demo archive at {settings.demo_archive}. Make one with "
                "`deepsentinel demo`, or say where it is with DEEPSENTINEL_DEMO_ARCHIVE."
            )
        source = StacSource(catalog=str(path), sentinel2_b10="sentinel-2-l1c", name="demo")
    else:
        for key, location in (("catalog", source.catalog), ("sentinel1_catalog", source.sentinel1_catalog)):
            if location is not None and not is_url(location):
                need_file(location, f"platforms.stac.{key}")
    return StacArchive(source, rule=opening.rule, bounds=opening.bounds, settings=settings)


@dataclass(frozen=True, kw_only=True)
class _Optical:
    """The Sentinel-2 scenes of one collection and where their files are."""

    assets: Callable[[int], dict[str, Said]]
    asset_keys: frozenset[str]
    scenes: Sentinel2Scenes
    offset_removed: NDArray[np.object_]

    @classmethod
    def of(cls, records: Records) -> "_Optical":
        return cls(
            assets=records.assets,
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


@dataclass(frozen=True, kw_only=True)
class _Channel:
    """A file that is wanted for a band or polarization of a role."""

    role: str
    channel: str
    scene: str
    """Id of the scene of the role, for messages."""
    said: Said
    optical: bool = False
    carries: bool | None = None
    """Of Sentinel-2: whether digital numbers are 1000 too high."""

    @property
    def file(self) -> File:
        """As the reader wants it."""
        return File(href=self.said.href, scene=self.scene)

    def meaning(self, facts: Facts, source: StacSource) -> Reflectance | Backscatter:
        """What its pixels mean. Raises SceneUnavailable."""
        if self.optical:
            return reflectance_of(self.file, facts, self.said, self.channel, source, self.carries)
        return backscatter_of(self.file, facts, self.said, self.channel, source)


class StacArchive:
    """Scenes of two collections of a catalogue, read once, and their pixels.

    Safe to use from many threads.
    """

    dates_together = 1

    def __init__(self, source: StacSource, *, rule: Rule, bounds: Bounds, settings: StacSettings) -> None:
        """Read the catalogue, as far as places within `bounds` and `rule` need it.

        Raises CatalogueError: it is not a catalogue, lacks a collection, or an item in it cannot be used;
        PlatformUnreachable.
        """
        self.name = source.name
        self._rule, self._source = rule, source
        names = [source.sentinel2, *([source.sentinel2_b10] if source.sentinel2_b10 else [])]
        transport = Transport(
            platform=self.name,
            deadline=settings.stac_deadline,
            patience=settings.stac_patience,
            limit=Limit(settings.stac_requests),
        )
        if source.radar_catalog == source.catalog:
            records = read_collections(source.catalog, [*names, source.sentinel1], rule, bounds, transport)
            radar_records = records[source.sentinel1]
        else:
            records = read_collections(source.catalog, names, rule, bounds, transport)
            found = read_collections(source.radar_catalog, [source.sentinel1], rule, bounds, transport)
            radar_records = found[source.sentinel1]
        self._optical = _Optical.of(records[source.sentinel2])
        radar, s1 = sentinel1_scenes(radar_records)
        self._radar_assets = radar.assets
        self._l1c = _Optical.of(records[source.sentinel2_b10]) if source.sentinel2_b10 else None
        self._twins = twins_of(self._optical.scenes, self._l1c.scenes) if self._l1c else {}
        self._scenes = {"sentinel2": self._optical.scenes, "sentinel1": s1}
        self._index = {sensor: SceneIndex(scenes) for sensor, scenes in self._scenes.items()}
        self._resolver = Resolver({role: self._scenes[sensor_of(role)] for role in rule.roles})
        self._whole = records[source.sentinel2].whole
        held = keys_by_band(self._optical.asset_keys)
        self.bands = tuple(band for band in BANDS if band in held or (band == "B10" and self._twins))
        self._remote = (
            is_url(source.catalog)
            or is_url(source.radar_catalog)
            or _is_remote(self._optical.assets, len(records[source.sentinel2]))
            or _is_remote(radar.assets, len(radar))
        )
        self.in_flight = settings.samples_at_once(remote=self._remote)
        self._reader = Reader(
            name=self.name,
            requests=settings.stac_requests,
            deadline=settings.stac_deadline,
            patience=settings.stac_patience,
            kept=settings.stac_kept * 2**20,
            sign=signer_of(source, settings, transport),
        )

    @property
    def reach(self) -> Bounds | None:
        """What the scenes of the root role cover; None of an API, which gave only what it was asked for."""
        footprints = self._scenes[sensor_of(self._rule.root)].footprint
        if not self._whole or not len(footprints):
            return None
        west, south, east, north = shapely.total_bounds(footprints).tolist()
        return west, south, east, north

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near the patches in space and time."""
        lon, lat = draws.patches.centres()
        found: dict[str, Nearby] = {}
        for role in self._rule.roles:
            sensor = sensor_of(role)
            draw, scene = self._index[sensor].near(lon, lat, draws.preferred, self._rule.reach(role))
            found[role] = Nearby(scenes=self._scenes[sensor], draw=draw, scene=scene)
        return found

    def resolve(
        self, wanted: Sequence[Acquisitions], patches: Patches, traffic: Traffic
    ) -> list[Acquisitions | Rejection]:
        """The same acquisitions in this catalogue."""
        return self._resolver.resolve_all(wanted, patches.vertices(inset=PIXEL / 2))

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        """Read the windows of all scenes.

        Raises SceneUnavailable, PixelsError, PlatformUnreachable, CredentialsError; CatalogueError: no files are
        listed.
        """
        files = [
            one
            for role, acquisition in acquisitions.items()
            for one in (
                self._optical_files(role, acquisition)
                if sensor_of(role) == "sentinel2"
                else self._radar_files(role, acquisition)
            )
        ]
        try:
            rasters = self._reader.open([one.file for one in files], traffic)
        except Unplaced as error:
            for one in files:
                if not one.optical and one.file.name in str(error):
                    said = f"{one.file.name}: is not georeferenced. {CALIBRATION}"
                    raise SceneUnavailable(Reason.NOT_UNDERSTOOD, one.scene, said) from None
            raise
        meant = [one.meaning(raster.facts, self._source) for one, raster in zip(files, rasters, strict=True)]
        wanted = [
            Wanted(file=one.meaning.file, fill=one.meaning.fill, dtype=one.meaning.dtype, band=one.meaning.band)
            for one in meant
        ]
        pixels = lay(self._reader, patch, wanted, rasters, traffic)
        tiles: dict[str, Tile] = {}
        for role, acquisition in acquisitions.items():
            held = [i for i, one in enumerate(files) if one.role == role]
            parts = {files[i].channel: (meant[i], pixels[i]) for i in held}
            tiles[role] = tile_of(parts, patch.shape, scene=acquisition.id, what=f"{self.name} {role}")
        absent = {
            band
            for role in acquisitions
            if sensor_of(role) == "sentinel2"
            for band in {*self.bands} - {one.channel for one in files if one.role == role}
        }
        return Tiles(
            arrays={array_path(self.name, role): tile.values for role, tile in tiles.items()},
            absent_bands=tuple(band for band in BANDS if band in absent),
            clipped={array_path(self.name, role): tile.clipped for role, tile in tiles.items() if tile.clipped},
        )

    def check(self, draws: Draws | None) -> str:
        """Pair the draws and read a few pixels of one: what was found, as text.

        Raises CatalogueError: there are no files; PixelsError: they cannot be read; NotUnderstood: they are not what
        they are taken for; what `fetch` raises.
        """
        if not self.bands:
            if self._remote:
                return "the catalogue answers; it has no Sentinel-2 scene near the first draw, so no pixels were tried"
            raise CatalogueError("the catalogue lists no files of Sentinel-2 bands. Name its collections in the spec.")
        read = f"catalogue read, {len(self.bands)} of 13 bands"
        if draws is None:
            return f"{read}; no pixels tried, for want of places"
        candidates = self.candidates(draws, Traffic())
        pairs = pair(draws.patches, draws.preferred, candidates, self._rule)
        rows = np.flatnonzero(pairs.outcome == Outcome.PAIRED)
        if not len(rows):
            return f"{read}; no pair near the first {len(draws)} draws, so no pixels tried (`plan` tells more)"
        found = sounded(
            self, ((draws.patches[int(row)], pairs.acquisitions(candidates, int(row))) for row in rows[:_TRIED])
        )
        can = f"{read}; {len(rows)} of the first {len(draws)} draws pair, and pixels can be read"
        return f"{can}: {found}" if found else can

    def close(self) -> None:
        """End connections to servers of files, and forget what was read of them; the catalogue is kept."""
        self._reader.close()

    def _radar_files(self, role: str, acquisition: Acquisition) -> list[_Channel]:
        """Files of the polarizations of a Sentinel-1 scene. Raises CatalogueError: none are listed."""
        name, assets = acquisition.id, self._radar_assets(acquisition.scene)
        keys = keys_by_polarization(assets)
        if set(keys) != set(POLARIZATIONS):
            raise CatalogueError(f"{name}: the catalogue lists no files of VV and VH, so only `plan` can use it.")
        return [
            _Channel(role=role, channel=polarization, scene=name, said=assets[keys[polarization]])
            for polarization in POLARIZATIONS
        ]

    def _optical_files(self, role: str, acquisition: Acquisition) -> list[_Channel]:
        """File of each band of a Sentinel-2 scene and of its twin. Raises CatalogueError: none are listed."""
        scene = acquisition.scene
        sources = [(self._optical, scene)]
        twin = self._twins.get(scene)
        if self._l1c and twin is not None:
            sources.append((self._l1c, twin))
        found: dict[str, _Channel] = {}
        for optical, index in sources:
            assets, carries = optical.assets(index), optical.carries_offset(index)
            for band, key in keys_by_band(assets).items():
                channel = _Channel(
                    role=role, channel=band, scene=acquisition.id, said=assets[key], optical=True, carries=carries
                )
                found.setdefault(band, channel)
        if not found:
            raise CatalogueError(
                f"{acquisition.id}: the catalogue lists no files of its bands, so only `plan` can use it."
            )
        return list(found.values())


def _is_remote(assets: Callable[[int], dict[str, Said]], count: int) -> bool:
    """Whether the files of a catalogue lie on servers, going by its first item."""
    return bool(count) and any(local_path(said.href) is None for said in assets(0).values())
