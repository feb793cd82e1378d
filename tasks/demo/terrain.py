"""The natural part of the country: coast, heights, lakes, rivers, forests and what grows between them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from tasks.demo.land_cover import FOREST, Cover
from tasks.demo.noise import FIELD_RESOLUTION, Field, fractal, outlines, polygons_of, round_corners, stream
from tasks.demo.square import Square

SEA_MARGIN = 1_800.0
"""Metres of sea at least between country and border of the square: a patch of 2.5 km centred on land stays inside."""

_RIVER_GRID = 300.0  # metres: coarse enough for a search in pure Python, smoothed afterwards


@dataclass(frozen=True)
class Terrain:
    """What nature made; geometries in EPSG:32629, fields (n, n) at `FIELD_RESOLUTION`."""

    square: Square
    inland: Field  # above 0 on land, growing from coast to middle
    height: Field  # 0 at the coast, about 1 on the hills
    country: shapely.MultiPolygon
    lakes: list[shapely.Polygon]
    rivers: list[tuple[shapely.LineString, float]]  # centre lines, downstream, and widths in metres
    river_beds: list[shapely.Polygon]

    @cached_property
    def water(self) -> BaseGeometry:
        """Lakes and river beds as one geometry."""
        return shapely.union_all([*self.lakes, *self.river_beds])


def make_terrain(square: Square, seed: int) -> Terrain:
    """Coast, heights, lakes and rivers of the square."""
    inland = _inland(square, seed)
    country = shapely.MultiPolygon([_filled(part) for part in outlines(inland > 0, square, 4e5)])
    hills = fractal(stream(seed, "hills"), square, 14_000, 6)
    height = (np.clip(inland, 0, None) * np.clip(1.1 + 0.45 * hills, 0.1, None)).astype(np.float32)
    ponds = fractal(stream(seed, "lakes"), square, 3_600, 4)
    # Lakes lie low and off the coast; a small country would otherwise often have none.
    basin = np.where(inland > 0.10, ponds - 0.9 * hills, -9.0)
    share = np.quantile(basin[inland > 0.10], 0.965)
    lakes = outlines(basin > share, square, 2e4)
    rivers = _rivers(square, seed, inland, height)
    beds = shapely.union_all([line.buffer(width / 2) for line, width in rivers])
    beds = shapely.intersection(shapely.difference(beds, shapely.union_all(lakes)), country)
    return Terrain(square, inland, height, country, lakes, rivers, polygons_of(beds))


def make_growth(terrain: Terrain, seed: int, built_up: BaseGeometry) -> list[tuple[shapely.Polygon, Cover]]:
    """Forests, heath, scrub, marsh and beach: polygons that touch neither each other nor water nor `built_up`."""
    square, inland = terrain.square, terrain.inland
    noise = fractal(stream(seed, "forests"), square, 5_000, 5, 0.55) + 0.8 * (terrain.height - 0.5)
    land = inland > 0.02
    level = float(np.quantile(noise[land], 0.73))
    kinds = fractal(stream(seed, "forest kinds"), square, 6_000, 5)
    open_land = fractal(stream(seed, "open land"), square, 3_000, 4) + 1.2 * (terrain.height - 0.6)
    wild = float(np.quantile(open_land[land], 0.94))
    wooded = land & (noise > level)
    bare = land & ~wooded & (open_land > wild)
    masks = [
        (Cover.CONIFER, wooded & (kinds > 0.45)),
        (Cover.MIXED, wooded & (kinds > -0.1)),
        (Cover.DECIDUOUS, wooded),
        (Cover.HEATH, bare & (kinds > 0)),
        (Cover.SCRUB, bare),
    ]  # each without what the ones before it took, so that no gaps are left between them
    shores = shapely.union_all([lake.buffer(150) for lake in terrain.lakes[::3]])
    sands = fractal(stream(seed, "beaches"), square, 4_000, 2) > 0.1
    strip = terrain.country.difference(terrain.country.buffer(-90))
    layers = [(Cover.BEACH, strip.intersection(shapely.union_all(outlines(sands, square, 1e5))))]
    layers += [(Cover.WETLAND, shores)]
    layers += [(cover, shapely.union_all(outlines(mask, square, 3e4))) for cover, mask in masks]
    taken = shapely.union_all([terrain.water, built_up])
    clearing = _clearing(layers, taken)
    found: list[tuple[shapely.Polygon, Cover]] = []
    for cover, layer in layers:
        free = layer.difference(taken).difference(clearing).intersection(terrain.country)
        found += [(part, cover) for part in polygons_of(free) if part.area > 8_000]
        taken = shapely.union(taken, layer)
    return found


def _clearing(layers: list[tuple[Cover, BaseGeometry]], taken: BaseGeometry) -> BaseGeometry:
    """A round gap in the widest forest, so that every country, however small, has a forest with a hole."""
    forests = [part for cover, layer in layers if cover in FOREST for part in polygons_of(layer.difference(taken))]
    if not forests:
        return shapely.Polygon()
    radius = shapely.maximum_inscribed_circle(max(forests, key=lambda forest: forest.area))
    return shapely.Point(radius.coords[0]).buffer(min(160.0, 0.6 * radius.length))


def _inland(square: Square, seed: int) -> Field:
    width = square.width(FIELD_RESOLUTION)
    reach = 1 - SEA_MARGIN / (square.size / 2)
    axis = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    u, v = np.abs(axis[None, :]) / reach, np.abs(axis[:, None]) / reach
    radius = (u**2.8 + v**2.8) ** (1 / 2.8)
    coast = 0.16 * fractal(stream(seed, "coast"), square, square.size / 2.5, 7, 0.6)
    # Falls below 0 before the margin whatever the noise says, but in bays and capes rather than straight.
    border = 3 * (1 - np.maximum(u, v)) - 0.14 * np.abs(fractal(stream(seed, "bays"), square, square.size / 6, 6, 0.6))
    return np.minimum(0.88 - radius + coast, border).astype(np.float32)


def _filled(polygon: shapely.Polygon) -> shapely.Polygon:
    return shapely.Polygon(polygon.exterior)


def _rivers(square: Square, seed: int, inland: Field, height: Field) -> list[tuple[shapely.LineString, float]]:
    """Cheapest ways to the sea from some springs, wider below each confluence."""
    cells = round(square.size / _RIVER_GRID)
    pick = ((np.arange(cells) + 0.5) * len(inland) / cells).astype(int)
    land = inland[np.ix_(pick, pick)] > 0
    rough = fractal(stream(seed, "valleys"), square, 5_000, 4)[np.ix_(pick, pick)]
    parent = _ways_to_sea(land, 0.15 + np.exp(1.3 * rough) + 2 * height[np.ix_(pick, pick)])
    rng = stream(seed, "springs")
    inner = np.argwhere(inland[np.ix_(pick, pick)] > 0.25)
    springs = inner[rng.permutation(len(inner))[: max(2, round(9 * (square.size / 60_000) ** 2))]]
    flow: dict[tuple[int, int], int] = {}
    for row, column in springs.tolist():
        cell = (row, column)
        while cell in parent:
            flow[cell] = flow.get(cell, 0) + 1
            cell = parent[cell]
    heads = [cell for cell in flow if all(parent[other] != cell for other in flow)]
    rivers: list[tuple[shapely.LineString, float]] = []
    done: set[tuple[int, int]] = set()
    jitter = rng.uniform(-0.35, 0.35, (cells, cells, 2))
    for head in heads:
        path = [head]
        while path[-1] in parent and path[-1] not in done:
            done.add(path[-1])
            path.append(parent[path[-1]])
        if len(path) < 4:
            continue
        places = np.array([(c + 0.5 + jitter[r, c, 0], r + 0.5 + jitter[r, c, 1]) for r, c in path])
        xy = places * (_RIVER_GRID, -_RIVER_GRID) + (square.left, square.top)
        # Equal stretches share their widest flow, so that a river widens in a few steps, not at every vertex.
        widths = [min(15 + 13 * flow.get(cell, 1), 90) for cell in path[:-1]]
        for start, stop in _stretches(widths):
            rivers.append((shapely.LineString(xy[start : stop + 1]), float(widths[start])))
    return [(shapely.LineString(round_corners(np.asarray(line.coords), closed=False)), w) for line, w in rivers]


def _stretches(widths: list[int]) -> list[tuple[int, int]]:
    cuts = [0, *(i for i in range(1, len(widths)) if widths[i] != widths[i - 1]), len(widths)]
    return list(pairwise(cuts))


def _ways_to_sea(land: npt.NDArray[np.bool_], cost: npt.NDArray[np.float64]) -> dict[tuple[int, int], tuple[int, int]]:
    """Dijkstra from all sea cells at once: the next cell on the cheapest way to the sea, for every land cell."""
    rows, columns = land.shape
    best = np.where(land, np.inf, 0.0)
    queue = [(0.0, row, column) for row, column in np.argwhere(~land).tolist()]
    parent: dict[tuple[int, int], tuple[int, int]] = {}
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    heapq.heapify(queue)
    while queue:
        so_far, row, column = heapq.heappop(queue)
        if so_far > best[row, column]:
            continue
        for down, right in steps:
            r, c = row + down, column + right
            if 0 <= r < rows and 0 <= c < columns and land[r, c]:
                total = so_far + float(cost[r, c]) * (1.414 if down and right else 1.0)
                if total < best[r, c]:
                    best[r, c] = total
                    parent[r, c] = (row, column)
                    heapq.heappush(queue, (total, r, c))
    return parent
