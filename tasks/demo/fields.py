"""The farmed part of the country: an irregular mosaic of fields, their hedges and tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from tasks.demo.land_cover import Cover
from tasks.demo.noise import Field, enlarge, polygons_of, sample, stream
from tasks.demo.square import Floats, Square
from tasks.demo.terrain import Terrain

DISTRICT = 2_600.0
"""Metres between the centres of districts; the fields of one district lie in one direction."""

SMALLEST_FIELD = 6_000.0
"""Square metres; smaller remains stay unmapped."""

_GRID = 0.01
"""Metres to which cut fields are rounded: without it GEOS now and then takes a plot beside a forest for one in it."""

_CROPS = (
    (Cover.CEREAL, 0.36),
    (Cover.MAIZE, 0.17),
    (Cover.MEADOW, 0.23),
    (Cover.RAPESEED, 0.08),
    (Cover.BEET, 0.07),
    (Cover.ORCHARD, 0.03),
    (Cover.VINEYARD, 0.06),
)
"""Shares of all fields, roughly those of western Europe."""


@dataclass(frozen=True)
class Farmland:
    """Fields, and the lines between them, EPSG:32629."""

    fields: list[tuple[shapely.Polygon, Cover]]
    hedges: list[shapely.LineString]
    tracks: list[shapely.LineString]


@dataclass(frozen=True)
class Warp:
    """A smooth displacement of the plane, at most some 60 m: it bends straight field borders but keeps them shared."""

    square: Square
    east: Field
    north: Field

    def __call__(self, xy: Floats) -> Floats:
        """Displaced positions of (n, 2) metres."""
        return xy + np.column_stack([sample(self.east, self.square, xy), sample(self.north, self.square, xy)])


def make_warp(square: Square, seed: int) -> Warp:
    """A displacement that changes over some 900 m."""
    rng = stream(seed, "warp")
    cells = max(3, round(square.size / 900))
    east, north = (22 * enlarge(rng.standard_normal((cells, cells), dtype=np.float32), cells * 8) for _ in range(2))
    return Warp(square, east, north)


def make_farmland(terrain: Terrain, seed: int, taken: list[shapely.Polygon]) -> Farmland:
    """Divide all land that is neither water nor `taken` into fields.

    Args:
        taken: forests, settlements and the like, EPSG:32629.
    """
    square = terrain.square
    warp = make_warp(square, seed)
    blockers = [*taken, *terrain.lakes, *terrain.river_beds]
    tree = shapely.STRtree(blockers)
    fields: list[tuple[shapely.Polygon, Cover]] = []
    hedges: list[shapely.LineString] = []
    tracks: list[shapely.LineString] = []
    shore = terrain.country.buffer(-60)
    for index, district in enumerate(_districts(terrain, seed)):
        rng = stream(seed, "district", str(index))
        box = shapely.box(*shapely.buffer(district, 150).bounds)
        near = shapely.intersection([blockers[i] for i in sorted(tree.query(box).tolist())], box)
        free = shapely.difference(
            shapely.intersection(district, shapely.intersection(shore, box)), shapely.union_all(near)
        )
        if free.is_empty:
            continue
        plots, borders, ways = _divide(district, rng, warp)
        shapely.prepare(free)
        for plot in plots:
            # Most plots lie inside, and asking is much cheaper than cutting.
            parts = [plot] if free.covers(plot) else polygons_of(plot.intersection(free, grid_size=_GRID))
            fields += [(part, _crop(rng)) for part in parts if part.area >= SMALLEST_FIELD]
        hedges += _lines_within(free, borders)
        tracks += _lines_within(free, ways)
    return Farmland(fields, hedges, tracks)


def _districts(terrain: Terrain, seed: int) -> list[shapely.Polygon]:
    square = terrain.square
    rng = stream(seed, "districts")
    across = int(np.ceil(square.size / DISTRICT)) + 2
    grid = np.stack(np.meshgrid(np.arange(across), np.arange(across)), -1).reshape(-1, 2) - 0.5
    centres = (grid + rng.uniform(-0.4, 0.4, grid.shape)) * DISTRICT + square.bounds[:2]
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(centres), extend_to=square.outline))
    cells = cells[shapely.intersects(terrain.country, cells)]
    return sorted(cells, key=lambda cell: cell.bounds)


def _divide(
    district: shapely.Polygon, rng: np.random.Generator, warp: Warp
) -> tuple[list[shapely.Polygon], list[shapely.LineString], list[shapely.LineString]]:
    """Plots that cover a district, some of their borders for hedges, and the longer ones for tracks."""
    angle, centre = rng.uniform(0, np.pi), np.array(district.centroid.coords[0])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    local = (np.asarray(district.exterior.coords) - centre) @ turn.T
    largest = rng.uniform(6e4, 2.4e5)
    boxes: list[tuple[float, float, float, float]] = []
    cuts: list[tuple[float, Floats]] = []
    queue = [(*(local.min(0) - 50), *(local.max(0) + 50))]
    while queue:
        x0, y0, x1, y1 = queue.pop()
        wide, tall = x1 - x0, y1 - y0
        if wide * tall < largest * rng.uniform(0.5, 1.3):
            boxes.append((x0, y0, x1, y1))
            continue
        at = rng.uniform(0.36, 0.64)
        # Long narrow plots are split across more often than not, as ploughing wants them.
        if wide > tall * rng.uniform(0.6, 1.1):
            x = x0 + at * wide
            queue += [(x0, y0, x, y1), (x, y0, x1, y1)]
            cuts.append((tall, np.array([[x, y0], [x, y1]])))
        else:
            y = y0 + at * tall
            queue += [(x0, y0, x1, y), (x0, y, x1, y1)]
            cuts.append((wide, np.array([[x0, y], [x1, y]])))
    unit = np.array([[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]])
    low, high = np.array(boxes)[:, None, :2], np.array(boxes)[:, None, 2:]
    corners = (low + unit * (high - low)).reshape(-1, 2) @ turn + centre
    rings = warp(corners).reshape(-1, len(unit), 2)
    plots = [part for ring in rings for part in polygons_of(shapely.Polygon(ring).buffer(0).intersection(district))]

    def place(line: Floats) -> shapely.LineString:
        dense = np.linspace(line[0], line[1], max(2, int(np.abs(line[1] - line[0]).max() // 120) + 1))
        return shapely.LineString(warp(dense @ turn + centre))

    hedges = [place(line) for length, line in cuts if length <= 900 and rng.random() < 0.30]
    tracks = [place(line) for length, line in cuts if length > 900 and rng.random() < 0.55]
    return plots, hedges, tracks


def _lines_within(area: BaseGeometry, lines: list[shapely.LineString]) -> list[shapely.LineString]:
    if not lines:
        return []
    parts = shapely.get_parts(shapely.get_parts(shapely.intersection(lines, area)))
    return [part for part in parts if isinstance(part, shapely.LineString) and part.length > 80]


def _crop(rng: np.random.Generator) -> Cover:
    shares = np.cumsum([share for _, share in _CROPS])
    return _CROPS[int(np.searchsorted(shares, rng.random() * shares[-1]))][0]
