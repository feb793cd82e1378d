"""The platform `stac`: any STAC catalogue of cloud-optimised GeoTIFFs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError, PixelsError, SceneUnavailable, SpecError
from tasks.imagery.bands import BANDS, array_path
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.registry import Bounds, Opening
from tasks.imagery.sounding import sounded
from tasks.imagery.stac.cells import Asked
from tasks.imagery.stac.channels import Channel, Meant
from tasks.imagery.stac.cogs.facts import Replaced
from tasks.imagery.stac.cogs.reader import Reader
from tasks.imagery.stac.meaning import CALIBRATION
from tasks.imagery.stac.pixels import Wanted, lay
from tasks.imagery.stac.refusals import Unplaced
from tasks.imagery.stac.settings import StacSettings
from tasks.imagery.stac.shelves import Shelf, times_of
from tasks.imagery.stac.signing import signer_of
from tasks.imagery.stac.stocks import Stocks
from tasks.imagery.stac.tiles import Tile, tile_of
from tasks.imagery.stac.transport import Transport
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import DATATAKE, Rule, sensor_of
from tasks.scenes.scenes import Acquisitions, Candidates
from tasks.spec import StacSource
from tasks.spec.locations import is_url, need_file

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
        transport = Transport(
            platform=self.name,
            deadline=settings.stac_deadline,
            patience=settings.stac_patience,
            limit=Limit(settings.stac_requests),
        )
        self._stocks = Stocks(self.name, source, rule, bounds, transport)
        self._whole_resolver: Resolver | None = None
        self.bands = self._stocks.bands
        self.in_flight = settings.samples_at_once(remote=self._stocks.are_remote)
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
        shelf = self._stocks.root
        if shelf is None or not len(shelf.scenes):
            return None
        west, south, east, north = shapely.total_bounds(shelf.scenes.footprint).tolist()
        return west, south, east, north

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near the patches in space and time. Raises CatalogueError, PlatformUnreachable: of an API."""
        lon, lat = draws.patches.centres()
        asked = {role: _asked(lon, lat, *times_of(role, draws.preferred, self._rule)) for role in self._rule.roles}
        shelves = self._stocks.over(asked, traffic)
        found = {role: shelves[role].near(lon, lat, draws.preferred, role, self._rule) for role in self._rule.roles}
        if not all(shelf.whole for shelf in shelves.values()):
            # What is going to be read is asked for together, and not sample by sample.
            for role, scene in pair(
                draws.patches, draws.preferred, found, self._rule, draws.windows, draws.dates
            ).scene.items():
                self._stocks.expect(role, shelves[role], scene, (lon, lat), traffic)
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
        shelves = self._stocks.over(asked, traffic)
        found = self._resolver(shelves).resolve_all(wanted, patches.vertices(inset=PIXEL / 2))
        for role in self._rule.roles:
            own = [-1 if isinstance(one, Rejection) else one[role].scene for one in found]
            self._stocks.expect(role, shelves[role], np.array(own, np.int64), (lon, lat), traffic)
        return found

    def _resolver(self, shelves: Mapping[str, Shelf[Any]]) -> Resolver:
        if self._whole_resolver is None or not all(shelf.whole for shelf in shelves.values()):
            made = Resolver({role: shelves[role].scenes for role in self._rule.roles})
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
            for one in self._stocks.channels(look, patch, acquisition, traffic)
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
            if self._stocks.are_remote:
                return "the catalogue answers; it has no Sentinel-2 scene there and then, so no pixels were tried"
            raise CatalogueError("the catalogue lists no files of Sentinel-2 bands. Name its collections in the spec.")
        read = f"catalogue read, {len(self.bands)} of 13 bands"
        if draws is None:
            return f"{read}; no pixels tried, for want of places"
        draws = draws if self._stocks.root else draws.take(slice(0, _SEARCHED))
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
        self._stocks.close()


def _asked(
    lon: NDArray[np.float64], lat: NDArray[np.float64], first: NDArray[np.int64], end: NDArray[np.int64]
) -> Asked:
    return Asked(lon=lon, lat=lat, first=first, end=end)
