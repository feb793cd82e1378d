"""The platform `stac`: any STAC catalogue of cloud-optimised GeoTIFFs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError, PixelsError, SceneUnavailable, SpecError
from tasks.imagery.bands import BANDS, array_path
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.registry import Bounds, Opening
from tasks.imagery.sounding import sounded
from tasks.imagery.stac.assets import classes_key, keys_by_band
from tasks.imagery.stac.catalogue import read_collections
from tasks.imagery.stac.cells import Asked
from tasks.imagery.stac.channels import Channel, Meant, band_channels, mask_channel, optical_of, radar_channels
from tasks.imagery.stac.cogs.facts import Replaced
from tasks.imagery.stac.cogs.reader import Reader
from tasks.imagery.stac.declared import band_keys
from tasks.imagery.stac.items import Records
from tasks.imagery.stac.meaning import CALIBRATION
from tasks.imagery.stac.pixels import Wanted, lay
from tasks.imagery.stac.refusals import Unplaced
from tasks.imagery.stac.scenes import OpticalScenes, sentinel1_scenes, sentinel2_scenes
from tasks.imagery.stac.searched import Searched
from tasks.imagery.stac.settings import StacSettings
from tasks.imagery.stac.shelves import Shelf, Shelves, times_of
from tasks.imagery.stac.signing import signer_of
from tasks.imagery.stac.tiles import Tile, tile_of
from tasks.imagery.stac.transport import Transport
from tasks.imagery.stac.twins import Twins
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.scenes.looks import role_of
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


Stock = Literal["l2a", "l1c", "sentinel1"]
"""What one collection holds."""


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
        self._stock: dict[str, Stock] = {
            name: role.level if sensor_of(name) == "sentinel2" else "sentinel1" for name, role in rule.roles.items()
        }
        masked = [name for name, role in rule.roles.items() if role.mask]
        wanted = self._wanted(masked)
        transport = Transport(
            platform=self.name,
            deadline=settings.stac_deadline,
            patience=settings.stac_patience,
            limit=Limit(settings.stac_requests),
        )
        # Two catalogues may well call their collections the same.
        held: dict[tuple[str, str], Records | Searched] = {}
        for catalog in dict.fromkeys((source.catalog, source.radar_catalog)):
            names = [name for stock, name in wanted.items() if self._catalog(stock) == catalog]
            if names:
                found = read_collections(catalog, list(dict.fromkeys(names)), rule, bounds, transport)
                held |= {(catalog, name): collection for name, collection in found.items()}
        self._shelves: dict[Stock, Shelves[Any]] = {}
        for stock, name in wanted.items():
            make = sentinel1_scenes if stock == "sentinel1" else sentinel2_scenes
            self._shelves[stock] = Shelves(held[self._catalog(stock), name], make)
        _refuse_ungrouped(source, rule, {role: self._shelves[stock] for role, stock in self._stock.items()})
        self._whole_resolver: Resolver | None = None
        l2a, l1c = self._shelves.get("l2a"), self._shelves.get("l1c")
        self._b10 = Twins(l2a, l1c) if l2a and l1c and "l2a" in self._stock.values() else None
        self._classes = Twins(l1c, l2a) if l2a and l1c and any(self._stock[role] == "l1c" for role in masked) else None
        if masked and l2a and keys_by_band(l2a.asset_keys) and not classes_key(l2a.asset_keys):
            raise CatalogueError(
                f"{self.name}: collection {source.sentinel2} lists no scene classification (an asset SCL), which "
                f"`mask: cloud` of role {masked[0]} is made from. Leave the mask out, or name another archive."
            )
        self.bands = self._bands()
        self._remote = (
            is_url(source.catalog)
            or is_url(source.radar_catalog)
            or any(_is_remote(shelves.whole) for shelves in self._shelves.values())
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

    def _wanted(self, masked: list[str]) -> dict[Stock, str]:
        """The collections that the roles need. Raises SpecError: one of Level 1C, and none is named."""
        source, stocks = self._source, {*self._stock.values()}
        if "l1c" in stocks and source.sentinel2_b10 is None:
            role = next(role for role, stock in self._stock.items() if stock == "l1c")
            raise SpecError(
                f"platforms: {self.name}: role {role} is of level l1c, but the archive names no collection of Level "
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

    @property
    def reach(self) -> Bounds | None:
        """What the scenes of the root role cover; None of an API, which gives only what it is asked for."""
        shelf = self._shelves[self._stock[self._rule.root]].whole
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
            role: shelves[self._stock[role]].near(lon, lat, draws.preferred, role, self._rule)
            for role in self._rule.roles
        }
        if not all(shelf.whole for shelf in shelves.values()):
            # What is going to be read is asked for together, and not sample by sample.
            for role, scene in pair(
                draws.patches, draws.preferred, found, self._rule, draws.windows, draws.dates
            ).scene.items():
                self._expect(role, shelves[self._stock[role]], scene, (lon, lat), traffic)
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
            own = [-1 if isinstance(one, Rejection) else one[role].scene for one in found]
            self._expect(role, shelves[self._stock[role]], np.array(own, np.int64), (lon, lat), traffic)
        return found

    def _expect(
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

    def _over(self, asked: Mapping[str, Asked], traffic: Traffic) -> dict[Stock, Shelf[Any]]:
        """The scenes of each collection, for what is asked of its roles."""
        by_stock: dict[Stock, list[Asked]] = defaultdict(list)
        for role, one in asked.items():
            by_stock[self._stock[role]].append(one)
        return {stock: self._shelves[stock].over(Asked.all_of(parts), traffic) for stock, parts in by_stock.items()}

    def _resolver(self, shelves: Mapping[Stock, Shelf[Any]]) -> Resolver:
        if self._whole_resolver is None or not all(shelf.whole for shelf in shelves.values()):
            made = Resolver({role: shelves[self._stock[role]].scenes for role in self._rule.roles})
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
            for look, acquisition in acquisitions.items()
            for one in self._channels(look, patch, acquisition, traffic)
        ]
        meant, pixels = self._pixels(patch, files, traffic)
        tiles: dict[str, Tile] = {}
        for look in dict.fromkeys(one.look for one in files):
            held = [i for i, one in enumerate(files) if one.look == look]
            parts = {files[i].channel: (meant[i], pixels[i]) for i in held}
            tiles[look] = tile_of(parts, patch.shape, scene=files[held[0]].scene, what=f"{self.name} {look}")
        absent = {
            band
            for look in acquisitions
            if sensor_of(look) == "sentinel2"
            for band in {*self.bands} - {one.channel for one in files if one.look == look}
        }
        return Tiles(
            arrays={array_path(self.name, look): tile.values for look, tile in tiles.items()},
            absent_bands=tuple(band for band in BANDS if band in absent),
            clipped={array_path(self.name, look): tile.clipped for look, tile in tiles.items() if tile.clipped},
        )

    def _pixels(self, patch: Patch, files: list[Channel], traffic: Traffic) -> tuple[list[Meant], list[NDArray[Any]]]:
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
                    if one.is_radar and one.file.name in str(error):
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
        draws = draws if self._shelves[self._stock[self._rule.root]].whole else draws.take(slice(0, _SEARCHED))
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
        for shelves in self._shelves.values():
            shelves.close()

    def _channels(self, look: str, patch: Patch, acquisition: Acquisition, traffic: Traffic) -> list[Channel]:
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


def _asked(
    lon: NDArray[np.float64], lat: NDArray[np.float64], first: NDArray[np.int64], end: NDArray[np.int64]
) -> Asked:
    return Asked(lon=lon, lat=lat, first=first, end=end)


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
