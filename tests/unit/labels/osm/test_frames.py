"""Frames: which one a patch is laid in."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tasks.labels.osm.layer import open_osm
from tests.unit.labels.osm.world import EPSG, NORTH, MadeExtract, degrees, ingest, places_of, spec_over


@pytest.mark.parametrize("apart", [55, 60])
def test_a_place_near_another_has_the_same_pixels_in_one_shard_with_it_and_in_another(
    tmp_path: Path, apart: float
) -> None:
    points = [shapely.Point(degrees(0, 0)), shapely.Point(degrees(0, apart))]
    gpd.GeoDataFrame(geometry=points, crs=4326).to_file(tmp_path / "near.gpkg")
    draws = places_of(spec_over(tmp_path, places={"points": str(tmp_path / "near.gpkg")})).draws(0)
    second = draws.alternatives  # of the first place as many patches, one a grid
    north = draws.patches[second].ymax - NORTH
    assert draws.patches[second].epsg == EPSG
    made = MadeExtract()
    made.way([(-3_000, north + 8), (3_000, north + 8)], aeroway="runway")  # 30 m: its band reaches in by 7 m
    path = made.write(tmp_path / "made.osm.pbf")
    lines: list[np.ndarray] = []
    for shard_size in (1, 2):
        spec = spec_over(
            tmp_path,
            places={"points": str(tmp_path / "near.gpkg")},
            shard_size=shard_size,
            destinations=[str(tmp_path / f"corpus-{shard_size}")],
        )
        ingest(spec, path)
        places = places_of(spec)
        layer = open_osm(spec, places)
        found = [
            layer.render(places.draws(shard).patches, shard)["labels/osm_line"] for shard in range(places.shards(2))
        ]
        lines.append(np.concatenate(found))
    assert np.array_equal(lines[0], lines[1])
    assert lines[0][second, 0].any(), "the runway beyond the second place's northern border"
