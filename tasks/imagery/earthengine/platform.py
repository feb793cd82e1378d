"""The platform itself: catalogue and pixels behind the protocol of all platforms."""

import datetime as dt

import numpy as np
from ee import data
from numpy.typing import NDArray

from tasks.errors import SceneUnavailable, SpecError
from tasks.imagery.earthengine.catalogue import Collections, Questions, look_up
from tasks.imagery.earthengine.pixels import request_of, sample_image, tiles_of
from tasks.imagery.earthengine.refusals import Refused
from tasks.imagery.earthengine.scenes import EarthEngineScenes, candidates_of
from tasks.imagery.earthengine.session import open_session
from tasks.imagery.platform import BANDS, Tiles, Traffic
from tasks.places import PIXEL, Draws, Patch, Patches
from tasks.scenes import Candidates, Resolver, Rule, ScenePair
from tasks.settings import Settings

_FIRST_SCENE = dt.datetime(2017, 3, 28, tzinfo=dt.UTC)
"""Of COPERNICUS/S2_SR_HARMONIZED (Earth Engine Data Catalog, dataset availability)."""

_S2_NEAR, _S1_NEAR = 3_600_000_000, 60_000_000
"""Microseconds by which catalogues may differ over the start of one acquisition: some give the datatake's start for
every tile of it, and a datatake lasts up to half an hour. Which scene it is, its name decides."""


class EarthEngine:
    """Sentinel-2 L2A with B10 of the L1C twin, and Sentinel-1 GRD, from Google Earth Engine.

    Safe to use from many threads. Nothing is sent before the first request.
    """

    name = "earthengine"
    bands: tuple[str, ...] = BANDS

    def __init__(self, rule: Rule, settings: Settings) -> None:
        """`rule` is the pairing rule: what cannot be paired under it is not asked for.

        Raises CredentialsError: no credentials or no project; SettingsError: not a URL; SpecError: a window before
        the mission.
        """
        self._rule = rule
        self._collections = Collections(
            sentinel2=settings.earthengine_sentinel2,
            sentinel2_l1c=settings.earthengine_sentinel2_l1c,
            sentinel1=settings.earthengine_sentinel1,
        )
        if rule.window[1] <= _FIRST_SCENE.timestamp() * 1_000_000:
            raise SpecError(
                f"window: ends before {_FIRST_SCENE:%Y-%m-%d}, the first Sentinel-2 L2A scene of earthengine. Use a "
                "later window."
            )
        self._session = open_session(settings)
        self.in_flight = settings.earthengine_requests

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes over the centres of the patches within search_days of the preferred instants.

        One request for every 250 draws. Raises CatalogueError, CredentialsError, PixelsError.
        """
        rule, preferred = self._rule, draws.preferred
        # One microsecond more, because these ends are exclusive and the rule's are not.
        s2 = _spans(
            np.maximum(preferred - rule.search, rule.window[0]), np.minimum(preferred + rule.search + 1, rule.window[1])
        )
        s1 = _spans(s2[:, 0] - rule.reach, s2[:, 1] + rule.reach)
        possible = np.flatnonzero(s2[:, 0] < s2[:, 1])
        questions = Questions.of(draws.patches.take(possible), s2[possible], s1[possible])
        answers = look_up(self._session, self._collections, questions, traffic)
        return candidates_of(answers, possible, self._collections)

    def resolve(self, pairs: list[ScenePair], patches: Patches, traffic: Traffic) -> list[ScenePair | str]:
        """The same acquisitions in this catalogue: one request for every 250. Raises as `candidates`."""
        s2 = np.array([pair.s2.time[pair.s2_scene] for pair in pairs], np.int64)
        s1 = np.array([pair.s1.time[pair.s1_scene] for pair in pairs], np.int64)
        questions = Questions.of(patches, _spans(s2 - _S2_NEAR, s2 + _S2_NEAR), _spans(s1 - _S1_NEAR, s1 + _S1_NEAR))
        answers = look_up(self._session, self._collections, questions, traffic)
        own = candidates_of(answers, np.arange(len(pairs)), self._collections)
        resolver = Resolver(own.sentinel2, own.sentinel1)
        outlines = patches.vertices(inset=PIXEL / 2)
        return [resolver.resolve(pair, outline) for pair, outline in zip(pairs, outlines, strict=True)]

    def fetch(self, patch: Patch, pair: ScenePair, traffic: Traffic) -> Tiles:
        """Fifteen bands in one request.

        Raises SceneUnavailable, PixelsError, CredentialsError; TypeError: the pair is another platform's.
        """
        if not isinstance(pair.s2, EarthEngineScenes):
            raise TypeError("the pair is of another platform: resolve it first")
        twin = str(pair.s2.twin[pair.s2_scene])
        self._session.log_in(traffic)
        wanted = request_of(sample_image(pair.s2_id, twin, pair.s1_id), patch)
        try:
            return self._session.ask(
                # Read within the attempt: a damaged body is asked for again.
                lambda: tiles_of(data.computePixels(wanted), patch, twin=bool(twin)),
                traffic,
                f"earthengine: pixels of {pair.s2_id} and {pair.s1_id}",
            )
        except Refused as refusal:
            raise SceneUnavailable(f"earthengine: {refusal}") from None

    def check(self) -> str:
        """Log in and ask whether the collections are there: one tiny request.

        Returns what is in order, as text. Raises CredentialsError, CatalogueError, SettingsError, PixelsError; the
        message says what to do.
        """
        look_up(self._session, self._collections, _NOWHERE, Traffic())
        session, collections = self._session, ", ".join(self._collections.settings.values())
        return (
            f"logged in at {session.url} with project {session.project}; {collections} can be read; "
            f"at most {session.limit.at_most} requests at once"
        )


_NOWHERE = Questions(lon=np.zeros(1), lat=np.zeros(1), s2=np.array([[0, 1]], np.int64), s1=np.array([[0, 1]], np.int64))
"""A place and a time that no scene is of."""


def _spans(first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([first, end], axis=1)
