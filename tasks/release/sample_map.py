"""The map of a corpus' samples, `release/map.png`: a dot a sample in the colour of its split, over the countries."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.labels.legends import Colour
from tasks.places.world import world
from tasks.release.keys import PAPER

SPLIT_COLOURS: Mapping[str, Colour] = {"train": (0, 114, 178), "validation": (230, 159, 0), "test": (200, 40, 90)}
"""Told apart by those who see no red or green too."""

_WIDTH, _FINER = 1200, 2
"""Pixels of the picture's width, and how much finer it is drawn."""

_SEA, _LAND, _BORDER, _GRID = (226, 234, 240), (247, 245, 239), (190, 192, 188), (208, 219, 227)
_INK, _FAINT = (28, 34, 40), (110, 118, 126)

_WORLD = 140.0
"""Degrees of longitude from which on the whole world is shown."""

_LEAST = 6.0
"""Degrees of latitude shown at least: a smaller piece has no coast or border to be known by."""

_LATITUDES = (-58.0, 84.0)
"""Of the whole world: south of it is none but Antarctica, north of it no land."""

Points = NDArray[np.float64]
"""(n, 2) of degrees, longitude first, or of pixels, x first."""


@dataclass(frozen=True)
class _View:
    """What of the world is shown: degrees, and how they become pixels."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def of(cls, points: Points) -> "_View":
        """All points and a margin around them, or the world if they are all over it."""
        if not len(points) or np.ptp(points[:, 0]) > _WORLD:
            return cls(-180.0, _LATITUDES[0], 180.0, _LATITUDES[1])
        (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
        across = np.cos(np.radians((south + north) / 2))
        high = max(1.15 * (north - south), 1.15 * (east - west) * across / 1.9, _LEAST)
        middle, wide = (west + east) / 2, (1.4 if high > _LEAST else 2.0) * high / across
        half = max(1.15 * (east - west), wide) / 2
        centre = np.clip((south + north) / 2, high / 2 - 89, 89 - high / 2)
        return cls(middle - half, centre - high / 2, middle + half, centre + high / 2)

    @property
    def whole(self) -> bool:
        """Whether it is the world."""
        return self.east - self.west >= 360

    def plane(self, degrees: Points) -> Points:
        """Equal-area coordinates: Equal Earth of the world, else those of a cylinder that is true in the middle."""
        lon, lat = np.radians(degrees[:, 0]), np.radians(degrees[:, 1])
        if not self.whole:
            true = np.cos(np.radians((self.south + self.north) / 2))
            return np.stack([lon * true, np.sin(lat) / true], axis=1)
        # Savric, Patterson, Jenny (2018), doi:10.1080/13658816.2018.1504949, equations 1 to 3.
        a, t = (1.340264, -0.081106, 0.000893, 0.003796), np.arcsin(np.sqrt(3) / 2 * np.sin(lat))
        slope = a[0] + 3 * a[1] * t**2 + t**6 * (7 * a[2] + 9 * a[3] * t**2)
        x = 2 * np.sqrt(3) * lon * np.cos(t) / (3 * slope)
        return np.stack([x, t * (a[0] + a[1] * t**2 + t**6 * (a[2] + a[3] * t**2))], axis=1)

    def frame(self) -> Points:
        """Its edge: (n, 2) of degrees."""
        east, north = np.linspace(self.west, self.east, 100), np.linspace(self.south, self.north, 100)
        edges = [
            np.stack([east, np.full(100, self.south)], axis=1), np.stack([np.full(100, self.east), north], axis=1),
            np.stack([east[::-1], np.full(100, self.north)], axis=1),
            np.stack([np.full(100, self.west), north[::-1]], axis=1),
        ]  # fmt: skip
        return np.concatenate(edges)


def sample_map(title: str, subtitle: str, places: Mapping[str, Points]) -> bytes:
    """A PNG of the places of samples by split, degrees; over 6 degrees of latitude at least, or of all the world.

    The same places give the same bytes.
    """
    view = _View.of(np.concatenate([np.empty((0, 2)), *places.values()]))
    edge = view.plane(view.frame())
    low, size = edge.min(axis=0), np.ptp(edge, axis=0)
    scale = _WIDTH * _FINER / size[0]
    height = round(size[1] * scale)

    def pixels(degrees: Points) -> Points:
        at = (view.plane(degrees) - low) * scale
        return np.stack([at[:, 0], height - at[:, 1]], axis=1)

    picture = Image.new("RGB", (_WIDTH * _FINER, height), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.polygon(_flat(pixels(view.frame())), fill=_SEA)
    for line in _graticule(view):
        draw.line(_flat(pixels(line)), fill=_GRID, width=_FINER)
    for shell, holes in _land(view, scale):
        draw.polygon(_flat(pixels(shell)), fill=_LAND, outline=_BORDER)
        for hole in holes:
            draw.polygon(_flat(pixels(hole)), fill=_SEA, outline=_BORDER)
    shown = np.asarray(picture).copy()
    _dots(shown, {split: pixels(points) for split, points in places.items()})
    small = Image.fromarray(shown).resize((_WIDTH, height // _FINER), Image.Resampling.LANCZOS)
    return _titled(small, title, subtitle, {split: len(points) for split, points in places.items()})


def _land(view: _View, scale: float) -> Iterable[tuple[Points, list[Points]]]:
    """Polygons of the countries within the view, no finer than can be seen: outlines and their holes."""
    shapes = np.asarray(world().geometry.array)
    finest = np.degrees(_FINER / scale) / 2
    for turn in (-360, 0, 360):  # beyond 180 degrees the map goes on
        if turn - 180 >= view.east or turn + 180 <= view.west:
            continue
        moved = shapes if not turn else shapely.transform(shapes, lambda at, turn=turn: at + np.array([turn, 0]))
        shown = shapely.clip_by_rect(moved, view.west, view.south, view.east, view.north)
        for polygon in shapely.get_parts(shapely.simplify(shown, finest)):
            if isinstance(polygon, shapely.Polygon) and not polygon.is_empty:
                yield (
                    shapely.get_coordinates(polygon.exterior),
                    [shapely.get_coordinates(hole) for hole in polygon.interiors],
                )


def _graticule(view: _View) -> Iterable[Points]:
    step = next(step for step in (30, 10, 5, 2) if step <= max((view.north - view.south) / 3, 2))
    along = np.linspace(0, 1, 90)
    for lon in np.arange(np.ceil(view.west / step) * step, view.east, step):
        yield np.stack([np.full(90, lon), view.south + along * (view.north - view.south)], axis=1)
    for lat in np.arange(np.ceil(view.south / step) * step, view.north, step):
        yield np.stack([view.west + along * (view.east - view.west), np.full(90, lat)], axis=1)


def _dots(picture: NDArray[np.uint8], places: Mapping[str, Points]) -> None:
    """Paint a disc a place, the smaller the more there are; a light rim keeps few and large ones apart."""
    count = sum(len(points) for points in places.values())
    radius = int(np.clip(240 / np.sqrt(count + 1), 1, 7))
    for split, points in places.items():
        middle = points.round().astype(int)
        rims = ((radius + _FINER, PAPER),) if radius > 3 else ()
        for reach, colour in (*rims, (radius, SPLIT_COLOURS.get(split, _INK))):
            for down in range(-reach, reach + 1):
                for right in range(-reach, reach + 1):
                    if right**2 + down**2 <= reach**2 + 1:
                        x = (middle[:, 0] + right).clip(0, picture.shape[1] - 1)
                        y = (middle[:, 1] + down).clip(0, picture.shape[0] - 1)
                        picture[y, x] = colour


def _titled(picture: Image.Image, title: str, subtitle: str, counts: Mapping[str, int]) -> bytes:
    """The picture between a title and the key of its colours, as PNG."""
    sheet = Image.new("RGB", (picture.width + 32, picture.height + 112), PAPER)
    sheet.paste(picture, (16, 66))
    draw = ImageDraw.Draw(sheet)
    draw.text((16, 10), title, _INK, font=ImageFont.load_default(22))
    draw.text((16, 40), subtitle, _FAINT, font=ImageFont.load_default(14))
    x, y, font = 16, picture.height + 82, ImageFont.load_default(14)
    for split, count in counts.items():
        draw.ellipse((x, y + 2, x + 12, y + 14), fill=SPLIT_COLOURS.get(split, _INK))
        text = f"{split}  {count:,}"
        draw.text((x + 20, y), text, _INK, font=font)
        x += 52 + round(draw.textlength(text, font=font))
    file = io.BytesIO()
    sheet.quantize(palette=_palette(), dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _palette() -> Image.Image:
    """The colours of the map and what lies between them and the ground: a quarter of the bytes of all colours."""
    grounds = np.array([PAPER, _LAND, _SEA], float)
    inks = np.array([*SPLIT_COLOURS.values(), _INK, _FAINT, _BORDER, _GRID], float)
    shares = np.linspace(0, 1, 12)[:, None, None, None]
    colours = np.unique(
        (inks * shares + grounds[:, None] * (1 - shares)).round().astype(np.uint8).reshape(-1, 3), axis=0
    )
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.ravel().tolist())
    return palette


def _flat(points: Points) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]
