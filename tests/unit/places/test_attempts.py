"""Later attempts at a cell: a shard in a small region draws again where it could not use the first place."""

from pathlib import Path

import geopandas
import numpy as np
import shapely

from tasks.places.draws import RandomPlaces, draw_region
from tasks.places.regions import load_region


def region_of(tmp_path: Path, pixels: int = 250) -> RandomPlaces:
    geopandas.GeoDataFrame(geometry=[shapely.box(9, 47, 9.4, 47.3)], crs=4326).to_file(tmp_path / "box.gpkg")
    return draw_region(load_region(tmp_path / "box.gpkg"), pixels=pixels, seed=5, window=(0, 10**12), shard_size=2)


def test_an_attempt_has_the_shard_s_own_cells_other_places_and_other_instants(tmp_path: Path) -> None:
    places = region_of(tmp_path)
    first, second = places.draws(1), places.draws(1, attempt=1)

    assert set(second.cell) <= set(first.cell)
    same = np.isin(first.cell, second.cell)
    assert (first.patches.xmin[same] != second.patches.xmin).any()
    assert (first.preferred[same] != second.preferred).all()


def test_every_attempt_stays_in_the_region(tmp_path: Path) -> None:
    places = region_of(tmp_path)
    for attempt in range(places.attempts):
        for shard in range(places.capacity):
            lon, lat = places.draws(shard, attempt).patches.centres()
            # Snapping to 10 m may move a centre over the border.
            assert places.strata[0].region.contains(lon, lat).mean() >= 0.95


def test_patches_of_any_attempts_never_overlap(tmp_path: Path) -> None:
    places = region_of(tmp_path)
    every = [
        (shard, outline)
        for shard in range(places.capacity)
        for outline in places.draws(shard, attempt=shard % places.attempts).patches.outlines()
    ]
    tree = shapely.STRtree([outline for _, outline in every])
    left, right = tree.query([outline for _, outline in every], predicate="intersects")

    assert (left == right).all()
