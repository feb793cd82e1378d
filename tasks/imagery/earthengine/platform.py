"""The platform itself: catalogue and pixels behind the protocol of all platforms."""

import datetime as dt
from collections import deque
from collections.abc import Sequence

import ee
import numpy as np
from ee import data
from numpy.typing import NDArray

from tasks.errors import LabelsError, SceneUnavailable, SpecError
from tasks.imagery.asking import Spans, by_place
from tasks.imagery.assets import Overlay
from tasks.imagery.bands import BANDS, array_path
from tasks.imagery.earthengine.catalogue import Questions, look_up, unanswered
from tasks.imagery.earthengine.images import sample_image
from tasks.imagery.earthengine.parts import Part, date_of, dates_together, strips_of, types_of
from tasks.imagery.earthengine.pixels import read, request_of, room_for, tiles_of
from tasks.imagery.earthengine.refusals import Refused
from tasks.imagery.earthengine.scenes import EarthEngineScenes, Wanted, candidates_of
from tasks.imagery.earthengine.session import open_session
from tasks.imagery.earthengine.settings import COLLECTIONS, EarthEngineSettings
from tasks.imagery.earthengine.sources import GRD, L1C, L2A, source_of
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.plausible import refuse_implausible
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.scenes.looks import role_of
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import DATATAKE, Rule, sensor_of
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates

_FIRST_SCENE = dt.datetime(2017, 3, 28, tzinfo=dt.UTC)
"""Of COPERNICUS/S2_SR_HARMONIZED (Earth Engine Data Catalog, dataset availability)."""

_SAME = {"sentinel2": DATATAKE, "sentinel1": 60_000_000}
"""Microseconds by which catalogues may differ over the start of one acquisition; its name decides which one it is."""


_COLLECTION = {L2A: "sentinel2", L1C: "sentinel2_l1c", GRD: "sentinel1"}
"""The setting of each source."""


class EarthEngine:
    """Sentinel-2 L2A with B10 of the L1C twin, or L1C; Sentinel-1 GRD; cloud masks. From Google Earth Engine.

    Safe to use from many threads. Nothing is sent before the first request.
    """

    name = "earthengine"
    bands: tuple[str, ...] = BANDS
    reach: None = None
    """Its catalogue is not known as a whole."""

    def __init__(
        self, rule: Rule, settings: EarthEngineSettings, overlays: tuple[Overlay, ...] = (), *, pixels: int = 0
    ) -> None:
        """`rule` is the pairing rule: what cannot be paired under it is not asked for. `overlays` come with the images,
        of patches of so many pixels a side.

        Raises CredentialsError: no credentials or no project; SettingsError: not a URL; SpecError: a window before
        the mission, or more bands than a request holds.
        """
        self._rule, self._overlays = rule, overlays
        self._sources = {name: source_of(name, role) for name, role in rule.roles.items()}
        self.dates_together = dates_together(date_of(rule), types_of((), overlays), pixels)
        if L2A in self._sources.values() and rule.window[1] <= _FIRST_SCENE.timestamp() * 1_000_000:
            raise SpecError(
                f"window: ends before {_FIRST_SCENE:%Y-%m-%d}, the first Sentinel-2 L2A scene of earthengine. Use a "
                "later window, or roles of level: l1c."
            )
        self._session = open_session(settings)
        self.in_flight = settings.requests

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes over the centres of the patches, within the reach of their roles of the preferred instants.

        One request for up to 250 places, however often a place is looked at. Raises CatalogueError, CredentialsError,
        PixelsError, PlatformUnreachable.
        """
        spans = {role: self._span(role, draws.preferred) for role in self._rule.roles}
        first, end = spans[self._rule.root].T
        possible = np.flatnonzero(first < end)
        spans = {role: span[possible] for role, span in spans.items()}
        return self._near(draws.patches.take(possible), spans, possible, traffic)

    def _span(self, role: str, preferred: NDArray[np.int64]) -> NDArray[np.int64]:
        """From when to when scenes of a role are looked for, (n, 2) microseconds, half open."""
        reach, margin, (first, end) = self._rule.reach(role), self._rule.margin(role), self._rule.window
        # One microsecond more, because this end is exclusive and the rule's is not.
        ends = np.maximum(preferred - reach, first - margin), np.minimum(preferred + reach + 1, end + margin)
        return np.stack(ends, axis=1)

    def _near(self, patches: Patches, spans: Spans, draws: NDArray[np.int64], traffic: Traffic) -> Candidates:
        """Scenes over n patches within the spans of their roles; `draws` is what the candidates call the patches."""
        asked = by_place(patches, spans, self._sources)
        answers = look_up(self._session, Questions.of(patches.take(asked.first), asked.spans), traffic)
        wanted = Wanted(place=asked.place, spans=spans, draw=draws)
        return candidates_of(answers, wanted, self._rule.roles, self._session.settings)

    def resolve(
        self, wanted: Sequence[Acquisitions], patches: Patches, traffic: Traffic
    ) -> list[Acquisitions | Rejection]:
        """The same acquisitions in this catalogue: as few requests as `candidates`, which raises the same."""
        if not wanted:
            return []
        times = {role: np.array([one[role].time for one in wanted], np.int64) for role in self._rule.roles}
        spans = {role: time[:, None] + np.array([-1, 1]) * _SAME[sensor_of(role)] for role, time in times.items()}
        own = self._near(patches, spans, np.arange(len(wanted)), traffic)
        return Resolver.of(own).resolve_all(wanted, patches.vertices(inset=PIXEL / 2))

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        """All bands, masks and overlays of all looks, in one request if it holds them, else in strips of rows.

        Raises SceneUnavailable, PixelsError, LabelsError, CatalogueError, PlatformUnreachable, CredentialsError;
        TypeError: the acquisitions are another platform's.
        """
        parts = [self._part(look, acquisition) for look, acquisition in acquisitions.items()]
        # One request has one answer: which of them is refused is not known, but by the server's words.
        scenes = " and ".join(acquisition.id for acquisition in acquisitions.values())
        with self._session.in_use(traffic):
            try:
                tiles = self._pixels(parts, patch, traffic, f"earthengine: pixels of {scenes}")
            except Refused as refusal:
                for overlay in self._overlays:
                    if overlay.asset in str(refusal):  # every other sample would be refused the same way
                        raise LabelsError(f"earthengine: the label {overlay.asset} is refused: {refusal}") from None
                if any(part.mask and part.mask in str(refusal) for part in parts):
                    raise unanswered(str(refusal), self._session.settings) from None
                raise SceneUnavailable(Reason.REFUSED, scenes, f"earthengine: {refusal}") from None
        for part in parts:
            variable = COLLECTIONS[_COLLECTION[self._sources[role_of(part.look)]]]
            unit = "reflectance x 10,000 without the +1000 offset" if part.is_optical else "backscatter in dB"
            refuse_implausible(
                tiles.arrays[part.path],
                scene=part.asset,
                what=f"earthengine {role_of(part.look)}",
                remedy=f"See that the collection in {variable} holds {unit}",
            )
        return tiles

    def _pixels(self, parts: Sequence[Part], patch: Patch, traffic: Traffic, what: str) -> Tiles:
        image, arrays = sample_image(parts, self._overlays), room_for(parts, patch.pixels)
        left = deque(strips_of(patch, types_of(parts, self._overlays)))
        while left:
            strip = left.popleft()
            try:
                self._session.ask(
                    # Read within the attempt: a damaged body is asked for again.
                    lambda: read(data.computePixels(request_of(image, strip)), strip, parts, self._overlays, arrays),  # noqa: B023 called at once
                    traffic,
                    what,
                    divisible=strip.is_divisible,
                )
            except Refused as refusal:
                if not (refusal.too_large and strip.is_divisible):
                    raise
                left.extendleft(reversed(strip.parted(2)))
        return tiles_of(arrays, parts)

    def _part(self, look: str, acquisition: Acquisition) -> Part:
        role, path = self._rule.roles[role_of(look)], array_path(self.name, look)
        if sensor_of(look) == "sentinel1":
            return Part(look=look, path=path, asset=acquisition.id)
        if not isinstance(acquisition.scenes, EarthEngineScenes):
            raise TypeError("the acquisition is of another platform: resolve it first")
        return Part(
            look=look,
            path=path,
            asset=acquisition.id,
            level=role.level,
            twin=str(acquisition.scenes.twin[acquisition.scene]),
            mask=self._session.settings.cloud if role.mask else "",
        )

    def check(self, draws: Draws | None = None) -> str:
        """Log in and ask whether the collections are there: one tiny request, or two with masks, whatever the draws.

        Returns what is in order, as text. Raises CredentialsError, CatalogueError, SettingsError, PixelsError,
        PlatformUnreachable; the message says what to do.
        """
        nowhere = Questions(lon=np.zeros(1), lat=np.zeros(1), spans=dict.fromkeys(self._sources.values(), _NEVER))
        session, traffic = self._session, Traffic()
        look_up(session, nowhere, traffic)
        fields = dict.fromkeys(_COLLECTION[source] for source in self._sources.values())
        if L2A in self._sources.values():
            fields |= {"sentinel2_l1c": None}
        if any(role.mask for role in self._rule.roles.values()):
            fields |= {"cloud": None}
            with session.in_use(traffic):
                masks = ee.ImageCollection(session.settings.cloud).limit(1).size()
                try:
                    session.ask(lambda: data.computeValue(masks), traffic, "earthengine: cloud masks")
                except Refused as refusal:
                    raise unanswered(str(refusal), session.settings) from None
        collections = ", ".join(str(getattr(session.settings, field)) for field in fields)
        return (
            f"logged in at {session.url} with project {session.project}; {collections} can be read; "
            f"at most {session.limit.at_most} requests at once"
        )

    def close(self) -> None:
        """End connections and forget the login, unless another corpus is asking; the next request logs in again."""
        self._session.close()


_NEVER = np.array([[0, 1]], np.int64)
"""A time that no scene is of."""
