"""What joins the settlements: roads of several classes, a railway and a power line."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely

from tasks.demo.land_cover import Cover
from tasks.demo.noise import stream
from tasks.demo.settlements import Settlement
from tasks.demo.square import Floats
from tasks.demo.terrain import Terrain

WIDTHS = {
    "motorway": 20.0,
    "primary": 12.0,
    "secondary": 12.0,
    "tertiary": 8.0,
    "unclassified": 8.0,
    "residential": 6.0,
    "track": 4.0,
    "rail": 6.0,
}
"""Metres."""

PYLON_SPACING = 350.0


@dataclass(frozen=True)
class Way:
    """A road or railway, EPSG:32629."""

    line: shapely.LineString
    kind: str  # a key of `WIDTHS`
    name: str | None = None


@dataclass(frozen=True)
class Network:
    """All that joins settlements, EPSG:32629."""

    ways: list[Way]
    power_line: shapely.LineString | None  # its vertices are the towers

    @property
    def pylons(self) -> list[tuple[float, float]]:
        """Where towers stand."""
        return [] if self.power_line is None else [(x, y) for x, y in self.power_line.coords]


def make_network(terrain: Terrain, settlements: list[Settlement], seed: int) -> Network:
    """Roads between neighbouring settlements, better ones on the ways between towns."""
    centres = np.array([place.centre for place in settlements])
    lines = _links(terrain, centres, seed)
    kinds = dict.fromkeys(lines, "tertiary")
    rng = stream(seed, "road kinds")
    for edge in lines:
        if rng.random() < 0.3:
            kinds[edge] = "unclassified"
    towns = [i for i, place in enumerate(settlements) if place.kind in ("city", "town")]
    for town in towns:
        others = sorted(towns, key=lambda other: float(np.linalg.norm(centres[other] - centres[town])))
        for other in others[1:3]:
            for edge in _path(lines, town, other):
                kinds[edge] = "secondary" if 0 not in (town, other) else "primary"
    reached = _distances(lines, 0)
    far = sorted((town for town in towns if town and town in reached), key=lambda town: -reached[town])
    for edge in _path(lines, 0, far[0]) if far else []:
        kinds[edge] = "motorway"
    ways = [Way(line, kinds[edge], f"{kinds[edge][0].upper()}{i + 1}") for i, (edge, line) in enumerate(lines.items())]
    rail_to = far[1] if len(far) > 1 else far[0] if far else None
    if rail_to is not None:
        stops = _stops(lines, 0, rail_to)
        track = _railway(terrain, centres[stops])
        if track is not None:
            ways.append(Way(track, "rail"))
    return Network(ways, _power_line(terrain, settlements, seed))


def _links(terrain: Terrain, centres: Floats, seed: int) -> dict[tuple[int, int], shapely.LineString]:
    """The Gabriel graph of the settlements, without links over lakes or sea, each as a winding line."""
    if len(centres) < 2:
        return {}
    if len(centres) == 2:
        pairs = {(0, 1)}
    else:
        where = {(round(x), round(y)): i for i, (x, y) in enumerate(centres)}
        pairs = set()
        for edge in shapely.get_parts(shapely.delaunay_triangles(shapely.MultiPoint(centres), only_edges=True)):
            ends = sorted(where[round(x), round(y)] for x, y in edge.coords)
            pairs.add((ends[0], ends[1]))
    lakes = shapely.union_all([lake.buffer(25) for lake in terrain.lakes])
    land = terrain.country.buffer(-70)
    shapely.prepare([land, lakes])
    links: dict[tuple[int, int], shapely.LineString] = {}
    for start, end in sorted(pairs):
        middle, reach = (centres[start] + centres[end]) / 2, np.linalg.norm(centres[start] - centres[end]) / 2
        if np.sum(np.linalg.norm(centres - middle, axis=1) < reach * 0.999) > 0:
            continue
        line = _wind(centres[start], centres[end], stream(seed, "road", f"{start}-{end}"))
        if land.contains(line) and not lakes.intersects(line):
            links[start, end] = line
    return links


def _wind(start: Floats, end: Floats, rng: np.random.Generator) -> shapely.LineString:
    along = np.linspace(0, 1, max(9, int(np.linalg.norm(end - start) / 110)))
    normal = np.array([start[1] - end[1], end[0] - start[0]])
    bend = sum(rng.normal(0, 0.055 / wave) * np.sin(np.pi * wave * along) for wave in range(1, 6))
    return shapely.LineString(start + along[:, None] * (end - start) + np.outer(bend, normal))


def _neighbours(lines: dict[tuple[int, int], shapely.LineString]) -> dict[int, list[tuple[int, float]]]:
    near: dict[int, list[tuple[int, float]]] = {}
    for (start, end), line in lines.items():
        near.setdefault(start, []).append((end, line.length))
        near.setdefault(end, []).append((start, line.length))
    return near


def _search(lines: dict[tuple[int, int], shapely.LineString], start: int) -> tuple[dict[int, float], dict[int, int]]:
    near, best, parent = _neighbours(lines), {start: 0.0}, {}
    queue = [(0.0, start)]
    while queue:
        so_far, here = heapq.heappop(queue)
        for there, length in near.get(here, []):
            if so_far + length < best.get(there, np.inf):
                best[there], parent[there] = so_far + length, here
                heapq.heappush(queue, (so_far + length, there))
    return best, parent


def _distances(lines: dict[tuple[int, int], shapely.LineString], start: int) -> dict[int, float]:
    return _search(lines, start)[0]


def _stops(lines: dict[tuple[int, int], shapely.LineString], start: int, end: int) -> list[int]:
    parent = _search(lines, start)[1]
    stops = [end]
    while stops[-1] in parent:
        stops.append(parent[stops[-1]])
    return stops[::-1] if stops[-1] == start else []


def _path(lines: dict[tuple[int, int], shapely.LineString], start: int, end: int) -> list[tuple[int, int]]:
    return [(min(edge), max(edge)) for edge in pairwise(_stops(lines, start, end))]


def _railway(terrain: Terrain, stops: Floats) -> shapely.LineString | None:
    """A smooth line past the settlements, 400 m beside their centres; ends where it would meet a lake or the sea."""
    if len(stops) < 2:
        return None
    beside = stops + np.array([260.0, -300.0])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(beside, axis=0), axis=1))])
    along = np.linspace(0, length[-1], max(12, int(length[-1] / 150)))
    xy = np.column_stack([np.interp(along, length, beside[:, i]) for i in (0, 1)])
    window = np.hanning(33)[1:-1] / np.hanning(33).sum()
    padded = np.pad(xy, ((15, 15), (0, 0)), mode="edge")
    smooth = np.column_stack([np.convolve(padded[:, i], window, mode="valid") for i in (0, 1)])
    dry = shapely.difference(terrain.country.buffer(-80), shapely.union_all([p.buffer(30) for p in terrain.lakes]))
    parts = shapely.get_parts(shapely.LineString(smooth).intersection(dry))
    return max(parts, key=lambda part: part.length) if len(parts) else None


def _power_line(terrain: Terrain, settlements: list[Settlement], seed: int) -> shapely.LineString | None:
    """A straight line across the country past the city; towers stand at its vertices."""
    rng = stream(seed, "power")
    land = terrain.country.buffer(-150)
    homes = shapely.union_all([shapely.union_all(place.areas) for place in settlements]).buffer(60)
    wet = shapely.union_all(terrain.lakes)
    centre, reach = np.array(settlements[0].centre), 1.5 * terrain.square.size
    best: shapely.LineString | None = None
    for _ in range(24):
        turn = rng.uniform(0, np.pi)
        ray = reach * np.array([np.cos(turn), np.sin(turn)])
        shift = centre + rng.uniform(-0.12, 0.12, 2) * terrain.square.size
        line = shapely.LineString([shift - ray, shift + ray])
        for part in shapely.get_parts(line.intersection(land).difference(shapely.union(homes, wet))):
            if isinstance(part, shapely.LineString) and (best is None or part.length > best.length):
                best = part
    if best is None or best.length < 2 * PYLON_SPACING:
        return None
    count = int(best.length // PYLON_SPACING)
    return shapely.LineString([best.interpolate(i * PYLON_SPACING) for i in range(count + 1)])


SURFACES = dict.fromkeys(WIDTHS, Cover.ASPHALT) | {"track": Cover.GRAVEL, "rail": Cover.RAIL}
"""What a way is covered with."""
