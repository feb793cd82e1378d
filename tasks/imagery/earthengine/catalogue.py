"""The catalogue: for many places at once, which scenes lie over each. One request for 250 places.

The server joins places and collections: for each place it looks up the collections by point and time, which is what
their indices are for (a join of whole collections would have to walk through all of them), and returns one row a
place, with a list of scenes for each source. A place that is looked at several times is asked about once, for all the
time from the first to the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ee
import numpy as np
from ee import data
from numpy.typing import NDArray

from tasks.errors import CatalogueError
from tasks.imagery.earthengine.refusals import Refused
from tasks.imagery.earthengine.session import Session
from tasks.imagery.earthengine.settings import COLLECTIONS, EarthEngineSettings
from tasks.imagery.earthengine.sources import GRD, L1C, L2A, portions
from tasks.imagery.platform import Traffic
from tasks.places.patches import Patches

_PAGE = 1000
"""Rows a page that are asked for; the server may send fewer (Earth Engine REST reference, table.computeFeatures)."""

_MOST = 10_000
"""Scenes of one source over one place; no mission has that many in ten years."""

_DAY = 86_400_000
"""Milliseconds."""

SENTINEL2 = (
    "system:index", "system:time_start", "MGRS_TILE", "DATATAKE_IDENTIFIER", "PROCESSING_BASELINE", "GENERATION_TIME",
    "CLOUDY_PIXEL_PERCENTAGE", "SENSING_ORBIT_NUMBER", "MEAN_SOLAR_ZENITH_ANGLE",
)  # fmt: skip
"""Properties of a Sentinel-2 row, in order; the footprint follows."""

TWIN = ("system:index", "MGRS_TILE", "DATATAKE_IDENTIFIER", "PROCESSING_BASELINE", "GENERATION_TIME")
"""Properties of an L1C row, in order."""

SENTINEL1 = ("system:index", "system:time_start", "relativeOrbitNumber_start", "orbitProperties_pass")
"""Properties of a Sentinel-1 row, in order; the footprint follows."""

_WIDER = 60_000
"""Milliseconds by which the time of an L1C scene may differ from its L2A twin's; the two are made by one pass."""


_TWINS = "twins"
"""The property that holds the L1C twins; no source is called like it."""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """n places, and the times for which scenes are wanted at each: [first, end), milliseconds since 1970 UTC."""

    lon: NDArray[np.float64]
    """Degrees, WGS 84."""
    lat: NDArray[np.float64]
    spans: Mapping[str, NDArray[np.int64]]
    """By source the acquisition starts, (n, 2)."""

    def __len__(self) -> int:
        return len(self.lon)

    @classmethod
    def of(cls, patches: Patches, spans: Mapping[str, NDArray[np.int64]]) -> "Questions":
        """About the centres of patches (a scene that covers a patch covers its centre); spans in microseconds."""
        lon, lat = patches.centres()
        # Rounded outwards: the rule, which is in microseconds, decides at the ends.
        outwards = np.array([0, 999])
        wider = {source: (span + outwards) // 1000 for source, span in spans.items()}
        return cls(lon=(lon + 180) % 360 - 180, lat=lat, spans=wider)

    @property
    def days(self) -> NDArray[np.float64]:
        """For which scenes are wanted at each, of all sources together."""
        return np.sum([span[:, 1] - span[:, 0] for span in self.spans.values()], axis=0) / _DAY

    def take(self, indices: NDArray[Any]) -> "Questions":
        """The questions at `indices`."""
        spans = {source: span[indices] for source, span in self.spans.items()}
        return Questions(lon=self.lon[indices], lat=self.lat[indices], spans=spans)


@dataclass(frozen=True, kw_only=True)
class Found:
    """The scenes over one place, by source, as rows of properties and footprint coordinates."""

    scenes: Mapping[str, list[list[Any]]]
    twins: list[list[Any]]
    """L1C images, for B10 of L2A ones."""


def look_up(session: Session, questions: Questions, traffic: Traffic) -> list[Found]:
    """Scenes over each of n places: in one request for up to 250 places and every further page of an answer.

    Raises CatalogueError, CredentialsError, PixelsError, PlatformUnreachable.
    """
    found: list[Found] = []
    with session.in_use(traffic):
        for some in portions(questions.days):
            found += _ask(session, questions.take(some), traffic)
    return found


def _ask(session: Session, questions: Questions, traffic: Traffic) -> list[Found]:
    try:
        rows = _rows(session, question(session.settings, questions), list(questions.spans), traffic)
    except Refused as refusal:
        if refusal.too_large and len(questions) > 1:
            half = len(questions) // 2
            parts = (np.arange(half), np.arange(half, len(questions)))
            return [found for part in parts for found in _ask(session, questions.take(part), traffic)]
        raise unanswered(str(refusal), session.settings) from None
    if sorted(rows) != list(range(len(questions))):
        raise CatalogueError(
            f"earthengine: the catalogue answered for {len(rows)} of {len(questions)} places. Run the same command "
            "again; if it stays so, report it."
        )
    return [rows[index] for index in range(len(questions))]


def _rows(session: Session, expression: Any, sources: Sequence[str], traffic: Traffic) -> dict[int, Found]:
    """Every page of an answer, by place."""
    rows: dict[int, Found] = {}
    page: dict[str, Any] = {"expression": expression, "pageSize": _PAGE}
    while True:
        answer = session.ask(lambda: _page(page), traffic, "earthengine: catalogue", divisible=True)  # noqa: B023 called at once
        for feature in answer.get("features", ()):
            row = feature["properties"]
            found = Found(scenes={source: row.get(source) or [] for source in sources}, twins=row.get(_TWINS) or [])
            if max(map(len, (*found.scenes.values(), found.twins))) >= _MOST:
                raise CatalogueError(
                    f"earthengine: a place has {_MOST} scenes or more within search_days. Use a smaller search_days."
                )
            rows[int(row["place"])] = found
        if not answer.get("nextPageToken"):
            return rows
        page = {**page, "pageToken": answer["nextPageToken"]}


def _page(page: dict[str, Any]) -> dict[str, Any]:
    answer = data.computeFeatures(page)
    if not isinstance(answer, dict):
        raise ValueError("the answer is no table")  # damaged: tried again
    return answer


def question(settings: EarthEngineSettings, questions: Questions) -> Any:
    """The expression: an ee.FeatureCollection with a feature a place, whose properties are place, a list of scenes a
    source, and a list of twins of L2A scenes."""
    columns = [column.tolist() for column in (questions.lon, questions.lat, *questions.spans.values())]
    places = ee.FeatureCollection([
        ee.Feature(
            ee.Geometry.Point([round(lon, 7), round(lat, 7)]),
            {"place": place, **dict(zip(questions.spans, spans, strict=True))},
        )
        for place, (lon, lat, *spans) in enumerate(zip(*columns, strict=True))
    ])  # fmt: skip
    radar = ee.ImageCollection(settings.sentinel1).filter(ee.Filter.eq("instrumentMode", "IW"))
    for polarization in ("VV", "VH"):
        radar = radar.filter(ee.Filter.listContains("transmitterReceiverPolarisation", polarization))

    collections = {L2A: settings.sentinel2, L1C: settings.sentinel2_l1c}

    def answer(place: Any) -> Any:
        listed: dict[str, Any] = {}
        for source in questions.spans:
            if source == GRD:
                listed[source] = _listed(_over(radar, place, source), SENTINEL1, footprint=True)
                continue
            optical = ee.ImageCollection(collections[source])
            listed[source] = _listed(_over(optical, place, source), SENTINEL2, footprint=True)
            if source == L2A:
                twins = ee.ImageCollection(settings.sentinel2_l1c)
                listed[_TWINS] = _listed(_over(twins, place, source, _WIDER), TWIN)
        return ee.Feature(None, {"place": place.get("place"), **listed})

    return places.map(answer)


def _over(collection: Any, place: Any, span: str, wider: int = 0) -> Any:
    """Images of a collection over a place within the span that a property of it gives."""
    ends = ee.List(place.get(span))
    first, end = ee.Number(ends.get(0)).subtract(wider), ee.Number(ends.get(1)).add(wider)
    return collection.filterBounds(place.geometry()).filterDate(ee.Date(first), ee.Date(end))


def _listed(images: Any, properties: Sequence[str], *, footprint: bool = False) -> Any:
    """Images as rows of their properties, null where one is missing."""

    def row(element: Any) -> Any:
        image = ee.Image(element)
        values = [image.get(name) for name in properties]
        return ee.List([*values, image.geometry().coordinates()] if footprint else values)

    return images.toList(_MOST).map(row)


def unanswered(message: str, settings: EarthEngineSettings) -> CatalogueError:
    """What a refusal of the catalogue means, or of a whole collection."""
    named = {variable: str(getattr(settings, field)) for field, variable in COLLECTIONS.items()}
    # The longest first: one id may begin with another.
    for variable, collection in sorted(named.items(), key=lambda item: -len(item[1])):
        if collection in message and "not found" in message:
            return CatalogueError(
                f"earthengine: there is no image collection {collection}, or this login may not read it ({message}). "
                f"Correct or unset {variable}."
            )
    return CatalogueError(f"earthengine: the catalogue cannot be asked: {message}")
