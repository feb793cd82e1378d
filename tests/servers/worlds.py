"""Invented catalogues: a year of acquisitions over given patches, named as ESA names products."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from tasks.places.draws import Draws
from tasks.places.patches import Patches, patches_around
from tests.servers.earthone import SENTINEL1, SENTINEL2, Scene

START = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)

PLACES = {
    "north": (9.05, 48.52),
    "south": (21.4, -33.1),
    "just south of the equator": (33.2, -0.004),
    "west of a zone border": (11.995, 45.3),
    "east of a zone border": (12.005, 45.3),
    "norway": (4.0, 60.5),
    "west of the antimeridian": (179.95, -17.5),
    "across the antimeridian": (179.999, -16.5),
    "east of the antimeridian": (-179.93, -18.2),
}
"""(longitude, latitude) where grids go wrong."""


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """The truth of a scene, for rules written out in tests."""

    id: str
    time: int
    """Microseconds since 1970 UTC."""
    footprint: Any
    place: int
    datatake: str = ""
    tile: str = ""
    newness: tuple[str, int] = ("", 0)
    cloud: float = 0.0


def patches_at(lonlats: list[tuple[float, float]], pixels: int = 32) -> Patches:
    """Patches around points."""
    lon, lat = np.array(lonlats).T
    return patches_around(lon, lat, pixels)


def draws_at(lonlats: list[tuple[float, float]], pixels: int = 32, *, days: list[float] | None = None) -> Draws:
    """Draws around points, with preferred instants so many days after START."""
    days = days or [40.0 + 11.3 * n % 280 for n in range(len(lonlats))]
    return Draws(
        cell=np.arange(len(lonlats)),
        preferred=np.array([micros(START + dt.timedelta(days=d)) for d in days]),
        patches=patches_at(lonlats, pixels),
    )


def world_over(
    draws: Draws, *, days: int = 365, named: bool = True
) -> tuple[list[Scene], list[Acquisition], list[Acquisition]]:
    """Scenes over each patch, every five and every six days: as the server holds them, and as they are.

    Of every third Sentinel-2 acquisition there is a reprocessing, every seventh covers only half of the patch, every
    fifth Sentinel-1 product is in EW mode. Without `named`, the catalogue has no ESA names but the platform's own.
    """
    scenes: list[Scene] = []
    s2: list[Acquisition] = []
    s1: list[Acquisition] = []
    for place, outline in enumerate(draws.patches.outlines()):
        epsg = int(draws.patches.epsg[place])
        tile = f"{epsg % 100:02d}{'U' if epsg < 32700 else 'G'}{'ABCDEFGHJKLMNPQRSTUV'[place % 20]}A"
        west, south, east, north = outline.bounds
        whole = shapely.box(west - 0.5, south - 0.5, east + 0.5, north + 0.5)
        half = shapely.box(west - 0.5, south - 0.5, (west + east) / 2, north + 0.5)
        for n, day in enumerate(np.arange(place % 5, days, 5)):
            start = START + dt.timedelta(days=float(day), hours=10, seconds=7 * place + n)
            footprint = half if n % 7 == 3 else whole
            for baseline in ("02.07", "05.00") if n % 3 == 0 else ("02.07",):
                made = start + dt.timedelta(days=1 if baseline == "02.07" else 900)
                name = (
                    f"S2A_MSIL1C_{start:%Y%m%dT%H%M%S}_N{baseline.replace('.', '')}_R{1 + n % 143:03d}_T{tile}"
                    f"_{made:%Y%m%dT%H%M%S}"
                )
                own = f"meta_{start:%Y-%m-%d}_{tile}_99_S2A_v{1 if baseline == '02.07' else 2}"
                cloud = (place * 13 + n * 7) % 100 / 100
                attributes = {"provider_id": name if named else None, "cloud_fraction": cloud, "satellite_id": "S2A"}
                one = Scene(
                    id=f"{SENTINEL2}:{own}", product=SENTINEL2, acquired=_iso(start), footprint=_on_the_wire(footprint),
                    epsg=epsg, attributes=attributes,
                )  # fmt: skip
                scenes.append(one)
                s2.append(
                    Acquisition(
                        id=one.id, time=micros(start), footprint=footprint, place=place, tile=tile, cloud=100 * cloud,
                        datatake=f"S2A {start:%Y%m%dT%H%M%S}", newness=(baseline, micros(made)),
                    )
                )  # fmt: skip
        for n, day in enumerate(np.arange(place % 6, days, 6)):
            start = START + dt.timedelta(days=float(day), hours=17, seconds=11 * place + n)
            stop, mode = start + dt.timedelta(seconds=25), "EW" if n % 5 == 4 else "IW"
            orbit = 25_000 + 88 * n + place
            name = (
                f"S1A_{mode}_GRD{'M' if mode == 'EW' else 'H'}_1SDV_{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}"
                f"_{orbit:06d}_{orbit:06X}_{n:04X}"
            )
            extra = {"mode": mode, "pass": "DESCENDING", "relative_orbit": str((orbit - 73) % 175 + 1)}
            one = Scene(
                id=f"{SENTINEL1}:meta_{start:%Y-%m-%d}_{place}_S1A_v1", product=SENTINEL1, acquired=_iso(start),
                footprint=_on_the_wire(whole),
                attributes={"provider_id": name if named else None, "extra_properties": extra},
            )  # fmt: skip
            scenes.append(one)
            if mode == "IW":
                s1.append(Acquisition(id=one.id, time=micros(start), footprint=whole, place=place, datatake=name))
    return scenes, s2, s1


def micros(instant: dt.datetime) -> int:
    """Microseconds since 1970 UTC."""
    return round(instant.timestamp() * 1e6)


def _iso(instant: dt.datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _on_the_wire(footprint: Any) -> Any:
    """Cut at 180 degrees, as RFC 7946 has it."""
    parts = [
        shapely.affinity.translate(shapely.intersection(footprint, shapely.box(west, -90, west + 360, 90)), shift)
        for west, shift in ((-540, 360), (-180, 0), (180, -360))
    ]
    whole = [part for part in parts if part.area > 0]
    return whole[0] if len(whole) == 1 else shapely.MultiPolygon(whole)
