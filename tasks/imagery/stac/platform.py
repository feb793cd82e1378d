"""The platform `stac`: any STAC catalogue of cloud-optimised GeoTIFFs."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError, PixelsError, SceneUnavailable, SpecError
from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.reflectance import carries_offset
from tasks.imagery.registry import Bounds, Opening
from tasks.imagery.sounding import sounded
from tasks.imagery.stac.assets import keys_by_band
from tasks.imagery.stac.catalogue import read_collections
from tasks.imagery.stac.cells import Asked
from tasks.imagery.stac.cogs.facts import Facts, File, Replaced
from tasks.imagery.stac.cogs.reader import Reader
from tasks.imagery.stac.declared import Said, band_keys, polarization_keys
from tasks.imagery.stac.meaning import CALIBRATION, Backscatter, Reflectance, backscatter_of, reflectance_of
from tasks.imagery.stac.pixels import Wanted, lay
from tasks.imagery.stac.refusals import Unplaced
from tasks.imagery.stac.scenes import OpticalScenes, RadarScenes, sentinel1_scenes, sentinel2_scenes
from tasks.imagery.stac.settings import StacSettings
from tasks.imagery.stac.shelves import Shelf, Shelves, times_of
from tasks.imagery.stac.signing import signer_of
from tasks.imagery.stac.tiles import Tile, tile_of
from tasks.imagery.stac.transport import Transport
from tasks.imagery.stac.twins import twins_of
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, Patches, to_degrees
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import DATATAKE, Rule, sensor_of
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates
from tasks.spec import StacSource
from tasks.spec.locations import is_url, local_path, need_file

_TRIED = 6
"""Pairs that are looked at in a check."""

_SEARCHED = 16
"""Draws for which an API is searched in a check."""

_READ_AGAIN = 2
"""Times that the files of a sample are opened again because one was replaced while it was read."""


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
    """Scenes of two collections of a catalogue, read once or searched as they are asked for, and their pixels.

    Safe to use from many threads.
    """

    dates_together = 1

    def __init__(self, source: StacSource, *, rule: Rule, bounds: Bounds, settings: StacSettings) -> None:
        """Read the catalogue; an API is only asked what it has within `bounds` and the window of `rule`.

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
        radar = [source.sentinel1]
        if source.radar_catalog == source.catalog:
            held = read_collections(source.catalog, [*names, *radar], rule, bounds, transport)
        else:
            held = {
                **read_collections(source.catalog, names, rule, bounds, transport),
                **read_collections(source.radar_catalog, radar, rule, bounds, transport),
            }
        self._optical = Shelves(held[source.sentinel2], sentinel2_scenes)
        self._radar = Shelves(held[source.sentinel1], sentinel1_scenes)
        self._l1c = Shelves(held[source.sentinel2_b10], sentinel2_scenes) if source.sentinel2_b10 else None
        self._shelves: dict[str, Shelves[Any]] = {"sentinel2": self._optical, "sentinel1": self._radar}
        _refuse_ungrouped(source, rule, self._shelves)
        self._twins: dict[int, int] | None = None
        self._whole_resolver: Resolver | None = None
        if self._l1c and self._l1c.whole and self._optical.whole:
            self._twins = twins_of(self._optical.whole.scenes, self._l1c.whole.scenes)
        bands = _bands_of(self._optical)
        if self._l1c and self._twins != {}:
            bands |= _bands_of(self._l1c) & {"B10"}
        self.bands = tuple(band for band in BANDS if band in bands)
        self._remote = (
            is_url(source.catalog)
            or is_url(source.radar_catalog)
            or _is_remote(self._optical.whole)
            or _is_remote(self._radar.whole)
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
        """What the scenes of the root role cover; None of an API, which gives only what it is asked for."""
        shelf = self._shelves[sensor_of(self._rule.root)].whole
        if shelf is None or not len(shelf.scenes):
            return None
        west, south, east, north = shapely.total_bounds(shelf.scenes.footprint).tolist()
        return west, south, east, north

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near the patches in space and time. Raises CatalogueError, PlatformUnreachable: of an API."""
        lon, lat = draws.patches.centres()
        asked = {role: _asked(lon, lat, *times_of(role, draws.preferred, self._rule)) for role in self._rule.roles}
        shelves = self._over(asked, traffic)
        found = {
            role: shelves[sensor_of(role)].near(lon, lat, draws.preferred, role, self._rule)
            for role in self._rule.roles
        }
        if not all(shelf.whole for shelf in shelves.values()):
            # What is going to be read is asked for together, and not sample by sample.
            for role, scene in pair(
                draws.patches, draws.preferred, found, self._rule, draws.windows, draws.dates
            ).scene.items():
                shelves[sensor_of(role)].expect(scene, traffic)
        return found

    def resolve(
        self, wanted: Sequence[Acquisitions], patches: Patches, traffic: Traffic
    ) -> list[Acquisitions | Rejection]:
        """The same acquisitions in this catalogue. Raises as `candidates`."""
        if not wanted:
            return []
        lon, lat = patches.centres()
        times = {role: np.array([one[role].time for one in wanted], np.int64) for role in self._rule.roles}
        asked = {role: _asked(lon, lat, time - DATATAKE, time + DATATAKE + 1) for role, time in times.items()}
        shelves = self._over(asked, traffic)
        found = self._resolver(shelves).resolve_all(wanted, patches.vertices(inset=PIXEL / 2))
        for role in self._rule.roles:
            own = [one[role].scene for one in found if not isinstance(one, Rejection)]
            shelves[sensor_of(role)].expect(np.array(own, np.int64), traffic)
        return found

    def _over(self, asked: Mapping[str, Asked], traffic: Traffic) -> dict[str, Shelf[Any]]:
        """The scenes of each sensor, for what is asked of its roles."""
        by_sensor: dict[str, list[Asked]] = defaultdict(list)
        for role, one in asked.items():
            by_sensor[sensor_of(role)].append(one)
        return {sensor: self._shelves[sensor].over(Asked.all_of(parts), traffic) for sensor, parts in by_sensor.items()}

    def _resolver(self, shelves: Mapping[str, Shelf[Any]]) -> Resolver:
        if self._whole_resolver is None or not all(shelf.whole for shelf in shelves.values()):
            made = Resolver({role: shelves[sensor_of(role)].scenes for role in self._rule.roles})
            if not all(shelf.whole for shelf in shelves.values()):
                return made
            self._whole_resolver = made
        return self._whole_resolver

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        """Read the windows of all scenes.

        Raises SceneUnavailable, PixelsError, PlatformUnreachable, CredentialsError; CatalogueError: no files are
        listed.
        """
        files = [
            one
            for role, acquisition in acquisitions.items()
            for one in (
                self._optical_files(role, patch, acquisition, traffic)
                if sensor_of(role) == "sentinel2"
                else self._radar_files(role, acquisition)
            )
        ]
        meant, pixels = self._pixels(patch, files, traffic)
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

    def _pixels(
        self, patch: Patch, files: list[_Channel], traffic: Traffic
    ) -> tuple[list[Reflectance | Backscatter], list[NDArray[Any]]]:
        """What the pixels of files mean, and the pixels on a patch; a file that is replaced meanwhile is read again."""
        for again in range(_READ_AGAIN, -1, -1):
            try:
                rasters = self._reader.open([one.file for one in files], traffic)
                meant = [one.meaning(raster.facts, self._source) for one, raster in zip(files, rasters, strict=True)]
                wanted = [
                    Wanted(file=one.meaning.file, fill=one.meaning.fill, dtype=one.meaning.dtype, band=one.meaning.band)
                    for one in meant
                ]
                return meant, lay(self._reader, patch, wanted, rasters, traffic)
            except Unplaced as error:
                for one in files:
                    if not one.optical and one.file.name in str(error):
                        said = f"{one.file.name}: is not georeferenced. {CALIBRATION}"
                        raise SceneUnavailable(Reason.NOT_UNDERSTOOD, one.scene, said) from None
                raise
            except Replaced as error:
                if not again:
                    raise PixelsError(
                        f"{self.name}: {error.file.scene}: {error.file.name}: its size, date or ETag is another one "
                        "each time it is asked for a part. Run the same command when nobody writes to it any more."
                    ) from None
                traffic.add(retries=1)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def check(self, draws: Draws | None) -> str:
        """Pair the draws and read a few pixels of one: what was found, as text.

        Raises CatalogueError: there are no files; PixelsError: they cannot be read; NotUnderstood: they are not what
        they are taken for; what `fetch` raises.
        """
        if not self.bands:
            if self._remote:
                return "the catalogue answers; it has no Sentinel-2 scene there and then, so no pixels were tried"
            raise CatalogueError("the catalogue lists no files of Sentinel-2 bands. Name its collections in the spec.")
        read = f"catalogue read, {len(self.bands)} of 13 bands"
        if draws is None:
            return f"{read}; no pixels tried, for want of places"
        draws = draws if self._optical.whole else draws.take(slice(0, _SEARCHED))
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
        for shelves in (self._optical, self._radar, self._l1c):
            if shelves:
                shelves.close()

    def _radar_files(self, role: str, acquisition: Acquisition) -> list[_Channel]:
        """Files of the polarizations of a Sentinel-1 scene. Raises CatalogueError: none are listed."""
        if not isinstance(acquisition.scenes, RadarScenes):
            raise TypeError("the acquisition is of another platform: resolve it first")
        name, assets = acquisition.id, acquisition.scenes.assets(acquisition.scene)
        keys = polarization_keys(assets)
        if set(keys) != set(POLARIZATIONS):
            raise CatalogueError(f"{name}: the catalogue lists no files of VV and VH, so only `plan` can use it.")
        return [
            _Channel(role=role, channel=polarization, scene=name, said=assets[keys[polarization]])
            for polarization in POLARIZATIONS
        ]

    def _optical_files(self, role: str, patch: Patch, acquisition: Acquisition, traffic: Traffic) -> list[_Channel]:
        """File of each band of a Sentinel-2 scene and of its twin. Raises CatalogueError: none are listed."""
        if not isinstance(acquisition.scenes, OpticalScenes):
            raise TypeError("the acquisition is of another platform: resolve it first")
        sources = [(acquisition.scenes, acquisition.scene)]
        if self._l1c and (twin := self._twin(self._l1c, patch, acquisition.scenes, acquisition.scene, traffic)):
            sources.append(twin)
        found: dict[str, _Channel] = {}
        for scenes, index in sources:
            assets, carries = scenes.assets(index), _carries_offset(scenes, index)
            for band, key in band_keys(assets).items():
                channel = _Channel(
                    role=role, channel=band, scene=acquisition.id, said=assets[key], optical=True, carries=carries
                )
                found.setdefault(band, channel)
        if not found:
            raise CatalogueError(
                f"{acquisition.id}: the catalogue lists no files of its bands, so only `plan` can use it."
            )
        return list(found.values())

    def _twin(
        self, l1c: Shelves[OpticalScenes], patch: Patch, scenes: OpticalScenes, scene: int, traffic: Traffic
    ) -> tuple[OpticalScenes, int] | None:
        """The Level-1C twin of a scene that holds a patch."""
        twins, time = self._twins, scenes.time[scene : scene + 1]
        middle = np.array([[patch.xmin + patch.xmax], [patch.ymin + patch.ymax]]) / 2
        lon, lat = to_degrees(np.array([patch.epsg]), *middle)
        asked = _asked(lon, lat, time - DATATAKE, time + DATATAKE + 1)
        shelf = l1c.over(asked, traffic)
        if twins is None:
            twins = twins_of(scenes, shelf.scenes, [scene])
        return (shelf.scenes, twins[scene]) if scene in twins else None


def _asked(
    lon: NDArray[np.float64], lat: NDArray[np.float64], first: NDArray[np.int64], end: NDArray[np.int64]
) -> Asked:
    return Asked(lon=lon, lat=lat, first=first, end=end)


def _carries_offset(scenes: OpticalScenes, index: int) -> bool | None:
    """Whether a scene's pixels are 1000 too high; None where nothing tells."""
    return carries_offset(
        baseline=str(scenes.baseline[index]),
        already_removed=scenes.offset_removed[index],
        acquired=dt.datetime.fromtimestamp(int(scenes.time[index]) / 1e6, tz=dt.UTC),
    )


def _refuse_ungrouped(source: StacSource, rule: Rule, shelves: Mapping[str, Shelves[Any]]) -> None:
    """Raises CatalogueError: roles or dates are given, and a collection that is known says nothing of groups."""
    asked = {sensor_of(role) for name, one in rule.roles.items() if one.given for role in (name, str(one.near))}
    asked |= {sensor_of(rule.root)} if rule.given else set()
    for sensor in sorted(asked):
        shelf = shelves[sensor].whole
        if shelf is not None and len(shelf.scenes) and shelf.scenes.given is None:
            raise CatalogueError(
                f"{source.catalog}: items of {getattr(source, sensor)} have no property deepsentinel:group or "
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
