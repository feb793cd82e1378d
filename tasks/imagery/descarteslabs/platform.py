"""The platform itself: its catalogue, its pixels, and whether it can be used."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SceneUnavailable, SpecError
from tasks.imagery.asking import Spans, by_place
from tasks.imagery.backscatter import looks_like_decibels, power_to_db
from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.imagery.descarteslabs.catalogue import Catalogue, searches
from tasks.imagery.descarteslabs.gate import Gate
from tasks.imagery.descarteslabs.login import Login
from tasks.imagery.descarteslabs.pixels import Rendering, render, rendering_of
from tasks.imagery.descarteslabs.scenes import adopt_datatakes, sentinel1_scenes, sentinel2_scenes
from tasks.imagery.descarteslabs.services import CatalogueService, RasterService
from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.descarteslabs.shared import Shared
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.plausible import refuse_implausible, refuse_removed_twice
from tasks.imagery.reflectance import carries_offset, darkened, remove_offset
from tasks.imagery.sounding import sounded
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.scenes.index import SceneIndex
from tasks.scenes.looks import role_of
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import DATATAKE, Role, Rule, sensor_of
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates, Nearby, Scenes, Sentinel2Scenes

_ABSENT = "-"

_PREFIX = "DEEPSENTINEL_DESCARTESLABS_"

_PROBED = 16
"""Draws for which scenes are looked for in a check: one search a role."""

_S2, _L1C, _S1 = "sentinel2", "sentinel2_l1c", "sentinel1"
"""Sources: the settings that name a product."""

_REMEDIES = {
    _S2: f"See that {_PREFIX}SENTINEL2 is a product of reflectance, and that its bands have a physical range",
    _L1C: f"See that {_PREFIX}SENTINEL2_L1C is a product of reflectance, and that its bands have a physical range",
    _S1: f"Say what the product holds with {_PREFIX}BACKSCATTER (`power`, if it is linear), or name one of "
    f"calibrated backscatter with {_PREFIX}SENTINEL1",
}
"""What an account may have wrong, by source."""


@dataclass(frozen=True, kw_only=True)
class _Open:
    """What is connected and logged in."""

    catalogue: Catalogue
    raster: RasterService
    renderings: Shared[dict[str, Rendering]]
    """What to ask of each product, by source."""


class DescartesLabs:
    """Scenes and pixels of one account. Safe to use from many threads; long-lived ones keep their connections."""

    name = "descarteslabs"
    dates_together = 1
    reach = None
    """Unknown: what of the Earth an account may see, its catalogue does not tell."""

    def __init__(self, settings: DescartesLabsSettings, rule: Rule) -> None:
        """Asks nothing of the platform yet. Raises SpecError: it has no such level, or no cloud masks."""
        self._settings, self._rule = settings, rule
        self._sources = {name: _source_of(name, role, settings) for name, role in rule.roles.items()}
        self.in_flight = settings.requests
        self._gate = Gate(Limit(self.in_flight), settings.patience)
        names = dict(zip(BANDS, settings.sentinel2_bands, strict=True))
        self._bands = {band: name for band, name in names.items() if name != _ABSENT}
        self.bands = tuple(self._bands)
        self._products = {source: str(getattr(settings, source)) for source in dict.fromkeys(self._sources.values())}
        self._opening = Lock()
        self._open: _Open | None = None

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near each draw by role, that the pairing rule could choose: a search a product for some 16 places.

        Raises CatalogueError, CredentialsError, PixelsError, PlatformUnreachable.
        """
        rule, preferred = self._rule, draws.preferred
        first, end = rule.window
        spans: dict[str, NDArray[np.int64]] = {}
        for role in rule.roles:
            reach, margin = rule.reach(role), rule.margin(role)
            ends = np.maximum(preferred - reach, first - margin), np.minimum(preferred + reach + 1, end + margin)
            spans[role] = np.stack(ends, axis=1)
        lon, lat = draws.patches.centres()
        scenes = self._scenes(draws.patches, spans, traffic)
        indices = {source: SceneIndex(held) for source, held in scenes.items()}
        found: dict[str, Nearby] = {}
        for role, source in self._sources.items():
            draw, scene = indices[source].near(lon, lat, preferred, rule.reach(role))
            found[role] = Nearby(scenes=scenes[source], draw=draw, scene=scene)
        return found

    def resolve(
        self, wanted: Sequence[Acquisitions], patches: Patches, traffic: Traffic
    ) -> list[Acquisitions | Rejection]:
        """The same acquisitions in this catalogue: a search a product for some 16 places.

        Raises CatalogueError, CredentialsError, PixelsError, PlatformUnreachable.
        """
        if not wanted:
            return []
        times = {role: np.array([one[role].time for one in wanted], np.int64) for role in self._rule.roles}
        spans = {role: time[:, None] + np.array([-DATATAKE, DATATAKE]) for role, time in times.items()}
        scenes = self._scenes(patches, spans, traffic)
        found: dict[str, Scenes] = {}
        for role, source in self._sources.items():
            held = scenes[source]
            if isinstance(held, Sentinel2Scenes):
                held = adopt_datatakes(held, [one[role] for one in wanted])
            found[role] = held
        return Resolver(found).resolve_all(wanted, patches.vertices(inset=PIXEL / 2))

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        """Render each acquisition: a request each.

        Raises SceneUnavailable, PixelsError, PlatformUnreachable, CredentialsError, CatalogueError.
        """
        arrays: dict[str, NDArray[Any]] = {}
        clipped: dict[str, int] = {}
        with self._gate.counting(traffic):
            for look, acquisition in acquisitions.items():
                path, role = array_path(self.name, look), role_of(look)
                source = self._sources[role]
                pixels_of = self._backscatter if source == _S1 else self._reflectance
                arrays[path], cut = pixels_of(source, patch, acquisition)
                if cut:
                    clipped[path] = cut
                refuse_implausible(
                    arrays[path], scene=acquisition.id, what=f"{self.name} {role}", remedy=_REMEDIES[source]
                )
        return Tiles(arrays=arrays, clipped=clipped)

    def check(self, draws: Draws | None) -> str:
        """Log in, ask for the bands of both products, and look at the pixels of a few scenes; says what was found.

        Raises CredentialsError, CatalogueError, PixelsError, NotUnderstood, PlatformUnreachable, SettingsError: each
        with what to do.
        """
        with self._gate.counting(Traffic()):
            self._opened().renderings.renew()
        seen = self._seen(draws.take(slice(0, _PROBED))) if draws is not None else ""
        has = {source: f"with {len(self.bands)} of {len(BANDS)} bands" for source in (_S2, _L1C)}
        has[_S1] = f"with {' and '.join(POLARIZATIONS)}"
        products = ", ".join(f"{product} {has[source]}" for source, product in self._products.items())
        return f"logged in; {products}; at most {self.in_flight} requests in flight{seen and '; '}{seen}"

    def _seen(self, draws: Draws) -> str:
        """What the pixels of a few scenes look like: which settings an account has wrong shows there only."""
        candidates = self.candidates(draws, Traffic())
        pairs = pair(draws.patches, draws.preferred, candidates, self._rule)
        rows = np.flatnonzero(pairs.outcome == Outcome.PAIRED).tolist()
        if not rows:
            return f"no pair near the first {len(draws)} draws, so no pixels tried (`plan` tells more)"
        return sounded(self, ((draws.patches[row], pairs.acquisitions(candidates, row)) for row in rows))

    def close(self) -> None:
        """End threads and connections and forget the login; what is asked for afterwards opens them again."""
        with self._opening:
            ended, self._open = self._open, None
        if ended:
            ended.catalogue.close()
            ended.raster.close()

    def _opened(self) -> _Open:
        with self._opening:
            if self._open is None:
                login = Login(self._settings, self._gate)
                catalogue = Catalogue(CatalogueService(self._settings, login, self._gate), self._gate)
                self._open = _Open(
                    catalogue=catalogue,
                    raster=RasterService(self._settings, login),
                    renderings=Shared(lambda: self._renderings(catalogue)),
                )
            return self._open

    def _renderings(self, catalogue: Catalogue) -> dict[str, Rendering]:
        return {source: self._rendering(catalogue, source) for source in self._products}

    def _rendering(self, catalogue: Catalogue, source: str) -> Rendering:
        held = catalogue.bands(self._products[source], f"{_PREFIX}{source.upper()}")
        if source == _S1:
            return rendering_of(
                held,
                self._settings.sentinel1_bands,
                level=None,
                data_type="Float32",
                times=1,
                setting=f"{_PREFIX}SENTINEL1_BANDS",
            )
        return rendering_of(
            held,
            tuple(self._bands.values()),
            # As they are kept, pixels of L1C are of the top of the atmosphere.
            level=self._settings.processing_level if source == _S2 else "default",
            data_type="UInt16",
            times=10_000,
            setting=f"{_PREFIX}SENTINEL2_BANDS",
        )

    def _scenes(self, patches: Patches, spans: Spans, traffic: Traffic) -> dict[str, Scenes]:
        """Scenes of each source that meet any of the patches within the spans of its roles."""
        opened, asked = self._opened(), by_place(patches, spans, self._sources)
        outlines, together = patches.take(asked.first).outlines(), self._settings.search_patches
        with self._gate.counting(traffic):
            # An unknown product has no scenes, which would look like a platform without any: better said at once.
            opened.renderings.get()
        wanted = {
            source: (self._products[source], list(searches(outlines, *span.T, together=together)))
            for source, span in asked.spans.items()
        }
        found = opened.catalogue.images(wanted, traffic)
        return {
            source: sentinel1_scenes(images) if source == _S1 else sentinel2_scenes(images)
            for source, images in found.items()
        }

    def _reflectance(self, source: str, patch: Patch, acquisition: Acquisition) -> tuple[NDArray[np.uint16], int]:
        """(13, height, width), reflectance x 10,000, 0 = nodata or absent band; and how many pixels were clipped."""
        values, masked = self._rendered(source, patch, acquisition)
        # Where the platform says that a pixel is valid, 0 is a dark pixel and not the lack of one.
        values = np.where(masked, np.uint16(0), np.maximum(values, np.uint16(1)))
        indices, cut = [BANDS.index(band) for band in self._bands], 0
        if self._carries_offset(acquisition):
            below = [darkened(band) for band in values]
            refuse_removed_twice(
                dict(zip(indices, below, strict=True)),
                dict(zip(indices, (int(np.count_nonzero(band)) for band in values), strict=True)),
                scene=acquisition.id,
                what=f"{self.name}: the product",
                remedy=f"Set {_PREFIX}OFFSET=removed",
            )
            values, cut = remove_offset(values), sum(below)
        whole = np.zeros((len(BANDS), *patch.shape), np.uint16)
        whole[indices] = values
        return whole, cut

    def _backscatter(self, source: str, patch: Patch, acquisition: Acquisition) -> tuple[NDArray[np.float32], int]:
        """(2, height, width), dB, NaN = nodata; nothing of it is clipped."""
        values, masked = self._rendered(source, patch, acquisition)
        values = np.where(masked | ~np.isfinite(values), np.float32(np.nan), values)
        if self._settings.backscatter == "db":
            return values, 0
        if looks_like_decibels(values):
            raise SceneUnavailable(
                Reason.NOT_UNDERSTOOD,
                acquisition.id,
                f"{self.name} s1: most values are negative, which linear power never is. Set {_PREFIX}BACKSCATTER=db",
            )
        return power_to_db(values), 0

    def _rendered(self, source: str, patch: Patch, acquisition: Acquisition) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        opened = self._opened()
        return render(opened.raster, self._gate, opened.renderings.get()[source], patch, acquisition.id)

    def _carries_offset(self, acquisition: Acquisition) -> bool:
        if self._settings.offset == "removed":
            return False
        assert isinstance(acquisition.scenes, Sentinel2Scenes)
        acquired = dt.datetime.fromtimestamp(acquisition.time / 1e6, tz=dt.UTC)
        baseline = str(acquisition.scenes.baseline[acquisition.scene])
        offset = carries_offset(baseline=baseline, already_removed=None, acquired=acquired)
        if offset is None:
            raise SceneUnavailable(
                Reason.OFFSET_UNKNOWN, acquisition.id, "nothing tells whether its pixels carry the +1000 offset"
            )
        return offset


def _source_of(name: str, role: Role, settings: DescartesLabsSettings) -> str:
    """The source of a role. Raises SpecError: there is none."""
    if role.mask:
        raise SpecError(
            f"acquisitions: {name}: mask: descarteslabs has no cloud masks. Leave `mask: cloud` out, or take "
            "descarteslabs out of platforms."
        )
    if sensor_of(name) == "sentinel1":
        return _S1
    if role.level == "l1c" and settings.sentinel2_l1c is None:
        raise SpecError(
            f"acquisitions: {name}: level: no product of descarteslabs is known to hold L1C. Set "
            f"{_PREFIX}SENTINEL2_L1C to the id of one, or take descarteslabs out of platforms."
        )
    return _L1C if role.level == "l1c" else _S2
