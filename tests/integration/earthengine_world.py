"""Draws, a world over them, and what is expected of both, for the tests of the Earth Engine platform."""

import datetime as dt
from typing import Any

import numpy as np
import shapely

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.places.draws import Draws
from tasks.places.patches import Patch, patches_around
from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Candidates, Nearby, Sentinel1Scenes, Sentinel2Scenes
from tests.servers.world import GRD, L1C, L2A, PROBABILITY, SCORE, Scene, World, world_over

FIRST = dt.date(2019, 4, 1)
DAYS = 120

START = int(dt.datetime(2019, 4, 1, tzinfo=dt.UTC).timestamp() * 1_000_000)

RULE = Rule(
    window=(START, START + DAYS * DAY),
    roles={"s2": Role(near=None, reach=30 * DAY, cloud_cover=(0.0, 80.0)), "s1": Role(near="s2", reach=3 * DAY)},
)

PLACES = {
    "germany": (10.3, 50.1),
    "south": (-58.2, -23.4),
    "zone border west": (11.9995, 46.2),
    "zone border east": (12.0005, 46.2),
    "equator": (27.4, -0.004),
    "norway": (5.2, 60.1),
    "antimeridian west": (179.99, -16.6),
    "antimeridian east": (-179.99, -16.6),
}
"""Longitude and latitude in degrees."""


def draws_at(lon: Any, lat: Any, *, pixels: int = 64, seed: int = 1) -> Draws:
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    instants = np.random.default_rng(seed).integers(*RULE.window, size=len(lon))
    return Draws(
        cell=np.arange(len(lon)), preferred=instants.astype(np.int64), patches=patches_around(lon, lat, pixels)
    )


def draws_everywhere(count: int, *, pixels: int = 64) -> Draws:
    """`count` draws, scattered around each of the places."""
    rng = np.random.default_rng(5)
    where = np.array(list(PLACES.values()))[np.arange(count) % len(PLACES)]
    spread = rng.uniform(-0.6, 0.6, (count, 2)) * (np.arange(count) >= len(PLACES))[:, None]
    lon, lat = (where + spread).T
    return draws_at((lon + 180) % 360 - 180, lat, pixels=pixels)


def world_of(draws: Draws) -> World:
    lon, lat = draws.patches.centres()
    return world_over(lon, lat, draws.patches.epsg, first=FIRST, days=DAYS)


def every_scene(world: World, draws: Draws) -> Candidates:
    """Everything the world holds, for every draw: what `pair` says of it is the reference."""
    s2, s1 = world.collection(L2A), world.collection(GRD)
    s1 = [
        scene
        for scene in s1
        if scene.get("instrumentMode") == "IW" and {"VV", "VH"} <= set(scene.get("transmitterReceiverPolarisation"))
    ]
    tiles = [scene.get("MGRS_TILE") for scene in s2]
    datatakes = [scene.get("DATATAKE_IDENTIFIER") for scene in s2]
    s2_draw, s2_scene = np.divmod(np.arange(len(draws) * len(s2)), len(s2))
    s1_draw, s1_scene = np.divmod(np.arange(len(draws) * len(s1)), len(s1))
    optical = Sentinel2Scenes(
        id=column([scene.id for scene in s2]),
        time=np.array([scene.time * 1000 for scene in s2]),
        footprint=column([_both_ways(scene.outline) for scene in s2]),
        orbit=np.array([scene.get("SENSING_ORBIT_NUMBER") for scene in s2]),
        epsg=np.array([scene.epsg for scene in s2]),
        tile=column(tiles),
        datatake=column([text[1:4] + " " + text[5:20] for text in datatakes]),
        baseline=column([scene.get("PROCESSING_BASELINE") for scene in s2]),
        processed=np.array([scene.get("GENERATION_TIME") * 1000 for scene in s2]),
        cloud_cover=np.array([scene.get("CLOUDY_PIXEL_PERCENTAGE") for scene in s2]),
    )
    radar = Sentinel1Scenes(
        id=column([scene.id for scene in s1]),
        time=np.array([scene.time * 1000 for scene in s1]),
        footprint=column([_both_ways(scene.outline) for scene in s1]),
        orbit=np.array([scene.get("relativeOrbitNumber_start") for scene in s1]),
        product=column([scene.index for scene in s1]),
        direction=column([scene.get("orbitProperties_pass").lower() for scene in s1]),
    )
    return {
        "s2": Nearby(scenes=optical, draw=s2_draw, scene=s2_scene),
        "s1": Nearby(scenes=radar, draw=s1_draw, scene=s1_scene),
    }


def expected_pixels(world: World, patch: Patch, s2_id: str, s1_id: str) -> tuple[Any, Any]:
    """What a sample must hold, from the world itself: (13, h, w) and (2, h, w)."""
    x, y = _middles(patch)
    optical, radar = world.by_id[s2_id], world.by_id[s1_id]
    twin = world.by_id.get(s2_id.replace(L2A, L1C))
    if twin is None:  # of the other processings of the same pass the newest
        others = [scene for scene in world.collection(L1C) if acquisition(scene) == acquisition(optical)]
        twin = max(others, key=lambda scene: scene.get("PROCESSING_BASELINE"), default=None)
    assert optical.epsg == patch.epsg
    s2 = np.zeros((len(BANDS), *patch.shape), np.uint16)
    for index, band in enumerate(BANDS):
        scene: Scene | None = twin if band == "B10" else optical
        if scene:
            s2[index] = np.where(x < scene.masked_west_of, 0, scene.values(band.replace("B0", "B"), x, y))
    assert radar.epsg == patch.epsg
    s1 = np.stack([radar.values(name, x, y) for name in POLARIZATIONS]).astype(np.float32)
    s1[:, x < radar.masked_west_of] = np.nan
    return s2, s1


def expected_l1c(world: World, patch: Patch, id: str) -> Any:
    """All bands of an L1C image, (13, h, w)."""
    x, y = _middles(patch)
    return np.stack([world.by_id[id].values(band.replace("B0", "B"), x, y) for band in BANDS]).astype(np.uint16)


def expected_mask(world: World, patch: Patch, l1c: str, masks: str = SCORE) -> Any:
    """Percent of cloud of an L1C image, (h, w); 255 where there is no mask of it."""
    scene = world.by_id.get(l1c.replace(L1C, masks))
    if scene is None:
        return np.full(patch.shape, 255, np.uint8)
    percent = scene.values("probability" if masks == PROBABILITY else "cs_cdf", *_middles(patch))
    return np.round(percent if masks == PROBABILITY else 100 - 100 * percent).astype(np.uint8)


def _middles(patch: Patch) -> tuple[Any, Any]:
    """Of pixels, metres."""
    columns, rows = np.meshgrid(np.arange(patch.pixels), np.arange(patch.pixels))
    return patch.xmin + 10 * columns + 5, patch.ymax - 10 * rows - 5


def acquisition(scene: Scene) -> tuple[str, str]:
    """What all processings of one pass over one tile share."""
    return scene.get("MGRS_TILE"), scene.get("DATATAKE_IDENTIFIER")[:20]


def _both_ways(outline: Any) -> Any:
    """A footprint across the antimeridian, on from 180 and on from -180 degrees."""
    if outline.bounds[2] <= 180:
        return outline
    return shapely.MultiPolygon([outline, shapely.transform(outline, lambda points: points - [360, 0])])


def column(values: list[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
