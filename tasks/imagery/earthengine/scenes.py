"""Rows of the catalogue to scenes."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError
from tasks.imagery.earthengine.catalogue import Found
from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.imagery.earthengine.sources import GRD, L1C, source_of
from tasks.scenes.products import datatake_of, tile_epsg
from tasks.scenes.roles import Role
from tasks.scenes.scenes import Candidates, Nearby, Scenes, Sentinel1Scenes, Sentinel2Scenes

_RING, _POLYGON, _MULTIPOLYGON = 2, 3, 4
"""Levels of nesting of a geometry's coordinates."""

_SATELLITE = re.compile(r"S[12][A-Z](?=[ _])")
"""At the start of datatakes and of Sentinel-1 products."""


@dataclass(frozen=True, kw_only=True)
class EarthEngineScenes(Sentinel2Scenes):
    """L2A images, each with the L1C image of the same acquisition, or L1C images."""

    twin: NDArray[np.object_]
    """Asset id of the L1C image of an L2A one, "" = there is none."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """n times at which places are looked at: for which of the places, and from when to when scenes of each role."""

    place: NDArray[np.int64]
    """Position among the answers, (n,)."""
    spans: Mapping[str, NDArray[np.int64]]
    """By role the acquisition starts, (n, 2), microseconds, half open."""
    draw: NDArray[np.int64]
    """What the candidates call each of them, (n,)."""


def candidates_of(
    answers: Sequence[Found], wanted: Wanted, roles: Mapping[str, Role], settings: EarthEngineSettings
) -> Candidates:
    """The scenes over places as candidates. Raises CatalogueError."""
    sources = {name: source_of(name, role) for name, role in roles.items()}
    read = {source: _read(source, answers, settings) for source in dict.fromkeys(sources.values())}
    return {name: _nearby(*read[source], wanted, wanted.spans[name]) for name, source in sources.items()}


def _read(
    source: str, answers: Sequence[Found], settings: EarthEngineSettings
) -> tuple[Scenes, list[NDArray[np.int64]]]:
    """A source's scenes, and which of them lie over each place."""
    listed = [answer.scenes[source] for answer in answers]
    # A scene that lies over many places is told as often; it is read once.
    rows = {row[0]: row for some in listed for row in some}
    if source == GRD:
        scenes, at = _sentinel1(rows, settings)
    else:
        twins = [row for answer in answers for row in answer.twins]
        scenes, at = _sentinel2(rows, twins, settings, level=source)
    return scenes, [np.array([at[row[0]] for row in some if row[0] in at], np.int64) for some in listed]


def _nearby(scenes: Scenes, over: Sequence[NDArray[np.int64]], wanted: Wanted, spans: NDArray[np.int64]) -> Nearby:
    found = [over[place] for place in wanted.place]
    draw = np.repeat(np.arange(len(found)), [len(some) for some in found])
    scene = np.concatenate([np.empty(0, np.int64), *found])
    # A place is asked about for all of its times and roles at once.
    time = scenes.time[scene]
    first, end = ((spans + np.array([0, 999])) // 1000 * 1000)[draw].T
    near = (time >= first) & (time < end)
    return Nearby(scenes=scenes, draw=wanted.draw[draw[near]], scene=scene[near])


def _sentinel2(
    rows: dict[str, list[Any]], twins: list[list[Any]], settings: EarthEngineSettings, *, level: str
) -> tuple[EarthEngineScenes, dict[str, int]]:
    twin_of: Mapping[tuple[str, str], list[str]] = {} if level == L1C else _twins(twins)
    collection = settings.sentinel2_l1c if level == L1C else settings.sentinel2
    columns: dict[str, list[Any]] = defaultdict(list)
    at: dict[str, int] = {}
    for index in sorted(rows):
        _, time, name, identifier, baseline, generated, cloud, orbit, zenith, coordinates = _fields(rows[index], 10)
        tile = _tile(name)
        footprint = footprint_of(coordinates)
        if footprint is None or time is None or not tile:
            continue  # says neither where nor when it is
        at[index] = len(at)
        if not tile_epsg(tile):
            raise CatalogueError(f"earthengine: MGRS_TILE {tile!r} is not a tile such as 32UMA. Report it.")
        datatake = _datatake(identifier, index)
        columns["id"].append(f"{collection}/{index}")
        columns["time"].append(int(time) * 1000)
        columns["footprint"].append(footprint)
        columns["orbit"].append(int(orbit or 0))
        columns["epsg"].append(tile_epsg(tile))
        columns["tile"].append(tile)
        columns["datatake"].append(datatake)
        columns["baseline"].append(str(baseline or ""))
        columns["processed"].append(int(generated or 0) * 1000)
        columns["cloud_cover"].append(np.nan if cloud is None else float(cloud))
        columns["satellite"].append(found[0] if (found := _SATELLITE.match(datatake)) else "")
        columns["sun_elevation"].append(np.nan if zenith is None else round(90 - float(zenith), 6))
        same = twin_of.get((datatake, tile), [])
        # The same name is the same granule; a datatake may have two on one tile (split datastrips).
        twin = index if index in same else (same[-1] if same else "")
        columns["twin"].append(f"{settings.sentinel2_l1c}/{twin}" if twin else "")
    scenes = EarthEngineScenes(
        id=_objects(columns["id"]),
        time=np.array(columns["time"], np.int64),
        footprint=_objects(columns["footprint"]),
        orbit=np.array(columns["orbit"], np.int64),
        epsg=np.array(columns["epsg"], np.int64),
        tile=_objects(columns["tile"]),
        datatake=_objects(columns["datatake"]),
        baseline=_objects(columns["baseline"]),
        processed=np.array(columns["processed"], np.int64),
        cloud_cover=np.array(columns["cloud_cover"], float),
        satellite=_objects(columns["satellite"]),
        sun_elevation=np.array(columns["sun_elevation"], float),
        twin=_objects(columns["twin"]),
    )
    return scenes, at


def _sentinel1(rows: dict[str, list[Any]], settings: EarthEngineSettings) -> tuple[Sentinel1Scenes, dict[str, int]]:
    columns: dict[str, list[Any]] = defaultdict(list)
    at: dict[str, int] = {}
    for index in sorted(rows):
        _, time, orbit, direction, coordinates = _fields(rows[index], 5)
        footprint = footprint_of(coordinates)
        if footprint is None or time is None:
            continue
        at[index] = len(at)
        columns["id"].append(f"{settings.sentinel1}/{index}")
        columns["time"].append(int(time) * 1000)
        columns["footprint"].append(footprint)
        columns["orbit"].append(int(orbit or 0))
        columns["product"].append(index)
        columns["direction"].append(str(direction or "").lower())
        columns["satellite"].append(found[0] if (found := _SATELLITE.match(index)) else "")
    scenes = Sentinel1Scenes(
        id=_objects(columns["id"]),
        time=np.array(columns["time"], np.int64),
        footprint=_objects(columns["footprint"]),
        orbit=np.array(columns["orbit"], np.int64),
        product=_objects(columns["product"]),
        direction=_objects(columns["direction"]),
        satellite=_objects(columns["satellite"]),
    )
    return scenes, at


def _twins(rows: list[list[Any]]) -> dict[tuple[str, str], list[str]]:
    """Names of L1C images by datatake and tile, the newest processing last."""
    found: dict[tuple[str, str], set[tuple[str, int, str]]] = defaultdict(set)
    for row in rows:
        index, tile, identifier, baseline, generated = _fields(row, 5)
        found[_datatake(identifier, index), _tile(tile)].add((str(baseline or ""), int(generated or 0), index))
    return {key: [index for _, _, index in sorted(images)] for key, images in found.items()}


def _fields(row: Any, count: int) -> list[Any]:
    if not isinstance(row, list) or len(row) != count or not isinstance(row[0], str):
        raise CatalogueError(f"earthengine: a row of the catalogue cannot be read: {str(row)[:200]}. Report it.")
    return row


def _datatake(identifier: Any, index: str) -> str:
    """As all platforms write it, e.g. S2A 20180503T104021; the image's name where it is unknown."""
    return datatake_of(str(identifier or "")) or index


def _tile(name: Any) -> str:
    """With two digits for the zone, as in ESA's product names: 01CCV."""
    return str(name).zfill(5) if name else ""


def footprint_of(coordinates: Any) -> Any:
    """A footprint as shapely polygons in WGS 84 degrees from a ring's, polygon's or multipolygon's coordinates.

    One that crosses the antimeridian is there twice, on from 180 and on from -180 degrees, so that it covers a patch
    on either side whichever way the patch's longitudes run. None: there is no area in it.
    """
    depth = _depth(coordinates)
    polygons = {_RING: [[coordinates]], _POLYGON: [coordinates], _MULTIPOLYGON: coordinates}.get(depth, [])
    parts: list[Any] = []
    start: float | None = None
    for rings in polygons:
        unwrapped: list[Any] = []
        for ring in rings:
            points = np.array(ring, float)[:, :2]
            if len(points) < 3:
                continue
            start = float(points[0, 0]) if start is None else start
            points[:, 0] = start + (points[:, 0] - start + 180) % 360 - 180
            unwrapped.append(points)
        if unwrapped:
            polygon = shapely.Polygon(unwrapped[0], unwrapped[1:])
            parts.append(polygon if polygon.is_valid else shapely.make_valid(polygon, method="structure"))
    whole = parts[0] if len(parts) == 1 else shapely.union_all(parts)
    if whole.is_empty or not whole.area:
        return None
    west, _, east, _ = whole.bounds
    if west < -180 or east > 180:
        other = shapely.transform(whole, lambda points: np.add(points, [360 if west < -180 else -360, 0]))
        whole = shapely.union_all([whole, other])
    return whole


def _depth(coordinates: Any) -> int:
    depth = 0
    while isinstance(coordinates, list) and coordinates:
        coordinates, depth = coordinates[0], depth + 1
    return depth


def _objects(values: list[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
