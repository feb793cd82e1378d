"""The Level-1C twin of a Level-2A scene, from which B10 comes."""

import numpy as np
import shapely

from tasks.imagery.stac.twins import twins_of
from tasks.scenes.scenes import Sentinel2Scenes

WEST, EAST = shapely.box(9, 47, 9.5, 48), shapely.box(9.5, 47, 10, 48)
TILE = shapely.box(9, 47, 10, 48)


def scenes(*parts: tuple[str, shapely.Geometry, str]) -> Sentinel2Scenes:
    """Scenes of one datatake and tile: (id, footprint, baseline)."""
    count = len(parts)
    footprint = np.empty(count, dtype=object)
    footprint[:] = [part[1] for part in parts]
    return Sentinel2Scenes(
        id=np.array([part[0] for part in parts], dtype=object),
        time=np.zeros(count, np.int64),
        footprint=footprint,
        orbit=np.zeros(count, np.int64),
        epsg=np.full(count, 32632),
        tile=np.array(["32TMS"] * count, dtype=object),
        datatake=np.array(["S2A 20180503T104021"] * count, dtype=object),
        baseline=np.array([part[2] for part in parts], dtype=object),
        processed=np.zeros(count, np.int64),
        cloud_cover=np.zeros(count),
    )


def test_each_part_of_a_split_tile_has_its_own_twin() -> None:
    found = twins_of(
        scenes(("west", WEST, "02.06"), ("east", EAST, "02.06")),
        scenes(("EAST", EAST, "02.06"), ("WEST", WEST, "02.06")),
    )
    assert found == {0: 1, 1: 0}


def test_a_part_whose_twin_is_not_there_has_none() -> None:
    assert twins_of(scenes(("west", WEST, "02.06"), ("east", EAST, "02.06")), scenes(("WEST", WEST, "02.06"))) == {0: 0}


def test_the_newest_twin_that_covers_the_scene_is_taken() -> None:
    found = twins_of(
        scenes(("whole", TILE, "02.06")),
        scenes(("old", TILE, "02.06"), ("new", TILE, "05.00"), ("part", WEST, "05.10")),
    )
    assert found == {0: 1}


def test_footprints_rounded_differently_are_the_same_ground() -> None:
    assert twins_of(scenes(("whole", TILE, "02.06")), scenes(("twin", TILE.buffer(-0.0005), "02.06"))) == {0: 0}
