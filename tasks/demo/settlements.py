"""The built part of the country: towns and villages with their streets, houses, yards and trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from tasks.demo.land_cover import Cover
from tasks.demo.noise import polygons_of, sample, stream
from tasks.demo.square import Floats
from tasks.demo.terrain import Terrain

SPACING = 3_300.0
"""Metres between neighbouring settlements, about as in farmed western Europe."""

_RADIUS = {"city": 1_300.0, "town": 650.0, "village": 300.0, "hamlet": 130.0}
_SYLLABLES = (("Ser", "Bel", "Orm", "Tal", "Vin", "Mar", "Ild", "Cor"), ("an", "e", "o", "ari", "u", "il"))
_ENDINGS = ("ville", "ford", "mere", "holm", "stead", "mont", "wick", "by")


@dataclass(frozen=True)
class Settlement:
    """One place people live in; geometries in EPSG:32629."""

    name: str
    kind: str  # value of the OSM key `place`: city, town, village or hamlet
    centre: tuple[float, float]
    homes: list[shapely.Polygon]  # residential area
    others: list[tuple[shapely.Polygon, Cover]]  # parks, yards, quarry
    buildings: list[tuple[shapely.Polygon, Cover]]
    streets: list[shapely.LineString]
    trees: list[tuple[float, float]]

    @property
    def areas(self) -> list[shapely.Polygon]:
        """All ground that the settlement takes."""
        return [*self.homes, *(polygon for polygon, _ in self.others)]


def make_settlements(terrain: Terrain, seed: int) -> list[Settlement]:
    """All settlements, the city first; their areas overlap neither each other nor water."""
    centres = _centres(terrain, seed)
    scale = min(1.0, terrain.square.size / 40_000)
    settlements: list[Settlement] = []
    free = terrain.country.buffer(-120).difference(terrain.water.buffer(20))
    for index, centre in enumerate(centres):
        kind = "city" if index == 0 else "town" if index < 1 + max(1, len(centres) // 14) else "village"
        rng = stream(seed, "settlement", str(index))
        if kind == "village" and rng.random() < 0.4:
            kind = "hamlet"
        settlement = _settlement(centre, kind, rng, free, scale if kind == "city" else 1.0)
        if settlement.homes:
            settlements.append(settlement)
            free = free.difference(shapely.union_all(settlement.areas))
    return settlements


def _centres(terrain: Terrain, seed: int) -> list[tuple[float, float]]:
    """A jittered grid on dry land; the place furthest inland comes first, then towns well apart."""
    square = terrain.square
    rng = stream(seed, "centres")
    across = int(square.size // SPACING) + 1
    grid = np.stack(np.meshgrid(np.arange(across), np.arange(across)), -1).reshape(-1, 2) + 0.5
    xy = (grid + rng.uniform(-0.38, 0.38, grid.shape)) * SPACING + square.bounds[:2]
    dry = shapely.contains_xy(terrain.country.buffer(-450), xy) & ~shapely.contains_xy(terrain.water.buffer(250), xy)
    xy = xy[dry & (rng.random(len(xy)) < 0.85)]
    if not len(xy):  # a small country of islands and lakes: the middle of its widest piece of dry land
        dry_land = terrain.country.buffer(-200).difference(terrain.water.buffer(100))
        xy = np.asarray(shapely.maximum_inscribed_circle(shapely.MultiPolygon(polygons_of(dry_land))).coords)[:1]
    low = sample(terrain.inland, square, xy) - 0.6 * sample(terrain.height, square, xy)
    order = [int(np.argmax(low))]
    while len(order) < len(xy):
        # Farthest-point order: whatever number of first places become towns, they are spread over the country.
        distance = np.min(np.linalg.norm(xy[:, None] - xy[order][None], axis=2), axis=1)
        order.append(int(np.argmax(distance)))
    return [(float(x), float(y)) for x, y in xy[order]]


def _settlement(
    centre: tuple[float, float],
    kind: str,
    rng: np.random.Generator,
    free: BaseGeometry,
    scale: float,
) -> Settlement:
    radius = _RADIUS[kind] * scale * rng.uniform(0.8, 1.2)
    reach = 4 * radius
    dry = free.intersection(shapely.box(centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach))
    blob = _blob(centre, radius, rng).intersection(dry)
    angle = rng.uniform(0, 90)
    others: list[tuple[shapely.Polygon, Cover]] = []
    if kind in ("city", "town"):
        for cover, size, count in ((Cover.PARK, 0.22, 1), (Cover.INDUSTRIAL, 0.42, 2 if kind == "city" else 1)):
            for _ in range(count):
                others += _annex(centre, radius, cover, size, rng, dry)
    elif rng.random() < 0.08:
        others += _annex(centre, 2.2 * radius, Cover.QUARRY, 0.35, rng, dry)
    if others:
        apart: list[tuple[shapely.Polygon, Cover]] = []
        for polygon, cover in others:
            rest = polygon.difference(shapely.union_all([other for other, _ in apart]))
            apart += [(part, cover) for part in polygons_of(rest) if part.area > 3_000]
        others = apart
        blob = blob.difference(shapely.union_all([polygon for polygon, _ in others]))
    homes = [part for part in polygons_of(blob) if part.area > 5_000]
    built = shapely.union_all(homes)
    streets = _streets(built, centre, kind, rng)
    buildings = _houses(built, streets, rng)
    for yard, cover in others:
        if cover == Cover.INDUSTRIAL:
            buildings += _halls(yard, angle, rng)
    points = rng.normal(centre, 0.45 * radius, (max(4, int(radius / 12)), 2))
    trees = [(float(x), float(y)) for x, y in points[shapely.contains_xy(built, points)]]
    name = "".join(str(rng.choice(part)) for part in (*_SYLLABLES, _ENDINGS))
    return Settlement(name, kind, centre, homes, others, buildings, streets, trees)


def _blob(centre: tuple[float, float], radius: float, rng: np.random.Generator) -> shapely.Polygon:
    turns = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    shape = np.ones_like(turns)
    for wave in range(2, 6):
        shape += 0.3 / wave * np.sin(wave * turns + rng.uniform(0, 2 * np.pi))
    return shapely.Polygon(np.column_stack([np.cos(turns), np.sin(turns)]) * (radius * shape)[:, None] + centre)


def _annex(
    centre: tuple[float, float],
    radius: float,
    cover: Cover,
    size: float,
    rng: np.random.Generator,
    dry: BaseGeometry,
) -> list[tuple[shapely.Polygon, Cover]]:
    turn = rng.uniform(0, 2 * np.pi)
    away = radius * (0.35 if cover == Cover.PARK else 0.95)
    place = (centre[0] + away * np.cos(turn), centre[1] + away * np.sin(turn))
    if cover == Cover.INDUSTRIAL:
        half = size * radius
        outline = affinity.rotate(shapely.box(-half, -0.6 * half, half, 0.6 * half), float(np.degrees(turn)))
        outline = affinity.translate(outline, *place)
    else:
        outline = _blob(place, size * radius, rng)
    return [(part, cover) for part in polygons_of(outline.intersection(dry)) if part.area > 3_000]


def _streets(
    area: BaseGeometry, centre: tuple[float, float], kind: str, rng: np.random.Generator
) -> list[shapely.LineString]:
    """Streets of an area: a grid a quarter, each quarter with a direction of its own."""
    if area.is_empty:
        return []
    steps = {"city": (130, 190), "town": (130, 180), "village": (150, 170), "hamlet": (200, 260)}[kind]
    count = {"city": 9, "town": 4}.get(kind, 1)
    quarters = [area]
    if count > 1:
        spread = 0.35 * np.sqrt(area.area)
        middles = shapely.MultiPoint(rng.normal(centre, spread, (count, 2)))
        cells = shapely.get_parts(shapely.voronoi_polygons(middles, extend_to=area))
        quarters = [cell.intersection(area) for cell in sorted(cells, key=lambda cell: cell.bounds)]
    streets: list[shapely.LineString] = []
    for quarter in quarters:
        if quarter.is_empty:
            continue
        xmin, ymin, xmax, ymax = quarter.union(shapely.Point(centre)).bounds
        reach = float(np.hypot(xmax - xmin, ymax - ymin))
        lines = [shapely.LineString([(-reach, d), (reach, d)]) for d in np.arange(-reach, reach, steps[0])]
        lines += [shapely.LineString([(d, -reach), (d, reach)]) for d in np.arange(-reach, reach, steps[1])]
        turned = affinity.rotate(shapely.MultiLineString(lines), rng.uniform(0, 90), origin=(0, 0))
        placed = affinity.translate(turned, *centre)
        cut = shapely.get_parts(shapely.intersection(shapely.get_parts(placed), quarter.buffer(-12)))
        streets += [part for part in cut if isinstance(part, shapely.LineString) and part.length > 60]
    return streets


def _houses(
    area: BaseGeometry, streets: list[shapely.LineString], rng: np.random.Generator
) -> list[tuple[shapely.Polygon, Cover]]:
    """Houses on both sides of the streets, front to the street."""
    places: list[Floats] = []
    for street in streets:
        along = np.arange(22.0, street.length - 10, 42.0)
        if not len(along):
            continue
        start, end = np.asarray(street.coords)[[0, -1]]
        direction = (end - start) / np.linalg.norm(end - start)
        normal = np.array([-direction[1], direction[0]])
        for side in (-1, 1):
            keep = along[rng.random(len(along)) < 0.78]
            keep = keep + rng.uniform(-8, 8, len(keep))
            spots = start + keep[:, None] * direction + side * rng.uniform(22, 28, (len(keep), 1)) * normal
            half = rng.uniform((7, 6), (12, 9), (len(keep), 2))
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])[None] * half[:, None]
            places.append(spots[:, None] + corners[..., :1] * direction + corners[..., 1:] * normal)
    if not places:
        return []
    houses = np.array([shapely.Polygon(corners) for corners in np.concatenate(places)])
    shapely.prepare(area)
    houses = houses[shapely.contains(area, houses)]
    # A house that stands on another street, or on a house of that street, would not have been built.
    roadway = shapely.union_all([street.buffer(8) for street in streets])
    shapely.prepare(roadway)
    houses = houses[~shapely.intersects(roadway, houses)]
    tree = shapely.STRtree(houses)
    first, second = tree.query(houses, predicate="intersects")
    houses = np.delete(houses, np.unique(second[second > first]))
    red = rng.random(len(houses)) < 0.7
    return [(house, Cover.RED_ROOF if is_red else Cover.GREY_ROOF) for house, is_red in zip(houses, red, strict=True)]


def _halls(yard: shapely.Polygon, angle: float, rng: np.random.Generator) -> list[tuple[shapely.Polygon, Cover]]:
    """A few large halls inside an industrial yard."""
    xmin, ymin, xmax, ymax = yard.bounds
    halls: list[tuple[shapely.Polygon, Cover]] = []
    for x in np.arange(xmin + 60, xmax, 130):
        for y in np.arange(ymin + 60, ymax, 110):
            hall = shapely.box(x - 45, y - 30, x - 45 + rng.uniform(40, 90), y - 30 + rng.uniform(30, 60))
            if rng.random() < 0.75 and yard.contains(hall):
                halls.append((hall, Cover.WHITE_ROOF if rng.random() < 0.6 else Cover.GREY_ROOF))
    return halls
