"""Which places lie outside of the extracts, at the antimeridian too."""

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from tasks.labels.osm.coverage import outside
from tests.unit.labels.osm.world import places_of, spec_over

WORLD = shapely.box(-180, -85, 180, 85)


@pytest.mark.parametrize(
    ("area", "lacking"),
    [
        (WORLD, 0),
        (shapely.union(shapely.box(170, -20, 180, 0), shapely.box(-180, -20, -170, 0)), 1),
        (shapely.box(-179.5, -85, 179.5, 85), 1),
        (shapely.difference(WORLD, shapely.box(9.9, 49.9, 10.1, 50.1)), 1),
        (shapely.box(-180, -85, 9.9, 85), 2),
    ],
)
def test_places_within_an_area_that_reaches_the_antimeridian(
    tmp_path: Path, area: shapely.Geometry, lacking: int
) -> None:
    points = [shapely.Point(180, -17), shapely.Point(10, 50)]
    gpd.GeoDataFrame(geometry=points, crs=4326).to_file(tmp_path / "two.gpkg")
    places = places_of(spec_over(tmp_path, places={"points": str(tmp_path / "two.gpkg")}))
    assert outside(places, range(places.shards(2)), area) == lacking
