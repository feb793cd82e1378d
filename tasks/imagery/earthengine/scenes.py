"""Rows of the catalogue to scenes."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CatalogueError
from tasks.imagery.earthengine.catalogue import Found
from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.scenes.products import datatake_of, tile_epsg
from tasks.scenes.roles import sensor_of
from tasks.scenes.scenes import Candidates, Nearby, Sentinel1Scenes, Sentinel2Scenes

_RING, _POLYGON, _MULTIPOLYGON = 2, 3, 4
"""Levels of nesting of a geometry's coordinates."""


@dataclass(frozen=True, kw_only=True)
class EarthEngineScenes(Sentinel2Scenes):
    """L2A images, each with the L1C image of the same acquisition."""

    twin: NDArray[np.object_]
    """Asset id of the L1C image, "" = there is none."""


def candidates_of(
    answers: list[Found], draws: NDArray[np.int64], roles: Iterable[str], settings: EarthEngineSettings
) -> Candidates:
    """The scenes over places as candidates; `draws` are the places' positions. Raises CatalogueError."""
    return {role: _nearby(role, answers, draws, settings) for role in roles}


def _nearby(role: str, answers: list[Found], draws: NDArray[np.int64], settings: EarthEngineSettings) -> Nearby:
    listed = [answer.scenes[role] for answer in answers]
    # A scene that lies over many places is told as often; it is read once.
    rows = {row[0]: row for some in listed for row in some}
    if sensor_of(role) == "sentinel2":
        scenes, at = _sentinel2(rows, [row for answer in answers for row in answer.twins[role]], settings)
    else:
        scenes, at = _sentinel1(rows, settings)
    draw, scene = _pairs(draws, ([row[0] for row in some] for some in listed), at)
    return Nearby(scenes=scenes, draw=draw, scene=scene)


def _pairs(
    draws: NDArray[np.int64], names: Iterable[list[str]], at: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = [(draw, at[name]) for draw, some in zip(draws.tolist(), names, strict=True) for name in some if name in at]
    table = np.array(rows, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _sentinel2(
    rows: dict[str, list[Any]], twins: list[list[Any]], settings: EarthEngineSettings
) -> tuple[EarthEngineScenes, dict[str, int]]:
    twin_of = _twins(twins)
    columns: dict[str, list[Any]] = defaultdict(list)
    at: dict[str, int] = {}
    for index in sorted(rows):
        _, time, name, identifier, baseline, generated, cloud, orbit, coordinates = _fields(rows[index], 9)
        tile = _tile(name)
        footprint = footprint_of(coordinates)
        if footprint is None or time is None or not tile:
            continue  # says neither where nor when it is
        at[index] = len(at)
        if not tile_epsg(tile):
            raise CatalogueError(f"earthengine: MGRS_TILE {tile!r} is not a tile such as 32UMA. Report it.")
        datatake = _datatake(identifier, index)
        columns["id"].append(f"{settings.sentinel2}/{index}")
        columns["time"].append(int(time) * 1000)
        columns["footprint"].append(footprint)
        columns["orbit"].append(int(orbit or 0))
        columns["epsg"].append(tile_epsg(tile))
        columns["tile"].append(tile)
        columns["datatake"].append(datatake)
        columns["baseline"].append(str(baseline or ""))
        columns["processed"].append(int(generated or 0) * 1000)
        columns["cloud_cover"].append(np.nan if cloud is None else float(cloud))
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
    scenes = Sentinel1Scenes(
        id=_objects(columns["id"]),
        time=np.array(columns["time"], np.int64),
        footprint=_objects(columns["footprint"]),
        orbit=np.array(columns["orbit"], np.int64),
        product=_objects(columns["product"]),
        direction=_objects(columns["direction"]),
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
