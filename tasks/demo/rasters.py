"""Pixels of one band of one scene, and how rasters are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

from tasks.demo.land_cover import SCENE_CLASSES, SPECTRA, Cover
from tasks.demo.noise import FIELD_RESOLUTION, enlarge, fractal, stream
from tasks.demo.scenes import Edge, OpticalScene, RadarScene
from tasks.demo.spectra import (
    BANDS,
    DB_STEP,
    QUANTUM,
    backscatter_table,
    reflectance_table,
    top_of_atmosphere,
)
from tasks.demo.square import Square
from tasks.demo.surface import LEVELS, Surface, covers_at

DESCRIPTION = "INVENTED data of an invented country, made by the demo archive of DeepSentinel; no satellite saw this"

_FINE, _COARSE = ("B02", "B03", "B04", "B08"), ("B01", "B09", "B10")
BAND_RESOLUTION = {band: 10 if band in _FINE else 60 if band in _COARSE else 20 for band in BANDS}
"""Metres."""

BAND_LEVEL = {band: "L1C" if band == "B10" else "L2A" for band in BANDS}
"""Which level holds a band where Level 1C is not there as a whole."""

OFFSET = 1000
"""Added to all pixels since processing baseline 04.00, ESA, in operation since 2022-01-25."""

_ROWS = 600  # a strip of 10 m pixels; a multiple of 6, so that strips end with 60 m pixels
_GRAIN = 128  # rows after which speckle repeats
_CLOUD_LEVELS = 12
_LOOKS = 4.4  # equivalent number of looks of Sentinel-1 IW GRDH, as its product specification gives it

Pixels = npt.NDArray[np.uint16]
Clouds = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def valid_rows(square: Square, transform: Affine, edges: tuple[Edge, ...], rows: slice, width: int) -> np.ndarray:
    """(rows, width) whether a pixel lies wholly inside the swath; a metre inside, so that rounded outlines hold it."""
    x = transform.c + transform.a * (np.arange(width) + 0.5)
    y = transform.f + transform.e * (np.arange(rows.start, rows.stop) + 0.5)
    valid = np.ones((len(y), width), bool)
    for edge in edges:
        east, north, limit = edge.half_plane(square)
        reach = (abs(east) + abs(north)) * transform.a / 2 + 1.0
        valid &= east * x[None, :] + north * y[:, None] <= limit - reach
    return valid


def make_clouds(surface: Surface, scene: OpticalScene, seed: int) -> Clouds | None:
    """Cloud and shadow of a scene, each (height, width) at 10 m, opacity in 0..`_CLOUD_LEVELS`."""
    if not scene.cloudiness:
        return None
    frame = scene.frame(surface.square)
    start = (surface.square.size - frame.size) // 2 // FIELD_RESOLUTION
    within = slice(start, start + frame.width(FIELD_RESOLUTION))
    field = fractal(stream(seed, "clouds", scene.datatake[:26]), surface.square, 7_000, 6, 0.6)[within, within]
    if frame != surface.square:
        field = field / field.std()  # few clouds are as small as a small frame, and its edges no softer
    field -= np.quantile(field, 1 - scene.cloudiness)
    opacity = enlarge(np.clip(field, -0.2, 1).astype(np.float32), frame.width(10))
    cloud = np.clip(np.rint(opacity * 1.3 * _CLOUD_LEVELS), 0, _CLOUD_LEVELS).astype(np.uint8)
    # The sun stands in the south-east, so shadows fall to the north-west of clouds some 1,500 m high.
    shadow = np.zeros_like(cloud)
    away = min(90, frame.width(10) // 8)
    shadow[:-away, :-away] = cloud[away:, away:]
    return cloud, shadow


def cloud_cover(square: Square, scene: OpticalScene, clouds: Clouds | None) -> float:
    """Percent of a scene's valid pixels whose cloud is at least half opaque."""
    if clouds is None:
        return 0.0
    frame = scene.frame(square)
    valid = valid_rows(square, frame.transform(10), scene.edges, slice(0, frame.width(10)), frame.width(10))
    return round(100 * float(np.mean(clouds[0][valid] >= _CLOUD_LEVELS // 2)), 2)


def optical_band(
    surface: Surface, scene: OpticalScene, band: str, clouds: Clouds | None, seed: int, level: str = "L2A"
) -> Pixels:
    """One band at its own resolution, (height, width) uint16, 0 outside the swath; coarse pixels are means.

    B10 is of Level 1C, whatever `level` says.
    """
    square, frame, resolution = surface.square, scene.frame(surface.square), BAND_RESOLUTION[band]
    part = surface.part(frame)
    column, factor = BANDS.index(band), resolution // 10
    table = reflectance_table(part.units, band, scene.day, seed)
    white = SPECTRA["cloud"][column]
    if level == "L1C" and band != "B10":
        table, white = top_of_atmosphere(table, band), int(top_of_atmosphere(np.array(white), band))
    if scene.haze:
        table = (table * (1 - scene.haze) + white * scene.haze * 0.5).astype(np.uint16)
    quantum = 2 if band == "B10" else QUANTUM
    offset = OFFSET if (scene.offset_in_product if "L1C" in (level, BAND_LEVEL[band]) else scene.has_offset) else 0
    width, transform = frame.width(resolution), frame.transform(resolution)
    out = np.empty((width, width), np.uint16)
    for start in range(0, frame.width(10), _ROWS):
        rows = slice(start, min(start + _ROWS, frame.width(10)))
        values = table.take(part.index[rows])
        if clouds is not None:
            values = _under_clouds(values, clouds[0][rows], clouds[1][rows], white)
        coarse = slice(rows.start // factor, rows.stop // factor)
        if factor > 1:
            values = _mean(values, factor)
        if factor > 1 or scene.haze or clouds is not None:
            values = (values + quantum // 2) // quantum * quantum
        values = np.maximum(values, quantum) + np.uint16(offset)
        if scene.edges:
            values *= valid_rows(square, transform, scene.edges, coarse, width)
        out[coarse] = values
    return out


def scene_classes(surface: Surface, scene: OpticalScene, clouds: Clouds | None) -> npt.NDArray[np.uint8]:
    """The scene classification of Level 2A at 20 m, (height, width), in its classes: 3 shadow, 4 vegetation, 5 bare,
    6 water, 8 and 9 cloud, 0 outside the swath. Cloud is where half of the light is a cloud's."""
    square, frame = surface.square, scene.frame(surface.square)
    width = frame.width(20)
    classes = np.array([SCENE_CLASSES[cover] for cover in Cover], np.uint8)[covers_at(surface.part(frame), 2)]
    if clouds is not None:
        cloud, shadow = (_mean(part, 2) / _CLOUD_LEVELS for part in clouds)
        classes[shadow >= 0.5] = 3
        classes[cloud >= 0.5] = 8
        classes[cloud >= 0.8] = 9
    classes[~valid_rows(square, frame.transform(20), scene.edges, slice(0, width), width)] = 0
    return classes


def radar_band(surface: Surface, scene: RadarScene, polarisation: int, seed: int) -> npt.NDArray[np.float32]:
    """One polarisation in dB, (height, width) float32, NaN outside the swath."""
    square, step = surface.square, scene.spacing // 10
    part = surface.part(scene.frame(square))
    table = backscatter_table(part.units, polarisation, scene.day, scene.wind, scene.wetness)
    index = part.index[::step, ::step]
    height, width = index.shape
    rng = stream(seed, "speckle", scene.product, str(polarisation))
    power = rng.gamma(_LOOKS, 1 / _LOOKS, 4096)
    speckle = (np.rint(10 * np.log10(power) / DB_STEP) * DB_STEP).astype(np.float32)
    # The resolution of IW GRDH is 20 m x 22 m at a spacing of 10 m: two pixels share their speckle. It repeats
    # every 1,280 m to the south, a little aside, which nobody sees and which halves the files.
    grain = speckle.take(rng.integers(0, 4096, (_GRAIN // 2, -(-width // 2)), dtype=np.uint16))
    grain = grain.repeat(2, 0).repeat(2, 1)
    transform = radar_transform(square, scene)
    out = np.empty((height, width), np.float32)
    for start in range(0, height, _GRAIN):
        rows = slice(start, min(start + _GRAIN, height))
        grain = np.roll(grain, 2 * int(rng.integers(-40, 40)), 1)
        part = grain[: rows.stop - start, :width] + table.take(index[rows] // LEVELS)
        if scene.edges:
            part[~valid_rows(square, transform, scene.edges, rows, width)] = np.nan
        out[rows] = part
    return out


def radar_transform(square: Square, scene: RadarScene) -> Affine:
    """Pixel (column, row) to metres in EPSG:32629."""
    frame = scene.frame(square)
    return Affine(scene.spacing, 0, frame.left + scene.shift, 0, -scene.spacing, frame.top - scene.shift)


def write_raster(
    path: Path,
    pixels: np.ndarray,
    transform: Affine,
    crs: str,
    nodata: float,
    tags: Mapping[str, str] | None = None,
    colours: Mapping[int, tuple[int, int, int]] | None = None,
) -> None:
    """Write (height, width) as a cloud-optimised GeoTIFF that says it is invented; no clock gets into the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    floating = np.issubdtype(pixels.dtype, np.floating)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=pixels.shape[0],
        width=pixels.shape[1],
        count=1,
        dtype=pixels.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
        compress="ZSTD",
        level=6,
        predictor="FLOATING_POINT" if floating else "NO",
        blocksize=512,
        overview_resampling="NEAREST",
        overviews="NONE",
        num_threads=1,
    ) as raster:
        raster.write(pixels, 1)
        raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=DESCRIPTION, **(tags or {}))
        if colours:
            raster.write_colormap(1, {code: (*rgb, 255) for code, rgb in colours.items()})


def _under_clouds(values: Pixels, cloud: np.ndarray, shadow: np.ndarray, white: int) -> Pixels:
    dark = values.astype(np.float32) * (1 - 0.5 / _CLOUD_LEVELS * shadow)
    return (dark + (white - dark) * (cloud * np.float32(1 / _CLOUD_LEVELS))).astype(np.uint16)


def _mean(values: npt.NDArray[Any], factor: int) -> Pixels:
    total = np.zeros((values.shape[0] // factor, values.shape[1] // factor), np.uint32)
    for down in range(factor):
        for right in range(factor):
            total += values[down::factor, right::factor]
    return (total // factor**2).astype(np.uint16)
