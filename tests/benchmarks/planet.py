"""A synthetic catalogue of a year of the planet, with the numbers and shapes of the real ones."""

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from tasks.places.patches import utm_epsg
from tasks.places.regions import load_region

DAY = 86_400_000_000
YEAR = 2019
TILE = 109_800
"""Side of a Sentinel-2 tile in metres."""


def write_planet(path: Path, *, seed: int = 0, share: float = 1.0) -> dict[str, int]:
    """Write a GeoParquet table of Sentinel-2 and Sentinel-1 items; `share` of the land, for a smaller one.

    Tiles of about 110 km on a 100 km lattice over land, each acquired every 5 days by a swath that cuts about a third
    of them, twice as often where swaths overlap; Sentinel-1 frames of 250 x 170 km every 6 days. Returns the numbers.
    """
    rng = np.random.default_rng(seed)
    s2, s1 = _sentinel2(rng, share), _sentinel1(rng, share)
    table = pd.concat([s2, s1], ignore_index=True)
    frame = geopandas.GeoDataFrame(table.drop(columns="geometry"), geometry=table["geometry"].to_numpy(), crs=4326)
    frame.to_parquet(path, compression="zstd")
    return {"sentinel-2-l2a": len(s2), "sentinel-1-grd": len(s1)}


def _sentinel2(rng: np.random.Generator, share: float) -> pd.DataFrame:
    lon, lat = _land_centres(100_000, rng, share)
    tile = np.arange(len(lon))
    # Swaths of 290 km, ten days a satellite and two satellites: each tile belongs to one or two relative orbits.
    orbits = np.repeat(tile, rng.choice([1, 2], len(tile), p=[0.6, 0.4]))
    phase = rng.uniform(0, 5, len(orbits))
    cut = rng.uniform(-0.9, 1.6, len(orbits))  # where the swath's edge crosses the tile, beyond 1: it does not
    visits = 73
    which = np.repeat(np.arange(len(orbits)), visits)
    day = phase[which] + 5 * np.tile(np.arange(visits), len(orbits))
    time = _instant(day)
    shape = _cut_tile(lon[orbits], lat[orbits], np.maximum(cut, -0.5))[which]
    stamp = pd.to_datetime(time, unit="us").strftime("%Y%m%dT%H%M%S").to_numpy()
    number = orbits[which]
    name = pd.Series(stamp).radd("S2A_MSIL2A_") + "_N0212_R" + pd.Series(which % 143 + 1).astype(str).str.zfill(3)
    mgrs = pd.Series(number % 60 + 1).astype(str).str.zfill(2) + pd.Series(number).map(_letters)
    return pd.DataFrame(
        {
            "id": name + "_T" + mgrs + "_" + stamp,
            "collection": "sentinel-2-l2a",
            "datetime": pd.to_datetime(time, unit="us", utc=True),
            "proj:epsg": utm_epsg(lon, lat)[number],
            "s2:mgrs_tile": mgrs,
            "s2:processing_baseline": "02.12",
            "eo:cloud_cover": rng.uniform(0, 100, len(which)).round(1),
            "geometry": shape,
        }
    )


def _sentinel1(rng: np.random.Generator, share: float) -> pd.DataFrame:
    lon, lat = _land_centres(185_000, rng, share)
    visits = 61
    which = np.repeat(np.arange(len(lon)), visits)
    day = rng.uniform(0, 6, len(lon))[which] + 6 * np.tile(np.arange(visits), len(lon))
    time = _instant(day)
    stamp = pd.to_datetime(time, unit="us").strftime("%Y%m%dT%H%M%S").to_numpy()
    return pd.DataFrame(
        {
            "id": "S1A_IW_GRDH_1SDV_" + pd.Series(stamp) + "_" + pd.Series(which).astype(str).str.zfill(6),
            "collection": "sentinel-1-grd",
            "datetime": pd.to_datetime(time, unit="us", utc=True),
            "sar:instrument_mode": "IW",
            "sar:polarizations": [["VV", "VH"]] * len(which),
            "sat:relative_orbit": which % 175 + 1,
            "sat:orbit_state": np.where(which % 2, "ascending", "descending"),
            "geometry": _frame(lon, lat, 250_000, 170_000, np.radians(12))[which],
        }
    )  # fmt: skip


def _land_centres(
    spacing: float, rng: np.random.Generator, share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of a lattice of `spacing` metres whose surroundings touch land."""
    lats = np.arange(-56, 83, spacing / 111_000)
    found: list[NDArray[np.float64]] = []
    for lat in lats:
        lons = np.arange(-180, 180, spacing / (111_320 * np.cos(np.radians(lat))))
        found.append(np.stack([lons, np.full(len(lons), lat)]))
    lon, lat = np.concatenate(found, axis=1)
    land = load_region("land")
    near = np.zeros(len(lon), bool)
    for dx in (-0.45, 0, 0.45):
        for dy in (-0.45, 0, 0.45):
            reach = spacing / 111_000
            near |= land.contains(np.clip(lon + dx * reach / np.cos(np.radians(lat)), -180, 180), lat + dy * reach)
    near &= (np.abs(lon) < 178) & (rng.uniform(size=len(lon)) < share)
    return lon[near], lat[near]


def _cut_tile(lon: NDArray[np.float64], lat: NDArray[np.float64], cut: NDArray[np.float64]) -> NDArray[np.object_]:
    """Squares of a tile's size, their eastern part cut off along a slanted line at `cut` half-widths."""
    half_x, half_y = TILE / 2 / 111_320 / np.cos(np.radians(lat)), TILE / 2 / 111_000 * np.ones_like(lat)
    top, bottom = np.clip(cut + 0.1, -0.8, 1), np.clip(cut - 0.1, -0.8, 1)
    x = (
        np.stack([-np.ones_like(lon), bottom, top, -np.ones_like(lon), -np.ones_like(lon)], 1) * half_x[:, None]
        + lon[:, None]
    )
    y = np.array([-1, -1, 1, 1, -1]) * half_y[:, None] + lat[:, None]
    return shapely.polygons(np.stack([x, y], -1))  # fmt: skip


def _frame(
    lon: NDArray[np.float64], lat: NDArray[np.float64], width: float, height: float, turn: float
) -> NDArray[np.object_]:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * [width / 2, height / 2]
    turned = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    x = turned[:, 0] / 111_320 / np.cos(np.radians(lat))[:, None] + lon[:, None]
    return shapely.polygons(np.stack([x, turned[:, 1] / 111_000 + lat[:, None]], -1))


def _instant(day: NDArray[np.float64]) -> NDArray[np.int64]:
    start = np.datetime64(f"{YEAR}-01-01", "us").astype(np.int64)
    return start + (day * DAY).astype(np.int64) // 1_000_000 * 1_000_000


def _letters(number: int) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return letters[number // 576 % 24] + letters[number // 24 % 24] + letters[number % 24]
