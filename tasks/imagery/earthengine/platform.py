"""The platform itself: catalogue and pixels behind the protocol of all platforms."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
from ee import data
from numpy.typing import NDArray

from tasks.errors import LabelsError, SceneUnavailable, SpecError
from tasks.imagery.assets import Overlay
from tasks.imagery.bands import BANDS, array_path
from tasks.imagery.earthengine.catalogue import Questions, look_up
from tasks.imagery.earthengine.pixels import Part, refuse_too_large, request_of, sample_image, tiles_of
from tasks.imagery.earthengine.refusals import Refused
from tasks.imagery.earthengine.scenes import EarthEngineScenes, candidates_of
from tasks.imagery.earthengine.session import open_session
from tasks.imagery.earthengine.settings import COLLECTIONS, EarthEngineSettings
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.plausible import refuse_implausible
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import DATATAKE, Rule, sensor_of
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates

_FIRST_SCENE = dt.datetime(2017, 3, 28, tzinfo=dt.UTC)
"""Of COPERNICUS/S2_SR_HARMONIZED (Earth Engine Data Catalog, dataset availability)."""

_SAME = {"sentinel2": DATATAKE, "sentinel1": 60_000_000}
"""Microseconds by which catalogues may differ over the start of one acquisition; its name decides which one it is."""


class EarthEngine:
    """Sentinel-2 L2A with B10 of the L1C twin, and Sentinel-1 GRD, from Google Earth Engine.

    Safe to use from many threads. Nothing is sent before the first request.
    """

    name = "earthengine"
    dates_together = 1
    bands: tuple[str, ...] = BANDS
    reach: None = None
    """Its catalogue is not known as a whole."""

    def __init__(
        self, rule: Rule, settings: EarthEngineSettings, overlays: tuple[Overlay, ...] = (), *, pixels: int = 0
    ) -> None:
        """`rule` is the pairing rule: what cannot be paired under it is not asked for. `overlays` come with the images,
        of patches of so many pixels a side.

        Raises CredentialsError: no credentials or no project; SettingsError: not a URL; SpecError: a window before
        the mission, or more than a request holds.
        """
        self._rule, self._overlays = rule, overlays
        refuse_too_large(tuple(rule.roles), overlays, pixels)
        if rule.window[1] <= _FIRST_SCENE.timestamp() * 1_000_000:
            raise SpecError(
                f"window: ends before {_FIRST_SCENE:%Y-%m-%d}, the first Sentinel-2 L2A scene of earthengine. Use a "
                "later window."
            )
        self._session = open_session(settings)
        self.in_flight = settings.requests

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes over the centres of the patches, within the reach of their roles of the preferred instants.

        One request for every 250 draws. Raises CatalogueError, CredentialsError, PixelsError, PlatformUnreachable.
        """
        spans = {role: self._span(role, draws.preferred) for role in self._rule.roles}
        first, end = spans[self._rule.root].T
        possible = np.flatnonzero(first < end)
        questions = Questions.of(draws.patches.take(possible), {role: span[possible] for role, span in spans.items()})
        answers = look_up(self._session, questions, traffic)
        return candidates_of(answers, possible, self._rule.roles, self._session.settings)

    def _span(self, role: str, preferred: NDArray[np.int64]) -> NDArray[np.int64]:
        """From when to when scenes of a role are looked for, (n, 2) microseconds, half open."""
        reach, margin, (first, end) = self._rule.reach(role), self._rule.margin(role), self._rule.window
        # One microsecond more, because this end is exclusive and the rule's is not.
        ends = np.maximum(preferred - reach, first - margin), np.minimum(preferred + reach + 1, end + margin)
        return np.stack(ends, axis=1)

    def resolve(
        self, wanted: Sequence[Acquisitions], patches: Patches, traffic: Traffic
    ) -> list[Acquisitions | Rejection]:
        """The same acquisitions in this catalogue: one request for every 250. Raises as `candidates`."""
        if not wanted:
            return []
        roles = self._rule.roles
        times = {role: np.array([acquisitions[role].time for acquisitions in wanted], np.int64) for role in roles}
        spans = {role: time[:, None] + np.array([-1, 1]) * _SAME[sensor_of(role)] for role, time in times.items()}
        answers = look_up(self._session, Questions.of(patches, spans), traffic)
        own = candidates_of(answers, np.arange(len(wanted)), roles, self._session.settings)
        return Resolver.of(own).resolve_all(wanted, patches.vertices(inset=PIXEL / 2))

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        """All bands of all roles and overlays in one request.

        Raises SceneUnavailable, PixelsError, LabelsError, PlatformUnreachable, CredentialsError; TypeError: the
        acquisitions are another platform's.
        """
        parts = [self._part(role, acquisition) for role, acquisition in acquisitions.items()]
        # One request has one answer: which of them is refused is not known, but by the server's words.
        scenes = " and ".join(acquisition.id for acquisition in acquisitions.values())
        with self._session.in_use(traffic):
            wanted = request_of(sample_image(parts, self._overlays), patch)
            try:
                tiles = self._session.ask(
                    # Read within the attempt: a damaged body is asked for again.
                    lambda: tiles_of(data.computePixels(wanted), patch, parts, self._overlays),
                    traffic,
                    f"earthengine: pixels of {scenes}",
                )
            except Refused as refusal:
                for overlay in self._overlays:
                    if overlay.asset in str(refusal):  # every other sample would be refused the same way
                        raise LabelsError(f"earthengine: the label {overlay.asset} is refused: {refusal}") from None
                raise SceneUnavailable(Reason.REFUSED, scenes, f"earthengine: {refusal}") from None
        for part in parts:
            variable = COLLECTIONS["sentinel2" if part.is_optical else "sentinel1"]
            unit = "reflectance x 10,000 without the +1000 offset" if part.is_optical else "backscatter in dB"
            refuse_implausible(
                tiles.arrays[part.path],
                scene=part.asset,
                what=f"earthengine {part.role}",
                remedy=f"See that the collection in {variable} holds {unit}",
            )
        return tiles

    def _part(self, role: str, acquisition: Acquisition) -> Part:
        twin = ""
        if sensor_of(role) == "sentinel2":
            if not isinstance(acquisition.scenes, EarthEngineScenes):
                raise TypeError("the acquisition is of another platform: resolve it first")
            twin = str(acquisition.scenes.twin[acquisition.scene])
        return Part(role=role, path=array_path(self.name, role), asset=acquisition.id, twin=twin)

    def check(self, draws: Draws | None = None) -> str:
        """Log in and ask whether the collections are there: one tiny request, whatever the draws.

        Returns what is in order, as text. Raises CredentialsError, CatalogueError, SettingsError, PixelsError,
        PlatformUnreachable; the message says what to do.
        """
        nowhere = Questions(lon=np.zeros(1), lat=np.zeros(1), spans=dict.fromkeys(self._rule.roles, _NEVER))
        look_up(self._session, nowhere, Traffic())
        session = self._session
        collections = ", ".join(str(getattr(session.settings, field)) for field in COLLECTIONS)
        return (
            f"logged in at {session.url} with project {session.project}; {collections} can be read; "
            f"at most {session.limit.at_most} requests at once"
        )

    def close(self) -> None:
        """End connections and forget the login, unless another corpus is asking; the next request logs in again."""
        self._session.close()


_NEVER = np.array([[0, 1]], np.int64)
"""A time that no scene is of."""
