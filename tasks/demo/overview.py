"""One picture of the archive: imagery and labels of the same ground side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.windows
import shapely
from affine import Affine
from PIL import Image, ImageDraw, ImageFont
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from tasks.demo.corine import COLOURS
from tasks.demo.items import GRD, L2A
from tasks.demo.landscape import COUNTRY_NAME, Landscape
from tasks.demo.scenes import OPTICAL, RADAR
from tasks.demo.square import EPSG

PANEL = 560
"""Pixels on a side of each of the eight pictures."""

CLOSE_UP = 5_600.0
"""Metres on a side of the lower row: the full resolution of 10 m."""

_SCENE, _RADAR = OPTICAL[1], RADAR[1]
_GAP, _HEAD, _LABEL = 8, 44, 22
_INK, _PAPER = (30, 30, 30), (250, 250, 248)

_FILLS: tuple[tuple[str, str, tuple[int, int, int]], ...] = (
    ("landuse", "farmland", (238, 240, 213)),
    ("landuse", "meadow", (205, 235, 176)),
    ("landuse", "orchard", (174, 223, 163)),
    ("landuse", "vineyard", (190, 225, 160)),
    ("landuse", "forest", (173, 209, 158)),
    ("natural", "wood", (157, 202, 138)),
    ("natural", "scrub", (200, 215, 171)),
    ("natural", "heath", (214, 217, 159)),
    ("natural", "wetland", (180, 208, 209)),
    ("natural", "beach", (255, 241, 186)),
    ("natural", "water", (170, 211, 223)),
    ("landuse", "residential", (224, 223, 223)),
    ("landuse", "industrial", (235, 219, 232)),
    ("landuse", "quarry", (197, 195, 195)),
    ("leisure", "park", (200, 250, 204)),
)
_BUILDING = (196, 176, 164)
_LINES: dict[str, tuple[tuple[int, int, int], float]] = {
    "motorway": ((222, 96, 125), 3),
    "primary": ((240, 170, 100), 2),
    "secondary": ((225, 200, 90), 2),
    "tertiary": ((150, 150, 140), 1),
    "unclassified": ((170, 170, 165), 1),
    "residential": ((250, 250, 250), 1),
    "track": ((170, 135, 80), 1),
}

Picture = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]


def write_overview(folder: Path, landscape: Landscape) -> None:
    """Write `overview.png` from the archive's rasters and the landscape: above the country, below a close-up."""
    whole = landscape.square.bounds
    x, y = _middle(landscape)
    half = min(CLOSE_UP, landscape.square.size / 2) / 2
    close = (x - half, y - half, x + half, y + half)
    width, height = 4 * PANEL + 5 * _GAP, 2 * (PANEL + _LABEL) + 3 * _GAP + _HEAD
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    title = f"{COUNTRY_NAME}: an INVENTED country in the open Atlantic. No satellite saw this; made by DeepSentinel."
    draw.text((_GAP, 8), title, _INK, font=ImageFont.load_default(22))
    for row, (box, where) in enumerate(((whole, "all"), (close, f"{2 * half / 1000:.1f} km"))):
        optical = folder / L2A / _SCENE.product("L2A")
        panels = (
            (f"Sentinel-2, true colour, {_SCENE.time:%Y-%m-%d}", _optical(optical, box)),
            (f"Sentinel-1, VV VH VV-VH, {_RADAR.time:%Y-%m-%d}", _radar(folder / GRD / _RADAR.product, box)),
            ("CORINE Land Cover", _corine(folder / "labels" / "corine.tif", box)),
            ("OpenStreetMap", _map(landscape, box)),
        )
        for column, (text, pixels) in enumerate(panels):
            left = _GAP + column * (PANEL + _GAP)
            top = _HEAD + row * (PANEL + _LABEL + _GAP)
            picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
            sheet.paste(picture, (left, top))
            draw.text((left, top + PANEL + 3), f"{text} ({where}, invented)", _INK, font=ImageFont.load_default(14))
    sheet.save(folder / "overview.png")


def _middle(landscape: Landscape) -> tuple[float, float]:
    """The place of the close-up: the edge of the largest town, where most kinds of ground meet."""
    inside = landscape.square.outline.buffer(-CLOSE_UP / 2)
    for feature in landscape.features:
        place = feature.geometry
        if isinstance(place, shapely.Point) and feature.tags.get("place") == "city" and inside.contains(place):
            return place.x + 900, place.y + 600
    return landscape.square.outline.centroid.x, landscape.square.outline.centroid.y


def _read(path: Path, box: Box) -> npt.NDArray[np.float32]:
    with rasterio.open(path) as raster:
        window = rasterio.windows.from_bounds(*box, transform=raster.transform)
        shape = (PANEL, PANEL)
        return raster.read(1, window=window, out_shape=shape, resampling=Resampling.average, boundless=False).astype(
            np.float32
        )


def _optical(scene: Path, box: Box) -> Picture:
    rgb = np.stack([_read(scene / f"{band}.tif", box) for band in ("B04", "B03", "B02")], -1)
    reflectance = (rgb - (1000 if _SCENE.has_offset else 0)) / 10_000
    return (255 * np.clip((reflectance - 0.01) / 0.21, 0, 1) ** 0.75).astype(np.uint8)


def _radar(scene: Path, box: Box) -> Picture:
    vv, vh = (np.nan_to_num(_read(scene / f"{name}.tif", box), nan=-40) for name in ("vv", "vh"))
    scaled = ((vv + 20) / 18, (vh + 27) / 18, (vv - vh - 1) / 12)
    return (255 * np.clip(np.stack(scaled, -1), 0, 1) * (vv > -35)[..., None]).astype(np.uint8)


def _corine(path: Path, box: Box) -> Picture:
    step = (box[2] - box[0]) / PANEL
    transform = Affine(step, 0, box[0], 0, -step, box[3])
    with (
        rasterio.open(path) as raster,
        WarpedVRT(raster, crs=EPSG, transform=transform, width=PANEL, height=PANEL) as warped,
    ):
        codes = warped.read(1)
    colours = np.full((256, 3), 255, np.uint8)
    for code, colour in COLOURS.items():
        colours[code] = colour
    return colours[codes]


def _map(landscape: Landscape, box: Box) -> Image.Image:
    """Draw the mapped features twice as large as needed and shrink them, for smooth lines."""
    size = 2 * PANEL
    scale = size / (box[2] - box[0])
    image = Image.new("RGB", (size, size), _FILLS[10][2])
    draw = ImageDraw.Draw(image)
    close = scale > 0.1
    window = shapely.box(*box)

    def pixels(ring: shapely.LineString) -> list[tuple[float, float]]:
        xy = (np.asarray(ring.coords) - (box[0], box[3])) * (scale, -scale)
        return [(float(x), float(y)) for x, y in xy]

    fills = {(key, value): colour for key, value, colour in _FILLS}
    for part in landscape.country.geoms:
        draw.polygon(pixels(part.exterior), fill=(246, 244, 238))
    seen = [f for f in landscape.features if f.tags and f.geometry.intersects(window)]
    for feature in seen:
        geometry, tags = feature.geometry, feature.tags
        if isinstance(geometry, shapely.Polygon):
            colour = _BUILDING if "building" in tags else next((fills[t] for t in tags.items() if t in fills), None)
            if colour is None:
                continue
            edge = tuple(int(0.9 * value) for value in colour) if close else None
            draw.polygon(pixels(geometry.exterior), fill=colour, outline=edge)
            for ring in geometry.interiors:
                draw.polygon(pixels(ring), fill=(246, 244, 238))
        elif isinstance(geometry, shapely.LineString):
            if not close and tags.get("highway") in ("track", "residential"):
                continue
            colour, wide = _line_style(tags)
            draw.line(pixels(geometry), fill=colour, width=max(2, round(wide * (3 if close else 1.5))))
        elif close:
            x, y = pixels(shapely.LineString([geometry, geometry]))[0]
            colour = (90, 150, 80) if tags.get("natural") == "tree" else (60, 60, 60)
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
    return image.resize((PANEL, PANEL), Image.Resampling.LANCZOS)


def _line_style(tags: Mapping[str, str]) -> tuple[tuple[int, int, int], float]:
    if "highway" in tags:
        return _LINES[tags["highway"]]
    if "waterway" in tags:
        return (140, 190, 215), 1
    if "railway" in tags:
        return (70, 70, 70), 1.5
    if "power" in tags:
        return (120, 120, 150), 1
    return (140, 190, 120), 1
